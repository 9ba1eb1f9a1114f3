"""``otanalysis capture``: the visual tokens of pictures, into a dump; needs the extra ``vlm``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from otanalysis.cli import options
from otanalysis.errors import InputError

if TYPE_CHECKING:
    from otanalysis.vlm.model import Dtype

_OF_SWEEP = ("methods", "ratios", "gammas", "seeds", "normalise", "distances", "jobs", "dask")


def capture(
    context: typer.Context,
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
    sweep: Annotated[
        bool,
        typer.Option(
            "--sweep",
            help="Keep no tokens: measure the selections of --shard-size samples at a time, and write the "
            "sweep.parquet of `otanalysis sweep DUMP` into DUMP. The options from here to --dask are for it.",
        ),
    ] = False,
    methods: options.Methods = options.COMPARED,
    ratios: options.Ratios = options.PAPER_RATIOS,
    gammas: options.GammasOfMethods = "0.01",
    seeds: options.Seeds = "0",
    normalise: options.Normalisations = "none",
    distances: options.Distances = "",
    jobs: options.Jobs = None,
    dask: options.Dask = None,
    wait: options.Wait = False,
    quiet: options.Quiet = False,
) -> None:
    """Write the visual tokens of pictures, after the projector, into a dump; or measure them at once.

    Stopped with Ctrl-C, the same command goes on after the last whole file. Nothing is asked of the network
    for models and pictures in folders.
    """
    from otanalysis.studies.capture_sweep import capture_sweep
    from otanalysis.studies.cluster import on_cluster
    from otanalysis.studies.runs import SweepSettings
    from otanalysis.tokens.write import refuse_finished
    from otanalysis.vlm.capture.capture import capture_tokens
    from otanalysis.vlm.capture.provenance import model_revision
    from otanalysis.vlm.capture.sources import open_pictures
    from otanalysis.vlm.families import is_tried
    from otanalysis.vlm.model import best_device, load_model

    _check_for_sweep(context, sweep=sweep)
    asked = options.of_sweep(methods, ratios, gammas, seeds, normalise, distances)
    settings = SweepSettings(**asked) if sweep else None
    refuse_finished(out)
    source = open_pictures(images)
    place = device or best_device()
    chosen = dtype or ("float32" if place == "cpu" else "auto")
    vlm = load_model(model, revision=revision, dtype=cast("Dtype", chosen), device=place)
    sides = [] if side is None else [name.replace("-", "_") for name in options.comma_list(side, "--side")]
    how: dict[str, Any] = {
        "benchmark": out.resolve().name if benchmark is None else benchmark,
        "revision": model_revision(vlm, model, progress=not quiet),
        "batch_size": batch_size,
        "limit": limit,
        "layer": layer,
        "side": sides,
        "shard_size": shard_size,
        "dump_dtype": dump_dtype,
        "skip_bad": skip_bad,
        "progress": not quiet,
        "wait": wait,
    }
    if settings is None:
        report = capture_tokens(vlm, source, out, thumbnails=thumbnails, **how)
    else:
        with on_cluster(dask):
            report = capture_sweep(vlm, source, out, settings, jobs=options.processes(jobs), **how)
    if not is_tried(vlm.model):
        print(
            f"Models of the kind {vlm.model.config.model_type!r} were not tried: all their rows are taken "
            "for patches, look at some.",
            file=sys.stderr,
        )
    for line in report.skipped:
        print(f"skipped {line}", file=sys.stderr)
    typer.echo(report.path)


def _check_for_sweep(context: typer.Context, *, sweep: bool) -> None:
    """Refuse options that say nothing without --sweep, or with it."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = [name for name, source in sources.items() if source and source.name != "DEFAULT"]
    if odd := [name for name in (("thumbnails",) if sweep else _OF_SWEEP) if name in given]:
        cure = "leave it out: no tokens are kept that it would be seen with" if sweep else "add --sweep"
        raise InputError(f"--{odd[0]} is for a capture {'without' if sweep else 'with'} --sweep: {cure}.")
