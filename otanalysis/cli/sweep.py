"""Commands that measure many samples: long, parallel, resumable."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

if TYPE_CHECKING:
    from otanalysis.arrays import Normalisation

__all__ = ["sweep"]

_ALL = "all"


def sweep(
    dumps: Annotated[list[Path], typer.Argument(metavar="DUMP...", help="Folders of dumps.")],
    methods: Annotated[str, typer.Option(help="Selection methods, separated by commas.")] = _ALL,
    ratios: Annotated[str, typer.Option(help="Shares of the tokens to keep.")] = "0.05,0.098,0.15,0.2",
    gammas: Annotated[str, typer.Option(help="For otprune.")] = "0.01",
    seeds: Annotated[str, typer.Option(help="For the methods that draw at random.")] = "0",
    normalise: Annotated[
        str, typer.Option(help="Of the tokens before the distances: none, columns, rows.")
    ] = "none",
    out: Annotated[Path, typer.Option(help="Folder for the table and its parts.")] = Path("results"),
    jobs: Annotated[int | None, typer.Option(help="Processes.", show_default="all cores")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first samples of each dump.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Measure selections of every sample of some dumps; writes one tidy Parquet table.

    Stopped with Ctrl-C, the same command goes on where it was.
    """
    from joblib import cpu_count

    from otanalysis.cli.options import comma_list, numbers, whole_numbers
    from otanalysis.selection import SELECTORS
    from otanalysis.studies.sweep import sweep as run

    table = run(
        dumps,
        methods=tuple(SELECTORS) if methods == _ALL else comma_list(methods, "--methods"),
        ratios=numbers(ratios, "--ratios"),
        gammas=numbers(gammas, "--gammas"),
        seeds=whole_numbers(seeds, "--seeds"),
        normalisations=cast("tuple[Normalisation, ...]", comma_list(normalise, "--normalise")),
        out=out,
        jobs=cpu_count() if jobs is None else jobs,
        limit=limit,
        progress=not quiet,
    )
    typer.echo(table)
