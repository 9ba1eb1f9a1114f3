"""Try everything, print what survived; exit status 1 if anything did not."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from tests.chaos.report import Report
from tests.chaos.run import KINDS, NAMES, chaos


def main(
    only: Annotated[str, typer.Option(help="Kinds of trials.")] = ",".join(KINDS),
    names: Annotated[str, typer.Option(help="Commands.")] = ",".join(NAMES),
    kill: Annotated[int, typer.Option(help="Kills of sweep and of capture.")] = 25,
    flip: Annotated[int, typer.Option(help="Flips of a kind of file.")] = 400,
    seed: Annotated[int, typer.Option(help="Of the flips.")] = 0,
    at_once: Annotated[float, typer.Option(help="Seconds within which Ctrl-C ends a command.")] = 2.0,
) -> None:
    """Try kills, stops, two at once, disks that refuse and flipped bits."""
    report = Report()
    chosen = {"only": tuple(only.split(",")), "names": tuple(names.split(","))}
    try:
        with tempfile.TemporaryDirectory() as folder:
            chaos(Path(folder), report, **chosen, kill=kill, flip=flip, seed=seed, at_once=at_once)
    finally:  # of a run that is stopped, too
        typer.echo(report.text())
    raise SystemExit(bool(report.failures))


if __name__ == "__main__":
    typer.run(main)
