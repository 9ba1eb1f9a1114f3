"""``otanalysis certify``: how far kept sets are at most from the best possible one, proved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from otanalysis.cli import options
from otanalysis.defaults import COMPARED_METHODS, RELEASED_GAMMA
from otanalysis.files import earlier_kept
from otanalysis.locks import held

_RESULTS = (
    *("certify.parquet", "certify_summary.csv", "certify_greedy.csv", "certify_summary.provenance.json"),
    *("coverage.parquet", "coverage_summary.csv", "coverage_summary.provenance.json"),
)

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

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
    dask: options.Dask = None,
    as_json: options.OverallJson = False,
    wait: options.Wait = False,
    quiet: options.Quiet = False,
) -> None:
    """Prove how far every method's kept set is at most from the best possible one.

    Of the exact distance and the surrogate to certify.parquet, one row a sample, ratio and selection, with
    the summary in certify_summary.csv and certify_greedy.csv; of the quantisation error, which is how well
    the kept tokens cover the image, to coverage.parquet and coverage_summary.csv, by default of
    facility-location too. Takes about 5 s of one core an image; stopped with Ctrl-C, the same command goes on
    where it was. Exit status 1 if a distance's certificate does not hold.
    """
    from otanalysis.selection import TOKEN_METHODS
    from otanalysis.stats.cells import MEAN
    from otanalysis.studies.certify import CertifyStudy, read_certificates, summarise_certificates
    from otanalysis.studies.cluster import on_cluster
    from otanalysis.studies.coverage import COVERAGE_METHODS, CoverageStudy, summarise_coverage
    from otanalysis.studies.engine import measure_samples

    asked = options.names(methods, "--methods", TOKEN_METHODS)
    settings: dict[str, Any] = {
        "ratios": options.numbers(ratios, "--ratios"),
        "normalise": cast("Normalisation", normalise),
        "seeds": options.whole_numbers(seeds, "--seeds"),
        "gamma": gamma,
        "effort": effort,
    }
    study = CertifyStudy(methods=asked, gamma_of=cast("GammaOf", gamma_of), **settings)
    of_coverage = CoverageStudy(methods=COVERAGE_METHODS if asked == COMPARED_METHODS else asked, **settings)
    how: dict[str, Any] = {"jobs": options.processes(jobs), "limit": limit, "progress": not quiet}
    # The summaries are of these tables, and of no later ones.
    written = (out / name for name in _RESULTS)
    with on_cluster(dask), held(out, "measuring certificates", wait=wait), earlier_kept(*written):
        path = measure_samples(study, dumps, out=out, **how)
        rows = read_certificates(path)
        summary, greedy = summarise_certificates(path)
        covered = measure_samples(of_coverage, dumps, out=out, **how)
        coverage = summarise_coverage(covered)
    overall, pooled, of_errors = (one[one["benchmark"] == MEAN] for one in (summary, greedy, coverage))
    if as_json:
        parts = {"distance": overall, "coverage": of_errors, "greedy": pooled}
        told = {name: options.records(table) for name, table in parts.items()}
        typer.echo(json.dumps(told, allow_nan=False))
    else:
        _print_tables(rows, overall, of_errors, pooled)
        typer.echo(path)
        typer.echo(covered)
    if not rows["certified"].all():
        raise SystemExit(1)


def _print_tables(
    rows: pd.DataFrame, overall: pd.DataFrame, coverage: pd.DataFrame, greedy: pd.DataFrame
) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    console = Console()
    for summary, what, best in (
        (overall, "W2 squared", "possible"),
        (coverage, "Quantisation error", "coverage"),
    ):
        for quantity, title in (
            ("over_floor", f"{what} over its certified floor: at most so many times the best {best}"),
            ("gap_closed", f"{what}: share of the way from random subsets down to the floor"),
        ):
            own = summary[summary["quantity"] == quantity]
            if not own.empty:
                console.print(f"\n{title}")
                console.print(_by_ratio(own))
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
        f"error {rows['certificate_error'].max():.1e} of the squared distance.",
        style="dim",
    )


def _by_ratio(summary: pd.DataFrame) -> Table:
    """Return a quantity of every method, a column a ratio."""
    from rich.table import Column, Table

    ratios = sorted(float(ratio) for ratio in summary["ratio"].unique())
    table = Table("method", *(Column(f"{100 * ratio:.4g}%", justify="right") for ratio in ratios))
    for method in summary["method"].drop_duplicates():
        cells = summary[summary["method"] == method].dropna(subset=["value"]).set_index("ratio")
        table.add_row(str(method), *(_cell(cells, ratio) for ratio in ratios))
    return table


def _cell(cells: pd.DataFrame, ratio: float) -> str:
    if ratio not in cells.index:
        return ""
    row = cells.loc[ratio]
    # One image a benchmark has no interval.
    interval = f" ({row['low']:.2f} to {row['high']:.2f})" if row["low"] < row["high"] else ""
    return f"{row['value']:.2f}{interval}"
