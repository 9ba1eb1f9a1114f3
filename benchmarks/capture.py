"""How many pictures a second a capture can take if the encoder takes no time: what the host does beside it.

Run ``python benchmarks/capture.py --help``. Pictures of 640 x 480 go through the processor of LLaVA-1.5 and
come back at once as tokens of its shape, 576 x 4,096 in float16, which are stored: 4.7 MB a picture. These
stages overlap, so that the slowest of them, or the encoder, sets the pace where there are cores enough.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated
from unittest.mock import patch

import typer
from common import Record, device_name, print_rows, write_results
from llava_shape import SIDE, TOKENS, WIDTH, build_llava, write_pictures

if TYPE_CHECKING:
    import torch

    from otanalysis.vlm import VisionLanguageModel


@contextmanager
def instant_encoder(vlm: VisionLanguageModel, batch: int) -> Iterator[None]:
    """Let the model encode any batch at once in a ``with`` block, to tokens that are there already."""
    import torch

    encoder, generator = vlm.model.model, torch.Generator().manual_seed(0)
    drawn = [torch.randn(TOKENS, WIDTH, generator=generator).to(vlm.model.dtype) for _ in range(batch)]
    with torch.inference_mode():
        real = encoder.get_image_features(torch.zeros(1, 3, SIDE, SIDE, dtype=vlm.model.dtype))

    def encode(pixel_values: torch.Tensor, **_: object) -> object:
        output = copy(real)
        output.pooler_output = tuple(drawn[: len(pixel_values)])
        return output

    with patch.object(encoder, "get_image_features", encode):
        yield


def measure(vlm: VisionLanguageModel, pictures: Path, number: int, batch: int, out: Path) -> Record:
    """Capture pictures; return how many a second, and the milliseconds of all cores for each."""
    from otanalysis.vlm.capture import capture_tokens, open_pictures

    with TemporaryDirectory(dir=out) as folder:
        start, cpu = time.perf_counter(), time.process_time()
        how: Record = {"batch_size": batch, "limit": number, "progress": False}
        capture_tokens(vlm, open_pictures(pictures), Path(folder) / "dump", benchmark="pictures", **how)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {"pictures a second": number / seconds, "CPU ms a picture": 1e3 * cpu / number}


def main(
    images: Annotated[int, typer.Option(min=1, help="Pictures to capture.")] = 256,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures encoded together.")] = 16,
    repeats: Annotated[int, typer.Option(min=1, help="Captures, each of which is a line.")] = 3,
    disk: Annotated[Path | None, typer.Option(help="Folder on the disk to write to; temporary.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("results/benchmarks"),
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Measure what a capture at LLaVA-1.5's shape costs beside its encoder."""
    from otanalysis.progress import progress_bar, reported

    with (
        reported(),
        progress_bar("capture", "times", shown=not quiet) as bar,
        TemporaryDirectory() as folder,
    ):
        write_pictures(Path(folder), images)
        vlm = build_llava(1, "float16", "cpu")
        capture = partial(measure, vlm, Path(folder), images, batch_size, disk or Path(folder))
        with instant_encoder(vlm, batch_size):
            rows = [capture() for _ in bar.track(range(repeats))]
    print_rows(f"A capture but its encoder, {device_name('cpu')}", rows)
    write_results(out / "capture.json", rows, {"images": images, "batch_size": batch_size})


if __name__ == "__main__":
    typer.run(main)
