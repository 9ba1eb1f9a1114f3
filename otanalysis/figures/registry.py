"""Tables to rendered files: every figure, its versions, its numbers and the captions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from otanalysis.figures.captions import caption2, caption3, caption4, caption5
from otanalysis.figures.figure2 import draw_figure2
from otanalysis.figures.figure3 import draw_figure3
from otanalysis.figures.figure4 import draw_figure4
from otanalysis.figures.figure5 import draw_figure5
from otanalysis.figures.missing import missing_scores
from otanalysis.figures.style import figure_bytes
from otanalysis.selection import SELECTORS
from otanalysis.stats.figure_tables import (
    Figure2Tables,
    figure2_tables,
    figure3_table,
    figure4_table,
    figure5_table,
)

__all__ = [
    "FIGURES",
    "SCRIPT",
    "SWEEP_COLUMNS",
    "Files",
    "csv_bytes",
    "draw_all",
    "rendered",
    "say_on_stderr",
]

FIGURES = (2, 3, 4, 5)
RANKED_METHODS = ("first", "last", "uniform", "random", "divprune")
"""The methods whose ranks the paper compares."""

SWEEP_COLUMNS = (
    "dump",
    "benchmark",
    "sample",
    "method",
    "ratio",
    "gamma",
    "seed",
    "normalisation",
    "w2",
    "w2_squared",
    "quantisation_error",
    "trace_objective",
    "logdet",
)

"""What the figures read of a sweep; the kept indices, most of its bytes, are not among it."""

SCRIPT = "missing_scores.sh"
"""File beside the figures with the commands that measure the scores they lack."""

Files = dict[str, bytes]
Say = Callable[[str], None]


def say_on_stderr(sentence: str) -> None:
    """Print a remark where it does not mix with results."""
    print(sentence, file=sys.stderr)


def draw_all(
    rows: pd.DataFrame,
    scores: pd.DataFrame | None,
    *,
    only: Sequence[int] = FIGURES,
    distance: str = "w2",
    normalise: str = "none",
    ratio: float = 0.098,
    model: str = "MODEL",
    pretrained: str | None = None,
    table: str | PathLike[str] | None = None,
    out: str | PathLike[str] = "",
    say: Say = say_on_stderr,
) -> Files:
    """Draw figures from a sweep and an accuracy table, without touching the disk.

    Parameters
    ----------
    rows, scores : DataFrame
        As :func:`otanalysis.stats.figure_tables.figure2_tables` wants them.
    only, distance, normalise, ratio, say
        As in :func:`run`.
    model, pretrained, table, out : str or path
        What the commands for missing scores name: the dumps' model, what it is loaded from (if that is not
        its name), the accuracy table and the folder of the figures.

    Returns
    -------
    dict
        From file name to content. Where scores are missing, :data:`SCRIPT` has the commands that measure
        them.
    """
    methods = [name for name in SELECTORS if name in set(rows["method"])]
    files: Files = {}
    captions: list[str] = []
    if 2 in only:
        versions = _versions(rows, scores, methods, distance=distance, normalise=normalise, ratio=ratio)
        for name, tables in versions.items():
            files |= rendered(name, draw_figure2(tables), tables.points)
            files[f"{name}_spearman.csv"] = csv_bytes(tables.correlations)
        captions.append(caption2(versions) + _lacking(rows, scores, 2, ratio))
    if 3 in only:
        third = figure3_table(rows, scores, distance=distance, normalise=normalise)
        files |= rendered("figure3", draw_figure3(third), third)
        captions.append(caption3(third) + _lacking(rows, scores, 3, ratio))
    if 4 in only:
        fourth = figure4_table(rows, methods=methods, distance=distance, normalise=normalise)
        files |= rendered("figure4", draw_figure4(fourth), fourth)
        captions.append(caption4(fourth))
    if 5 in only:
        fifth = figure5_table(rows, scores, distance=distance, normalise=normalise)
        files |= rendered("figure5", draw_figure5(fifth), fifth)
        captions.append(caption5(fifth) + _lacking(rows, scores, 5, ratio))
    files["captions.md"] = ("\n\n".join(captions) + "\n").encode()
    missing = missing_scores(rows, scores, only=only, ratio=ratio)
    if missing.benchmarks:
        commands = missing.commands(model, table, pretrained=pretrained)
        say(f"{missing.sentence()}\n{missing.remedy(commands, table, Path(out) / SCRIPT)}")
        if not missing.of_the_scenes:
            lines = ["#!/bin/sh", "set -e", *commands]
            files[SCRIPT] = "".join(f"{line}\n" for line in lines).encode()
    return files


def _lacking(rows: pd.DataFrame, scores: pd.DataFrame | None, figure: int, ratio: float) -> str:
    """Return the paragraph about a figure's missing scores for its caption, empty if none is missing."""
    sentence = missing_scores(rows, scores, only=[figure], ratio=ratio).sentence()
    return f"\n\n**Missing scores.** {sentence}" if sentence else ""


def _versions(
    rows: pd.DataFrame,
    scores: pd.DataFrame | None,
    methods: Sequence[str],
    *,
    distance: str,
    normalise: str,
    ratio: float,
) -> Mapping[str, Figure2Tables]:
    """Figure 2, and what becomes of it with other methods and with the other distance."""
    paper = [name for name in RANKED_METHODS if name in methods]
    inner = [name for name in methods if name not in ("first", "last")]
    asked = {
        "figure2": (paper, distance),
        "figure2_all": (methods, distance),
        "figure2_all_without_first_last": (inner, distance),
        "figure2_quantisation": (paper, "quantisation_error"),
        "figure2_all_quantisation": (methods, "quantisation_error"),
    }
    return {
        name: figure2_tables(rows, scores, methods=chosen, ratio=ratio, distance=kind, normalise=normalise)
        for name, (chosen, kind) in asked.items()
    }


def rendered(name: str, figure: Figure, table: pd.DataFrame) -> Files:
    """Return a figure as PDF and PNG, and its table as CSV, by file name."""
    return {f"{name}.{kind}": figure_bytes(figure, kind) for kind in ("pdf", "png")} | {
        f"{name}.csv": csv_bytes(table)
    }


def csv_bytes(table: pd.DataFrame) -> bytes:
    """Return a table as the bytes of a CSV file."""
    return table.to_csv(index=False, float_format="%.8g").encode()
