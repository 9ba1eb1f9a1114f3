"""``otanalysis within``: the test inside the image; needs the extra ``vlm``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from otanalysis.cli import options
from otanalysis.files import earlier_kept
from otanalysis.locks import held

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from otanalysis.scenes import SceneBenchmark
    from otanalysis.studies.questions import Asked
    from otanalysis.vlm.kept_call import Positions
    from otanalysis.vlm.model import Dtype

_QUESTIONS = 36  # a kind: with eleven kinds about 400, as many as make intervals of 0.03 either way


def within(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="Folder of a Hugging Face model, or its name on the Hub.",
            show_default="bundled model",
        ),
    ] = None,
    questions_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="List of image, question, answer (and benchmark, scene, id): .csv, .jsonl or a dataset.",
            show_default="those of --scenes",
        ),
    ] = None,
    questions: Annotated[
        int | None,
        typer.Option(help="Questions of every kind.", show_default=f"{_QUESTIONS}, all of a list"),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Only so many questions, in turn of all kinds.")] = None,
    scenes: options.Scenes = "digits",
    stamps: options.StampsFolder = None,
    backgrounds: options.Backgrounds = "smooth",
    object_size: options.ObjectSize = 1.0,
    crowding: options.Crowding = 1.0,
    hold_out: options.HoldOut = False,
    subsets: Annotated[int, typer.Option(help="Kept sets a question.")] = 40,
    ratio: Annotated[float, typer.Option(help="Share of the tokens that every set keeps.")] = 0.098,
    positions: Annotated[
        str, typer.Option(help="Of kept tokens: renumbered (as in LLaVA's code), original.")
    ] = "renumbered,original",
    seed: Annotated[int, typer.Option(help="Of the kept sets.")] = 0,
    revision: options.Revision = None,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16, float16 or auto.")] = "float32",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, or auto to spread a model.")] = "cpu",
    batch_size: Annotated[int, typer.Option(help="Kept sets a call of the model.")] = 64,
    out: options.Out = Path("results"),
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Processes, each with a model of its own.", show_default="all cores; 1 with a MODEL"
        ),
    ] = None,
    dask: options.Dask = None,
    as_json: options.OverallJson = False,
    wait: options.Wait = False,
    quiet: options.Quiet = False,
) -> None:
    """Test inside the image which distance the answer goes with: many kept sets of one size a question.

    Writes every set to within.parquet (its distances, and how likely the right answer is from it), rank
    correlations to within_summary.csv and what swaps do to within_swaps.csv. Stopped with Ctrl-C, the same
    command goes on where it was.
    """
    from otanalysis.mini.bundled import bundled_model_path
    from otanalysis.stamps import StampSettings
    from otanalysis.stats.cells import MEAN
    from otanalysis.studies.cluster import on_cluster
    from otanalysis.studies.within import ModelSource, WithinStudy, measure_within
    from otanalysis.studies.within_summary import SUMMARY_NAME, SWAPS_NAME, summarise_within

    study = WithinStudy(
        ratio=ratio,
        subsets=subsets,
        positions=cast("tuple[Positions, ...]", options.comma_list(positions, "--positions")),
        seed=seed,
        batch_size=batch_size,
    )
    source = ModelSource(model or str(bundled_model_path()), revision, cast("Dtype", dtype), device)
    settings = StampSettings(stamps, backgrounds, object_size, crowding, hold_out)
    benchmarks = options.scene_benchmarks(scenes, settings, options.ALL)
    asked = _asked(questions_file, questions, limit, benchmarks)
    processes = options.processes(jobs) if model is None else jobs or 1
    # The summaries are of this table, and of no later one.
    kept = earlier_kept(out / "within.parquet")
    with on_cluster(dask), held(out, "the test inside the image", wait=wait), kept:
        path = measure_within(source, asked, study, out=out, jobs=processes, progress=not quiet)
        correlations, swaps = summarise_within(path)
    overall = correlations[correlations["benchmark"] == MEAN], swaps[swaps["benchmark"] == MEAN]
    if as_json:
        named = dict(zip(("correlations", "swaps"), map(options.records, overall), strict=True))
        typer.echo(json.dumps(named, allow_nan=False))
        return
    _print_tables(*overall)
    for name in (path.name, SUMMARY_NAME, SWAPS_NAME):
        typer.echo(path.with_name(name))


def _asked(
    file: Path | None, questions: int | None, limit: int | None, benchmarks: Sequence[SceneBenchmark[Any]]
) -> list[Asked]:
    from otanalysis.errors import InputError
    from otanalysis.studies.questions import bundled_questions, read_questions

    if limit is not None and limit < 1:
        raise InputError(f"--limit must be at least 1 question, got {limit}.")
    if file is not None:
        return read_questions(file, count=questions)[:limit]
    count = _QUESTIONS if questions is None else questions
    return bundled_questions(count, benchmarks=benchmarks)[:limit]


def _print_tables(correlations: pd.DataFrame, swaps: pd.DataFrame) -> None:
    from rich.console import Console

    console = Console()
    for positions, own in correlations.groupby("positions", sort=False):
        console.print(_correlations(str(positions), own))
        console.print(_swaps(swaps[swaps["positions"] == positions]))
    console.print(
        "Spearman's correlation inside a question between closeness (a distance, signed so that larger is "
        "closer) and the log-probability of the right answer, mean over questions with a 95% bootstrap over "
        "scenes: over all sets, over the uniformly random ones, and over all given the other of W2 and "
        "quantisation error. Swaps: gain over the random sets that they began with, and what share of both "
        "distances is left.",
        style="dim",
    )


def _correlations(positions: str, rows: pd.DataFrame) -> Table:
    from otanalysis.distances import DISTANCES
    from otanalysis.stats.within_tables import MAIN_PAIR, NOTHING, RANKED

    first = rows.iloc[0]
    title = f"Positions {positions}; {int(rows['n'].max())} questions, {100 * first['ratio']:.4g}% kept"
    sheet = options.sheet(title, "closeness by", ("all sets", "random sets", "given other"))
    keys = ("measure", "pool", "given")
    found = {tuple(str(row[key]) for key in keys): _cell(row) for row in rows.to_dict("records")}
    for name in RANKED:
        other = next((one for one in MAIN_PAIR if name in MAIN_PAIR and one != name), NOTHING)
        wanted = [("all", NOTHING), ("random", NOTHING), *([("all", other)] if other != NOTHING else [])]
        sheet.add_row(DISTANCES[name].label, *(found[name, pool, given] for pool, given in wanted))
    return sheet


def _swaps(rows: pd.DataFrame) -> Table:
    from otanalysis.selection.steered import QUANTISATION_SWAPS, W2_SWAPS

    words = {W2_SWAPS: "W2", QUANTISATION_SWAPS: "quantisation"}
    columns = ("swaps", "log-prob", "right", "W2 sq.", "quant. err.")
    sheet = options.sheet("", "swaps for", columns)
    for (moves, _), own in rows.groupby(["moves", "stage"], sort=False):
        cells = {str(row["quantity"]): row for row in own.to_dict("records")}
        gains = (_cell(cells[name]) for name in ("log_probability", "right"))
        left = (f"{cells[name]['value']:.2f}" for name in ("w2_squared", "quantisation_error"))
        sheet.add_row(words.get(str(moves), str(moves)), f"{own['swaps'].iloc[0]:.0f}", *gains, *left)
    return sheet


def _cell(row: dict[Any, Any]) -> str:
    if row["value"] != row["value"]:
        return "constant"
    interval = f" [{row['low']:.2f},{row['high']:.2f}]" if row["low"] == row["low"] else ""
    return f"{row['value']:.2f}{interval}"
