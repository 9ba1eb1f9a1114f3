r"""Figure 5: what :math:`\gamma` does to OTPrune's score, distance and surrogate, in both its units."""

from __future__ import annotations

from itertools import cycle
from math import ceil, floor
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, LogFormatterMathtext, LogLocator, MaxNLocator, NullLocator

from otanalysis.defaults import DEFAULT_GAMMAS, RELEASED_GAMMA
from otanalysis.figures.captions import (
    basis,
    benchmarks_words,
    interval_words,
    overlap_words,
    questions_words,
    span,
)
from otanalysis.figures.declaration import Declaration, Setting
from otanalysis.figures.layout import (
    BASIS,
    INTERVAL,
    Sheet,
    benchmarks_of,
    distance_name,
    no_score,
    per_cent,
    require_columns,
    tokens_name,
)
from otanalysis.figures.style import TEXT_WIDTH, method_look, paper_style, shades
from otanalysis.stats.cells import MEAN
from otanalysis.stats.figure_tables import figure5_table
from otanalysis.stats.gamma_claim import CLAIMS, PAPER_GRID, PLATEAU, evidence_of, gamma_claim
from otanalysis.stats.judging import Evidence, judge

GAMMAS = (1e-4, 1e-3, 5e-3, 1e-2, 5e-2, 1e-1, 1.0, 10.0)
"""Of the released code, with the paper's grid among them."""

_COLUMNS = ("benchmark", "method", "ratio", "gamma", "factor", "quantity", *INTERVAL, *BASIS)
_UNITS = {"otprune": "the released code's unit", "otprune-paper": "the paper's unit"}
_CLAIMED = {"better": "better from 0.005 to 0.01", "plateau": "a plateau from 0.01 on"}

COLUMNS = 4
LEFT = 0.52
TOP = 0.48
MEAN_HEIGHT = 1.25
PITCH = 0.5
SMALL_HEIGHT = 0.46
_KEY = "Bands: 95% intervals."
_OF_SURROGATE = (
    "\nThe surrogate (log det) uses the\n"
    r"$\gamma$ of the axis, so it grows" + "\nby construction; score and\ndistance need not follow."
)
BROWNS = ("#FDB347", method_look("otprune").colour, "#5C2006")
MARKERS = ("o", "s", "^", "D", "v", "P")


def draw_figure5(table: pd.DataFrame) -> Figure:
    r"""Draw score, distance and surrogate against :math:`\gamma` on a log axis, one line a share kept.

    Parameters
    ----------
    table : DataFrame
        From :func:`otanalysis.stats.figure_tables.figure5_table`. Quantities without values are left out.

    Returns
    -------
    Figure
        Top: means over benchmarks; below, the same three quantities for every benchmark. The axis is the
        factor of the released code, whose 0.01 is marked by a vertical line. Hollow markers, and strokes on
        the axis, are the paper's grid in the paper's unit, which lies elsewhere for every share kept. The
        last panel of the top has the same grid of numbers in both units. Bands and bars are 95 % intervals.

    Raises
    ------
    InputError
        If the table lacks a column.

    Examples
    --------
    >>> row = {"benchmark": "mean", "method": "otprune", "ratio": 0.1, "value": 0.8, "low": 0.7, "high": 0.9}
    >>> row |= {"distance_kind": "w2", "normalisation": "none", "quantity": "distance", "n": 8}
    >>> table = pd.DataFrame([row | {"gamma": gamma, "factor": gamma} for gamma in (0.01, 0.1)])

    >>> [panel.get_title() for panel in draw_figure5(table).axes], caption5(table)[:11]
    (['Mean distance'], '**Figure 5.')
    """
    require_columns(table, _COLUMNS, "Figure 5")
    names = benchmarks_of(table)
    table = table.dropna(subset=["value"])
    looks = _looks(table)
    with paper_style():
        quantities = [name for name in ("score", "distance", "logdet") if (table["quantity"] == name).any()]
        block = len(quantities) * (SMALL_HEIGHT + 0.06)
        lines = ceil(len(names) / COLUMNS)
        blocks_top = TOP + MEAN_HEIGHT + 0.62
        sheet = Sheet.of_height(blocks_top + lines * block + (lines - 1) * 0.26 + 0.34)
        sheet.legend(_legend(looks), top=0.03, short=False)
        _means(sheet, table, looks)
        width = (TEXT_WIDTH - LEFT - 0.08 - (COLUMNS - 1) * 0.38) / COLUMNS
        for number, name in enumerate(names):
            line, column = divmod(number, COLUMNS)
            rows = table[table["benchmark"] == name]
            for row, quantity in enumerate(quantities):
                top = blocks_top + line * (block + 0.26) + row * (SMALL_HEIGHT + 0.06)
                panel = sheet.panel(LEFT + column * (width + 0.38), top, width, SMALL_HEIGHT)
                lowest = row == len(quantities) - 1 and number + COLUMNS >= len(names)
                if (rows["quantity"] == quantity).any():
                    _curves(panel, rows[rows["quantity"] == quantity], looks, small=True)
                    _gamma_axis(panel, table, labels=lowest)
                else:
                    no_score(panel)
                    panel.set(xticks=[], yticks=[])
                panel.set_ylabel(_label(quantity, table, small=True) if column == 0 else "")
                panel.set_title(name if row == 0 else "")
        line, column = divmod(len(names), COLUMNS)
        if column:
            words = _KEY + (_OF_SURROGATE if (table["quantity"] == "logdet").any() else "")
            sheet.note(LEFT + column * (width + 0.38) - 0.2, blocks_top + line * (block + 0.26) + 0.1, words)
        return sheet.figure


