"""The program ``otanalysis``: its commands, their examples, and how they end."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated

import typer

from otanalysis.cli.accuracy import accuracy
from otanalysis.cli.capture import capture
from otanalysis.cli.certify import certify
from otanalysis.cli.figures import figures
from otanalysis.cli.ladder import ladder
from otanalysis.cli.model import evaluate, train_mini
from otanalysis.cli.sweep import sweep
from otanalysis.cli.synthetic import synthetic
from otanalysis.cli.theorem import theorem
from otanalysis.cli.tokens import distance, select, verify
from otanalysis.cli.try_ import try_
from otanalysis.progress import reported

__all__ = ["app", "main"]

_COMMANDS: tuple[tuple[Callable[..., None], str], ...] = (
    (select, "otanalysis select tokens.npy --method otprune --ratio 0.098 --json"),
    (distance, "otanalysis distance tokens.npy --method divprune --ratio 0.098 --json"),
    (verify, "otanalysis verify data/dumps/mini-llava/presence"),
    (sweep, "otanalysis sweep data/dumps/mini-llava/* --methods otprune,random --ratios 0.05,0.2"),
    (figures, "otanalysis figures --only 2,4 --out figures"),
    (theorem, "otanalysis theorem --certified --dump data/dumps/mini-llava/presence --json"),
    (ladder, "otanalysis ladder data/dumps/mini-llava/* --ratios 0.098 --limit 8"),
    (certify, "otanalysis certify data/dumps/mini-llava/* --ratios 0.098 --limit 8"),
    (synthetic, "otanalysis synthetic --trials 10 --sizes 20x10x5,30x20x10"),
    (capture, "otanalysis capture --model llava-hf/llava-1.5-7b-hf --images photos --out dumps/photos"),
    (try_, 'otanalysis try --image scene.png --question "is there a 7 ?" --method otprune --ratio 0.098'),
    (evaluate, "otanalysis evaluate --methods otprune,random --ratios 0.05 --out accuracy.csv"),
    (train_mini, "otanalysis train-mini --out my-mini-llava --seed 1"),
)
"""Every command with the example that its help shows; each loads what it needs when it runs."""

app = typer.Typer(
    name="otanalysis",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command, _example in _COMMANDS:
    # A command may be a keyword of Python, and its function then ends in an underscore.
    _name = _command.__name__.rstrip("_").replace("_", "-")
    app.command(name=_name, epilog=f"Example: {_example}")(reported()(_command))
app.add_typer(accuracy)


def main() -> None:
    """Run the program; the entry point of the script ``otanalysis`` and of ``python -m otanalysis``."""
    # POT loads torch where it finds it, seconds in every process, and only ever gets NumPy arrays from us.
    os.environ.setdefault("POT_BACKEND_DISABLE_PYTORCH", "1")
    app(prog_name="otanalysis")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"otanalysis {version('otanalysis')}")
        raise typer.Exit


@app.callback()
def _program(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Visual-token pruning seen through optimal transport: select, measure, check, certify, draw."""
