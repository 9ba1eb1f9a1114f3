"""``otanalysis check-model``: whether pruning is right on a model, by what it does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from otanalysis.cli import options


def check_model(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Folder of an image-text model, or its name on the Hub.")
    ],
    image: Annotated[
        Path | None,
        typer.Option(help="The picture that it is checked on.", show_default="one that is made up"),
    ] = None,
    revision: options.Revision = None,
    dtype: Annotated[
        str, typer.Option(help="float32 (tells errors from rounding best), bfloat16, float16 or auto.")
    ] = ("float32"),
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, or auto to spread a model.")] = "cpu",
    as_json: options.Json = False,
) -> None:
    """Check on a model itself whether it can be pruned: no list of families is asked.

    Are its visual tokens those that its language model gets (a)? Does keeping all of them change nothing
    (b)? Is dropping some the same as masking them (c), also in batches and with the cache (d)? Is the model
    afterwards what it was (e)? The exit status is 1 where pruning is not known to be right.
    """
    from otanalysis.vlm import check_model as check, load_model
    from otanalysis.vlm.capture.pictures import PictureItem

    picture = None if image is None else PictureItem(str(image), image.read_bytes).read().pixels
    report = check(load_model(model, revision=revision, dtype=dtype, device=device), picture)  # type: ignore[arg-type]
    typer.echo(options.as_json(report.record()) if as_json else str(report))
    if not report.passed:
        raise typer.Exit(1)
