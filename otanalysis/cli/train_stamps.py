"""``otanalysis train-stamps``: an adapter of the model of pretrained parts, from the project's own recipe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from otanalysis.cli import options


def train_stamps(
    out: Annotated[Path, typer.Option(help="Folder for the adapter, its curve and its card.")] = Path(
        "models/stamp-adapter"
    ),
    work: Annotated[
        Path, typer.Option(help="Folder for encoded scenes, 11 GB of them, and checkpoints.")
    ] = Path("data/training"),
    stamps: options.StampsFolder = None,
    backgrounds: options.Backgrounds = "smooth",
    hold_out: Annotated[
        bool,
        typer.Option("--hold-out", help="Leave out the photographs that tests with --hold-out show."),
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the adapter, and of the order of the scenes.")] = 0,
    steps: Annotated[
        int | None, typer.Option(help="Steps of training.", show_default="as the bundled one, 3455")
    ] = None,
    device: Annotated[str, typer.Option(help="Where torch computes: cpu, cuda.")] = "cpu",
    wheels: options.Wheels = None,
    jobs: options.Jobs = None,
    wait: options.Wait = False,
) -> None:
    """Train what joins the pretrained parts of stamp-llava, on a GPU: a CPU would take weeks.

    Encoded scenes and every step are kept in the work folder; stopped with Ctrl-C, the same command goes on
    with the next one. assemble --adapter takes what is written.
    """
    from otanalysis.vlm.requirements import require_transformers

    require_transformers()
    from otanalysis.stamps import StampSettings
    from otanalysis.stamps.training.export import train_adapter
    from otanalysis.stamps.training.train import AdapterRecipe

    options.check_seed(seed)
    written = train_adapter(
        out,
        work=work,
        settings=StampSettings(stamps, backgrounds, hold_out=hold_out),
        recipe=AdapterRecipe() if steps is None else replace(AdapterRecipe(), steps=steps),
        seed=seed,
        device=device,
        wheels=wheels,
        jobs=options.processes(jobs),
        wait=wait,
    )
    typer.echo(written)
