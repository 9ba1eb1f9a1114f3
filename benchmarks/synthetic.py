"""How many subsets a minute the synthetic table measures, by each route to a nuclear norm.

Run ``python benchmarks/synthetic.py --help``. For every size of Table 2, microseconds a subset on one core:
drawing it, its nuclear norm as the study takes it, by the eigenvalues of the block one by one, and by the
singular values of its rows; then subsets a minute on ``--cores`` cores, drawing included. The singular values
say how far off the norms are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from common import Record, timed, write_results
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

Array = NDArray[np.float64]

ROUTES = ("draw", "study", "eigenvalues", "singular values")


def rows_of(law: str, m: int, d: int, keep: int) -> Array:
    """Return the rows whose subsets have the objective of equation 4 as nuclear norms."""
    from otanalysis.studies.table2 import LAWS

    tokens = LAWS[law].draw(np.random.default_rng(0), m, d)
    left, singular, _ = np.linalg.svd(tokens, full_matrices=False)
    return np.asarray(left * singular**2 / np.sqrt(m * keep))


def by_eigenvalues(rows: Array, subsets: NDArray[np.int64]) -> Array:
    """Return nuclear norms by the eigenvalues of every block."""
    gram = rows @ rows.T
    values = np.linalg.eigvalsh(gram[subsets[:, :, None], subsets[:, None, :]])
    return np.asarray(np.sqrt(np.maximum(values, 0.0)).sum(axis=1))


def by_singular_values(rows: Array, subsets: NDArray[np.int64]) -> Array:
    """Return nuclear norms by the singular values of every subset."""
    return np.asarray(np.linalg.svd(rows[subsets], compute_uv=False).sum(axis=1))


def measure(law: str, m: int, d: int, keep: int, count: int, repeats: int, cores: int) -> Record:
    """Return microseconds a subset, the shortest of the repeats, and subsets a minute."""
    from otanalysis.studies.table2 import NuclearNorms, random_subsets

    rows = rows_of(law, m, d, keep)
    norms, few = NuclearNorms(rows), max(1, count // 16)
    seconds: dict[str, list[float]] = {name: [] for name in ROUTES}
    for repeat in range(repeats):
        generator = np.random.default_rng(repeat)
        subsets, draw = timed(lambda: random_subsets(generator, m, keep, count), "cpu")  # noqa: B023
        found, study = timed(lambda: norms.of(subsets), "cpu")  # noqa: B023
        _, plain = timed(lambda: by_eigenvalues(rows, subsets[:few]), "cpu")  # noqa: B023
        exact, slow = timed(lambda: by_singular_values(rows, subsets[:few]), "cpu")  # noqa: B023
        for name, taken, of in zip(ROUTES, (draw, study, plain, slow), (count, count, few, few), strict=True):
            seconds[name].append(taken / of)
    best = {name: min(taken) for name, taken in seconds.items()}
    return {
        "law": law,
        "size": f"{m}x{d}x{keep}",
        **{f"{name}_microseconds": 1e6 * taken for name, taken in best.items()},
        "subsets_a_minute": cores * 60.0 / (best["draw"] + best["study"]),
        "relative_error": float(np.abs(found[:few] / exact - 1).max()),
    }


def main(
    law: Annotated[str, typer.Option(help="Of the tokens.")] = "gaussian",
    count: Annotated[int, typer.Option(help="Subsets a measurement.")] = 4096,
    repeats: Annotated[int, typer.Option(help="Measurements; the shortest counts.")] = 5,
    cores: Annotated[int, typer.Option(help="For subsets a minute; measured is on one.")] = 2,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("results/benchmarks"),
) -> None:
    """Measure the sizes of Table 2."""
    from otanalysis.studies.table2 import SIZES

    rows = []
    for size in SIZES:
        with threadpool_limits(limits=1):
            row = measure(law, size.m, size.d, size.keep, count, repeats, cores)
        rows.append(row)
        times = ", ".join(f"{name} {row[f'{name}_microseconds']:.1f}" for name in ROUTES)
        typer.echo(
            f"{row['size']}: microseconds a subset: {times}; {row['subsets_a_minute'] / 1e6:.2f} million a "
            f"minute on {cores} cores, off by at most {row['relative_error']:.0e}"
        )
    settings = {"law": law, "count": count, "repeats": repeats, "cores": cores}
    write_results(out / "synthetic.json", rows, settings)


if __name__ == "__main__":
    typer.run(main)
