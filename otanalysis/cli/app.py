"""The program ``otanalysis``: its commands, their examples, and how they end."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import Annotated

import typer

from otanalysis.progress import begin_program, reported

_COMMANDS = {
    "select": "otanalysis select tokens.npy --method otprune --ratio 0.098 --json",
    "distance": "otanalysis distance tokens.npy --method divprune --ratio 0.098 --json",
    "verify": "otanalysis verify data/dumps/mini-llava/*-64-pictures/presence",
    "sweep": "otanalysis sweep data/dumps/mini-llava/*-64-pictures/* --methods otprune,random "
    "--ratios 0.05,0.2",
    "figures": "otanalysis figures --only 2,4 --out figures",
    "theorem": "otanalysis theorem --certified --dump data/dumps/mini-llava/*-64-pictures/presence --json",
    "ladder": "otanalysis ladder data/dumps/mini-llava/*-64-pictures/* --ratios 0.098 --limit 8",
    "certify": "otanalysis certify data/dumps/mini-llava/*-64-pictures/presence --ratios 0.098 --limit 8",
    "synthetic": "otanalysis synthetic --trials 2 --sizes 20x10x5",
    "capture": "otanalysis capture --model llava-hf/llava-1.5-7b-hf --images photos --out dumps/photos",
    "try_": 'otanalysis try --image scene.png --question "is there a 7 ?" --method otprune --ratio 0.098',
    "check_model": "otanalysis check-model llava-hf/llava-1.5-7b-hf --image scene.png",
    "evaluate": "otanalysis evaluate --methods otprune,random --ratios 0.05 --out accuracy.csv",
    "dump_scenes": "otanalysis dump-scenes --model models/stamp-llava --stamps stamps --limit 8",
    "keep_distances": "otanalysis keep-distances data/dumps/stamp-llava-64-scenes/* "
    "--sweep results/sweep.parquet --out distances.parquet",
    "within": "otanalysis within --limit 2 --subsets 7",
    "train_mini": "otanalysis train-mini --out my-mini-llava --seed 1",
    "train_stamps": "otanalysis train-stamps --device cuda --out my-adapter",
    "assemble": "otanalysis assemble stamp-llava --out models/stamp-llava",
    "accuracy_import": "otanalysis accuracy import runs/otprune-0.098 --method otprune --ratio 0.098 "
    "--out accuracy.csv",
    "accuracy_ranks": "otanalysis accuracy ranks --model LLaVA-1.5-7B --methods divprune,fastv,vtw --json",
    "accuracy_compare": "otanalysis accuracy compare otprune divprune --json",
}
"""Every command, in the order of the help, with the example that its help shows.

A command is a function in a file of the same name in this room, and its line here; it loads what it needs
when it runs. On the command line a ``_`` at the end, which keywords of Python need, is dropped, and others
are ``-``; what begins with ``accuracy_`` belongs to the group ``accuracy``.
"""

app = typer.Typer(
    name="otanalysis",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_accuracy = typer.Typer(
    name="accuracy",
    help="Bring the scores of other programs into the accuracy table that the figures read, and rank and "
    "compare methods by scores.",
    epilog=f"Example: {_COMMANDS['accuracy_import']}",
    no_args_is_help=True,
)
for _file, _example in _COMMANDS.items():
    _command = reported()(getattr(import_module(f"otanalysis.cli.{_file}"), _file))
    _group = _accuracy if _file.startswith("accuracy_") else app
    _name = _file.removeprefix("accuracy_").rstrip("_").replace("_", "-")
    _group.command(_name, epilog=f"Example: {_example}")(_command)
app.add_typer(_accuracy)


def main() -> None:
    """Run the program; the entry point of the script ``otanalysis`` and of ``python -m otanalysis``."""
    begin_program()
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
