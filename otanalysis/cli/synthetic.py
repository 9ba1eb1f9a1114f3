"""``otanalysis synthetic``: every method on synthetic tokens, Table 2 of the paper on every rung."""

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

    from otanalysis.studies.table2.study import Size, SyntheticSummary

_SHOWN_METHODS = ("otprune", "divprune")
_SHOWN_COMBINATIONS = 5


def synthetic(
    trials: Annotated[int, typer.Option(help="Draws of the tokens a size and law.")] = 10,
    sizes: Annotated[
        str, typer.Option(help="Tokens x dimension x kept.")
    ] = "20x10x5,30x20x10,100x50x30,1000x256x100",
    laws: Annotated[
        str, typer.Option(help="Of the tokens: gaussian, unit-rows, uniform, clustered.")
    ] = options.ALL,
    seed: options.SeedOfAll = 0,
    out: options.Out = Path("results"),
    jobs: options.Jobs = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole summary as JSON.")] = False,
    wait: options.Wait = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure win rates and optimality ratios on synthetic tokens, on every rung of the ladder.

    Says which token law, rung and definition of the ratio come closest to the published table. Writes every
    trial to synthetic.parquet, all methods to synthetic_summary.csv and the comparison to
    synthetic_published.csv. Stopped with Ctrl-C, the same command goes on where it was.
    """
    from otanalysis.studies.table2.study import LAWS, summarise_synthetic, synthetic as run
    from otanalysis.studies.table2.tables import published_synthetic

    published_synthetic()  # said now, not after minutes of measuring, where it is missing
    # The summary is of this table, and of no later one.
    with held(out, "measuring synthetic tokens", wait=wait), earlier_kept(out / "synthetic.parquet"):
        path = run(
            sizes=[_size(text) for text in options.comma_list(sizes, "--sizes")],
            laws=options.names(laws, "--laws", LAWS),
            trials=trials,
            seed=seed,
            out=out,
            jobs=options.processes(jobs),
            progress=not quiet,
        )
        summary = summarise_synthetic(path)
    if as_json:
        parts = {"table": options.records(summary.table), "published": options.records(summary.comparison)}
        typer.echo(json.dumps(parts, allow_nan=False))
        return
    _print(summary)
    for name in ("synthetic.parquet", "synthetic_summary.csv", "synthetic_published.csv"):
        typer.echo(path.with_name(name))


def _size(text: str) -> Size:
    """Read ``20x10x5``."""
    from otanalysis.studies.table2.study import Size

    numbers = text.split("x")
    if len(numbers) != 3 or not all(number.isdecimal() for number in numbers):
        raise InputError(f"--sizes wants entries such as 20x10x5 (tokens x dimension x kept), got {text!r}.")
    return Size(*(int(number) for number in numbers))


def _print(summary: SyntheticSummary) -> None:
    from rich.console import Console

    console = Console()
    for size, own in summary.table.groupby(["m", "d", "keep"]):
        console.print(_size_table(size, own))
    console.print(
        "win: share of random subsets that are worse, in %, with its 95% interval over trials where it has a "
        "width. ratio: optimality ratio in % (value / optimum, or optimum / value on rungs 0 "
        "to 2, which are squared distances); two numbers where the optimum is not known: against its "
        "bound, and against the best subset found.",
        style="dim",
    )
    _print_comparison(console, summary)


def _size_table(size: Any, own: pd.DataFrame) -> Any:
    from rich.box import SIMPLE
    from rich.table import Table

    from otanalysis.surrogate.ladder import RUNGS

    m, d, keep = size
    trials, draws = int(own["trials"].iloc[0]), int(own["draws"].iloc[0])
    title = f"{keep} of {m} tokens of dimension {d}; {trials} trials, {draws} random subsets in each"
    table = Table(title=title, title_justify="left", box=SIMPLE, pad_edge=False)
    table.add_column("law, rung")
    for method in _SHOWN_METHODS:
        table.add_column(f"{method} win", justify="right", no_wrap=True)
        table.add_column("ratio", justify="right", no_wrap=True)
    for law, of_law in own.groupby("law", sort=False):
        table.add_row(f"[bold]{law}[/bold]")
        for rung in RUNGS:
            of_rung = of_law[of_law["rung"] == rung.number]
            cells = [cell for method in _SHOWN_METHODS for cell in _cells(of_rung, method)]
            table.add_row(f"  {rung.number} {rung.label}", *cells)
        table.add_section()
    return table


def _cells(of_rung: pd.DataFrame, method: str) -> tuple[str, str]:
    """Return win rate and optimality ratio of one method on one rung."""
    from otanalysis.studies.table2.tables import WIN_RATE

    rows = of_rung[of_rung["method"] == method]
    win, ratio = (rows[rows["measure"] == name].to_dict("records")[0] for name in (WIN_RATE, "share"))
    return _win(win), _ratio(ratio)


def _win(win: dict[Any, Any]) -> str:
    value, low, high = (f"{100 * win[name]:.0f}" for name in ("value", "low", "high"))
    return value if low == high else f"{value} ({low}-{high})"


def _ratio(ratio: dict[Any, Any]) -> str:
    floor, value = f"{100 * ratio['certified']:.1f}", f"{100 * ratio['value']:.1f}"
    return value if floor == value else f"{floor}-{value}"


def _print_comparison(console: Any, summary: SyntheticSummary) -> None:
    from rich.table import Table

    overall = summary.comparison[summary.comparison["m"].isna()]
    if overall.empty:
        console.print("None of these sizes is published: nothing to compare with.")
        return
    table = Table(
        title=f"Closest to the published table, of {len(overall)} combinations; in percentage points",
        title_justify="left",
    )
    for heading in ("law", "rung", "optimality ratio"):
        table.add_column(heading)
    for heading in ("sizes", "win rate off by", "ratio off by", "both"):
        table.add_column(heading, justify="right")
    for row in overall.head(_SHOWN_COMBINATIONS).to_dict("records"):
        gaps = (f"{row[name]:.1f}" for name in ("win_gap", "ratio_gap", "gap"))
        table.add_row(row["law"], str(row["rung"]), row["definition"], str(row["sizes"]), *gaps)
    console.print(table)
    console.print(_published_table(summary, overall.iloc[0]))


def _published_table(summary: SyntheticSummary, closest: pd.Series) -> Any:
    """Set the closest combination beside the published numbers."""
    from rich.table import Table

    from otanalysis.studies.table2.tables import SIZE, WIN_RATE, published_synthetic

    chosen = summary.table
    chosen = chosen[(chosen["law"] == closest["law"]) & (chosen["rung"] == closest["rung"])]
    both = chosen.pivot_table(index=[*SIZE, "method"], columns="measure", values="value").reset_index()
    both = both[[*SIZE, "method", WIN_RATE, closest["definition"]]].merge(
        published_synthetic(), on=[*SIZE, "method"], suffixes=("", "_published")
    )
    table = Table(
        title=f"{closest['law']}, rung {closest['rung']}, {closest['definition']}: measured | published, %",
        title_justify="left",
    )
    for heading in ("size", "method", "win rate", "optimality ratio"):
        table.add_column(heading, justify="left" if heading in ("size", "method") else "right")
    for row in both.to_dict("records"):
        win, ratio = (
            f"{100 * row[name]:.1f} | {100 * row[other]:.1f}"
            for name, other in ((WIN_RATE, f"{WIN_RATE}_published"), (closest["definition"], "ratio"))
        )
        table.add_row("x".join(str(row[name]) for name in SIZE), row["method"], win, ratio)
    return table
