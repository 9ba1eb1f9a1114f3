"""Whether the exact solve of one gamma helps that of the next, between whose kept sets some tokens move.

Run ``python benchmarks/warm_starts.py --help``. POT's network simplex on one thread, from nothing and from
the potentials of the set before (``potentials_init``). Both must find the same distance.
"""

from __future__ import annotations

import statistics
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from common import Record, device_name, print_rows, timed, write_results
from methods import draw
from products import GAMMAS

SIZES = ((576, 56), (576, 115), (2880, 282))
AGREES = 1e-9
"""Relative difference between the distances of two ways; more is an error."""


def in_the_places_of(before: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return the kept tokens [k] in an order in which those that were kept before have their old places."""
    places = before.copy()
    places[~np.isin(before, kept)] = np.setdiff1d(kept, before)
    return places


def measure(m: int, keep: int, features: int) -> Record:
    """Return milliseconds of both ways, medians over neighbouring gammas, and how many tokens moved."""
    import ot

    from otanalysis import Image, select, wasserstein2

    image = Image(draw(m, features).astype(np.float32))
    scale = float(image.squared_distances.max())
    masses = np.full(m, 1.0 / m), np.full(keep, 1.0 / keep)
    solve = partial(ot.emd2, *masses, numItermax=10**8)
    kept = select(image, "otprune", keep=keep, gamma=GAMMAS[0]).indices
    moved, seconds = [], []
    for gamma in GAMMAS[1:]:
        u, v = (potential / scale for potential in wasserstein2(image, kept).potentials)
        before, kept = kept, in_the_places_of(kept, select(image, "otprune", keep=keep, gamma=gamma).indices)
        cost = np.ascontiguousarray(image.squared_distances[:, kept]) / scale
        new = kept != before
        v[new] = (cost[:, new] - u[:, None]).min(axis=0)
        cold, cold_seconds = timed(partial(solve, cost), "cpu")
        warm, warm_seconds = timed(partial(solve, cost, potentials_init=(u, v)), "cpu")
        if not np.isclose(cold, warm, rtol=AGREES, atol=0.0):
            raise RuntimeError(f"gamma={gamma}: {cold!r} from nothing, {warm!r} from potentials.")
        moved.append(int(new.sum()))
        seconds.append((cold_seconds, warm_seconds))
    cold, warm = (1e3 * statistics.median(way) for way in zip(*seconds, strict=True))
    return {
        "tokens": m,
        "kept": keep,
        "moved": statistics.median(moved),
        "from nothing, ms": cold,
        "from potentials, ms": warm,
    }


def main(
    features: Annotated[int, typer.Option(min=1, help="Features of the tokens.")] = 4096,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("results/benchmarks"),
) -> None:
    """Measure exact solves between neighbouring gammas from nothing and from each other, one thread."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        rows = [measure(m, keep, features) for m, keep in SIZES]
    print_rows(f"From one gamma to the next, one thread, {device_name('cpu')}", rows)
    write_results(out / "warm_starts.json", rows, {"gammas": GAMMAS, "features": features})


if __name__ == "__main__":
    typer.run(main)
