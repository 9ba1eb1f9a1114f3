"""Figure W: relative distances as in Figure 4, when tokens do not weigh the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from otanalysis.figures.captions import benchmarks_words, counted, listed
from otanalysis.figures.declaration import Declaration, Given
from otanalysis.figures.layout import (
    INTERVAL,
    Sheet,
    distance_name,
    error_lengths,
    method_legend,
    methods_of,
    per_cent,
    require_columns,
    tokens_words,
)
from otanalysis.figures.style import TEXT_WIDTH, method_look, paper_style
from otanalysis.stats.cells import MEAN
from otanalysis.stats.figure_tables import figure4_table
from otanalysis.studies.weights import KEPT, WEIGHTINGS

_WORDS = {
    "uniform": "all alike",
    "norm": "by norm",
    "rarity": "by 1 / density",
    "objects": "on objects alone",
}
_KEPT_WORDS = {"uniform": "kept ones alike", "optimal": "best kept weights"}
# Kept sets that hold all of an object have nothing left to pay there: a ratio to a distance of zero is none.
_LEFT_OUT = ("objects", "optimal")
_LEFT, _TOP, _HEIGHT, _BETWEEN = 0.72, 0.5, 1.25, 0.1


def _table(given: Given) -> pd.DataFrame:
    """Return Figure 4's table of every weighting, with how the tokens and the kept ones weigh."""
    tables = []
    for weighting in WEIGHTINGS:
        for kept in KEPT:
            here = (given.rows["weighting"] == weighting) & (given.rows["kept_weights"] == kept)
            if here.any() and (weighting, kept) != _LEFT_OUT:
                made = figure4_table(given.rows[here], methods=given.methods, **given.how)
                tables.append(made.assign(weighting=weighting, kept_weights=kept))
    return pd.concat(tables, ignore_index=True)


def draw_weights(table: pd.DataFrame) -> Figure:
    """Draw each method's distance over that of OTPrune by share kept, one panel a weighting.

    Parameters
    ----------
    table : DataFrame
        From :func:`otanalysis.stats.figure_tables.figure4_table`, with the columns ``weighting`` and
        ``kept_weights``.

    Returns
    -------
    Figure
        Averages over benchmarks on a log axis. Left to right: how tokens weigh; top: kept tokens that weigh
        the same, bottom: those with the best weights. Below 1 a method is closer than OTPrune.

    Raises
    ------
    InputError
        If the table lacks a column.
    """
    require_columns(table, ("method", "ratio", "weighting", "kept_weights", *INTERVAL), "Figure W")
    mean = table[table["benchmark"] == MEAN]
    columns = [name for name in WEIGHTINGS if (mean["weighting"] == name).any()]
    ends = mean[list(INTERVAL)].to_numpy(dtype=np.float64)
    limits = min(0.95, 0.95 * float(np.nanmin(ends))), max(1.05, 1.05 * float(np.nanmax(ends)))
    width = (TEXT_WIDTH - _LEFT - 0.06 - (len(columns) - 1) * _BETWEEN) / len(columns)
    far = distance_name(mean)
    with paper_style():
        sheet = Sheet.of_height(_TOP + len(KEPT) * _HEIGHT + _BETWEEN + 0.4)
        sheet.legend(method_legend(methods_of(mean), line=True), top=0.03)
        for column, weighting in enumerate(columns):
            own = mean[mean["weighting"] == weighting]
            shown = [kept for kept in KEPT if (own["kept_weights"] == kept).any()]
            for line, kept in enumerate(shown):
                place = _LEFT + column * (width + _BETWEEN), _TOP + line * (_HEIGHT + _BETWEEN)
                panel = sheet.panel(*place, width, _HEIGHT)
                _lines(panel, own[own["kept_weights"] == kept], limits)
                if line == 0:
                    panel.set_title(_WORDS[weighting])
                if line + 1 < len(shown):
                    panel.set_xticklabels([])
                else:
                    panel.set_xlabel("tokens kept")
                if column:
                    panel.tick_params(labelleft=False)
                else:
                    panel.set_ylabel(f"{far} / {far}(OTPrune)\n{_KEPT_WORDS[kept]}")
        return sheet.figure


def _lines(panel: Axes, rows: pd.DataFrame, limits: tuple[float, float]) -> None:
    ratios = sorted({float(ratio) for ratio in rows["ratio"]})
    methods = methods_of(rows)
    for number, method in enumerate(methods):
        own = rows[rows["method"] == method].sort_values("ratio")
        x = np.arange(len(own)) + 0.06 * (number - (len(methods) - 1) / 2)
        look = method_look(method)
        shown: dict[str, Any] = {"color": look.colour, "marker": look.marker, "ms": 3.5, "mew": 0, "lw": 0.8}
        panel.errorbar(x, own["value"], yerr=error_lengths(own), elinewidth=0.6, **shown)
    panel.set_yscale("log", base=2)
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    panel.set_ylim(limits)
    panel.axhline(1.0, color=method_look("otprune").colour, lw=0.9, zorder=0)
    panel.set_xticks(range(len(ratios)), [per_cent(ratio) for ratio in ratios])
    panel.set_xlim(-0.5, len(ratios) - 0.5)
    panel.grid(True, axis="y")


def _caption(table: pd.DataFrame) -> str:
    mean = table[table["benchmark"] == MEAN]
    verdicts = [
        f"- tokens {_WORDS[str(weighting)]}, {_KEPT_WORDS[str(kept)]}: {_verdict(own)}"
        for (weighting, kept), own in mean.groupby(["weighting", "kept_weights"], sort=False)
    ]
    return (
        f"**{FIGURE.title}** Mean distance of each method's tokens to all tokens over that of OTPrune's "
        f"({tokens_words(str(mean['normalisation'].iloc[0]))}), average over "
        f"{benchmarks_words(table)}, log axis; {counted(mean['n'].max(), 'image')}, 95% paired bootstraps "
        "over images. Left to right the tokens weigh all alike, by their norm, by one over the density "
        "around them (a Gaussian as wide as the median distance), and on the patches under a scene's objects "
        "alone. Top: kept tokens of one weight each; bottom: with the weights that bring them closest, where "
        "the squared distance is the quantisation error (not on objects alone: a set that holds them whole "
        "is at distance zero). K-medoids and OT-medoids choose by the weights, the other methods know none."
        "\n\n"
        "**Verdict.** Methods closer than OTPrune, or farther, at every ratio beyond the interval:\n\n"
        + "\n".join(verdicts)
    )


def _verdict(rows: pd.DataFrame) -> str:
    said = []
    for words, column, beyond in (("closer", "high", -1.0), ("farther", "low", 1.0)):
        names = [
            method_look(method).label
            for method in methods_of(rows)
            if (beyond * (rows.loc[rows["method"] == method, column] - 1.0) > 0.0).all()
        ]
        said.append(f"{words} {listed(names) if names else 'none'}")
    return "; ".join(said) + "."


FIGURE = Declaration(
    title="Figure W. What if tokens do not weigh the same?",
    file="weights",
    needs="weights",
    table=_table,
    draw=draw_weights,
    caption=lambda tables: _caption(tables["weights"]),
)
