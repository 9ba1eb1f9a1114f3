"""Figure A, the ladder: where agreement with exact transport is lost on the way to the surrogate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from otanalysis.figures.layout import Sheet, benchmarks_of, per_cent, require_columns, short_name
from otanalysis.figures.style import TEXT_WIDTH, paper_style
from otanalysis.selection.pool import RANDOM
from otanalysis.stats.cells import MEAN
from otanalysis.stats.ladder_tables import DROPPED_TERM, FREE_WEIGHTS
from otanalysis.surrogate.ladder import RUNGS

__all__ = ["draw_ladder", "main_ratio"]

_COLUMNS = (
    "normalisation",
    "ratio",
    "pool",
    "benchmark",
    "measure",
    "quantity",
    "value",
    "low",
    "high",
)
_STEPS = {
    "w2_squared": ("exact $W_2^2$", "the distance itself"),
    "gelbrich_w2_squared": ("Gaussian (Gelbrich)", "only means and covariances left"),
    "bures_w2_squared": ("zero-mean Gaussian", "means dropped"),
    "trace_objective": ("trace term $T$", r"$\mathrm{tr}\,\Sigma_C$ dropped"),
    "logdet_same_tokens": ("log-det, same tokens", r"$\sqrt{t}$ replaced by $\log(1+t)$"),
    "logdet": ("log-det as released", "columns normalised"),
    DROPPED_TERM: (r"$\mathrm{tr}\,\Sigma_C$ alone", "the term dropped at rung 3"),
    FREE_WEIGHTS: ("quantisation error", "exact, with free weights"),
}
_TOKENS = {"none": "raw tokens", "columns": "column-normalised", "rows": "row-normalised"}

PAPER_RATIO = 0.098
LEFT = 1.72
GAP = 0.14
TOP = 0.5
ROW = 0.36
ACCENT = "#D55E00"


def draw_ladder(table: pd.DataFrame) -> Figure:
    r"""Draw Spearman's :math:`\rho` with the exact distance, one row a rung, overall and per benchmark.

    Parameters
    ----------
    table : DataFrame
        From :func:`otanalysis.stats.ladder_tables.ladder_table`.

    Returns
    -------
    Figure
        Top: one panel a normalisation, one line a ratio from rung to rung; bars are intervals, hollow markers
        the agreement among random subsets alone. Below: the same values for every benchmark, at
        :func:`main_ratio`.

    Raises
    ------
    InputError
        If the table lacks a column.
    """
    require_columns(table, _COLUMNS, "Figure A")
    rows = table[table["quantity"] == "rho"]
    kinds = [str(name) for name in rows["normalisation"].drop_duplicates()]
    ratios = sorted(float(ratio) for ratio in rows["ratio"].unique())
    names = benchmarks_of(rows)
    width = (TEXT_WIDTH - LEFT - 0.08 - (len(kinds) - 1) * GAP) / len(kinds)
    height = ROW * len(_STEPS) + 0.1
    below = TOP + height + 0.66
    with paper_style():
        sheet = Sheet.of_height(below + _grid_height(len(kinds)) + _name_height(names))
        sheet.legend(_legend(ratios), top=0.03, short=False)
        sheet.text(0.02, TOP - 0.1, "(a)", va="bottom", weight="bold")
        overall = rows[rows["benchmark"] == MEAN]
        least = min(-0.1, float(np.nanmin(overall[["value", "low"]].to_numpy())))
        for number, kind in enumerate(kinds):
            panel = sheet.panel(LEFT + number * (width + GAP), TOP, width, height)
            _ladder(panel, overall[overall["normalisation"] == kind], ratios)
            panel.set_xlim(least - 0.06, 1.06)
            panel.set_title(_TOKENS.get(kind, kind))
            panel.set_xlabel(r"Spearman's $\rho$ with exact $W_2^2$")
            if number == 0:
                _name_steps(panel)
        ratio = main_ratio(table)
        sheet.text(0.02, below - 0.1, "(b)", va="bottom", weight="bold")
        chosen = rows[(rows["ratio"] == ratio) & (rows["pool"] == "all")]
        _grids(sheet, below, chosen, [*names, MEAN])
        return sheet.figure


def main_ratio(table: pd.DataFrame) -> float:
    """Return the ratio of the table that is nearest to the one at which the paper compares methods."""
    return float(min(table["ratio"].unique(), key=lambda ratio: abs(ratio - PAPER_RATIO)))


def _colours(ratios: list[float]) -> list[str]:
    shades = np.linspace(0.4, 0.95, len(ratios)) if len(ratios) > 1 else np.array([0.8])
    return [to_hex(colormaps["Blues"](shade)) for shade in shades]


def _legend(ratios: list[float]) -> list[Line2D]:
    shades = zip(ratios, _colours(ratios), strict=True)
    handles = [
        Line2D([], [], color=shade, marker="o", ms=4, mew=0, lw=0.8, label=f"{per_cent(ratio)} kept")
        for ratio, shade in shades
    ]
    hollow: dict[str, Any] = {
        "color": "0.35",
        "mfc": "white",
        "mew": 0.7,
        "marker": "D",
        "ms": 3,
        "ls": "none",
    }
    return [*handles, Line2D([], [], label="among random subsets only", **hollow)]


def _places() -> dict[str, float]:
    """Height of every row, rung 0 on top; what stands beside the ladder is set apart."""
    return {name: number + 0.3 * (number >= len(RUNGS)) for number, name in enumerate(_STEPS)}


def _ladder(panel: Axes, rows: pd.DataFrame, ratios: list[float]) -> None:
    places = _places()
    offsets = np.linspace(-0.27, 0.27, len(ratios)) if len(ratios) > 1 else np.zeros(1)
    panel.axvline(0, color="0.6", lw=0.6, zorder=0)
    panel.axhspan(2.5, 3.5, color=ACCENT, alpha=0.08, lw=0, zorder=0)
    panel.axhline(len(RUNGS) - 0.35, color="0.6", lw=0.5, ls=(0, (3, 2)), zorder=0)
    for ratio, offset, colour in zip(ratios, offsets, _colours(ratios), strict=True):
        own = rows[rows["ratio"] == ratio]
        by_pool = {pool: own[own["pool"] == pool].set_index("measure") for pool in ("all", RANDOM)}
        whole = by_pool["all"].reindex(list(places))
        heights = np.array(list(places.values())) + offset
        rungs = len(RUNGS)
        panel.plot(whole["value"][:rungs], heights[:rungs], color=colour, lw=0.7, alpha=0.7, zorder=1)
        panel.hlines(heights, whole["low"], whole["high"], color=colour, lw=1.6, zorder=2)
        panel.plot(whole["value"], heights, "o", color=colour, ms=3.4, mew=0, zorder=3)
        drawn = by_pool[RANDOM].reindex(list(places))
        hollow: dict[str, Any] = {"color": colour, "mfc": "white", "mew": 0.6, "ms": 2.4, "ls": "none"}
        panel.plot(drawn["value"], heights, marker="D", zorder=2.5, **hollow)
    for name, place in places.items():
        if rows.loc[rows["measure"] == name, "value"].isna().all():
            panel.text(0.03, place, "constant", va="center", fontsize=7, style="italic", color="0.35")
    panel.set(ylim=(max(places.values()) + 0.55, -0.5), yticks=[], xticks=[-1, -0.5, 0, 0.5, 1])
    panel.set_xticklabels(["−1", "−0.5", "0", "0.5", "1"])
    panel.grid(True, axis="x")


def _name_steps(panel: Axes) -> None:
    numbers = {rung.column: str(rung.number) for rung in RUNGS}
    place: dict[str, Any] = {"transform": panel.get_yaxis_transform(), "va": "center", "clip_on": False}
    inch = 1 / (panel.get_position().width * TEXT_WIDTH)
    for name, y in _places().items():
        label, step = _STEPS[name]
        key = name == "trace_objective"
        panel.text((0.05 - LEFT) * inch, y, numbers.get(name, ""), fontsize=10, weight="bold", **place)
        panel.text((0.22 - LEFT) * inch, y - 0.19, label, fontsize=8, **place)
        colour = ACCENT if key else "0.4"
        panel.text((0.22 - LEFT) * inch, y + 0.22, step, fontsize=7, color=colour, **place)


CELL = 0.155
GRID_GAP = 0.26


def _grid_height(count: int) -> float:
    return count * CELL * (len(_STEPS) - 1) + (count - 1) * GRID_GAP


def _name_height(names: list[str]) -> float:
    return 0.12 + 0.042 * max(len(short_name(name)) for name in [*names, "overall"])


def _grids(sheet: Sheet, top: float, rows: pd.DataFrame, names: list[str]) -> None:
    """Draw one heat map a normalisation: rungs by benchmarks, the overall value in a column of its own."""
    measures = [name for name in _STEPS if name != RUNGS[0].column]
    height = CELL * len(measures)
    width = TEXT_WIDTH - LEFT - 0.08
    digits = width / len(names) > 0.21
    scale = r"$100\,\rho$" if digits else r"$\rho$ from $-1$ (red) to $1$ (blue)"
    words = f"{scale} per benchmark, {per_cent(float(rows['ratio'].iloc[0]))} of the tokens kept"
    kinds = [str(name) for name in rows["normalisation"].drop_duplicates()]
    for number, kind in enumerate(kinds):
        panel = sheet.panel(LEFT, top + number * (height + GRID_GAP), width, height)
        own = rows[rows["normalisation"] == kind]
        values = own.pivot(index="measure", columns="benchmark", values="value").reindex(measures)[names]
        _heat(panel, values.to_numpy(dtype=np.float64), digits=digits)
        panel.set_yticks(range(len(measures)), [_row_name(name) for name in measures])
        panel.set_title(_TOKENS.get(kind, kind), loc="left", weight="bold", fontsize=7.5)
        if number == 0:
            panel.set_title(words, loc="right")
        last = number == len(kinds) - 1
        panel.set_xticks(range(len(names)))
        panel.set_xticklabels([])
        if last:
            labels = ["overall" if name == MEAN else short_name(name) for name in names]
            panel.set_xticklabels(labels, rotation=45, ha="right", rotation_mode="anchor")


def _row_name(name: str) -> str:
    numbers = {rung.column: f"{rung.number}  " for rung in RUNGS}
    return numbers.get(name, "") + _STEPS[name][0]


def _heat(panel: Axes, values: np.ndarray[Any, np.dtype[np.float64]], *, digits: bool) -> None:
    colours = colormaps["RdBu"].with_extremes(bad="0.93")
    panel.imshow(values, cmap=colours, norm=Normalize(-1, 1), aspect="auto")
    lines, columns = values.shape
    if digits:
        for line, column in np.ndindex(lines, columns):
            value = float(values[line, column])
            words = "–" if np.isnan(value) else f"{round(100 * value):d}".replace("-", "−")
            shade = "white" if abs(value) > 0.62 else "0.15"
            panel.text(column, line, words, ha="center", va="center", fontsize=6.5, color=shade)
    panel.axvline(columns - 1.5, color="white", lw=2.5)
    panel.tick_params(length=0)
    for spine in panel.spines.values():
        spine.set_visible(False)
