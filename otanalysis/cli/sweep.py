"""``otanalysis sweep``: selections of every sample, measured into one table; parallel, resumable."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from otanalysis.cli import options


def sweep(
    dumps: Annotated[list[Path], typer.Argument(metavar="DUMP...", help="Folders of dumps.")],
    methods: options.Methods = options.COMPARED,
    ratios: options.Ratios = options.PAPER_RATIOS,
    gammas: options.GammasOfMethods = "0.01",
    seeds: options.Seeds = "0",
    normalise: options.Normalisations = "none",
    distances: options.Distances = "",
    out: options.Out = Path("results"),
    jobs: options.Jobs = None,
    dask: options.Dask = None,
    limit: options.Limit = None,
    wait: options.Wait = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure selections of every sample of some dumps; writes one tidy Parquet table.

    Stopped with Ctrl-C, the same command goes on where it was.
    """
    from otanalysis.studies.cluster import on_cluster
    from otanalysis.studies.sweep import sweep as run

    with on_cluster(dask):
        table = run(
            dumps,
            **options.of_sweep(methods, ratios, gammas, seeds, normalise, distances),
            out=out,
            jobs=options.processes(jobs),
            limit=limit,
            progress=not quiet,
            wait=wait,
        )
    typer.echo(table)
