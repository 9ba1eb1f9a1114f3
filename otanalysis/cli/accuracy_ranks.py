"""``otanalysis accuracy ranks``: methods compared over benchmarks by their scores alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from otanalysis.cli import options

if TYPE_CHECKING:
    import pandas as pd


def accuracy_ranks(
    table: options.ScoreTable = None,
    model: Annotated[
        str | None, typer.Option(help="Only this model.", show_default="all of the table")
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(
            help="Methods, separated by commas.", show_default="one-shot ones with a score on every benchmark"
        ),
    ] = None,
    benchmarks: Annotated[
        str | None,
        typer.Option(help="Benchmarks, separated by commas.", show_default="those that all methods have"),
    ] = None,
    ratio: options.ScoreRatio = None,
    gamma: options.ScoreGamma = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Write the ranks there too.")] = None,
    as_json: options.Json = False,
) -> None:
    """Rank methods by their scores, for each model of an accuracy table or of the published one.

    Average: score over the score with all tokens, mean over the benchmarks. Rank: of the average. Mean rank:
    mean over the benchmarks of the rank on each. The two orders need not agree.
    """
    import pandas as pd

    from otanalysis.stats.score_ranks import rank_methods

    scores = options.scores_for(out, table)
    ranks = pd.concat(
        [
            rank_methods(
                scores,
                model=name,
                methods=None if methods is None else options.comma_list(methods, "--methods"),
                ratio=ratio,
                gamma=gamma,
                benchmarks=None if benchmarks is None else options.comma_list(benchmarks, "--benchmarks"),
            )
            for name in (scores["model"].unique() if model is None else [model])
        ],
        ignore_index=True,
    )
    options.write_rows(ranks, out)
    if as_json:
        typer.echo(json.dumps(options.records(ranks), allow_nan=False))
        return
    _print(ranks)
    if out is not None:
        typer.echo(out)


def _print(ranks: pd.DataFrame) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    console = Console()
    for model, own in ranks.groupby("model", sort=False):
        measures = (Column(name, justify="right") for name in ("average", "rank", "mean rank"))
        title = f"{escape(str(model))}: {own['benchmarks'].iloc[0]} benchmarks"
        shown = Table("method", *measures, title=title, title_justify="left")
        for row in own.to_dict("records"):
            share = f"{100 * row['average']:.1f}%"
            shown.add_row(escape(row["method"]), share, f"{row['rank']:g}", f"{row['mean_rank']:.2f}")
        console.print(shown)
