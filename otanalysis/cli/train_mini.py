"""``otanalysis train-mini``: the bundled model again, from its seed; needs the extra ``vlm``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from otanalysis.cli import options
from otanalysis.errors import MissingDependencyError
from otanalysis.locks import held


def train_mini(
    out: Annotated[Path, typer.Option(help="Folder for the model.")] = Path("data/mini-llava"),
    work: Annotated[Path, typer.Option(help="Folder for checkpoints and the curve.")] = Path("data/training"),
    seed: options.SeedOfAll = 0,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 2,
    device: Annotated[str, typer.Option(help="Where torch computes: cpu, cuda.")] = "cpu",
    wait: options.Wait = False,
) -> None:
    """Train the bundled model from its seed: about an hour on two CPU cores.

    Every finished stage is kept in the work folder, by seed; stopped, the same command goes on with the next
    one.
    """
    try:
        from otanalysis.mini.training.export import export
        from otanalysis.mini.training.train import train, training_folder
    except ImportError as error:
        raise MissingDependencyError(
            f"Training needs torch and transformers ({error.name} is not installed): "
            "pip install 'otanalysis[vlm]'."
        ) from error
    with held(out, "training a model", wait=wait):
        model = train(work, seed=seed, threads=threads, device=device, wait=wait)
        export(model, training_folder(work, seed), out, seed=seed)
    typer.echo(out)
