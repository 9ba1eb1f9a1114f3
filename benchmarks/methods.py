"""How long every selector takes on one image, nothing known of it before.

Run ``python benchmarks/methods.py --help``. The tokens are noise about a few centres, on the host;
k-medoids and what starts from it take longer or shorter on others.
"""

from __future__ import annotations

import statistics
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from common import Record, device_name, timed, write_results


def draw(tokens: int, width: int) -> np.ndarray:
    """Return the tokens of one image [tokens, width]."""
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((12, width))
    return centres[generator.integers(12, size=tokens)] + generator.standard_normal((tokens, width))


def show(rows: list[Record], title: str) -> None:
    """Print milliseconds of every method."""
    from rich.console import Console
    from rich.table import Column, Table

    table = Table("method", Column("ms", justify="right"), "objective", title=title, title_justify="left")
    for row in rows:
        table.add_row(row["method"], f"{1e3 * row['seconds']:.2f}", row["objective"])
    Console().print(table)


def choose(tokens: np.ndarray, name: str, keep: int) -> None:
    """Select once, with a feature of the tokens for the side information that a method needs."""
    from otanalysis import SELECTORS, Image, select

    side = dict.fromkeys(SELECTORS[name].needs, tokens[:, 0])
    select(Image(tokens, side=side) if side else tokens, name, keep=keep)


def main(
    tokens: Annotated[int, typer.Option(min=1, help="Tokens of the image.")] = 576,
    width: Annotated[int, typer.Option(min=1, help="Features of a token.")] = 1024,
    keep: Annotated[int, typer.Option(min=1, help="Tokens to keep.")] = 56,
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each, of which the median counts.")] = 5,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("results/benchmarks"),
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Time every registered selector on one image, in milliseconds."""
    from otanalysis import SELECTORS
    from otanalysis.progress import progress_bar, reported

    with reported():
        image = draw(tokens, width)
        rows: list[Record] = []
        with progress_bar("selectors", "methods", shown=not quiet) as bar:
            for name, selector in bar.track(list(SELECTORS.items())):
                once = partial(choose, image, name, keep)
                once()  # loads libraries
                seconds = statistics.median(timed(once, "cpu")[1] for _ in range(repeats))
                rows.append({"method": name, "seconds": seconds, "objective": selector.objective})
        show(rows, f"{keep} of {tokens} tokens of {width} features, {device_name('cpu')}")
        settings = {"device": device_name("cpu"), "tokens": tokens, "width": width, "keep": keep}
        write_results(out / "methods.json", rows, settings | {"repeats": repeats})


if __name__ == "__main__":
    typer.run(main)
