"""Panels placed in inches, and the small parts that several figures share.

Automatic layouts take seconds with forty axes and give every figure other margins; panels of known size need
neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from otanalysis.errors import InputError
from otanalysis.figures.style import TEXT_WIDTH, method_look
from otanalysis.stats.cells import MEAN

__all__ = [
    "Sheet",
    "benchmarks_of",
    "distance_name",
    "error_lengths",
    "method_legend",
    "no_score",
    "per_cent",
    "require_columns",
    "short_name",
    "tokens_name",
    "tokens_words",
]

_NOTE_PITCH = 0.126
"""Inches from one line of a note to the next."""

_DISTANCES = {"w2": r"$W_2$", "w2_squared": r"$W_2^2$", "quantisation_error": "quantisation error"}
_TOKENS = {"none": "raw tokens", "columns": "column-normalised tokens", "rows": "row-normalised tokens"}


@dataclass(frozen=True)
class Sheet:
    """A figure of the width of a page whose panels are placed in inches from the top left corner.

    Attributes
    ----------
    figure : Figure
    height : float
        In inches.
    """

    figure: Figure
    height: float

    @classmethod
    def of_height(cls, height: float) -> Sheet:
        """Return an empty sheet."""
        return cls(Figure(figsize=(TEXT_WIDTH, height)), height)

    def panel(self, left: float, top: float, width: float, height: float, **options: Any) -> Axes:
        """Add axes whose frame has this place and size in inches."""
        box = (
            left / TEXT_WIDTH,
            1 - (top + height) / self.height,
            width / TEXT_WIDTH,
            height / self.height,
        )
        return self.figure.add_axes(box, **options)

    def text(self, left: float, top: float, words: str, **options: Any) -> None:
        """Write at a place in inches."""
        self.figure.text(left / TEXT_WIDTH, 1 - top / self.height, words, **options)

    def note(self, left: float, top: float, words: str) -> None:
        """Write small grey words, such as how to read the panels, their upper left corner at a place."""
        # Line by line: matplotlib moves a line with brackets or a formula away from the one above it.
        for number, line in enumerate(words.split("\n"), start=1):
            self.text(left, top + number * _NOTE_PITCH, line, va="baseline", fontsize=7, color="0.25")

    def legend(self, handles: Sequence[Any], *, top: float, short: bool = True) -> None:
        """Put a legend without frame in the middle of the sheet, its upper edge at ``top`` inches.

        ``short`` handles are markers or boxes; others are lines.
        """
        self.figure.legend(
            handles=list(handles),
            loc="upper center",
            bbox_to_anchor=(0.5, 1 - top / self.height),
            ncols=len(handles),
            borderaxespad=0.0,
            borderpad=0.0,
            columnspacing=1.8 if len(handles) < 7 else 0.9,
            handlelength=1.0 if short else 1.8,
        )


def require_columns(table: pd.DataFrame, columns: Iterable[str], figure: str) -> None:
    """Raise InputError if a table is empty or lacks a column."""
    absent = [name for name in columns if name not in table.columns]
    if absent or table.empty:
        what = f"lacks the columns {', '.join(absent)}" if absent else "has no rows"
        raise InputError(f"The table of {figure} {what}: make it with otanalysis.studies.")


def benchmarks_of(table: pd.DataFrame) -> list[str]:
    """Return the benchmarks in the order of the table, without the mean."""
    return [str(name) for name in table["benchmark"].drop_duplicates() if name != MEAN]


def distance_name(table: pd.DataFrame) -> str:
    """Return the words for the distance that a table holds."""
    kind = str(table["distance_kind"].iloc[0])
    return _DISTANCES.get(kind, kind)


def tokens_name(table: pd.DataFrame) -> str:
    """Return the words for the normalisation under a table's distances."""
    return tokens_words(str(table["normalisation"].iloc[0]))


def tokens_words(normalisation: str) -> str:
    """Return the words for tokens under a normalisation.

    Examples
    --------
    >>> tokens_words("none")
    'raw tokens'
    """
    return _TOKENS.get(normalisation, f"tokens normalised by {normalisation}")


def no_score(panel: Axes) -> None:
    """Say in an empty panel that its benchmark has no score."""
    panel.text(0.5, 0.5, "no score", transform=panel.transAxes, ha="center", va="center", color="0.45")


def short_name(name: str, length: int = 17) -> str:
    """Cut the middle out of a name that is too long for a small panel.

    Examples
    --------
    >>> short_name("a_very_long_benchmark_name")
    'a_very_l…ark_name'
    """
    if len(name) <= length:
        return name
    head = length // 2
    return f"{name[:head]}…{name[len(name) - (length - head - 1) :]}"


def per_cent(share: float) -> str:
    """Write a share as a percentage with as few digits as it needs."""
    return f"{100 * share:.4g}%"


def error_lengths(rows: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Lengths of error bars below and above, shape (2, n); zero where the interval is unknown."""
    value, low, high = (rows[name].to_numpy(dtype=np.float64) for name in ("value", "low", "high"))
    # A percentile interval need not hold the estimate (a rank at the edge): no negative lengths.
    return np.nan_to_num(np.maximum([value - low, high - value], 0.0))


def method_legend(methods: Iterable[str], *, line: bool = False, bar: bool = False) -> list[Line2D | Patch]:
    """Return legend handles of methods: markers, markers on lines, or boxes."""
    handles: list[Line2D | Patch] = []
    for method in methods:
        look = method_look(method)
        if bar:
            handles.append(Patch(facecolor=look.colour, edgecolor="none", label=look.label))
        else:
            style = "-" if line else "none"
            handles.append(
                Line2D(
                    [], [], color=look.colour, marker=look.marker, ls=style, ms=4.5, mew=0, label=look.label
                )
            )
    return handles
