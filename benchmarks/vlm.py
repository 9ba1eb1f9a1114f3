"""What pruning saves when a model runs: capture, memory, and time to the first token by kept tokens.

Run ``python benchmarks/vlm.py --help``. The model is LLaVA-1.5 in its real shape (336 px, 576 tokens of width
4,096) with random weights, and few layers in the language model, so that it fits anywhere: the share of time
that pruning saves grows with ``--layers`` (LLaVA-1.5-7B has 32). On the host, seconds are those of the
process on one thread, whatever else the machine does; what counts is ratios to the unpruned model of the run.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer
from answers import Answers
from common import PeakMemory, Record, device_name, timed, write_results
from llava_shape import PROMPT, TOKENS, build_llava, write_pictures

# Before NumPy is loaded, which reads them once.
for _pool in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_pool, "1")

if TYPE_CHECKING:
    from otanalysis.vlm import VisionLanguageModel


def measure_capture(
    vlm: VisionLanguageModel, pictures: Path, limit: int, *, batch: int, shard: int, device: str, quiet: bool
) -> Record:
    """Capture the first pictures into a dump that is thrown away: visual tokens a second, and peak memory."""
    from otanalysis.vlm.capture import capture_tokens, open_pictures

    memory = PeakMemory(device)
    memory.reset()
    with TemporaryDirectory() as folder:
        work = partial(
            capture_tokens,
            vlm,
            open_pictures(pictures),
            Path(folder) / "dump",
            benchmark="pictures",
            batch_size=batch,
            shard_size=shard,
            limit=limit,
            progress=not quiet,
        )
        report, seconds = timed(work, device)
    return {
        "images": report.samples,
        "seconds": seconds,
        "tokens_per_second": report.samples * TOKENS / seconds,
        "peak_gb": memory.gigabytes(),
    }


def inputs_for(vlm: VisionLanguageModel, pictures: Path, batch: int) -> Any:
    """Return what the processor makes of the prompt and each of the first pictures, on the model's device."""
    from PIL import Image

    shown = [Image.open(path).convert("RGB") for path in sorted(pictures.iterdir())[:batch]]
    inputs = vlm.processor(images=shown, text=[PROMPT] * batch, return_tensors="pt")
    return inputs.to(vlm.model.device, vlm.model.dtype)


def show(captures: Sequence[Record], answers: Sequence[Record], title: str) -> None:
    """Print both tables."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(title, highlight=False)
    table = Table(title="Capture", title_justify="left")
    for heading in ("images", "seconds", "tokens a second", "peak GB"):
        table.add_column(heading, justify="right")
    for row in captures:
        values = (f"{row['seconds']:.1f}", f"{row['tokens_per_second']:.0f}", f"{row['peak_gb']:.2f}")
        table.add_row(str(row["images"]), *values)
    console.print(table)
    table = Table(title="Answers; ratios to unpruned", title_justify="left")
    for heading in (
        "batch",
        "kept",
        "first token s",
        "ratio",
        "selection s",
        "next token s",
        "ratio",
        "peak GB",
    ):
        table.add_column(heading, justify="right")
    for row in answers:
        table.add_row(
            str(row["batch"]),
            str(row["kept"]) if row["pruned"] else "unpruned",
            f"{row['first_seconds']:.3f}",
            f"{row['first_ratio']:.2f}",
            f"{row['selection_seconds']:.3f}",
            f"{row['next_seconds']:.3f}",
            f"{row['next_ratio']:.2f}",
            f"{row['peak_gb']:.2f}",
        )
    console.print(table)
    console.print("The first token's seconds begin at the pixels: encoding and selection are in them.")


def break_even(rows: Sequence[Record]) -> float | None:
    """Return the largest share kept from which on pruning pays, between the shares measured; None if nowhere.

    Parameters
    ----------
    rows
        Pruned answers of one batch size.
    """
    points = sorted((row["kept"] / TOKENS, row["first_ratio"]) for row in rows)
    paying = None
    for (share, ratio), (next_share, next_ratio) in pairwise([*points, (1.0, math.inf)]):
        if ratio < 1.0:
            paying = share
            if 1.0 <= next_ratio < math.inf:
                paying += (next_share - share) * (1.0 - ratio) / (next_ratio - ratio)
    return paying


def draw_break_even(answers: Sequence[Record], path: Path, title: str) -> None:
    """Draw the time to the first token over that of the unpruned model, by the share kept, a line a batch."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    panel = figure.add_subplot(
        xlabel="share of the visual tokens kept", ylabel="first token, over unpruned", title=title
    )
    for batch in sorted({row["batch"] for row in answers}):
        rows = sorted((row for row in answers if row["batch"] == batch and row["pruned"]), key=_kept)
        pays = break_even(rows)
        says = "pays nowhere" if pays is None else f"pays up to {pays:.0%}"
        shares, ratios = [row["kept"] / TOKENS for row in rows], [row["first_ratio"] for row in rows]
        panel.plot(shares, ratios, marker="o", label=f"batch {batch}: {says}")
    panel.axhline(1.0, color="0.5", linewidth=0.8)
    panel.set(xlim=(0, None), ylim=(0, None))
    panel.title.set_fontsize("small")
    panel.legend()
    figure.savefig(path)
    print(path)


