"""What a sweep costs as it grows: processes and threads over one, many images over few, and a cluster.

Run ``python benchmarks/scale.py --help``. Times of the processor are of a process and its workers, whatever
else the machine does; those of the wall are not, and runs to compare are made in turn. ``--cluster`` measures
images of LLaVA-1.6's shape and says what so many of them cost on so many workers; docs/scale.md explains it.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from common import PeakMemory, Record, write_results

_SHAPE = (2880, 4096)  # tokens and dimensions of an image of LLaVA-1.6
_METHODS = ("otprune", "divprune", "random")


def write_dump(folder: Path, images: int, m: int, d: int, shard_size: int = 8) -> Path:
    """Write a dump of Gaussian tokens in float16."""
    from otanalysis.tokens import DumpWriter

    generator = np.random.default_rng(0)
    with DumpWriter(folder, model="gaussian", benchmark=folder.name, shard_size=shard_size) as writer:
        for number in range(images):
            writer.add(f"image-{number:06d}", generator.standard_normal((m, d), dtype=np.float32))
    return folder


def swept(dump: Path, jobs: int, backend: str | None, methods: tuple[str, ...]) -> Record:
    """Sweep a dump in a fresh process; return seconds of wall and processor, and its peak memory."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as fresh:
        return fresh.submit(_sweep, dump, jobs, backend, methods).result()


def _sweep(dump: Path, jobs: int, backend: str | None, methods: tuple[str, ...]) -> Record:
    os.environ.setdefault("POT_BACKEND_DISABLE_PYTORCH", "1")
    from contextlib import nullcontext

    import joblib
    import pyarrow.parquet as pq

    from otanalysis.studies import sweep

    memory = PeakMemory("cpu")
    how: dict[str, Any] = {"methods": methods, "progress": False}
    with tempfile.TemporaryDirectory() as warm:  # what a process does once, such as loading POT
        sweep([dump], **how, out=warm, limit=1)
    with tempfile.TemporaryDirectory() as out, joblib.parallel_config(backend) if backend else nullcontext():
        start, processor = time.perf_counter(), _processor()
        sweep([dump], **how, out=out, jobs=jobs)
        wall, processor = time.perf_counter() - start, _processor() - processor
        files = list(Path(out).rglob("*.parquet"))
        table = pq.read_table(Path(out) / "sweep.parquet")
        size = sum(file.stat().st_size for file in files)
    return {
        "wall": wall,
        "processor": processor,
        "gigabytes": memory.gigabytes(),
        "written": size,
        "parts": len(files) - 1,  # one is the table
        "table": table.nbytes,
    }


def _processor() -> float:
    """Return seconds of the processor, of this process and of those that it has seen end."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def ratio(rows: list[Record], over: list[Record], name: str) -> float:
    """Return the median, over runs made in turn, of a quantity over that of the run before."""
    return statistics.median(one[name] / base[name] for one, base in zip(rows, over, strict=True))


def measure_local(folder: Path, images: int, repeats: int, m: int, d: int) -> list[Record]:
    """Compare one process with two, with two threads, and with ten times the images."""
    ways: dict[str, Callable[[], Record]] = {
        "one": lambda: swept(whole, 1, None, _METHODS),
        "a tenth": lambda: swept(tenth, 1, None, _METHODS),
        "two processes": lambda: swept(whole, 2, None, _METHODS),
        "two threads": lambda: swept(whole, 2, "threading", _METHODS),
    }
    whole = write_dump(folder / "whole", images, m, d)
    tenth = write_dump(folder / "tenth", max(1, images // 10), m, d)
    runs: dict[str, list[Record]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, run in ways.items():
            runs[name].append(run())
            print(name, runs[name][-1], flush=True)
    one = runs["one"]
    return [
        {
            "images": images,
            "tokens": m,
            "seconds_an_image": statistics.median(row["processor"] for row in one) / images,
            **{
                f"{name}, {what}": value
                for name in ("two processes", "two threads")
                for what, value in (
                    ("wall of one over theirs", 1 / ratio(runs[name], one, "wall")),
                    ("at most, by their processor time", 2 / ratio(runs[name], one, "processor")),
                )
            },
            "ten times the images, processor": ratio(one, runs["a tenth"], "processor"),
            "ten times the images, memory": ratio(one, runs["a tenth"], "gigabytes"),
        }
    ]


def measure_cluster(folder: Path, images: int, workers: int, repeats: int) -> list[Record]:
    """Return unit costs of an image of LLaVA-1.6, and what they come to."""
    from otanalysis.defaults import COMPARED_METHODS
    from otanalysis.files import sha256_of_file

    m, d = _SHAPE
    dump = write_dump(folder / "next", repeats, m, d, shard_size=4)
    run = swept(dump, 1, None, COMPARED_METHODS)
    shards = sorted(dump.glob("*.safetensors"))
    start = time.process_time()
    for shard in shards:
        sha256_of_file(shard)
    hashing = (time.process_time() - start) / repeats
    seconds = run["processor"] / repeats
    bytes_each = m * d * 2
    days = images * seconds / workers / 86_400
    return [
        {
            "methods": list(COMPARED_METHODS),
            "seconds_an_image": seconds,
            "of_these_checksums": hashing,
            "token_bytes_an_image": bytes_each,
            "written_bytes_an_image": run["written"] / repeats,
            "images_a_part": repeats / run["parts"],
            "days": days,
            "terabytes_of_tokens": images * bytes_each / 1e12,
            "megabytes_read_a_second": images * bytes_each / (days * 86_400) / 1e6,
            "gigabytes_of_parts_and_table": images * run["written"] / repeats / 1e9,
            "gigabytes_of_the_table_in_memory": images * run["table"] / repeats / 1e9,
            "gigabytes_a_worker": run["gigabytes"],
        }
    ]


def main(
    cluster: Annotated[bool, typer.Option("--cluster", help="What LLaVA-1.6 costs on a cluster.")] = False,
    images: Annotated[
        int, typer.Option(help="Images; with --cluster, those that the cost is told of.")
    ] = 200,
    workers: Annotated[int, typer.Option(help="Workers of the cluster, one core each.")] = 64,
    repeats: Annotated[int, typer.Option(help="Runs in turn; with --cluster, images measured.")] = 3,
    tokens: Annotated[int, typer.Option(help="Tokens an image, without --cluster.")] = 144,
    dimensions: Annotated[int, typer.Option(help="Their dimensions, without --cluster.")] = 256,
    out: Annotated[Path, typer.Option(help="Where to write the results.")] = Path("results/scale.json"),
) -> None:
    """Measure what a sweep costs as it grows, and write it as JSON."""
    settings: dict[str, Any] = {"images": images, "repeats": repeats}
    with tempfile.TemporaryDirectory() as name:
        if cluster:
            rows = measure_cluster(Path(name), images, workers, repeats)
            settings["workers"] = workers
        else:
            rows = measure_local(Path(name), images, repeats, tokens, dimensions)
    for row in rows:
        for what, value in row.items():
            print(f"{what:>45}  {value if isinstance(value, list) else f'{value:,.3f}'}")
    write_results(out, rows, settings)


if __name__ == "__main__":
    typer.run(main)
