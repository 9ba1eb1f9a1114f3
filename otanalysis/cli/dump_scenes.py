"""``otanalysis dump-scenes``: a model's tokens of scenes of stamps, into dumps; needs the extra ``vlm``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from otanalysis.cli import options


def dump_scenes(
    model: Annotated[Path, typer.Option(metavar="MODEL", help="Folder of a Hugging Face model.")],
    stamps: options.StampsFolder = None,
    backgrounds: options.Backgrounds = "smooth",
    object_size: options.ObjectSize = 1.0,
    crowding: options.Crowding = 1.0,
    hold_out: options.HoldOut = False,
    benchmarks: Annotated[str, typer.Option(help="Benchmarks, separated by commas.")] = options.ALL,
    limit: Annotated[int, typer.Option(help="Scenes a benchmark.")] = 64,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the dumps, one a benchmark.", show_default="one in data/dumps"),
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    """Write a model's visual tokens of scenes of stamps into dumps, one a benchmark.

    Each dump also says how much of every patch objects cover. Stopped with Ctrl-C, the same command goes on
    after the last whole file.
    """
    from otanalysis.stamps import StampSettings, write_stamp_dumps

    settings = StampSettings(stamps, backgrounds, object_size, crowding, hold_out)
    wanted = None if benchmarks == options.ALL else options.comma_list(benchmarks, "--benchmarks")
    written = write_stamp_dumps(
        model, out, scenes=limit, settings=settings, benchmarks=wanted, progress=not quiet
    )
    for path in written:
        typer.echo(path)
