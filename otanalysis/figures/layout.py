"""Panels placed in inches, names written beside points where there is room, and what several figures share.

Automatic layouts take seconds with forty axes and give every figure other margins; panels of known size need
neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from otanalysis.arrays import FloatArray
from otanalysis.defaults import FULL
from otanalysis.errors import InputError
from otanalysis.figures.style import TEXT_WIDTH, method_look
from otanalysis.scalars import shown
from otanalysis.stats.cells import MEAN

INTERVAL, BASIS = ("value", "low", "high"), ("distance_kind", "normalisation")
"""Columns of tables: a number with its interval, and what a distance is between."""

_LEGEND_LINE = 10
"""Most handles of a legend in one line of a page."""

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
        corner = left / TEXT_WIDTH, 1 - (top + height) / self.height
        return self.figure.add_axes((*corner, width / TEXT_WIDTH, height / self.height), **options)

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

        ``short`` handles are markers or boxes; others are lines. More than fit one line stand in two.
        """
        lines = 1 if len(handles) <= _LEGEND_LINE else 2
        self.figure.legend(
            handles=list(handles),
            loc="upper center",
            bbox_to_anchor=(0.5, 1 - top / self.height),
            ncols=ceil(len(handles) / lines),
            borderaxespad=0.0,
            borderpad=0.0,
            columnspacing=1.8 if len(handles) < 7 else 0.9,
            handlelength=1.0 if short else 1.8,
        )


def require_columns(table: pd.DataFrame, columns: Iterable[str], figure: str) -> None:
    """Raise InputError if a table is none, is empty or lacks a column."""
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"The table of {figure} must be a DataFrame; got {shown(table)}.")
    absent = [name for name in columns if name not in table.columns]
    if absent or table.empty:
        what = f"lacks the columns {', '.join(absent)}" if absent else "has no rows"
        raise InputError(f"The table of {figure} {what}: make it with otanalysis.studies.")


def benchmarks_of(table: pd.DataFrame) -> list[str]:
    """Return the benchmarks in the order of the table, without the mean."""
    return [str(name) for name in table["benchmark"].drop_duplicates() if name != MEAN]


def methods_of(table: pd.DataFrame) -> list[str]:
    """Return the methods in the order of the table, without that of all tokens."""
    return [str(name) for name in table["method"].drop_duplicates() if name != FULL]


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


def set_ticks(axis: Axis, ticks: Sequence[float]) -> None:
    """Put ticks at these places and nowhere else, each with its number."""
    axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_minor_locator(NullLocator())


def method_legend(methods: Iterable[str], *, line: bool = False, bar: bool = False) -> list[Line2D | Patch]:
    """Return legend handles of methods: markers, markers on lines, or boxes."""
    looks = [method_look(method) for method in methods]
    if bar:
        return [Patch(facecolor=look.colour, edgecolor="none", label=look.label) for look in looks]
    mark: dict[str, Any] = {"ls": "-" if line else "none", "ms": 4.5, "mew": 0}
    return [Line2D([], [], color=look.colour, marker=look.marker, label=look.label, **mark) for look in looks]


def heat_map(panel: Axes, values: FloatArray, *, digits: bool) -> None:
    """Draw correlations [rows, columns], from -1 (red) to 1 (blue), the last column set apart.

    Numbers are written into the cells, times 100, where there is room for ``digits``.
    """
    import seaborn as sns  # here, since it loads pyplot

    words = np.vectorize(lambda value: f"{round(100 * value)}".replace("-", "−"))(np.nan_to_num(values))
    bare = {"cbar": False, "xticklabels": False, "yticklabels": False, "annot_kws": {"fontsize": 6.5}}
    sns.heatmap(
        values, vmin=-1, vmax=1, cmap="RdBu", annot=words if digits else None, fmt="", ax=panel, **bare
    )
    for word, value in zip(panel.texts, values[np.isfinite(values)], strict=False):
        word.set_color("white" if abs(value) > 0.62 else "0.15")  # seaborn's white is faint on middle blues
    panel.set_facecolor("0.93")
    for line, column in np.argwhere(np.isnan(values)) if digits else ():
        panel.text(column + 0.5, line + 0.5, "–", ha="center", va="center", fontsize=6.5, color="0.15")
    panel.axvline(values.shape[1] - 1, color="white", lw=2.5)
    panel.tick_params(length=0)


