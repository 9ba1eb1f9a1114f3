"""From what is given to files: a figure's pictures, numbers and caption, and the table of verdicts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from os import PathLike
from typing import Any, Final

import pandas as pd
from matplotlib.figure import Figure

from otanalysis.figures.across import ACROSS
from otanalysis.figures.captions import single_images
from otanalysis.figures.folder import FiguresFolder
from otanalysis.figures.missing import MissingScores, missing_scores
from otanalysis.figures.record import Made, Record, key_of
from otanalysis.figures.registry import FIGURES, VERDICTS
from otanalysis.figures.style import figure_bytes
from otanalysis.figures.verdicts import as_markdown, verdict_table
from otanalysis.figures.verdicts.claim import PaperClaim
from otanalysis.figures.work import Work

Say = Callable[[str], None]

KINDS: Final = ("pdf", "png")
"""Formats of every picture."""

SCRIPT: Final = "missing_scores.sh"
"""File beside the figures with the commands that measure the scores they lack."""


def say_on_stderr(sentence: str) -> None:
    """Print a remark where it does not mix with results."""
    print(sentence, file=sys.stderr)


def draw_all(
    works: Sequence[Work],
    folder: FiguresFolder,
    *,
    model: str = "MODEL",
    pretrained: str | None = None,
    table: str | PathLike[str] | None = None,
    say: Say = say_on_stderr,
) -> bytes:
    """Put figures into a folder, each as soon as it is drawn, and say which scores they lack.

    Parameters
    ----------
    works : sequence of Work
        The figures; those that show scores are made of the same rows.
    folder : FiguresFolder
        Where a figure that is there, made of the same, stays.
    model, pretrained, table : str or path
        What the commands for missing scores name: the dumps' model, what it is loaded from (if that is not
        its name) and the accuracy table.
    say : callable
        Gets the remark.

    Returns
    -------
    bytes
        The script with the commands that measure the missing scores, for :data:`SCRIPT`; empty where none is
        missing, and where no command does.
    """
    for work in works:
        make = partial(_whole, work, model, folder.record)
        folder.make(f"all of {work.figure.file}", key_of([work.key, model]), make)
    lacking = _lacking(works)
    if not lacking.benchmarks:
        return b""
    commands = lacking.commands(model, table, pretrained=pretrained)
    say(f"{lacking.sentence()}\n{lacking.remedy(commands, table, folder.path / SCRIPT)}")
    return (
        b""
        if lacking.worlds
        else "".join(f"{line}\n" for line in ("#!/bin/sh", "set -e", *commands)).encode()
    )


def _whole(work: Work, model: str, record: Record) -> Made:
    """Return a figure with all its versions and numbers; its pictures are drawn where they cannot stay."""
    figure = work.figure
    made = Made({}, _caption(work, model))
    for name, table in work.tables.items():
        key = key_of(table, figure.draw)
        made.files.update(record.get(name, key, partial(_drawn, name, table, figure.draw)).files)
        for end, numbers in figure.csvs(table).items():
            made.files[f"{name}{end}.csv"] = numbers.to_csv(index=False, float_format="%.8g").encode()
    return made


def _drawn(name: str, table: object, draw: Callable[[Any], Figure]) -> Made:
    """Draw a picture, in all formats."""
    picture = draw(table)
    return Made({f"{name}.{kind}": figure_bytes(picture, kind) for kind in KINDS})


def _caption(work: Work, model: str) -> str:
    """Return the caption of a figure, with notes on what it lacks and of which model it speaks."""
    sentence = _lacking([work]).sentence()
    notes = [
        single_images(work.given.rows),
        f"**Missing scores.** {sentence}" if sentence else "",
        _of_one_model(work.name, work.given.rows, model),
    ]
    return "\n\n".join([work.figure.caption(work.tables), *filter(None, notes)])


def _lacking(works: Sequence[Work]) -> MissingScores:
    """Return the scores that figures lack; none where they show none."""
    of_scores = [work for work in works if work.figure.scores is not None]
    if not of_scores:
        return MissingScores({}, given=False)
    given = of_scores[0].given
    return missing_scores(given.rows, given.scores, only=[work.name for work in of_scores], ratio=given.ratio)


def _of_one_model(name: str, rows: pd.DataFrame, model: str) -> str:
    """Return the note on which model a figure speaks of; none where it shows several, and names them."""
    if FIGURES[name].needs in ACROSS or ("model" in rows and rows["model"].nunique() > 1):
        return ""
    return f"**Model.** Measured on `{model}`: what holds here, or does not, is said of this model alone."


def judged(claims: Iterable[PaperClaim]) -> Made:
    """Return the files of the table of verdicts on claims."""
    table = verdict_table(claims)
    numbers = table.to_csv(index=False, float_format="%.8g")
    return Made({f"{VERDICTS}.md": as_markdown(table).encode(), f"{VERDICTS}.csv": numbers.encode()})
