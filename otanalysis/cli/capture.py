"""``otanalysis capture``: the visual tokens of pictures, into a dump; needs the extra ``vlm``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from otanalysis.cli import options

if TYPE_CHECKING:
    from otanalysis.vlm.model import Dtype


def capture(
    model: Annotated[
        str, typer.Option(metavar="MODEL", help="Folder of a Hugging Face model, or its name on the Hub.")
    ],
    images: Annotated[
        str,
        typer.Option(
            metavar="IMAGES",
            help="Folder of pictures; list .jsonl with image (and id) on each line; or dataset: a folder "
            "that save_to_disk wrote, Parquet, or OWNER/NAME on the Hub, with :SPLIT if there are several.",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DUMP", help="Folder for the dump.")],
    benchmark: Annotated[
        str | None,
        typer.Option(help="Name of the pictures in tables and figures.", show_default="name of DUMP"),
    ] = None,
    revision: options.Revision = None,
    dtype: Annotated[
        str | None,
        typer.Option(
            help="What the model computes in: float32, bfloat16, float16, auto (as stored).",
            show_default="float32 on the CPU, else auto",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="Where it computes: cpu, cuda, cuda:1; auto spreads the model (needs accelerate).",
            show_default="cuda if there is a GPU, else cpu",
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Pictures a forward pass.")] = 8,
    limit: Annotated[int | None, typer.Option(help="Only the first pictures.", show_default="all")] = None,
    layer: Annotated[
        int | None,
        typer.Option(
            help="Vision layer whose states are projected, 0 being the patch embeddings, -1 the last; for "
            "LLaVA, LLaVA-NeXT, LLaVA-OneVision and InternVL.",
            show_default="the model's own",
        ),
    ] = None,
    side: Annotated[
        str | None,
        typer.Option(
            help="Attention in the image encoder to keep beside the tokens: cls-attention, "
            "received-attention, or both, separated by a comma.",
            show_default="none",
        ),
    ] = None,
    shard_size: Annotated[int, typer.Option(help="Samples a file of the dump.")] = 64,
    dump_dtype: Annotated[
        str, typer.Option(help="What tokens are stored in: float16 or float32.")
    ] = "float16",
    thumbnails: Annotated[
        bool,
        typer.Option("--thumbnails", help="Keep a small picture of each image, to see selections on it."),
    ] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out pictures that cannot be read, and list them.")
    ] = False,
    wait: options.Wait = False,
    quiet: options.Quiet = False,
) -> None:
    """Write the visual tokens of pictures, after the projector, into a dump.

    Stopped with Ctrl-C, the same command goes on after the last whole file. Nothing is asked of the network
    for models and pictures in folders.
    """
    from otanalysis.tokens.write import refuse_finished
    from otanalysis.vlm.capture.capture import capture_tokens
    from otanalysis.vlm.capture.provenance import model_revision
    from otanalysis.vlm.capture.sources import open_pictures
    from otanalysis.vlm.families import is_tried
    from otanalysis.vlm.model import best_device, load_model

    refuse_finished(out)
    source = open_pictures(images)
    place = device or best_device()
    chosen = dtype or ("float32" if place == "cpu" else "auto")
    vlm = load_model(model, revision=revision, dtype=cast("Dtype", chosen), device=place)
    report = capture_tokens(
        vlm,
        source,
        out,
        benchmark=out.resolve().name if benchmark is None else benchmark,
        revision=model_revision(vlm, model, progress=not quiet),
        batch_size=batch_size,
        limit=limit,
        layer=layer,
        side=[] if side is None else [name.replace("-", "_") for name in options.comma_list(side, "--side")],
        shard_size=shard_size,
        dump_dtype=cast("Literal['float16', 'float32']", dump_dtype),
        thumbnails=thumbnails,
        skip_bad=skip_bad,
        progress=not quiet,
        wait=wait,
    )
    if not is_tried(vlm.model):
        print(
            f"Models of the kind {vlm.model.config.model_type!r} were not tried: all their rows are taken "
            "for patches, look at some.",
            file=sys.stderr,
        )
    for line in report.skipped:
        print(f"skipped {line}", file=sys.stderr)
    typer.echo(report.path)
