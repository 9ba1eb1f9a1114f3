"""How fast the explorer answers: the seconds from a changed control to the new picture and numbers.

Run ``python benchmarks/explorer.py --help``. Tokens: the first samples of a bundled dump (576 tokens). Each
change is timed where its answer is not known yet: at rest, while the curve of the state before is being
computed by a thread of the kernel, and while its floor is being computed by the other process. It is checked
that the curve was at it when the change began, and the floor from then until the answer was there; what was
not so is measured again. The answer is what the kernel does, from the changed value to the new HTML in the
widgets; the time to bring it to the page and to draw it there is the browser's.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

# Before NumPy is loaded, which reads them once.
for _pool in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_pool] = "1"

if TYPE_CHECKING:
    import pandas as pd

    from otanalysis.explore import Explorer

GOAL = 0.3
PATIENCE, TRIES = 60.0, 20
PAIRS = (("otprune", "ot-medoids"), ("divprune", "kmedoids"), ("dpp", "random"), ("kmedoids", "ot-medoids"))
CHANGES: dict[str, dict[str, Any]] = {
    "share to 6 %": {"ratio": 0.06},
    "share to 19 %": {"ratio": 0.19},
    "share to 39 %": {"ratio": 0.39},
    "gamma": {"gamma": 1.0},
    "kernel's normalisation": {"kernel_normalise": "rows"},
    "distances' normalisation": {"normalise": "columns"},
    "image": {"sample": 1},
    "methods": {"methods": ("ot-medoids", "kmedoids")},
}
Record = dict[str, Any]


def timed(explorer: Explorer, change: Record) -> tuple[float, float]:
    """Return the seconds of this thread, and of the clock, that a change takes."""
    clock, own = time.perf_counter(), time.thread_time()
    explorer.move(**change)
    return time.thread_time() - own, time.perf_counter() - clock


def at_rest(explorer: Explorer) -> Callable[[], bool]:
    """Return when all is shown, with a check that no floor is being computed."""
    explorer.wait()
    return lambda: not is_at_the_floor(explorer)


def in_the_curve(explorer: Explorer) -> Callable[[], bool]:
    """Return when more points of the curves are measured than at first, with whether some were not."""
    from otanalysis.explore import CURVE_RATIOS

    view = explorer.view

    def points() -> int:
        return sum(len(explorer._measured.known_curve(view, name)) for name in view.methods)

    first = points()
    wait_until(lambda: points() > first)
    is_at_it = points() < len(view.methods) * len(CURVE_RATIOS)
    return lambda: is_at_it


def in_the_floor(explorer: Explorer) -> Callable[[], bool]:
    """Return when the other process is at the floor, with a check that it still is."""
    wait_until(lambda: is_at_the_floor(explorer))
    return lambda: is_at_the_floor(explorer)


def is_at_the_floor(explorer: Explorer) -> bool:
    """Say whether the other process is at the floor that the explorer asked for last."""
    from otanalysis.explore import other_process

    return other_process().running(explorer._measured._asked[1])


def wait_until(begun: Callable[[], bool]) -> None:
    """Return when it has begun."""
    end = time.monotonic() + PATIENCE
    while not begun():
        if time.monotonic() > end:
            raise RuntimeError(f"What was to be computed meanwhile did not begin within {PATIENCE:g} s.")
        time.sleep(0.005)


MEANWHILE = {"at rest": at_rest, "curve": in_the_curve, "floor": in_the_floor}


def measure(path: Path, pair: tuple[str, str], sample: int, other: int) -> Iterator[Record]:
    """Yield the seconds of each change from one image and one pair of methods, at rest and busy."""
    from otanalysis.explore import Explorer

    for name, change in CHANGES.items():
        for meanwhile, begin in MEANWHILE.items():
            for _ in range(TRIES):
                explorer = Explorer(path, sample=sample, methods=pair)
                is_at_it = begin(explorer)
                cpu, wall = timed(explorer, {"sample": other} if "sample" in change else change)
                was_at_it = is_at_it()
                explorer.wait()
                if was_at_it:
                    break
            else:
                raise RuntimeError(f"The {meanwhile} was done before the change, {TRIES} times: {name}.")
            yield {
                "change": name,
                "methods": " ".join(pair),
                "meanwhile": meanwhile,
                "cpu": cpu,
                "wall": wall,
            }


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """Return median and largest seconds, a row a change."""
    return rows.groupby(["change", "meanwhile"], sort=False).agg(
        cpu_median=("cpu", "median"),
        cpu_largest=("cpu", "max"),
        wall_median=("wall", "median"),
        wall_largest=("wall", "max"),
        within=("wall", lambda seconds: (seconds < GOAL).mean()),
    )


def show(summary: pd.DataFrame) -> None:
    """Print the summary."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title="The explorer's answer to a change, 576 tokens: median (and most) seconds",
        title_justify="left",
        box=SIMPLE,
    )
    words = ("change", "meanwhile")
    for heading in (*words, "CPU", "clock", f"< {GOAL:g}"):
        table.add_column(heading, justify="left" if heading in words else "right", no_wrap=True)
    for (change, meanwhile), row in summary.iterrows():
        numbers = [f"{row[f'{kind}_median']:.3f} ({row[f'{kind}_largest']:.3f})" for kind in ("cpu", "wall")]
        table.add_row(change, meanwhile, *numbers, f"{100 * row['within']:.0f}%")
    Console().print(table)


def main(
    samples: Annotated[int, typer.Option(help="Images a pair of methods.")] = 1,
    out: Annotated[Path, typer.Option(help="Folder for the table.")] = Path("results/benchmarks"),
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Measure the explorer on the bundled dump with the densest scenes."""
    import pandas as pd

    from otanalysis.explore import Explorer
    from otanalysis.files import write_atomic
    from otanalysis.mini import write_bundled_dumps
    from otanalysis.progress import progress_bar
    from otanalysis.studies import environment

    path = next(one for one in write_bundled_dumps() if one.name == "mosaic-majority")
    Explorer(path).wait()  # loads POT and SciPy's solvers
    begun = [(pair, sample) for pair in PAIRS for sample in range(samples)]
    with progress_bar("explorer", "pairs", shown=not quiet) as bar:
        found = [one for pair, at in bar.track(begun) for one in measure(path, pair, at, samples + at)]
    rows = pd.DataFrame(found)
    show(summarise(rows))
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / "explorer.csv", rows.to_csv(index=False, float_format="%.4f").encode())
    about = environment(("otanalysis", "numpy", "scipy", "POT", "ipywidgets"))
    print(f"{len(rows)} changes in {out / 'explorer.csv'}; {about}", file=sys.stderr)


if __name__ == "__main__":
    typer.run(main)