def _means(sheet: Sheet, table: pd.DataFrame, looks: dict[float, tuple[str, str]]) -> None:
    rows = table[table["benchmark"] == MEAN]
    score = "score" if (rows["quantity"] == "score").any() else "relative_score"
    shown = [name for name in (score, "distance", "logdet") if (rows["quantity"] == name).any()]
    words = {"relative_score": "relative score", "logdet": "surrogate"}
    on_grid = rows[(rows["quantity"] == score) & _on_grid(rows)]
    count = len(shown) + (len(on_grid) > 0)
    width = (TEXT_WIDTH - LEFT - 0.08 - (count - 1) * PITCH) / max(count, 1)
    for number, quantity in enumerate(shown):
        panel = sheet.panel(LEFT + number * (width + PITCH), TOP, width, MEAN_HEIGHT)
        own = rows[rows["quantity"] == quantity]
        _curves(panel, own, looks, small=False)
        _grid_strokes(panel, own, looks)
        _gamma_axis(panel, table, labels=True)
        panel.set_title(f"Mean {words.get(quantity, quantity)}", weight="bold")
        panel.set_ylabel(_label(quantity, table, small=False))
    if len(on_grid):
        panel = sheet.panel(LEFT + len(shown) * (width + PITCH), TOP, width, MEAN_HEIGHT)
        _both_units(panel, on_grid, looks)
        panel.set_title(f"Mean {words.get(score, score)}", weight="bold")


def _on_grid(rows: pd.DataFrame) -> pd.Series:
    """Say which rows have a gamma of the paper's grid, in their own unit."""
    close = np.isclose(rows["gamma"].to_numpy(dtype=np.float64)[:, None], np.array(PAPER_GRID)[None, :])
    return pd.Series(close.any(axis=1), index=rows.index)


def _grid_strokes(panel: Axes, rows: pd.DataFrame, looks: dict[float, tuple[str, str]]) -> None:
    """Mark on the axis where the paper's grid lies, in its unit, for every share kept."""
    own = rows[rows["method"] == "otprune-paper"]
    for ratio, (colour, _) in looks.items():
        for factor in own.loc[own["ratio"] == ratio, "factor"]:
            panel.axvline(factor, ymax=0.05, color=colour, lw=0.9, zorder=2)


def _both_units(panel: Axes, rows: pd.DataFrame, looks: dict[float, tuple[str, str]]) -> None:
    """Draw the paper's grid of numbers, read in its unit (hollow markers) and in the released code's."""
    for (method, ratio), own in rows.sort_values("gamma").groupby(["method", "ratio"]):
        colour, marker = looks[float(str(ratio))]
        paper = method == "otprune-paper"
        places = [int(np.argmin(np.abs(np.array(PAPER_GRID) - gamma))) for gamma in own["gamma"]]
        look: dict[str, Any] = {"mfc": "white", "mew": 0.7} if paper else {"mew": 0, "ls": (0, (3, 1.5))}
        panel.fill_between(places, own["low"], own["high"], color=colour, alpha=0.12, lw=0)
        panel.plot(places, own["value"], color=colour, marker=marker, ms=3.2, lw=0.8, **look)
    panel.set(xticks=range(len(PAPER_GRID)), xlabel=r"$\gamma$ as printed")
    panel.set_xticklabels([f"{gamma:g}" for gamma in PAPER_GRID])
    panel.yaxis.set_major_locator(MaxNLocator(4, min_n_ticks=2))
    panel.grid(True, axis="y")


