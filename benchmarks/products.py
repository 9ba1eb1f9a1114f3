"""What a selection, a grid and a sweep of gammas cost against the products that they can't do without.

Run ``python benchmarks/products.py --help``, or ``make bench``. Everything is a ratio of two ways that run in
turn in this process on one thread, so that machines can be compared; the naive way is that of ``naive.py``.
The limits are the project's, set before anything was measured against them.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import naive
import numpy as np
import typer
from common import Record, device_name, timed, write_results
from methods import draw

RATIOS = (0.05, 0.098, 0.15, 0.2)
GAMMAS = tuple(float(gamma) for gamma in np.geomspace(1e-3, 1.0, 11))
AGREES = 1e-9
"""Relative difference of a value from that of the naive way; more is an error."""


Pair = tuple[float, float]
"""Seconds of our way and of the other, measured in turn."""


@dataclass(frozen=True)
class Row:
    """One line of the table: what is measured over what, and the limit of their ratio."""

    name: str
    over: str
    limit: float
    measure: Callable[[], Pair]
    speed: bool = False

    @property
    def target(self) -> str:
        """Say the limit in words."""
        return f"at {'least' if self.speed else 'most'} {self.limit:g}"

    def ratio(self, pair: Pair) -> float:
        """Return how many times as long as the other way ours takes, or as fast as it ours is."""
        ours, others = pair
        return others / ours if self.speed else ours / others

    def passes(self, ratio: float) -> bool:
        """Tell whether a ratio is within the limit."""
        return ratio >= self.limit if self.speed else ratio <= self.limit


def over_gram(work: Callable[[], object], tokens: np.ndarray) -> Pair:
    """Return the seconds of a piece of work, and of one float32 Gram product of the tokens."""
    gram = timed(lambda: tokens @ tokens.T, "cpu")[1]
    return timed(work, "cpu")[1], gram


def choose(tokens: np.ndarray, method: str, keep: int) -> object:
    """Select once, nothing known of the tokens before."""
    from otanalysis import select

    return select(tokens, method, keep=keep)


Cells = dict[tuple[str, float, int], Record]
"""What was measured, by method, gamma and number of tokens kept."""


def our_cells(tokens: np.ndarray, runs: list[tuple[str, float]], keeps: list[int]) -> tuple[Cells, float]:
    """Return the cells as a sweep measures them, and the seconds of the exact solves among them."""
    from otanalysis import Image, Ladder, select_many, wasserstein2

    image = Image(tokens)
    ladder, chosen = Ladder(image), {}
    for method, gamma in runs:
        for keep, selection in select_many(image, method, keeps, gamma=gamma).items():
            chosen[method, gamma, keep] = selection.indices
    cells = {
        cell: ladder.distances(kept) | {"logdet": ladder.released.value(kept, 0.01)}
        for cell, kept in chosen.items()
    }
    distinct = {kept.tobytes(): kept for kept in chosen.values()}  # a set that was measured is not again
    return cells, timed(lambda: [wasserstein2(image, kept) for kept in distinct.values()], "cpu")[1]


def naive_cells(tokens: np.ndarray, runs: list[tuple[str, float]], keeps: list[int]) -> tuple[Cells, float]:
    """Return the cells as a script measures them, and the seconds of the exact solves among them."""
    wide, solves = tokens.astype(np.float64), naive.Solves()
    cells = {}
    for method, gamma in runs:
        for keep in keeps:
            how = {"gamma": gamma} if method == "otprune" else {}
            kept = naive.METHODS[method](wide, keep, **how)
            cells[method, gamma, keep] = naive.measure(wide, kept, solves)
    return cells, solves.seconds


def over_naive(tokens: np.ndarray, runs: list[tuple[str, float]], *, solves: bool) -> Pair:
    """Return the seconds of the grid as made here and by the script, with the exact solves or without."""
    keeps = [round(ratio * len(tokens)) for ratio in RATIOS]
    (theirs, their_solves), their_seconds = timed(partial(naive_cells, tokens, runs, keeps), "cpu")
    (ours, our_solves), our_seconds = timed(partial(our_cells, tokens, runs, keeps), "cpu")
    check_agreement(theirs, ours)
    our_seconds -= our_solves  # they ran once more to be timed
    if solves:
        return our_seconds, their_seconds
    return our_seconds - our_solves, their_seconds - their_solves


def check_agreement(theirs: Cells, ours: Cells) -> None:
    """Raise an error unless both ways found the same numbers; what is drawn by chance has its own draws."""
    for cell, values in theirs.items():
        for name, value in values.items():
            if cell[0] != "random" and not np.isclose(value, ours[cell][name], rtol=AGREES, atol=0.0):
                raise RuntimeError(f"{name} of {cell}: {value!r} naively, {ours[cell][name]!r} here.")


def rows_of(small: np.ndarray, large: np.ndarray, narrow: np.ndarray) -> list[Row]:
    """Return the lines of the table for 576 and 2,880 tokens of 4,096 features, and 2,880 of 1,024."""
    grid = [(method, 0.01) for method in naive.METHODS]
    gammas = [("otprune", gamma) for gamma in GAMMAS]
    gram, script = "float32 Gram product", "naive script"

    def product(name: str, tokens: np.ndarray, method: str, keep: int, limit: float) -> Row:
        work = partial(choose, tokens, method, keep)
        return Row(name, gram, limit, partial(over_gram, work, small if tokens is small else large))

    def speed(name: str, runs: list[tuple[str, float]], limit: float, *, solves: bool) -> Row:
        return Row(name, script, limit, partial(over_naive, small, runs, solves=solves), speed=True)

    return [
        product("otprune, 56 of 576", small, "otprune", 56, 1.8),
        product("otprune, 282 of 2,880", large, "otprune", 282, 3.0),
        product("divprune, 56 of 576", small, "divprune", 56, 1.8),
        product("dpp, 56 of 576", small, "dpp", 56, 1.8),
        speed("grid of one image", grid, 4.0, solves=True),
        speed("grid but the exact solves", grid, 8.0, solves=False),
        speed("eleven gammas, four shares", gammas, 6.0, solves=True),
        speed("gammas but the exact solves", gammas, 12.0, solves=False),
        # Half of what they took is wanted, 1.1 and 1.7 s, where the product of 2,880 x 4,096 took 0.37 s.
        product("kmedoids, 282 of 2,880 x 1,024", narrow, "kmedoids", 282, 1.5),
        product("ot-medoids, 282 of 2,880 x 1,024", narrow, "ot-medoids", 282, 2.3),
    ]


def measured(row: Row, repeats: int, rounds: int) -> Record:
    """Return the median seconds and ratio of every round, and whether all are within the limit."""
    row.measure()  # loads libraries
    pairs = [[row.measure() for _ in range(repeats)] for _ in range(rounds)]
    ratios = [statistics.median(map(row.ratio, one_round)) for one_round in pairs]
    verdicts = [row.passes(ratio) for ratio in ratios]
    return {
        "name": row.name,
        "over": row.over,
        "target": row.target,
        "ratios": ratios,
        "seconds": [statistics.median(ours for ours, _ in one_round) for one_round in pairs],
        "seconds_of_other": [statistics.median(other for _, other in one_round) for one_round in pairs],
        "passed": all(verdicts),
        "steady": len(set(verdicts)) == 1,
    }


def show(rows: list[Record], title: str) -> None:
    """Print the ratios of every round with their target and a pass mark."""
    from rich.console import Console
    from rich.table import Column, Table

    table = Table("what", "over", "to reach", Column("measured", justify="right"), "", title=title)
    for row in rows:
        mark = "passed" if row["passed"] else "missed" if row["steady"] else "unsteady"
        table.add_row(
            row["name"],
            row["over"],
            row["target"],
            ", ".join(f"{ratio:.2f}" for ratio in row["ratios"]),
            mark,
        )
    Console().print(table)


def main(
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each in a round; their median counts.")] = 3,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds, to see whether verdicts are steady.")] = 2,
    only: Annotated[str, typer.Option(help="Rows whose name has this in it.")] = "",
    out: Annotated[Path, typer.Option(help="File for the results.")] = Path("benchmarks/results.json"),
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Measure selections, grids and sweeps of gammas against products and a naive script, one thread."""
    from threadpoolctl import threadpool_limits

    from otanalysis.progress import progress_bar, reported

    with reported(), threadpool_limits(1), progress_bar("ratios", "rows", shown=not quiet) as bar:
        narrow = draw(2880, 1024).astype(np.float32)
        table = rows_of(draw(576, 4096).astype(np.float32), draw(2880, 4096).astype(np.float32), narrow)
        rows = [
            measured(row, repeats, rounds) for row in bar.track([row for row in table if only in row.name])
        ]
    show(rows, f"One thread, {device_name('cpu')}")
    write_results(out, rows, {"device": device_name("cpu"), "repeats": repeats, "rounds": rounds})


if __name__ == "__main__":
    typer.run(main)