def _kept(row: Record) -> int:
    return int(row["kept"])


def main(
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    images: Annotated[int, typer.Option(min=1, help="Pictures to capture.")] = 64,
    layers: Annotated[int, typer.Option(min=1, help="Layers of the language model.")] = 2,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures captured together.")] = 8,
    batch: Annotated[str, typer.Option(help="Questions asked together.")] = "1",
    keep: Annotated[str, typer.Option(help="Numbers of tokens to keep.")] = "576,288,115,56,29",
    method: Annotated[str, typer.Option(help="Method that selects.")] = "otprune",
    words: Annotated[int, typer.Option(min=2, help="Length of an answer.")] = 8,
    repeats: Annotated[int, typer.Option(min=1, help="Answers of each kind.")] = 3,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("results/benchmarks"),
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Measure capture and pruned answers on a model of LLaVA-1.5's shape."""
    from rich.console import Console

    from otanalysis.cli import numbers
    from otanalysis.progress import progress_bar, reported

    with reported(), TemporaryDirectory() as folder:
        keeps = [int(count) for count in numbers(keep, "--keep")]
        pictures = Path(folder)
        batches = [int(size) for size in numbers(batch, "--batch")]
        write_pictures(pictures, max(images, *batches))
        with Console(stderr=True, quiet=quiet).status("building the model"):
            vlm = build_llava(layers, dtype, device)
        # A quarter first: it loads libraries and kernels, and fills a file, whose samples wait in memory.
        # From then on the peak must not grow with the number of pictures.
        limits = sorted({max(1, images // 4), images})
        capture = partial(
            measure_capture, vlm, pictures, batch=batch_size, shard=limits[0], device=device, quiet=quiet
        )
        captures = [capture(limit) for limit in limits]
        answers: list[Record] = []
        with progress_bar("answers", "answers", shown=not quiet) as bar:
            for size in batches:
                inputs = inputs_for(vlm, pictures, size)
                asked = Answers.to(vlm, inputs, method=method, words=words, device=device)
                answers += asked.measure(keeps, repeats, bar)
        where = device_name(device)
        title = f"LLaVA-1.5's shape, {layers} language layers, {dtype}; {where}"
        show(captures, answers, title)
        settings = {
            "device": where, "dtype": dtype, "layers": layers, "batch_size": batch_size,
            "method": method, "words": words, "repeats": repeats,
        }  # fmt: skip
        parts = {"capture": captures, "answer": answers}
        rows = [{"part": part} | row for part, own in parts.items() for row in own]
        results = out / f"vlm-{device.replace(':', '')}.json"
        write_results(results, rows, settings)
        draw_break_even(answers, results.with_suffix(".pdf"), f"{method}, {title}")


if __name__ == "__main__":
    typer.run(main)
