"""What selecting for many images at once saves over one image after another.

Run ``python benchmarks/batch.py --help``. Both ways run in turn on the same tokens and must keep the same;
what counts is their ratio within one run. On the host both make the same products, and a batch saves only
checks and the overhead of the steps; on a GPU, where the loop waits for launches, it saves those. Beside them
stands the released code of OTPrune on one image.
"""

from __future__ import annotations

import statistics
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from common import Record, device_name, timed, write_results

if TYPE_CHECKING:
    import torch


def released_picks(tokens: torch.Tensor, keep: int) -> list[int]:
    """Return the picks of the released OTPrune as its code makes them: in float32, a wait for each step."""
    import torch

    unit = tokens / tokens.norm(dim=-2, keepdim=True).float()
    gram = unit @ unit.T
    kernel = torch.eye(len(tokens)).to(tokens.device) + 0.01 * gram @ gram.T
    rows = torch.zeros((keep, len(tokens)), device=tokens.device)
    residual = kernel.diagonal().clone()
    picks = [int(residual.argmax().item())]
    while len(picks) < keep:
        step, last = len(picks) - 1, picks[-1]
        row = (kernel[last] - (rows[:step, last][None] @ rows[:step]).squeeze()) / residual[last].sqrt()
        rows[step] = row
        residual -= row.square()
        picks.append(int(residual.argmax().item()))
        if residual[picks[-1]] < 1e-100:
            break
    return picks


def measure(clouds: torch.Tensor, method: str, keep: int, repeats: int, device: str) -> Record:
    """Return seconds an image of both ways and their ratio, medians over the repeats."""
    from otanalysis import select, select_batch

    loops, batches, released = [], [], []
    for _ in range(repeats):
        if method == "otprune":
            released.append(timed(partial(released_picks, clouds[0], keep), device)[1])
        alone, seconds = timed(lambda: [select(cloud, method, keep=keep) for cloud in clouds], device)
        loops.append(seconds / len(clouds))
        together, seconds = timed(partial(select_batch, clouds, method, keep=keep), device)
        batches.append(seconds / len(clouds))
    pairs = zip(alone, together, strict=True)
    same = [one.indices.tolist() == other.indices.tolist() for one, other in pairs]
    ratios = [batch / loop for loop, batch in zip(loops, batches, strict=True)]
    return {
        "loop": statistics.median(loops),
        "batch": statistics.median(batches),
        "ratio": statistics.median(ratios),
        "same": sum(same),
        "released": statistics.median(released) if released else None,
    }


def show(rows: list[Record], title: str) -> None:
    """Print milliseconds an image of all ways, and batch over loop."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for heading in ("method", "images", "released ms", "loop ms", "batch ms", "batch / loop", "same indices"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    for row in rows:
        times = (
            "" if row[name] is None else f"{1e3 * row[name]:.3f}" for name in ("released", "loop", "batch")
        )
        same = f"{row['same']} of {row['images']}"
        table.add_row(row["method"], str(row["images"]), *times, f"{row['ratio']:.2f}", same)
    Console().print(table)


def main(
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    images: Annotated[str, typer.Option(help="Sizes of the batch.")] = "1,8,32",
    tokens: Annotated[int, typer.Option(min=1, help="Tokens of an image.")] = 576,
    width: Annotated[int, typer.Option(min=1, help="Features of a token.")] = 4096,
    keep: Annotated[int, typer.Option(min=1, help="Tokens to keep.")] = 56,
    dtype: Annotated[str, typer.Option(help="Type of the tokens.")] = "float32",
    methods: Annotated[str, typer.Option(help="Methods.")] = "otprune,dpp,divprune",
    repeats: Annotated[int, typer.Option(min=1, help="Runs of either way.")] = 3,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("results/benchmarks"),
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Compare select_batch with a loop of select, in milliseconds an image."""
    from otanalysis.cli import numbers
    from otanalysis.progress import progress_bar, reported

    with reported():
        import torch

        sizes = [int(size) for size in numbers(images, "--images")]
        names = methods.split(",")
        rows: list[Record] = []
        with progress_bar("selection", "settings", shown=not quiet) as bar:
            for name, size in bar.track([(name, size) for name in names for size in sizes]):
                generator: Any = torch.Generator(device).manual_seed(size)
                clouds = torch.randn((size, tokens, width), generator=generator, device=device)
                clouds = clouds.to(getattr(torch, dtype))
                measure(clouds[:1], name, keep, 1, device)  # loads libraries and kernels
                rows.append({"method": name, "images": size} | measure(clouds, name, keep, repeats, device))
        show(rows, f"{keep} of {tokens} tokens of {width} features in {dtype}, {device_name(device)}")
        settings = {
            "device": device_name(device), "tokens": tokens, "width": width,
            "keep": keep, "dtype": dtype, "repeats": repeats,
        }  # fmt: skip
        write_results(out / f"batch-{device.replace(':', '')}.json", rows, settings)


if __name__ == "__main__":
    typer.run(main)
