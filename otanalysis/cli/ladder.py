"""``otanalysis ladder``: exact transport beside the surrogate, rung by rung."""

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

    from otanalysis.defaults import GammaOf


def ladder(
    dumps: options.Dumps,
    ratios: options.Ratios = options.PAPER_RATIOS,
    normalise: options.Normalisations = "none,columns,rows",
    subsets: Annotated[
        int, typer.Option(help="Drawn subsets of an image and ratio, besides those of all methods.")
    ] = 40,
    gamma: options.SurrogateGamma = RELEASED_GAMMA,
    gamma_of: options.SurrogateGammaOf = "released",
    seed: Annotated[int, typer.Option(help="Of the drawn subsets.")] = 0,
    distances: options.Distances = "",
    limit: options.Limit = None,
    out: options.Out = Path("results"),
    jobs: options.Jobs = None,
    dask: options.Dask = None,
    as_json: options.OverallJson = False,
    wait: options.Wait = False,
    quiet: options.Quiet = False,
) -> None:
    """Compare exact transport with the surrogate, rung by rung, over good and bad subsets.

    Writes every subset to ladder.parquet and the summary, per benchmark too, to ladder_summary.csv.
    Takes about 4 s of one core an image; stopped with Ctrl-C, the same command goes on where it was.
    """
    from otanalysis.stats.cells import MEAN
    from otanalysis.studies.cluster import on_cluster
    from otanalysis.studies.ladder import SUMMARY_NAME, LadderStudy, measure_ladder, summarise_ladder

    study = LadderStudy(
        ratios=options.numbers(ratios, "--ratios"),
        normalisations=options.normalisations(normalise),
        subsets=subsets,
        seed=seed,
        gamma=gamma,
        gamma_of=cast("GammaOf", gamma_of),
        distances=options.distances(distances),
    )
    how: dict[str, Any] = {"jobs": options.processes(jobs), "limit": limit, "progress": not quiet}
    # The summary is of this table, and of no later one.
    kept = earlier_kept(out / "ladder.parquet")
    with on_cluster(dask), held(out, "measuring the ladder", wait=wait), kept:
        path = measure_ladder(dumps, study, out=out, **how)
        summary = summarise_ladder(path)
    overall = summary[summary["benchmark"] == MEAN]
    if as_json:
        typer.echo(json.dumps(options.records(overall.drop(columns="benchmark")), allow_nan=False))
        return
    _print_tables(overall)
    typer.echo(path)
    typer.echo(path.with_name(SUMMARY_NAME))


def _print_tables(overall: pd.DataFrame) -> None:
    from rich.console import Console
    from rich.table import Table

    from otanalysis.distances import DISTANCES
    from otanalysis.stats.ladder_tables import DROPPED_TERM, FREE_WEIGHTS
    from otanalysis.surrogate.ladder import RUNGS

    labels = {rung.column: f"{rung.number}  {rung.label}" for rung in RUNGS}
    labels |= {DROPPED_TERM: "   tr Sigma_C (dropped)", FREE_WEIGHTS: "   quantisation error"}
    further = [str(name) for name in overall["measure"].drop_duplicates() if name not in labels]
    labels |= {name: f"   {DISTANCES[name].label}" for name in further}
    console = Console()
    images = int(overall["n"].max())
    for kind, own in overall.groupby("normalisation", sort=False):
        table = Table(title=f"Tokens normalised: {kind}; {images} images", title_justify="left")
        table.add_column("rung")
        for heading in ("rho with exact W2", "random", "win", "regret"):
            table.add_column(heading, justify="right")
        for ratio, rows in own.groupby("ratio"):
            table.add_row(f"[bold]{100 * float(str(ratio)):.4g}% kept[/bold]")
            for column, label in labels.items():
                table.add_row(label, *_cells(rows[rows["measure"] == column]))
            table.add_section()
        console.print(table)
    console.print(
        "rho: Spearman's correlation with exact W2 within an image, over all subsets with its 95% interval, "
        "and over the random ones alone. win: share of the random subsets that the rung's favourite beats in "
        "exact W2. regret: W2 squared of the favourite over that of the best subset, minus 1.",
        style="dim",
    )


def _cells(rows: pd.DataFrame) -> list[str]:
    """Correlation with its interval, the one of random subsets, win rate and regret of one rung."""
    found = {(str(row["pool"]), str(row["quantity"])): row for row in rows.to_dict("records")}
    rho = found["all", "rho"]
    if rho["value"] != rho["value"]:
        return ["constant", "", "", ""]
    interval = f" ({rho['low']:.2f} to {rho['high']:.2f})" if rho["low"] == rho["low"] else ""
    cells = [f"{rho['value']:.2f}{interval}", f"{found['random', 'rho']['value']:.2f}"]
    if ("all", "win_rate") not in found:
        return [*cells, "", ""]
    return [
        *cells,
        f"{100 * found['all', 'win_rate']['value']:.0f}%",
        f"{found['all', 'regret']['value']:.2f}",
    ]