def _label(quantity: str, table: pd.DataFrame, *, small: bool) -> str:
    if quantity == "distance":
        return distance_name(table) if small else f"{distance_name(table)}, {tokens_name(table)}"
    if quantity == "logdet":
        return "log det" if small else r"log det at the same $\gamma$"
    return "score" if small or quantity == "score" else "score / score with all tokens"


def _looks(table: pd.DataFrame) -> dict[float, tuple[str, str]]:
    """Colour (light to dark with the share kept) and marker of every ratio."""
    ratios = sorted({float(ratio) for ratio in table["ratio"]})
    looks = zip(ratios, shades(BROWNS, len(ratios)), cycle(MARKERS), strict=False)
    return {ratio: (colour, marker) for ratio, colour, marker in looks}


def _legend(looks: dict[float, tuple[str, str]]) -> list[Line2D]:
    handles = [
        Line2D([], [], color=colour, marker=marker, mew=0, ms=4.2, label=f"{per_cent(ratio)} kept")
        for ratio, (colour, marker) in looks.items()
    ]
    label = rf"released $\gamma={RELEASED_GAMMA:g}$"
    hollow: dict[str, Any] = {"color": "0.35", "mfc": "white", "mew": 0.7, "marker": "o", "ms": 3.6}
    return [
        *handles,
        Line2D([], [], color="0.35", ls=(0, (2, 1.5)), lw=0.9, label=label),
        Line2D([], [], ls="none", label="the paper's grid and unit", **hollow),
    ]


def _curves(panel: Axes, rows: pd.DataFrame, looks: dict[float, tuple[str, str]], *, small: bool) -> None:
    panel.axvline(RELEASED_GAMMA, color="0.35", ls=(0, (2, 1.5)), lw=0.8, zorder=1)
    for ratio, (colour, marker) in looks.items():
        own = rows[rows["ratio"] == ratio].sort_values("factor")
        if own.empty:
            continue
        x, value, low, high = (own[name].to_numpy(np.float64) for name in ("factor", "value", "low", "high"))
        paper = (own["method"] == "otprune-paper").to_numpy()
        size = 2.2 if small else 3.4
        panel.fill_between(x, low, high, color=colour, alpha=0.12 if small else 0.18, lw=0)
        panel.plot(x, value, color=colour, lw=0.9)
        panel.plot(x[~paper], value[~paper], marker, color=colour, ms=size, mew=0)
        panel.plot(x[paper], value[paper], marker, color=colour, mfc="white", ms=size - 0.4, mew=0.6)
    panel.set_xscale("log")
    panel.grid(True, axis="y")
    if small:
        panel.margins(y=0.2)  # keeps the ticks of stacked panels apart
    if set(rows["quantity"]) == {"logdet"} and (rows["value"] > 0).all():
        panel.set_yscale("log")
        panel.yaxis.set_major_locator(LogLocator(numticks=3 if small else 5))
        panel.yaxis.set_minor_locator(NullLocator())
    else:
        panel.yaxis.set_major_locator(MaxNLocator(2 if small else 4, min_n_ticks=2))


def _gamma_axis(panel: Axes, table: pd.DataFrame, *, labels: bool) -> None:
    gammas = sorted({float(factor) for factor in table["factor"]})
    panel.xaxis.set_major_locator(FixedLocator(_decades(gammas) or gammas))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(LogFormatterMathtext())
    panel.tick_params(axis="x", labelbottom=labels)
    panel.set_xlabel(r"$\gamma$" if labels else "")
    margin = (gammas[-1] / gammas[0]) ** 0.04
    panel.set_xlim(gammas[0] / margin, gammas[-1] * margin)


def _decades(values: list[float]) -> list[float]:
    first, last = ceil(np.log10(values[0]) - 1e-9), floor(np.log10(values[-1]) + 1e-9)
    return [10.0**power for power in range(first, last + 1)]


