"""``otanalysis evaluate``: a model's accuracy on the scenes; needs the extra ``vlm``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from otanalysis.cli import options

if TYPE_CHECKING:
    from otanalysis.vlm.kept_call import Positions


def evaluate(
    model: Annotated[
        Path | None,
        typer.Option(help="Folder of a model trained on the scenes.", show_default="bundled model"),
    ] = None,
    scenes: options.Scenes = "digits",
    stamps: options.StampsFolder = None,
    backgrounds: options.Backgrounds = "smooth",
    object_size: options.ObjectSize = 1.0,
    crowding: options.Crowding = 1.0,
    hold_out: options.HoldOut = False,
    benchmarks: Annotated[str, typer.Option(help="Benchmarks, separated by commas.")] = options.ALL,
    methods: Annotated[
        str,
        typer.Option(
            help="Selection methods, separated by commas, and no-image: no token at all. all: it, and those "
            "whose needs the model meets."
        ),
    ] = options.ALL,
    ratios: options.Ratios = options.PAPER_RATIOS,
    gammas: options.Gammas = "0.0001,0.001,0.005,0.01,0.05,0.1,1,10",
    seeds: options.Seeds = "0,1,2",
    positions: options.Positions = "renumbered",
    questions: Annotated[int, typer.Option(help="Questions a benchmark.")] = 400,
    out: Annotated[
        Path | None,
        typer.Option(help="The table, .csv or .parquet.", show_default="accuracy.csv of the model"),
    ] = None,
    parts: Annotated[Path, typer.Option(help="Folder of finished parts.")] = Path("results/evaluate"),
    jobs: options.Jobs = None,
    dask: options.Dask = None,
    wait: options.Wait = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure a model's accuracy on the scenes, with all tokens and with the kept ones.

    What the table already has of the model is not measured again, and new rows follow its own; with another
    --out everything is measured. Stopped with Ctrl-C, the same command goes on where it was.
    """
    from otanalysis.mini.bundled import bundled_model_path, written_accuracy_path
    from otanalysis.stamps import StampSettings
    from otanalysis.studies.cluster import on_cluster
    from otanalysis.studies.evaluate import evaluate as run

    settings = StampSettings(stamps, backgrounds, object_size, crowding, hold_out)
    folder = bundled_model_path() if model is None else model
    measured = written_accuracy_path() if model is None else model / "accuracy.csv"
    table = measured if out is None else out
    with on_cluster(dask):
        run(
            folder,
            benchmarks=options.scene_benchmarks(scenes, settings, benchmarks),
            methods=None if methods == options.ALL else options.comma_list(methods, "--methods"),
            ratios=options.numbers(ratios, "--ratios"),
            gammas=options.numbers(gammas, "--gammas"),
            seeds=options.whole_numbers(seeds, "--seeds"),
            positions=cast("Positions", positions),
            questions=questions,
            out=table,
            parts=parts,
            jobs=options.processes(jobs),
            progress=not quiet,
            wait=wait,
        )
    typer.echo(table)
