"""Figure A, the ladder: where agreement with exact transport is lost on the way to the surrogate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from otanalysis.arrays import FloatArray
from otanalysis.figures.captions import benchmarks_words, counted, span, two_decimals
from otanalysis.figures.declaration import Declaration, Given
from otanalysis.figures.layout import (
    INTERVAL,
    Sheet,
    benchmarks_of,
    heat_map,
    per_cent,
    require_columns,
    short_name,
    tokens_words,
)
from otanalysis.figures.style import TEXT_WIDTH, paper_style, shades
from otanalysis.selection.pool import RANDOM
from otanalysis.stats.cells import MEAN
from otanalysis.stats.ladder_tables import DROPPED_TERM, FREE_WEIGHTS, ladder_table
from otanalysis.surrogate.ladder import RUNGS

_COLUMNS = ("normalisation", "ratio", "pool", "benchmark", "measure", "quantity", *INTERVAL)
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
_LOSSES = {
    (0, 1): "from the exact distance to means and covariances",
    (1, 2): "the means dropped",
    (2, 3): "tr Σ_C dropped",
    (3, 4): "the square root replaced by log(1 + t)",
    (4, 5): "the columns normalised",
}
SMALL_LOSS = 0.1
"""A step that costs less correlation than this, at every ratio, is not worth a name in the verdict."""

_TOKENS = {"none": "raw tokens", "columns": "column-normalised", "rows": "row-normalised"}

PAPER_RATIO = 0.098
LEFT = 1.72
GAP = 0.14
TOP = 0.5
ROW = 0.36
CELL = 0.155
GRID_GAP = 0.26
ACCENT = "#D55E00"
BLUES = ("#9ECAE1", "#2171B5", "#08306B")


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

    Examples
    --------
    >>> from itertools import product
    >>> row = {"normalisation": "none", "ratio": 0.1, "benchmark": "mean", "gamma": 0.01}
    >>> row |= {"value": 0.5, "low": 0.4, "high": 0.6, "n": 8, "subsets": 9}
    >>> pools, quantities = ("all", "random"), ("rho", "win_rate", "regret")
    >>> own = pd.DataFrame(product(pools, quantities, [rung.column for rung in RUNGS]))
    >>> table = own.set_axis(["pool", "quantity", "measure"], axis=1).assign(**row)
    >>> draw_ladder(table).axes[0].get_title(), caption_ladder(table)[:11]
    ('raw tokens', '**Figure A.')
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
        grids = len(kinds) * (CELL * (len(_STEPS) - 1) + GRID_GAP) - GRID_GAP
        sheet = Sheet.of_height(below + grids + _name_height(names))
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


def _legend(ratios: list[float]) -> list[Line2D]:
    handles = [
        Line2D([], [], color=shade, marker="o", ms=4, mew=0, lw=0.8, label=f"{per_cent(ratio)} kept")
        for ratio, shade in zip(ratios, shades(BLUES, len(ratios)), strict=True)
    ]
    hollow: dict[str, Any] = {"color": "0.35", "mfc": "white", "mew": 0.7, "marker": "D", "ms": 3}
    return [*handles, Line2D([], [], label="among random subsets only", ls="none", **hollow)]


def _places() -> dict[str, float]:
    """Height of every row, rung 0 on top; what stands beside the ladder is set apart."""
    return {name: number + 0.3 * (number >= len(RUNGS)) for number, name in enumerate(_STEPS)}


def _ladder(panel: Axes, rows: pd.DataFrame, ratios: list[float]) -> None:
    places = _places()
    offsets = np.linspace(-0.27, 0.27, len(ratios)) if len(ratios) > 1 else np.zeros(1)
    panel.axvline(0, color="0.6", lw=0.6, zorder=0)
    panel.axhspan(2.5, 3.5, color=ACCENT, alpha=0.08, lw=0, zorder=0)
    panel.axhline(len(RUNGS) - 0.35, color="0.6", lw=0.5, ls=(0, (3, 2)), zorder=0)
    for ratio, offset, colour in zip(ratios, offsets, shades(BLUES, len(ratios)), strict=True):
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
        heat_map(panel, values.to_numpy(dtype=np.float64), digits=digits)
        panel.set_yticks(np.arange(len(measures)) + 0.5, [_row_name(name) for name in measures])
        panel.set_title(_TOKENS.get(kind, kind), loc="left", weight="bold", fontsize=7.5)
        if number == 0:
            panel.set_title(words, loc="right")
        panel.set_xticks(np.arange(len(names)) + 0.5, [])
        if number == len(kinds) - 1:
            labels = ["overall" if name == MEAN else short_name(name) for name in names]
            panel.set_xticklabels(labels, rotation=45, ha="right", rotation_mode="anchor")


def _row_name(name: str) -> str:
    numbers = {rung.column: f"{rung.number}  " for rung in RUNGS}
    return numbers.get(name, "") + _STEPS[name][0]


def caption_ladder(table: pd.DataFrame) -> str:
    """Write the caption of Figure A from the table of :func:`draw_ladder`.

    Returns
    -------
    str
        Markdown.
    """
    count = benchmarks_words(table)
    images = counted(table.loc[table["benchmark"] == MEAN, "n"].max(), "image")
    sizes = {pool: int(own["subsets"].iloc[0]) for pool, own in table.groupby("pool")}
    head = (
        f"**{FIGURE.title}** Spearman's ρ between each rung and "
        f"the exact W2² over {sizes['all']} subsets of one size of an image (those of all methods, "
        f"{sizes[RANDOM]} random ones, mixtures and swaps), mean over {images} of {count}; "
        "bars are 95% bootstrap intervals over images. ρ over such a pool "
        "depends on what is in it: hollow markers show the random subsets alone. The log-determinants have "
        f"γ = {float(table['gamma'].iloc[0]):g}. (a) By normalisation and ratio. (b) Per benchmark."
    )
    overall = table[table["benchmark"] == MEAN]
    verdicts = [_verdict(str(kind), own) for kind, own in overall.groupby("normalisation", sort=False)]
    return f"{head}\n\n**Verdict.** " + "\n\n".join(verdicts)


def _verdict(kind: str, rows: pd.DataFrame) -> str:
    """Say what the ladder loses under one normalisation, and what choosing by its last rung costs."""
    whole = rows[rows["pool"] == "all"]
    rho = whole[whole["quantity"] == "rho"].pivot(index="measure", columns="ratio", values="value")
    values: list[FloatArray] = [rho.loc[rung.column].to_numpy(dtype=np.float64) for rung in RUNGS]
    listed = ", ".join(
        f"{span(own)} at rung {rung.number}" for rung, own in zip(RUNGS[1:], values[1:], strict=True)
    )
    return (
        f"On {tokens_words(kind)} ρ is {listed}, over the ratios. {_losses(values)} "
        f"{_last_rung(rows)} {_favourites(whole)}"
    )


def _losses(values: list[FloatArray]) -> str:
    lost = {
        (step, step + 1): values[step] - values[step + 1]
        for step in range(len(values) - 1)
        if np.max(values[step] - values[step + 1]) >= SMALL_LOSS
    }
    if not lost:
        return f"No step costs {SMALL_LOSS:g} or more of it."
    costly = sorted(lost, key=lambda step: float(-lost[step].mean()))
    parts = [f"{step[0]} to {step[1]} ({_LOSSES[step]}; {span(lost[step])})" for step in costly]
    return f"It is lost in the step{'s' * (len(parts) > 1)} {', then '.join(parts)}."


def _last_rung(rows: pd.DataFrame) -> str:
    own = rows[(rows["quantity"] == "rho") & (rows["measure"] == RUNGS[-1].column)]
    whole = own[own["pool"] == "all"]
    alone = own.loc[own["pool"] == RANDOM, "value"].to_numpy(dtype=np.float64)
    said, ends = _direction(whole)
    return f"The released surrogate {said} ({ends}; ρ among random subsets alone {span(alone)})."


def _direction(whole: pd.DataFrame) -> tuple[str, str]:
    """Say in which direction a rung orders subsets at every ratio, and within what the intervals lie."""
    if whole[["low", "high"]].isna().any(axis=None):
        return "may order the subsets in either direction", "no intervals"
    ends = f"95% intervals within {two_decimals(whole['low'].min())} to {two_decimals(whole['high'].max())}"
    if (whole["low"] > 0).all():
        return "orders the subsets in the direction of the exact distance at every ratio", ends
    if (whole["high"] < 0).all():
        return "orders the subsets against the exact distance at every ratio", ends
    return "does not order the subsets in one direction at every ratio", ends


def _favourites(rows: pd.DataFrame) -> str:
    """Say how far the favourites of the last rung, and of the last that is a distance, are exactly."""

    def found(column: str, quantity: str) -> FloatArray:
        own = rows[(rows["measure"] == column) & (rows["quantity"] == quantity)]
        return own["value"].to_numpy(dtype=np.float64)

    parts = [
        f"that of rung {rung.number} beats {_share(found(rung.column, 'win_rate'))} of the random subsets, "
        f"with {span(1 + found(rung.column, 'regret'))} times the W2² of the best subset"
        for rung in (RUNGS[-1], RUNGS[2])
    ]
    return f"Of the favourites, {'; '.join(parts)}."


def _share(values: FloatArray) -> str:
    low, high = f"{100 * values.min():.0f}", f"{100 * values.max():.0f}"
    return f"{low}%" if low == high else f"{low} to {high}%"


def _table(given: Given) -> pd.DataFrame:
    """Return the numbers of what was measured; bundled ones are such numbers already."""
    return given.rows if "quantity" in given.rows.columns else ladder_table(given.rows)


FIGURE = Declaration(
    title="Figure A. The ladder from exact transport to the surrogate.",
    file="ladder",
    needs="ladder",
    table=_table,
    draw=draw_ladder,
    caption=lambda tables: caption_ladder(tables["ladder"]),
)