def caption5(table: pd.DataFrame) -> str:
    """Write the caption of Figure 5 from the table of :func:`draw_figure5`."""
    mean = table[(table["benchmark"] == MEAN) & table["value"].notna()]
    score = "score" if (mean["quantity"] == "score").any() else "relative_score"
    scored = bool((mean["quantity"] == score).any())
    known = (mean["quantity"] == "logdet").any()
    surrogate = " and surrogate (log det with the same γ: it grows with γ by construction)" if known else ""
    head = (
        f"**{FIGURE.title}** {'Score, distance' if scored else 'Distance'} "
        f"({basis(table)}){surrogate} as means over {benchmarks_words(table)} and per benchmark, against γ "
        f"as the factor in the released code, whose {RELEASED_GAMMA:g} is marked. The paper's γ is this "
        "factor times k/m: its grid (hollow markers, strokes on the axis) lies elsewhere for every share "
        "kept; the last panel of the top row reads the same numbers in both units. Bands are 95% intervals."
        f"{questions_words(table)}"
    )
    said = [_gamma_score(mean[mean["quantity"] == score]), _gamma_distance(mean), *_claim(table)]
    verdict = " ".join(sentence for sentence in said if sentence)
    return f"{head}\n\n**Verdict.** {verdict or 'Nothing to compare: the sweep holds one γ.'}"


def _gamma_score(scores: pd.DataFrame) -> str:
    parts = []
    for ratio in sorted(scores["ratio"].unique()):
        rows = scores[scores["ratio"] == ratio].sort_values("value").to_dict("records")
        if len(rows) < 2:
            continue
        worst, best = rows[0], rows[-1]
        parts.append(
            f"{worst['value']:.3f} (γ = {worst['factor']:.2g}) to {best['value']:.3f} "
            f"(γ = {best['factor']:.2g}) "
            f"at {per_cent(float(ratio))} kept, with {overlap_words(best, worst)}"
        )
    return f"The mean score runs from {'; from '.join(parts)}." if parts else ""


def _claim(table: pd.DataFrame) -> list[str]:
    """Say what becomes of the paper's sentence on gamma in either unit."""
    said = []
    for method, rows in gamma_claim(table).groupby("method", sort=False):
        parts = []
        for part, own in rows.groupby("part", sort=False):
            verdict, one = judge(evidence_of(own), CLAIMS[str(part)])
            if one is not None:
                parts.append(f"{_CLAIMED[str(part)]}: {verdict} ({_difference(one)})")
        if parts:
            said.append(f"In {_UNITS.get(str(method), str(method))}, {'; '.join(parts)}.")
    if not said:
        return []
    return [
        "The paper says: slightly better from 0.005 to 0.01, then a plateau. By the score relative to that "
        f"with all tokens, a plateau being changes within {PLATEAU:g}:",
        *said,
    ]


def _difference(one: Evidence) -> str:
    interval = interval_words(one.low, one.high, "{:+.3f}".format)
    return f"{one.value:+.3f}, {interval} at {one.where}".replace("-", "−")


def _gamma_distance(mean: pd.DataFrame) -> str:
    rows = mean[(mean["quantity"] == "relative_distance") & (mean["method"] == "otprune")]
    gammas = sorted(rows["gamma"].unique())
    if len(gammas) < 2:
        return ""
    spans = [
        f"{span(rows.loc[rows['gamma'] == gamma, 'value'].to_numpy(dtype=np.float64))} at γ = {gamma:g}"
        for gamma in (gammas[0], gammas[-1])
    ]
    return f"The distance is {' and '.join(spans)} times that at γ = {RELEASED_GAMMA:g}, over the ratios."


def _scores(swept: pd.DataFrame, _: float) -> dict[Setting, bool]:
    own = swept[swept["method"].isin(list(DEFAULT_GAMMAS))].sort_values(["ratio", "gamma"])
    settings = zip(own["method"], own["ratio"], own["gamma"].astype(float), strict=True)
    return {Setting(method, ratio, gamma): True for method, ratio, gamma in settings}


FIGURE = Declaration(
    title="Figure 5. Effect of γ on OTPrune.",
    file="figure5",
    needs="sweep",
    table=lambda given: figure5_table(given.rows, given.scores, **given.how),
    draw=draw_figure5,
    caption=lambda tables: caption5(tables["figure5"]),
    methods=tuple(DEFAULT_GAMMAS),
    gammas={"otprune": GAMMAS, "otprune-paper": PAPER_GRID},
    scores=_scores,
)
