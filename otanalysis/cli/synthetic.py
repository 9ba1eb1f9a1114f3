"""``otanalysis synthetic``: methods on synthetic tokens, Table 2 of the paper by its own definitions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otanalysis.cli import options
from otanalysis.errors import InputError
from otanalysis.files import earlier_kept
from otanalysis.locks import held

if TYPE_CHECKING:
    import pandas as pd

    from otanalysis.studies.table2.laws import Size
    from otanalysis.studies.table2.study import SyntheticSummary


def synthetic(
    trials: Annotated[int, typer.Option(help="Draws of the tokens a size and law.")] = 10,
    sizes: Annotated[
        str, typer.Option(help="Tokens x dimension x kept.")
    ] = "20x10x5,30x20x10,100x50x30,100x80x50,1000x256x100",
    laws: Annotated[
        str, typer.Option(help="Of the tokens: gaussian, unit-rows, uniform, clustered.")
    ] = options.ALL,
    methods: Annotated[
        str, typer.Option(help="Selection methods, separated by commas.")
    ] = "otprune,otprune-paper,divprune",
    gammas: Annotated[
        str, typer.Option(help="For otprune and otprune-paper, each in its own unit.")
    ] = "0.01",
    draws: Annotated[int, typer.Option(help="Random subsets a trial; the paper has 10000000.")] = 20_000,
    normalise: Annotated[
        str, typer.Option(help="Of the tokens before they are measured: none, columns, rows.")
    ] = "columns",
    rungs: Annotated[
        str, typer.Option(help="Of the ladder, 0 (exact W2) to 5; the paper's objective is rung 3.")
    ] = "3",
    seed: options.SeedOfAll = 0,
    out: options.Out = Path("results"),
    jobs: options.Jobs = None,
    dask: options.Dask = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole summary as JSON.")] = False,
    wait: options.Wait = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure win rates and optimality ratios on synthetic tokens, beside those of the paper's Table 2.

    Win rate: share of all subsets whose objective, f of equation 4, is strictly below the method's.
    Optimality ratio: f over its optimum, over all subsets for the first two sizes, the best of the random
    ones for the others. Says which token law and gamma come closest. Writes every block of subsets to
    synthetic.parquet, the means to synthetic_summary.csv and the comparison to synthetic_published.csv.
    Stopped with Ctrl-C, the same command goes on where it was, with more --draws too.
    """
    from otanalysis.studies.cluster import on_cluster
    from otanalysis.studies.table2.laws import LAWS
    from otanalysis.studies.table2.study import summarise_synthetic, synthetic as run
    from otanalysis.studies.table2.tables import published_synthetic

    published_synthetic()  # said now, not after minutes of measuring, where it is missing
    # The summary is of this table, and of no later one.
    kept = earlier_kept(out / "synthetic.parquet")
    with on_cluster(dask), held(out, "measuring synthetic tokens", wait=wait), kept:
        path = run(
            sizes=[_size(text) for text in options.comma_list(sizes, "--sizes")],
            laws=options.names(laws, "--laws", LAWS),
            methods=options.comma_list(methods, "--methods"),
            gammas=options.numbers(gammas, "--gammas"),
            normalisations=options.normalisations(normalise),
            rungs=options.whole_numbers(rungs, "--rungs"),
            draws=draws,
            trials=trials,
            seed=seed,
            out=out,
            jobs=options.processes(jobs),
            progress=not quiet,
        )
        summary = summarise_synthetic(path)
    if as_json:
        parts = {"table": options.records(summary.table), "published": options.records(summary.comparison)}
        typer.echo(json.dumps(parts | {"closest": summary.closest}, allow_nan=False))
        return
    _print(summary)
    for name in ("synthetic.parquet", "synthetic_summary.csv", "synthetic_published.csv"):
        typer.echo(path.with_name(name))


def _size(text: str) -> Size:
    """Read ``20x10x5``."""
    from otanalysis.studies.table2.laws import Size

    numbers = text.split("x")
    if len(numbers) != 3 or not all(number.isdecimal() for number in numbers):
        raise InputError(f"--sizes wants entries such as 20x10x5 (tokens x dimension x kept), got {text!r}.")
    return Size(*(int(number) for number in numbers))


def _print(summary: SyntheticSummary) -> None:
    from rich.console import Console

    console = Console()
    for keys, own in summary.table.groupby(["m", "d", "keep", "rung", "normalise"]):
        console.print(_size_table(keys, own))
    console.print(
        "Means over the trials in %, with their 95% interval; ratio: to the best subset; proven: of it, "
        "with the optimum over all subsets; paper: as printed (differences are in the tables).",
        style="dim",
    )
    console.print(summary.closest, highlight=False)


def _size_table(keys: Any, own: pd.DataFrame) -> Any:
    from otanalysis.studies.table2.tables import RATIO, WIN_RATE
    from otanalysis.surrogate.ladder import RUNGS

    m, d, keep, rung, normalise = keys
    first = own.iloc[0]
    subsets = f"all {first['draws']:,} subsets" if first["every"] else f"{first['draws']:,} random subsets"
    headings = ("win rate", "paper", "ratio", "proven", "paper")
    table = options.sheet(
        f"{keep} of {m} tokens of dimension {d}, rung {rung} ({RUNGS[rung].label}), normalise {normalise}; "
        f"{first['trials']} trials, {subsets} in each",
        "law, method, gamma",
        headings,
    )
    for law, of_law in own.groupby("law", sort=False):
        table.add_row(f"[bold]{law}[/bold]")
        for (method, gamma), rows in of_law.groupby(["method", "gamma"], sort=False, dropna=False):
            measures = {row["measure"]: row for row in rows.to_dict("records")}
            win, ratio = measures[WIN_RATE], measures[RATIO]
            table.add_row(
                f"  {method}" if gamma != gamma else f"  {method} {gamma:g}",
                *(_mean(win), _beside(win)),
                *(_mean(ratio), f"{100 * ratio['certified']:.1f}", _beside(ratio)),
            )
    return table


def _mean(row: dict[Any, Any]) -> str:
    """Return a mean with its interval, where that has a width."""
    value, low, high = (100 * row[name] for name in ("value", "low", "high"))
    return f"{value:.1f}" if low == high or row["trials"] == 1 else f"{value:.1f} ({low:.0f}-{high:.0f})"


def _beside(row: dict[Any, Any]) -> str:
    """Return the published number, where there is one."""
    return "" if row["published"] != row["published"] else f"{100 * row['published']:.1f}"
