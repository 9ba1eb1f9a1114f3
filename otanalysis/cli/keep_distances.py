"""``otanalysis keep-distances``: what sweeps of scenes measured, as one small table without the kept sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def keep_distances(
    dumps: Annotated[
        list[Path],
        typer.Argument(metavar="DUMP...", help="The dumps that were swept."),
    ],
    sweeps: Annotated[
        list[Path],
        typer.Option("--sweep", metavar="TABLE", help="Table of a sweep of them; once for each."),
    ],
    out: Annotated[Path, typer.Option(help="The table, a Parquet file.")] = Path("distances.parquet"),
) -> None:
    """Put the distances of sweeps into one small table, with what is kept of the scenes' objects.

    The kept sets themselves, most of the bytes, are left out, and numbers rounded to float32.
    """
    from otanalysis.studies.world_distances import write_distances

    typer.echo(write_distances(sweeps, dumps, out))
