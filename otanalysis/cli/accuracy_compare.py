"""``otanalysis accuracy compare``: whether one method is better than another, pair by pair."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from otanalysis.cli import options

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
    out: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Write the rows there too.")] = None,
    as_json: options.Json = False,
) -> None:
    """Compare two methods by their gains on each benchmark: Wilcoxon's signed-rank test, one-sided.

    For each model, over all of them, and by kind of answer (captioning, yes/no, multiple choice, short
    answer). A gain is relative: the score over the baseline's, minus one. Benchmarks shared by models are not
    independent, so the p-value over all models is too small.
    """
    from otanalysis.stats.paired_scores import compare_scores

    scores = options.scores_for(out, table)
    models = None if model is None else [model]
    found = compare_scores(scores, method, baseline, models=models, ratio=ratio, gamma=gamma)
    options.write_rows(found, out)
    if as_json:
        typer.echo(json.dumps(options.records(found), allow_nan=False))
        return
    _print(found, method, baseline)
    if table is None and (method, baseline) == ("otprune", "divprune"):
        _print_beside_the_paper(found)
    if out is not None:
        typer.echo(out)


def _print(found: pd.DataFrame, method: str, baseline: str) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    numbers = ("pairs", "better", "equal", "worse", "median gain", "p exact", "p normal")
    shown = Table(
        "model",
        "group",
        *(Column(name, justify="right") for name in numbers),
        title=f"{escape(method)} over {escape(baseline)}",
        title_justify="left",
    )
    for model, own in found.groupby("model", sort=False):
        for number, row in enumerate(own.to_dict("records")):
            shown.add_row(
                "" if number else escape(str(model)),
                escape(row["group"]),
                *(str(row[name]) for name in ("pairs", "better", "equal", "worse")),
                f"{100 * row['median_gain']:+.2f}%",
                f"{row['p_exact']:.4f}",
                f"{row['p_normal']:.4f}",
            )
        shown.add_section()
    Console().print(shown)


def _print_beside_the_paper(found: pd.DataFrame) -> None:
    from rich.console import Console

    from otanalysis.stats.paired_scores import ALL, PRINTED_P

    readings = found[found["group"] == ALL]
    near = readings[(readings["p_normal"] - PRINTED_P).abs() < 0.0005]["model"].tolist()
    Console().print(
        f'The paper prints p = {PRINTED_P} "across all metrics". Of {len(readings)} readings, each model '
        f"alone or all together, {' and '.join(near) or 'none'} gives it (normal approximation).",
        highlight=False,
    )
