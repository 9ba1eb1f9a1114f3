"""How much the certificates leave open, and what they cost: floors of distance and error, greedy's ceiling.

Run ``python benchmarks/floor.py --help``. One thread; seconds are those of the process, whatever else the
machine does. Tokens: the first samples of the bundled dumps, and the families of clouds on which the
selectors are compared with the released code (576 tokens of 128 features).
"""

from __future__ import annotations

import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

# Before NumPy is loaded, which reads them once.
for _pool in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_pool] = "1"

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

DUMPS = "bundled dumps"
M, D = 576, 128
_T = TypeVar("_T")
Record = dict[str, Any]


def clouds(limit: int) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield group, name and tokens [m, d] of every cloud: ``limit`` of each benchmark and family."""
    from otanalysis.mini import write_bundled_dumps
    from otanalysis.tokens import open_dump

    for path in write_bundled_dumps():
        for sample in islice(open_dump(path), limit):
            yield DUMPS, f"{path.name} {sample.id}", sample.tokens
    for family, draw in FAMILIES.items():
        for seed in range(limit):
            yield family, f"seed {seed}", draw(seed)


def gaussian(seed: int) -> np.ndarray:
    """Draw tokens without any structure."""
    import numpy as np

    return np.random.default_rng(seed).standard_normal((M, D))


def anisotropic(seed: int) -> np.ndarray:
    """Draw tokens whose features differ in width, around a common mean."""
    import numpy as np

    generator = np.random.default_rng(seed)
    widths = np.exp(-np.arange(D) / (D / 4))
    return generator.standard_normal((M, D)) * widths + generator.standard_normal(D)


def clustered(seed: int) -> np.ndarray:
    """Draw tokens around eight centres."""
    import numpy as np

    generator = np.random.default_rng(seed)
    centres = 2.0 * generator.standard_normal((8, D))
    labels = generator.integers(0, 8, size=M)
    return centres[labels] + 0.3 * generator.standard_normal((M, D))


FAMILIES: dict[str, Callable[[int], np.ndarray]] = {
    "gaussian": gaussian,
    "anisotropic": anisotropic,
    "clustered": clustered,
}


def measure(tokens: np.ndarray, ratio: float, efforts: tuple[float, ...]) -> Iterator[Record]:
    """Yield the floors at every effort and greedy's ceiling: the share left open, and the seconds."""
    from otanalysis.arrays import resolve_keep
    from otanalysis.surrogate import logdet_upper_bound
    from otanalysis.transport import quantisation_floor, wasserstein2_floor

    keep = resolve_keep(len(tokens), ratio=ratio)
    for name, search in (("floor", wasserstein2_floor), ("coverage", quantisation_floor)):
        for effort in efforts:
            floor, seconds = timed(partial(search, tokens, keep, effort=effort))
            yield {
                "certificate": name,
                "effort": effort,
                "open": floor.gap,
                "kind": floor.kind,
                "seconds": seconds,
            }
    ceiling, seconds = timed(partial(logdet_upper_bound, tokens, keep))
    yield {
        "certificate": "ceiling",
        "effort": None,
        "open": 1.0 - ceiling.greedy_ratio,
        "kind": ceiling.kind,
        "seconds": seconds,
    }


def timed(work: Callable[[], _T]) -> tuple[_T, float]:
    """Return a result and the seconds of this process that it took."""
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """Return median and 5 and 95 % quantiles of what is left open, and seconds, a row a setting."""
    groups = rows.groupby(["group", "certificate", "effort", "ratio"], sort=False, dropna=False)
    return groups.agg(
        clouds=("open", "size"),
        open_median=("open", "median"),
        open_5=("open", lambda values: values.quantile(0.05)),
        open_95=("open", lambda values: values.quantile(0.95)),
        seconds_median=("seconds", "median"),
        seconds_95=("seconds", lambda values: values.quantile(0.95)),
    ).reset_index()


def show(summary: pd.DataFrame) -> None:
    """Print the summary, a table for each group of clouds."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for group, own in summary.groupby("group", sort=False):
        table = Table(title=f"{group}: share left open", title_justify="left")
        for heading in ("certificate", "effort", "kept", "n", "median", "5 %", "95 %", "CPU s", "95 %"):
            table.add_column(heading, justify="left" if heading == "certificate" else "right")
        for row in own.to_dict("records"):
            open_share = (f"{100 * row[f'open_{name}']:.2f}%" for name in ("median", "5", "95"))
            seconds = (f"{row[f'seconds_{name}']:.2f}" for name in ("median", "95"))
            effort = "" if math.isnan(row["effort"]) else f"{row['effort']:g}"
            kept, count = f"{100 * row['ratio']:.4g}%", str(row["clouds"])
            table.add_row(str(row["certificate"]), effort, kept, count, *open_share, *seconds)
        console.print(table)


def write(out: Path, rows: pd.DataFrame, summary: pd.DataFrame, settings: Record) -> None:
    """Write both tables as CSV, and beside them how they came about."""
    from otanalysis.files import write_atomic
    from otanalysis.studies import environment

    out.mkdir(parents=True, exist_ok=True)
    about = {
        "command": sys.argv,
        **environment(("otanalysis", "numpy", "scipy", "numba", "POT")),
        "platform": platform.platform(),
        "processor": platform.processor(),
        **settings,
    }
    for name, frame in (("floor.csv", rows), ("floor_summary.csv", summary)):
        write_atomic(out / name, frame.to_csv(index=False, float_format="%.8g").encode())
        print(out / name)
    write_atomic(out / "floor.provenance.json", (json.dumps(about, indent=2) + "\n").encode())


def main(
    limit: Annotated[int, typer.Option(min=1, help="Clouds of each benchmark and family.")] = 8,
    ratios: Annotated[str, typer.Option(help="Shares of the tokens to keep.")] = "0.05,0.098,0.15,0.2",
    effort: Annotated[str, typer.Option(help="Efforts of the search for the floor.")] = "1",
    out: Annotated[Path, typer.Option(help="Folder for the tables.")] = Path("results/benchmarks"),
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Measure how much the floors and the ceiling leave open, and how long they take."""
    from otanalysis.cli import numbers
    from otanalysis.progress import progress_bar, reported

    with reported():
        shares, efforts = numbers(ratios, "--ratios"), numbers(effort, "--effort")
        # The first call loads SciPy's solvers and POT.
        list(measure(gaussian(0)[:20, :3], 0.5, efforts))
        import pandas as pd

        drawn = list(clouds(limit))
        rows = []
        with progress_bar("certificates", "clouds", shown=not quiet) as bar:
            for group, name, tokens in bar.track(drawn):
                place = {"group": group, "cloud": name, "m": len(tokens), "d": tokens.shape[1]}
                for ratio in shares:
                    rows += [place | {"ratio": ratio} | one for one in measure(tokens, ratio, efforts)]
        table = pd.DataFrame(rows)
        summary = summarise(table)
        show(summary)
        write(out, table, summary, {"limit": limit, "ratios": shares, "efforts": efforts})


if __name__ == "__main__":
    typer.run(main)