# Points: beside a marker, above or below it, half of a marker, half of an error bar.
_NEAR, _FAR, _CLEAR, _BAR = 4.0, 4.0, 3.2, 0.5
_PLACES = (
    ((_NEAR, 0.0), "left", "center"),
    ((-_NEAR, 0.0), "right", "center"),
    ((0.0, _FAR), "center", "bottom"),
    ((0.0, -_FAR), "center", "top"),
    ((_NEAR, _FAR), "left", "bottom"),
    ((_NEAR, -_FAR), "left", "top"),
    ((-_NEAR, _FAR), "right", "bottom"),
    ((-_NEAR, -_FAR), "right", "top"),
)


@dataclass(frozen=True)
class PointLabel:
    """What is written at a point of a panel, in the units of its axes.

    Attributes
    ----------
    words, colour : str
    x, y : float
        The point.
    across, along : tuple of float, optional
        Ends of its error bars, horizontal and vertical.
    """

    words: str
    x: float
    y: float
    colour: str
    across: tuple[float, float] | None = None
    along: tuple[float, float] | None = None


def label_points(panel: Axes, labels: Sequence[PointLabel], *, size: float = 7.0) -> list[str]:
    """Write each label at the first place around its point where nothing is hidden and no point is nearer.

    Parameters
    ----------
    panel : Axes
        With its final limits: labels stay within.
    labels : sequence of PointLabel
        All points of the panel; the first are served first.
    size : float
        Of the letters, in points.

    Returns
    -------
    list of str
        Labels that found no place and were left out: a legend has to name them.
    """
    figure = panel.get_figure(root=True)
    if figure is None:
        return [one.words for one in labels]
    panel.autoscale_view()  # limits are lazy, and the places hang on them
    centres = panel.transData.transform([(one.x, one.y) for one in labels])
    taken = [box for one in labels for box in _drawn(panel, one, figure.dpi / 72.0)]
    room = panel.get_window_extent()
    left_out = []
    for number, label in enumerate(labels):
        for offset, across, along in _PLACES:
            look: dict[str, Any] = {"ha": across, "va": along, "fontsize": size, "color": label.colour}
            place = (label.x, label.y)
            text = panel.annotate(label.words, place, offset, textcoords="offset points", **look)
            box = text.get_window_extent()
            inside = room.x0 <= box.x0 and box.x1 <= room.x1 and room.y0 <= box.y0 and box.y1 <= room.y1
            nearest = int(np.argmin([_gap(box, centre) for centre in centres]))
            if inside and nearest == number and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()
        else:
            left_out.append(label.words)
    return left_out


def _drawn(panel: Axes, label: PointLabel, point: float) -> list[Bbox]:
    """Return the boxes of a marker and of its error bars, in pixels; ``point`` is the size of a point."""
    spans = [(label.x, label.x, label.y, label.y, _CLEAR)]
    if label.across is not None and np.isfinite(label.across).all():
        spans.append((*label.across, label.y, label.y, _BAR))
    if label.along is not None and np.isfinite(label.along).all():
        spans.append((label.x, label.x, *label.along, _BAR))
    boxes = []
    for left, right, low, high, around in spans:
        (x0, y0), (x1, y1) = panel.transData.transform([(left, low), (right, high)])
        reach = around * point
        boxes.append(Bbox.from_extents(x0 - reach, y0 - reach, x1 + reach, y1 + reach))
    return boxes


def _gap(box: Bbox, centre: NDArray[np.float64]) -> float:
    """Return the distance of a point outside of a box from the box."""
    x, y = centre
    return float(np.hypot(max(box.x0 - x, x - box.x1, 0.0), max(box.y0 - y, y - box.y1, 0.0)))
