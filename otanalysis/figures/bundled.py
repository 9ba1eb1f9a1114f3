"""Figures of models whose measured tables are bundled, from these tables alone: in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Final, NoReturn

from otanalysis.errors import InputError
from otanalysis.figures.build import run
from otanalysis.figures.bundled_tables import (
    FROM_TABLES,
    basis_of,
    claims_of,
    given_of,
    lacking,
    works_of,
)
from otanalysis.figures.drawing import Say, draw_all, judged, say_on_stderr
from otanalysis.figures.folder import FiguresFolder
from otanalysis.figures.record import key_of
from otanalysis.figures.registry import FIGURES, VERDICTS
from otanalysis.figures.verdicts.claims import BASIS
from otanalysis.locks import held
from otanalysis.studies.worlds import WORLDS, World

ALL: Final = "all"
"""In place of the name of a model: every model with bundled tables."""

_NOTHING: Final = (
    f"They suffice for {', '.join((*FROM_TABLES, VERDICTS))}, and {{}} was asked for: the rest takes dumps "
    "of the model (--dumps)."
)


def draw_models(
    model: str = ALL,
    only: Sequence[int | str] = (*FIGURES, VERDICTS),
    out: str | PathLike[str] = "figures",
    *,
    say: Say = say_on_stderr,
    wait: bool = False,
    progress: bool = True,
    distance: str = "w2",
    normalise: str = "none",
    ratio: float = 0.098,
    **running: Any,
) -> list[Path]:
    """Draw the figures of the models that come with the package.

    Parameters
    ----------
    model : str
        A name in :data:`~otanalysis.studies.worlds.WORLDS`, or :data:`ALL`. The bundled model is measured
        where that is missing, see :func:`~otanalysis.figures.build.run`; of the others the bundled tables are
        drawn, as far as they go: Figures 2 to 5, A, E, I, O, P and the verdicts.
    only : sequence of int or str
        Figures, and the verdicts, as for :func:`~otanalysis.figures.build.run`.
    out : path
        Folder of the bundled model's figures; those of another one go into a folder of its name in it.
    say, wait, progress, distance, normalise, ratio, **running
        As for :func:`~otanalysis.figures.build.run`.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    InputError
        If the model is unknown, or as :func:`~otanalysis.figures.build.run` raises it; for one model, if its
        tables suffice for none of the figures, which is only said for :data:`ALL`.
    StorageError
        If a folder cannot be written, or another process writes there.
    """
    if model not in (*WORLDS, ALL):
        raise InputError(f"The models {', '.join((*WORLDS, ALL))} can be drawn, and {model!r} was asked for.")
    chosen = [str(one) for one in only]
    how: dict[str, Any] = {"progress": progress, "distance": distance, "normalise": normalise, "ratio": ratio}
    written: list[Path] = []
    for world in WORLDS.values():
        if model not in (world.model, ALL):
            continue
        if world.measured_here:
            written += run(chosen, out=out, say=say, wait=wait, **how, **running)
        elif model != ALL or _drawable(chosen):
            told: dict[str, Any] = {"say": say, "refuse": _refuse if model != ALL else say}
            written += _draw_bundled(world, chosen, Path(out) / world.model, wait=wait, **told, **how)
    return written


def _drawable(chosen: Sequence[str]) -> list[str]:
    """Return what of the chosen the bundled tables of any world suffice for."""
    return [name for name in chosen if name in (*FROM_TABLES, VERDICTS)]


def _refuse(sentence: str) -> NoReturn:
    raise InputError(sentence)


def _draw_bundled(
    world: World,
    chosen: Sequence[str],
    out: Path,
    *,
    say: Say,
    refuse: Say,
    wait: bool,
    progress: bool,
    **how: Any,
) -> list[Path]:
    """Draw what of the chosen a world's tables suffice for; ``refuse`` is told where that is nothing."""
    names, given = _drawable(chosen), given_of(world, **how)
    if fault := lacking(given) if names else _NOTHING.format(", ".join(chosen)):
        refuse(f"The figures of {world.model} are drawn from its bundled tables. {fault}")
        return []
    needed = [*names, *(BASIS if VERDICTS in names else ())]
    works = works_of(world, given, [name for name in FROM_TABLES if name in needed])
    with held(out, "drawing figures", wait=wait):
        folder = FiguresFolder(out, shown=progress)
        draw_all([works[name] for name in works if name in names], folder, model=world.model, say=say)
        if VERDICTS in names:
            basis = {name: work for name, work in works.items() if name in BASIS}
            folder.make(
                VERDICTS,
                key_of(basis_of(world, given)),
                lambda: judged(one for one in claims_of(world, basis) if one.measured),
            )
        return folder.written
