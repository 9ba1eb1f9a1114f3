"""Commands that run or train a model; they need the extra ``vlm``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["evaluate", "train_mini"]

_ALL = "all"


def evaluate(
    model: Annotated[
        Path | None,
        typer.Option(help="Folder of a model trained on the scenes.", show_default="bundled model"),
    ] = None,
    benchmarks: Annotated[str, typer.Option(help="Benchmarks, separated by commas.")] = _ALL,
    methods: Annotated[str, typer.Option(help="Selection methods, separated by commas.")] = _ALL,
    ratios: Annotated[str, typer.Option(help="Shares of the tokens to keep.")] = "0.05,0.098,0.15,0.2",
    gammas: Annotated[str, typer.Option(help="For otprune.")] = "0.0001,0.001,0.01,0.1,1,10",
    seeds: Annotated[str, typer.Option(help="For the methods that draw at random.")] = "0,1,2",
    questions: Annotated[int, typer.Option(help="Questions a benchmark.")] = 400,
    out: Annotated[
        Path | None,
        typer.Option(help="The table, .csv or .parquet.", show_default="accuracy.csv of the model"),
    ] = None,
    parts: Annotated[Path, typer.Option(help="Folder of finished parts.")] = Path("results/evaluate"),
    jobs: Annotated[int | None, typer.Option(help="Processes.", show_default="all cores")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Measure a model's accuracy on the scenes, with all tokens and with the kept ones.

    Stopped with Ctrl-C, the same command goes on where it was.
    """
    from joblib import cpu_count

    from otanalysis.cli.options import comma_list, numbers, whole_numbers
    from otanalysis.mini.benchmarks import BENCHMARKS
    from otanalysis.mini.bundled import bundled_model_path
    from otanalysis.selection import SELECTORS
    from otanalysis.studies.evaluate import evaluate as run

    folder = bundled_model_path() if model is None else model
    table = folder / "accuracy.csv" if out is None else out
    run(
        folder,
        benchmarks=tuple(BENCHMARKS) if benchmarks == _ALL else comma_list(benchmarks, "--benchmarks"),
        methods=tuple(SELECTORS) if methods == _ALL else comma_list(methods, "--methods"),
        ratios=numbers(ratios, "--ratios"),
        gammas=numbers(gammas, "--gammas"),
        seeds=whole_numbers(seeds, "--seeds"),
        questions=questions,
        out=table,
        parts=parts,
        jobs=cpu_count() if jobs is None else jobs,
        progress=not quiet,
    )
    typer.echo(table)


def train_mini(
    out: Annotated[Path, typer.Option(help="Folder for the model.")] = Path("data/mini-llava"),
    work: Annotated[Path, typer.Option(help="Folder for checkpoints and the curve.")] = Path("data/training"),
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 2,
    device: Annotated[str, typer.Option(help="Where torch computes: cpu, cuda.")] = "cpu",
) -> None:
    """Train the bundled model from its seed: about an hour on two CPU cores.

    Every finished stage is kept in the work folder; stopped, the same command goes on with the next one.
    """
    from otanalysis.errors import MissingDependencyError

    try:
        from otanalysis.mini.training.export import export
        from otanalysis.mini.training.train import train
    except ImportError as error:
        raise MissingDependencyError(
            f"Training needs torch and transformers ({error.name} is not installed): "
            "pip install 'otanalysis[vlm]'."
        ) from error
    export(train(work, seed=seed, threads=threads, device=device), work, out, seed=seed)
    typer.echo(out)
