"""The command that draws the figures: ``python -m otanalysis.figures`` and ``otanalysis figures``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from otanalysis.cli import options
from otanalysis.errors import InputError
from otanalysis.figures.registry import FIGURES, VERDICTS


def figures(
    more_dumps: Annotated[list[Path] | None, typer.Argument(hidden=True)] = None,
    only: Annotated[str, typer.Option(help="Which figures, separated by commas.")] = ",".join(
        (*FIGURES, VERDICTS)
    ),
    dumps: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DUMP...", help="Dumps of one model, one per benchmark (default: the bundled models)."
        ),
    ] = None,
    accuracy: Annotated[
        Path | None, typer.Option(metavar="TABLE", help="Accuracy table of the same model, CSV or Parquet.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Without --dumps: mini-llava; stamp-llava or stamp-llava-natural, whose measured tables "
            "are drawn into a folder of that name; or all.",
            show_default="all",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the figures.")] = Path("figures"),
    jobs: Annotated[int, typer.Option(help="Processes.")] = 2,
    dask: options.Dask = None,
    distance: Annotated[str, typer.Option(help="w2 or w2_squared.")] = "w2",
    normalise: Annotated[
        str, typer.Option(help="Tokens under the distance: none, columns or rows.")
    ] = "none",
    ratio: Annotated[
        float, typer.Option(help="Share kept in figures of one share: 0.05, 0.098, 0.15 or 0.2.")
    ] = 0.098,
    samples: Annotated[
        int,
        typer.Option(
            help="Images a dump in ladder, scatter, floor, distances and weights: seconds an image. "
            "At least 16 in predictors."
        ),
    ] = 4,
    scenes: Annotated[
        int | None,
        typer.Option(help="Scenes a dump of the bundled model; fewer for a first look.", show_default="64"),
    ] = None,
    results: Annotated[
        Path, typer.Option(help="Folder of the sweep, which goes on where it stopped.")
    ] = Path("results"),
    wait: options.Wait = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Draw Figures 2 to 5 and those that --only names, and judge the paper's claims.

    What is missing for them is measured first.
    """
    # matplotlib loads only now, so that --help and mistyped options answer at once.
    from otanalysis.figures import run
    from otanalysis.figures.bundled import ALL, draw_models
    from otanalysis.studies.cluster import on_cluster

    chosen = [*(dumps or []), *(more_dumps or [])]
    if chosen and model is not None:
        raise InputError("--model names a model that comes with the package: leave it out with --dumps.")
    names = [part.strip() for part in only.split(",")]
    how: dict[str, Any] = {
        "accuracy": accuracy,
        "out": out,
        "jobs": jobs,
        "distance": distance,
        "normalise": normalise,
        "ratio": ratio,
        "samples": samples,
        "scenes": scenes,
        "results": results,
        "progress": not quiet,
        "wait": wait,
    }
    with on_cluster(dask):
        written = run(names, chosen, **how) if chosen else draw_models(model or ALL, names, **how)
    for path in written:
        if path.suffix != ".csv":
            typer.echo(path)
