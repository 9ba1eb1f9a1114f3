"""``otanalysis try``: one question asked twice, with all visual tokens and with the kept ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otanalysis.cli import options
from otanalysis.defaults import FULL, RELEASED_GAMMA

if TYPE_CHECKING:
    from otanalysis.vlm import Trial


def try_(
    image: Annotated[Path, typer.Option(help="The picture.")],
    question: Annotated[str, typer.Option(help="What is asked about it.")],
    model: Annotated[
        str | None,
        typer.Option(
            help="Folder of an image-text model, or its name on the Hub.", show_default="bundled model"
        ),
    ] = None,
    method: options.Method = "otprune",
    ratio: Annotated[
        float | None, typer.Option(help="Share of the tokens to keep.", show_default="0.098")
    ] = None,
    keep: options.Keep = None,
    gamma: options.Gamma = RELEASED_GAMMA,
    gamma_of: options.GammaOf = "released",
    seed: options.Seed = 0,
    positions: options.Positions = "renumbered",
    newlines: Annotated[str, typer.Option(help="Rows that end a grid row: keep or drop.")] = "keep",
    max_new_tokens: Annotated[int, typer.Option(help="Longest answer.")] = 64,
    revision: options.Revision = None,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16, float16 or auto.")] = "auto",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, or auto to spread a model.")] = "cpu",
    out: Annotated[Path, typer.Option(help="Where the kept patches are drawn (.png or .pdf).")] = Path(
        "try.png"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print the answers as JSON.")] = False,
) -> None:
    """Ask a model one question with all visual tokens and with the kept ones.

    Prints both answers with the time that each took (encoding, selection and generation, after one call
    that is not timed), and draws the kept patches on the picture.
    """
    from otanalysis.errors import InputError
    from otanalysis.explore.overlay import overlay_layers
    from otanalysis.figures.style import figure_bytes, method_look
    from otanalysis.files import write_atomic
    from otanalysis.mini.bundled import bundled_model_path
    from otanalysis.vlm import load_model, try_pruning
    from otanalysis.vlm.capture.pictures import PictureItem
    from otanalysis.vlm.layout import layers_of

    kind = out.suffix.removeprefix(".")
    if kind not in ("png", "pdf"):
        raise InputError(f"--out must end in .png or .pdf; got {out.name!r}.")
    picture = PictureItem(str(image), image.read_bytes).read().pixels
    vlm: Any = load_model(model or bundled_model_path(), revision=revision, dtype=dtype, device=device)  # type: ignore[arg-type]
    share = 0.098 if ratio is None and keep is None and method != FULL else ratio
    trial = try_pruning(
        vlm,
        picture,
        question,
        max_new_tokens=max_new_tokens,
        selector=method,
        ratio=share,
        keep=keep,
        gamma=gamma,
        gamma_of=gamma_of,
        seed=seed,
        positions=positions,
        newlines=newlines,
    )
    layers = layers_of(trial.image.views)
    if layers:
        figure = overlay_layers(picture, layers, trial.image.indices, title=method_look(method).label)
        write_atomic(out, figure_bytes(figure, kind))
    drawn = str(out) if layers else None
    if as_json:
        typer.echo(options.as_json({**_record(trial), "picture": drawn}))
        return
    _print_answers(trial)
    if drawn is None:
        typer.echo("Where the patches of this model lie is not known, so that nothing was drawn.", err=True)
    else:
        typer.echo(drawn)


def _record(trial: Trial) -> dict[str, Any]:
    image = trial.image
    return {
        "prompt": trial.prompt,
        "method": image.method,
        "tokens": image.m,
        "kept": image.keep,
        "indices": image.indices.tolist(),
        "positions": trial.call.positions,
        "answer": trial.pruned.text,
        "answer_full": trial.full.text,
        "seconds": trial.pruned.seconds,
        "seconds_full": trial.full.seconds,
    }


def _print_answers(trial: Trial) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    texts = (Column(name, overflow="fold") for name in ("visual tokens", "answer"))
    table = Table(*texts, Column("seconds", justify="right", overflow="fold"))
    for tokens, answer in (
        (f"all {trial.image.m}", trial.full),
        (f"{trial.image.keep} by {trial.image.method}", trial.pruned),
    ):
        table.add_row(escape(tokens), escape(answer.text) or "(nothing)", f"{answer.seconds:.3f}")
    Console().print(table)
