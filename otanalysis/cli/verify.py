"""``otanalysis verify``: a dump is what was written, byte for byte, or the file that is not is named."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def verify(
    dump: Annotated[Path, typer.Argument(metavar="DUMP", help="Folder of a dump.")],
) -> None:
    """Check every byte of a dump against its checksums and every tensor against its manifest.

    The manifest is checked against the digest that it carries; those of version 0.1.0 carry none.
    """
    from otanalysis.tokens import verify_dump

    report = verify_dump(dump)
    if report.sound:
        shards = f"{report.shards} shard{'s' * (report.shards != 1)}"
        pictures = f", {report.thumbnails} with a thumbnail" if report.thumbnails else ""
        weights = f", {report.weights} with weights" if report.weights else ""
        side = f", {report.side} with side information" if report.side else ""
        typer.echo(
            f"{dump} is sound: {report.samples} samples in {shards}{pictures}{weights}{side}, "
            f"{report.size / 1e6:.1f} MB."
        )
        if not report.sealed:
            typer.echo(
                "Its manifest carries no digest (version 0.1.0 wrote none): names and settings in it "
                "are unchecked."
            )
        return
    for problem in report.problems:
        print(problem, file=sys.stderr)
    raise SystemExit(2)
