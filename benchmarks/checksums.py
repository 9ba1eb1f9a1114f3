"""What comparing checksums costs a sweep: every shard is hashed before the first sample is read from it.

Run ``python benchmarks/checksums.py --help``. A dump that was opened anew is read twice: the first pass
hashes, the second remembers. The difference is put beside the seconds of a sweep of the same samples, in one
process. With more processes each hashes the shards that it reads from: a shard of 64 samples is measured in
eight parts, so that the share is at most eight times what is printed.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer
from common import Record, timed, write_results


def write_noise(folder: Path, images: int, tokens: int, width: int) -> Path:
    """Write a dump of normal noise; LLaVA-1.5-7B has 576 tokens of 4,096 features."""
    from otanalysis.tokens import DumpWriter

    generator = np.random.default_rng(0)
    with DumpWriter(folder, model="noise", benchmark=f"{tokens} x {width}") as writer:
        for number in range(images):
            writer.add(str(number), generator.standard_normal((tokens, width), dtype=np.float32))
    return folder


def measure(path: Path, methods: list[str], ratios: list[float], limit: int, repeats: int) -> Record:
    """Return seconds an image of the checksums and of a sweep, medians of the repeats."""
    from otanalysis.studies import sweep
    from otanalysis.tokens import open_dump

    size = open_dump(path).manifest.shards[0].size
    list(open_dump(path))  # so that the files lie in memory, as for any second reader
    checks, sweeps = [], []
    for _ in range(repeats):
        dump = open_dump(path)
        first, second = (timed(lambda dump=dump: list(dump), "cpu")[1] for _ in range(2))
        checks.append((first - second) / len(dump))
        with TemporaryDirectory() as out:
            how = {"methods": methods, "ratios": ratios, "limit": limit, "progress": False}
            seconds = timed(lambda out=out, how=how: sweep([path], **how, out=out), "cpu")[1]
        sweeps.append(seconds / min(limit, len(dump)))
    check, whole = statistics.median(checks), statistics.median(sweeps)
    return {
        "benchmark": dump.manifest.benchmark,
        "images": len(dump),
        "shard_megabytes": size / 1e6,
        "check": check,
        "sweep": whole,
        "share": check / whole,
    }


def show(rows: list[Record]) -> None:
    """Print milliseconds an image and the share of the checksums."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="checksums beside a sweep, one process", title_justify="left")
    for heading in ("dump", "images", "shard MB", "checksums ms", "sweep ms", "share"):
        table.add_column(heading, justify="left" if heading == "dump" else "right")
    for row in rows:
        times = (f"{1e3 * row[name]:.2f}" for name in ("check", "sweep"))
        table.add_row(
            row["benchmark"],
            str(row["images"]),
            f"{row['shard_megabytes']:.1f}",
            *times,
            f"{row['share']:.2%}",
        )
    Console().print(table)


def main(
    methods: Annotated[str, typer.Option(help="Methods of the sweep.", show_default="all")] = "",
    ratios: Annotated[str, typer.Option(help="Shares to keep.")] = "0.05,0.098,0.15,0.2",
    images: Annotated[int, typer.Option(min=1, help="Images of the dump of noise.")] = 8,
    limit: Annotated[int, typer.Option(min=1, help="Images that are swept.")] = 2,
    repeats: Annotated[int, typer.Option(min=1, help="Runs.")] = 3,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("results/benchmarks"),
) -> None:
    """Put the seconds that checksums take beside those of a sweep: of the bundled model, at LLaVA's shape."""
    from otanalysis import open_bundled
    from otanalysis.progress import reported
    from otanalysis.selection import TOKEN_METHODS

    with reported(), TemporaryDirectory() as folder:
        paths = [open_bundled("presence").path, write_noise(Path(folder) / "noise", images, 576, 4096)]
        chosen = methods.split(",") if methods else list(TOKEN_METHODS)
        shares = [float(ratio) for ratio in ratios.split(",")]
        rows = [measure(path, chosen, shares, limit, repeats) for path in paths]
        show(rows)
        write_results(
            out / "checksums.json",
            rows,
            {"methods": chosen, "ratios": shares, "limit": limit, "repeats": repeats},
        )


if __name__ == "__main__":
    typer.run(main)
