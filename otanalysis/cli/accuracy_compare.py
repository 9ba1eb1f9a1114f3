"""``otanalysis accuracy compare``: whether one method is better than another, pair by pair."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from otanalysis.cli import options
from otanalysis.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


def accuracy_compare(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="Is this one better ...")],
    baseline: Annotated[str, typer.Argument(metavar="BASELINE", help="... than this one?")],
    table: options.ScoreTable = None,
    model: Annotated[
        str | None, typer.Option(help="Only this model.", show_default="all that have both")
    ] = None,
    ratio: options.ScoreRatio = None,
    gamma: options.ScoreGamma = None,
    by: Annotated[str, typer.Option(help="What a row is of: group or benchmark.")] = "group",
    without: Annotated[
        str | None,
        typer.Option(
            help="Groups or benchmarks to leave out, separated by commas.", show_default="nothing left out"
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Write the rows there too.")] = None,
    as_json: options.Json = False,
) -> None:
    """Compare two methods by their gains on each benchmark: Wilcoxon's signed-rank test, one-sided.

    For each model, over all of them, and by kind of answer (captioning, yes/no, multiple choice, short
    answer). A gain is relative: the score over the baseline's, minus one. Averages are shares of the scores
    with all tokens, ranks are those of the averages among the one-shot methods. Benchmarks shared by models
    are not independent, so the p-value over all models is too small. Of OTPrune and DivPrune in the published
    table, the printed p-value stands beside its possible readings.
    """
    from otanalysis.stats.paired_scores import compare_scores, with_printed_p

    if by not in ("group", "benchmark"):
        raise InputError(f"--by wants group or benchmark, got {by!r}.")
    scores = options.scores_for(out, table)
    found = compare_scores(
        scores,
        method,
        baseline,
        models=None if model is None else [model],
        ratio=ratio,
        gamma=gamma,
        by=cast("Literal['group', 'benchmark']", by),
        without=() if without is None else options.comma_list(without, "--without"),
    )
    published = table is None and without is None and (method, baseline) == ("otprune", "divprune")
    if published:
        found = with_printed_p(found)
    options.write_rows(found, out)
    if as_json:
        typer.echo(json.dumps(options.records(found), allow_nan=False))
        return
    _print(found, method, baseline)
    if published:
        _print_beside_the_paper(found)
    if out is not None:
        typer.echo(out)


def _print(found: pd.DataFrame, method: str, baseline: str) -> None:
    from rich.console import Console
    from rich.markup import escape

    numbers = ("better, equal, worse", "median gain", "average, %", "rank", "p exact", "p normal")
    shown = options.sheet(
        f"{escape(method)} over {escape(baseline)}; averages and ranks: {escape(method)}|{escape(baseline)}",
        "model, group",
        numbers,
    )
    for model, own in found.groupby("model", sort=False):
        shown.add_row(escape(str(model)))
        for row in own.to_dict("records"):
            shown.add_row(
                f"  {escape(row['group'])}",
                ", ".join(str(row[name]) for name in ("better", "equal", "worse")),
                f"{100 * row['median_gain']:+.2f}%",
                *_standing(row),
                f"{row['p_exact']:.4f}",
                f"{row['p_normal']:.4f}",
            )
        shown.add_section()
    Console().print(shown)


def _standing(row: dict[Any, Any]) -> tuple[str, str]:
    """Return averages and ranks of both; dashes where scores with all tokens are missing."""
    if not row["ranked"]:
        return "-", "-"
    averages = f"{100 * row['average']:.1f}|{100 * row['baseline_average']:.1f}"
    return averages, f"{row['rank']:g}|{row['baseline_rank']:g} of {row['ranked']}"


def _print_beside_the_paper(found: pd.DataFrame) -> None:
    from rich.console import Console

    from otanalysis.stats.paired_scores import PRINTED_P

    readings = found[found["printed_p"].notna()]
    near = [
        f"{row['model']} ({row['printed_by']})" for row in readings.to_dict("records") if row["printed_by"]
    ]
    Console().print(
        f'The paper prints p = {PRINTED_P} "across all metrics". Of {len(readings)} readings, each model '
        f"alone or all together, {' and '.join(near) or 'none'} gives it.",
        highlight=False,
    )
