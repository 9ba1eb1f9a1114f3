r"""Figure 5: what :math:`\gamma` does to OTPrune's score, distance and surrogate."""

from __future__ import annotations

from itertools import cycle
from math import ceil

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, LogFormatterMathtext, LogLocator, MaxNLocator, NullLocator

from otanalysis.defaults import RELEASED_GAMMA
from otanalysis.figures.captions import basis, span
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

GAMMAS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)

_COLUMNS = ("benchmark", "ratio", "gamma", "quantity", *INTERVAL, *BASIS)

COLUMNS = 4
LEFT = 0.52
TOP = 0.48
MEAN_HEIGHT = 1.25
SMALL_HEIGHT = 0.46
_KEY = (
    "Bands: 95% intervals.\nThe surrogate (log det) uses the\n"
    r"$\gamma$ of the axis, so it grows" + "\nby construction; score and\ndistance need not follow."
)
BROWNS = ("#FDB347", method_look("otprune").colour, "#5C2006")
MARKERS = ("o", "s", "^", "D", "v", "P")


def draw_figure5(table: pd.DataFrame) -> Figure:
    r"""Draw score, distance and surrogate against :math:`\gamma` on a log axis, one line per share kept.

    Parameters
    ----------
    table : DataFrame
        From :func:`otanalysis.stats.figure_tables.figure5_table`. Quantities without values are left out.

    Returns
    -------
    Figure
        Top: means over benchmarks; below, the same three quantities for every benchmark. The released value
        0.01 is marked by a vertical line; bands and bars are 95 % intervals.

    Raises
    ------
    InputError
        If the table lacks a column.

    Examples
    --------
    >>> row = {"benchmark": "mean", "method": "otprune", "ratio": 0.1, "value": 0.8, "low": 0.7, "high": 0.9}
    >>> row |= {"distance_kind": "w2", "normalisation": "none", "quantity": "distance", "n": 8}
    >>> table = pd.DataFrame([row | {"gamma": gamma} for gamma in (0.01, 0.1)])

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
            sheet.note(LEFT + column * (width + 0.38) - 0.2, blocks_top + line * (block + 0.26) + 0.1, _KEY)
        return sheet.figure


def _means(sheet: Sheet, table: pd.DataFrame, looks: dict[float, tuple[str, str]]) -> None:
    rows = table[table["benchmark"] == MEAN]
    score = "score" if (rows["quantity"] == "score").any() else "relative_score"
    shown = [name for name in (score, "distance", "logdet") if (rows["quantity"] == name).any()]
    words = {"relative_score": "relative score", "logdet": "surrogate"}
    width = (TEXT_WIDTH - LEFT - 0.08 - (len(shown) - 1) * 0.52) / max(len(shown), 1)
    for number, quantity in enumerate(shown):
        panel = sheet.panel(LEFT + number * (width + 0.52), TOP, width, MEAN_HEIGHT)
        _curves(panel, rows[rows["quantity"] == quantity], looks, small=False)
        _gamma_axis(panel, table, labels=True)
        panel.set_title(f"Mean {words.get(quantity, quantity)}", weight="bold")
        panel.set_ylabel(_label(quantity, table, small=False))


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
    return [*handles, Line2D([], [], color="0.35", ls=(0, (2, 1.5)), lw=0.9, label=label)]


def _curves(panel: Axes, rows: pd.DataFrame, looks: dict[float, tuple[str, str]], *, small: bool) -> None:
    panel.axvline(RELEASED_GAMMA, color="0.35", ls=(0, (2, 1.5)), lw=0.8, zorder=1)
    for ratio, (colour, marker) in looks.items():
        own = rows[rows["ratio"] == ratio].sort_values("gamma")
        if own.empty:
            continue
        x, value, low, high = (own[name].to_numpy(np.float64) for name in ("gamma", "value", "low", "high"))
        panel.fill_between(x, low, high, color=colour, alpha=0.12 if small else 0.18, lw=0)
        panel.plot(x, value, color=colour, marker=marker, ms=2.2 if small else 3.4, mew=0, lw=0.9)
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
    gammas = sorted({float(gamma) for gamma in table["gamma"]})
    panel.xaxis.set_major_locator(FixedLocator(gammas))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(LogFormatterMathtext())
    panel.tick_params(axis="x", labelbottom=labels)
    panel.set_xlabel(r"$\gamma$" if labels else "")
    margin = (gammas[-1] / gammas[0]) ** 0.04
    panel.set_xlim(gammas[0] / margin, gammas[-1] * margin)


def caption5(table: pd.DataFrame) -> str:
    """Write the caption of Figure 5 from the table of :func:`draw_figure5`."""
    mean = table[(table["benchmark"] == MEAN) & table["value"].notna()]
    score = "score" if (mean["quantity"] == "score").any() else "relative_score"
    scored = bool((mean["quantity"] == score).any())
    head = (
        f"**{FIGURE.title}** {'Score, distance' if scored else 'Distance'} "
        f"({basis(table)}) and surrogate (log det with the same γ, which grows with γ by construction) as "
        f"means over {len(benchmarks_of(table))} benchmarks and per benchmark; γ = {RELEASED_GAMMA:g} (the "
        "released value) is marked. Bands are 95% intervals."
    )
    said = [_gamma_score(mean[mean["quantity"] == score]), _gamma_distance(mean)]
    verdict = " ".join(sentence for sentence in said if sentence)
    return f"{head}\n\n**Verdict.** {verdict or 'Nothing to compare: the sweep holds one γ.'}"


def _gamma_score(scores: pd.DataFrame) -> str:
    parts = []
    for ratio in sorted(scores["ratio"].unique()):
        rows = scores[scores["ratio"] == ratio].sort_values("value").to_dict("records")
        if len(rows) < 2:
            continue
        worst, best = rows[0], rows[-1]
        apart = best["low"] > worst["high"]
        parts.append(
            f"{worst['value']:.3f} (γ = {worst['gamma']:g}) to {best['value']:.3f} (γ = {best['gamma']:g}) "
            f"at {per_cent(float(ratio))} kept, with intervals that {'lie apart' if apart else 'overlap'}"
        )
    return f"The mean score runs from {'; from '.join(parts)}." if parts else ""


def _gamma_distance(mean: pd.DataFrame) -> str:
    rows = mean[mean["quantity"] == "relative_distance"]
    gammas = sorted(rows["gamma"].unique())
    if len(gammas) < 2:
        return ""
    spans = [
        f"{span(rows.loc[rows['gamma'] == gamma, 'value'].to_numpy(dtype=np.float64))} at γ = {gamma:g}"
        for gamma in (gammas[0], gammas[-1])
    ]
    return f"The distance is {' and '.join(spans)} times that at γ = {RELEASED_GAMMA:g}, over the ratios."


def _scores(swept: pd.DataFrame, _: float) -> dict[Setting, bool]:
    own = swept[swept["method"] == "otprune"]
    pairs = sorted(zip(own["ratio"], own["gamma"].astype(float), strict=True))
    return {Setting("otprune", ratio, gamma): True for ratio, gamma in pairs}


FIGURE = Declaration(
    title="Figure 5. Effect of γ on OTPrune.",
    file="figure5",
    needs="sweep",
    table=lambda given: figure5_table(given.rows, given.scores, **given.how),
    draw=draw_figure5,
    caption=lambda tables: caption5(tables["figure5"]),
    methods=("otprune",),
    gammas=GAMMAS,
    scores=_scores,
)
