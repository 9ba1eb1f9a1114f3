"""``otanalysis certify``: how far kept sets are at most from the best possible one, proved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from otanalysis.cli import options
from otanalysis.defaults import RELEASED_GAMMA
from otanalysis.files import earlier_kept
from otanalysis.locks import held

if TYPE_CHECKING:
    import pandas as pd

    from otanalysis.arrays import Normalisation
    from otanalysis.defaults import GammaOf


def certify(
    dumps: options.Dumps,
    methods: options.Methods = options.COMPARED,
    ratios: options.Ratios = options.PAPER_RATIOS,
    normalise: options.Normalise = "none",
    gamma: options.SurrogateGamma = RELEASED_GAMMA,
    gamma_of: options.SurrogateGammaOf = "released",
    seeds: options.Seeds = "0,1,2",
    effort: Annotated[
        float, typer.Option(help="Of the search for the floor; 4 takes four times as long, for less gap.")
    ] = 1.0,
    limit: options.Limit = None,
    out: options.Out = Path("results"),
    jobs: options.Jobs = None,
    as_json: options.OverallJson = False,
    wait: options.Wait = False,
    quiet: options.Quiet = False,
) -> None:
    """Prove how far every method's kept set is at most from the best possible one.

    Writes one row a sample, ratio and selection to certify.parquet, and the summary to
    certify_summary.csv and certify_greedy.csv. Takes about 4 s of one core an image; stopped with Ctrl-C, the
    same command goes on where it was. Exit status 1 if a distance's certificate does not hold.
    """
    from otanalysis.selection import TOKEN_METHODS
    from otanalysis.stats.cells import MEAN
    from otanalysis.studies.certify import CertifyStudy, read_certificates, summarise_certificates
    from otanalysis.studies.engine import measure_samples

    study = CertifyStudy(
        methods=options.names(methods, "--methods", TOKEN_METHODS),
        ratios=options.numbers(ratios, "--ratios"),
        normalise=cast("Normalisation", normalise),
        seeds=options.whole_numbers(seeds, "--seeds"),
        gamma=gamma,
        gamma_of=cast("GammaOf", gamma_of),
        effort=effort,
    )
    how: dict[str, Any] = {"jobs": options.processes(jobs), "limit": limit, "progress": not quiet}
    # The summary is of this table, and of no later one.
    with held(out, "measuring certificates", wait=wait), earlier_kept(out / "certify.parquet"):
        path = measure_samples(study, dumps, out=out, **how)
        rows = read_certificates(path)
        summary, greedy = summarise_certificates(path)
    overall, pooled = summary[summary["benchmark"] == MEAN], greedy[greedy["benchmark"] == MEAN]
    if as_json:
        parts = {"distance": options.records(overall), "greedy": options.records(pooled)}
        typer.echo(json.dumps(parts, allow_nan=False))
    else:
        _print_tables(rows, overall, pooled)
        typer.echo(path)
    if not rows["certified"].all():
        raise SystemExit(1)


def _print_tables(rows: pd.DataFrame, overall: pd.DataFrame, greedy: pd.DataFrame) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    console = Console()
    ratios = sorted(float(ratio) for ratio in overall["ratio"].unique())
    for quantity, title in (
        ("over_floor", "W2 squared over its certified floor: at most so many times the best possible"),
        ("gap_closed", "Share of the way from random subsets down to the floor"),
    ):
        own = overall[overall["quantity"] == quantity]
        if own.empty:
            continue
        console.print(f"\n{title}")
        table = Table("method", *(Column(f"{100 * ratio:.4g}%", justify="right") for ratio in ratios))
        for method in own["method"].drop_duplicates():
            cells = own[own["method"] == method].dropna(subset=["value"]).set_index("ratio")
            table.add_row(str(method), *(_cell(cells, ratio) for ratio in ratios))
        console.print(table)
    console.print("\nCertified share of the largest surrogate that greedy reaches")
    table = Table(*(Column(name, justify="right") for name in ("kept", "median", "5 %", "worst")), "bound")
    for row in greedy.sort_values("ratio").to_dict("records"):
        values = (f"{row[name]:.4f}" for name in ("median", "low", "worst"))
        table.add_row(f"{100 * row['ratio']:.4g}%", *values, str(row["kind"]))
    console.print(table)
    once = rows.drop_duplicates(["dump", "sample", "ratio"])
    images = len(once[["dump", "sample"]].drop_duplicates())
    console.print(
        f"{images} images. Seconds of one core an image and ratio, median: floor "
        f"{once['floor_seconds'].median():.2f}, ceiling {once['ceiling_seconds'].median():.2f}. Distances "
        f"verified again from plan and potentials: {int(rows['certified'].sum())} of {len(rows)}, largest "
        f"error {rows['certificate_error'].max():.1e} of the largest cost.",
        style="dim",
    )


def _cell(cells: pd.DataFrame, ratio: float) -> str:
    if ratio not in cells.index:
        return ""
    row = cells.loc[ratio]
    # One image a benchmark has no interval.
    interval = f" ({row['low']:.2f} to {row['high']:.2f})" if row["low"] < row["high"] else ""
    return f"{row['value']:.2f}{interval}"
