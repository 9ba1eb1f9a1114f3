"""How many pictures a second a capture can take if the encoder takes no time: what the host does beside it.

Run ``python benchmarks/capture.py --help``. Pictures of 640 x 480 go through the processor of LLaVA-1.5 and
come back at once as tokens of its shape, 576 x 4,096 in float16, which are stored: 4.7 MB a picture. These
stages overlap, so that the slowest of them, or the encoder, sets the pace where there are cores enough.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any
from unittest.mock import patch

import typer
from common import Record, device_name, write_results
from llava_shape import PATCH, SIDE, TOKENS, WIDTH, build_llava, write_pictures

GRID = (SIDE // PATCH, SIDE // PATCH)


def instant_encoder(number: int) -> Callable[..., Any]:
    """Return what encodes any batch at once, to tokens that are there already, of ``number`` kinds."""
    import torch

    from otanalysis.vlm.layout import ImageTokens, PatchView

    generator = torch.Generator().manual_seed(0)
    images = [
        ImageTokens(
            prompt=place,
            number=0,
            features=torch.randn(TOKENS, WIDTH, generator=generator).to(torch.float16),
            patches=torch.arange(TOKENS),
            places=torch.arange(TOKENS),
            views=(PatchView.of_grid(*GRID),),
        )
        for place in range(number)
    ]

    def encode(_vlm: object, _inputs: object, sizes: Sequence[Any], *_: object) -> tuple[Any, ...]:
        return tuple(images[: len(sizes)])

    return encode


def staged(vlm: Any, pictures: Path, number: int, batch: int, out: Path, *, quiet: bool) -> Record:
    """Capture pictures; return the seconds of it all, and those that each of its threads was at work."""
    from otanalysis.vlm.capture import capture_tokens, job, open_pictures

    busy = dict.fromkeys(("prepare", "encode", "store"), 0.0)

    def watched(name: str) -> Any:
        work = getattr(job.CaptureJob, name)

        def timed(*given: Any) -> Any:
            start = time.perf_counter()
            try:
                return work(*given)
            finally:
                busy[name] += time.perf_counter() - start

        return patch.object(job.CaptureJob, name, timed)

    with (
        patch("otanalysis.vlm.capture.job.encode_pictures", instant_encoder(batch)),
        patch("otanalysis.vlm.capture.capture.common_grid", lambda *_: GRID),
        watched("prepare"),
        watched("encode"),
        watched("store"),
        TemporaryDirectory(dir=out) as folder,
    ):
        start, cpu = time.perf_counter(), time.process_time()
        how: Record = {"batch_size": batch, "limit": number, "progress": not quiet}
        capture_tokens(vlm, open_pictures(pictures), Path(folder) / "dump", benchmark="pictures", **how)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    milliseconds = {f"{name}_ms": 1e3 * spent / number for name, spent in busy.items()}
    return {"pictures_per_second": number / seconds, "cpu_ms": 1e3 * cpu / number, **milliseconds}


def main(
    images: Annotated[int, typer.Option(min=1, help="Pictures to capture.")] = 256,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures encoded together.")] = 16,
    repeats: Annotated[int, typer.Option(min=1, help="Captures, each of which is a line.")] = 3,
    disk: Annotated[Path | None, typer.Option(help="Folder on the disk to write to; temporary.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("results/benchmarks"),
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Measure what a capture at LLaVA-1.5's shape costs beside its encoder, by its stages."""
    from rich.console import Console
    from rich.table import Table

    from otanalysis.progress import reported

    table = Table(title=f"A capture but its encoder, {device_name('cpu')}")
    rows = []
    with reported(), TemporaryDirectory() as folder:
        write_pictures(Path(folder), images)
        vlm = build_llava(1, "float16", "cpu")
        where = Path(folder) if disk is None else disk
        for _ in range(repeats):
            rows.append(staged(vlm, Path(folder), images, batch_size, where, quiet=quiet))
    for name in rows[0]:
        table.add_column(name.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(*(f"{value:.1f}" for value in row.values()))
    Console().print(table)
    write_results(out / "capture.json", rows, {"images": images, "batch_size": batch_size})


if __name__ == "__main__":
    typer.run(main)
