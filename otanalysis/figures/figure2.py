"""Figure 2: does a small distance go with a high score? Methods ranked by both, per benchmark and overall."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import ceil
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from otanalysis.figures.captions import DISTANCES, basis, interval_words, listed, samples_words, two_decimals
from otanalysis.figures.declaration import Declaration, Given, every_method
from otanalysis.figures.layout import (
    PointLabel,
    Sheet,
    benchmarks_of,
    distance_name,
    label_points,
    method_legend,
    methods_of,
    per_cent,
    require_columns,
    short_name,
    tokens_name,
)
from otanalysis.figures.ranks import draw_ranks, rank_panel
from otanalysis.figures.style import TEXT_WIDTH, method_look, paper_style
from otanalysis.stats.cells import MEAN
from otanalysis.stats.judging import SIGNIFICANT
from otanalysis.stats.rank_tables import Figure2Tables, figure2_ratios, figure2_tables

Numbers = dict[Any, Any]

RANKED_METHODS = ("first", "last", "uniform", "random", "divprune")
"""The methods whose ranks the paper compares."""

_POINT_COLUMNS = (
    "benchmark",
    "method",
    "ratio",
    "distance",
    "distance_low",
    "distance_high",
    "score",
    "distance_rank",
    "score_rank",
    "distance_kind",
    "normalisation",
)

COLUMNS = 4
LEFT = 0.42
SIDE = 1.98
"""Width of the two overall panels on the left, in inches."""

TOP = 0.5
CELL_GAP = 0.42


def draw_figure2(tables: Figure2Tables) -> Figure:
    r"""Draw the ranks of methods by distance and score, with Spearman's :math:`\rho` and its interval.

    Parameters
    ----------
    tables : Figure2Tables
        From :func:`otanalysis.stats.rank_tables.figure2_tables`. Without scores, only distances are drawn.
        Of several ratios, as from :func:`~otanalysis.stats.rank_tables.figure2_ratios`, only the ranks are,
        as in the paper; see :func:`otanalysis.figures.ranks.draw_ranks`.

    Returns
    -------
    Figure
        Left: mean score against mean distance, and :math:`\rho` per benchmark. Right: one panel per benchmark
        with the rank by distance (1 = smallest) and by score (1 = best); the dashed diagonal is the claim.

    Raises
    ------
    InputError
        If a table lacks a column.

    Examples
    --------
    >>> from otanalysis.stats import figure2_tables
    >>> row = {"dump": "d", "model": "m", "benchmark": "gqa", "sample": 0, "ratio": 0.098}
    >>> row |= {"seed": None, "normalisation": "none"}
    >>> own = {"method": ["otprune", "first"], "gamma": [0.01, np.nan], "w2": [2.0, 1.0]}
    >>> tables = figure2_tables(pd.DataFrame(row | own), None, methods=["otprune", "first"])
    >>> [panel.get_title() for panel in draw_figure2(tables).axes], caption2({"figure2": tables})[:11]
    (['gqa', 'mean'], '**Figure 2.')
    """
    require_columns(tables.points, _POINT_COLUMNS, "Figure 2")
    with paper_style():
        if tables.points["ratio"].nunique() > 1:
            return draw_ranks(tables)
        if tables.points["score"].notna().any():
            return _draw_both(tables)
        return _draw_distances(tables.points)


def _draw_both(tables: Figure2Tables) -> Figure:
    points, names = tables.points, benchmarks_of(tables.points)
    methods = methods_of(points)
    rows = max(ceil(len(names) / COLUMNS), 3)
    first = LEFT + SIDE + 0.52
    size = (TEXT_WIDTH - first - 0.06 - (COLUMNS - 1) * 0.12) / COLUMNS
    body = rows * size + (rows - 1) * CELL_GAP
    sheet = Sheet.of_height(TOP + body + 0.36)
    sheet.legend(method_legend(methods), top=0.03)
    sheet.text(0.02, TOP - 0.12, "(a)", va="bottom", weight="bold")
    sheet.text(first - 0.36, TOP - 0.12, "(c)", va="bottom", weight="bold")
    upper = 0.40 * body
    _values(sheet.panel(LEFT, TOP, SIDE, upper), points)
    below = TOP + upper + 0.62
    sheet.text(0.02, below - 0.12, "(b)", va="bottom", weight="bold")
    _forest(sheet.panel(LEFT + 0.55, below, SIDE - 0.86, TOP + body - below), tables.correlations)
    for number, name in enumerate(names):
        row, column = divmod(number, COLUMNS)
        panel = sheet.panel(first + column * (size + 0.12), TOP + row * (size + CELL_GAP), size, size)
        _ranks(panel, points[points["benchmark"] == name], tables.correlations, name)
        if column == 0:
            panel.set_ylabel("score rank")
        else:
            panel.set_yticklabels([])
        if number + COLUMNS >= len(names):
            panel.set_xlabel("distance rank")
        else:
            panel.set_xticklabels([])
    row, column = divmod(len(names), COLUMNS)
    if column:
        words = _key(tables.correlations)
        sheet.note(first + column * (size + 0.12) - 0.02, TOP + row * (size + CELL_GAP), words)
    return sheet.figure


def _values(panel: Axes, points: pd.DataFrame) -> None:
    rows = points[points["benchmark"] == MEAN]
    relative = str(rows["score_kind"].iloc[0]) == "relative_score"
    panel.set_title(f"Mean over benchmarks, {per_cent(float(rows['ratio'].iloc[0]))} kept")
    panel.set_xlabel(f"{distance_name(points)}, {tokens_name(points)}")
    if rows["score"].isna().all():
        _distance_rows(panel, rows)
        panel.set(yticks=[], ylabel="no mean score")
        return
    names: list[PointLabel] = []
    for row in rows.to_dict("records"):
        look = method_look(str(row["method"]))
        panel.plot([row["distance_low"], row["distance_high"]], [row["score"]] * 2, color=look.colour, lw=0.8)
        panel.plot([row["distance"]] * 2, [row["score_low"], row["score_high"]], color=look.colour, lw=0.8)
        panel.plot(row["distance"], row["score"], **look.mark, ms=4.5, mew=0)
        across, along = (row["distance_low"], row["distance_high"]), (row["score_low"], row["score_high"])
        names.append(PointLabel(look.label, row["distance"], row["score"], look.colour, across, along))
    panel.margins(x=0.18, y=0.18)
    panel.grid(True)
    panel.xaxis.set_major_locator(MaxNLocator(5))
    panel.yaxis.set_major_locator(MaxNLocator(5))
    panel.set_ylabel("score / score with all tokens" if relative else "score")
    label_points(panel, [one for one in names if np.isfinite(one.y)])


def _forest(panel: Axes, correlations: pd.DataFrame) -> None:
    height = len(correlations)
    panel.axvline(0, color="0.6", lw=0.6, zorder=0)
    for place, row in enumerate(correlations.to_dict("records")):
        mean = row["benchmark"] == MEAN
        y = height - 1 - place - (0.35 if mean else 0)
        words: dict[str, Any] = {"va": "center", "fontsize": 7, "weight": "bold" if mean else "normal"}
        panel.text(-1.12, y, "overall" if mean else short_name(str(row["benchmark"])), ha="right", **words)
        if not np.isfinite(row["rho"]):
            panel.text(1.14, y, "–", ha="left", **words)
            continue
        panel.plot([row["rho_low"], row["rho_high"]], [y, y], color="0.35", lw=1.0, solid_capstyle="butt")
        panel.plot(row["rho"], y, "D" if mean else "o", color="0.1", ms=4 if mean else 3)
        panel.text(1.14, y, _p(row["p_value"]), ha="left", **words)
    panel.text(1.14, height - 0.35, "p", ha="left", va="bottom", fontsize=7, style="italic")
    panel.set(xlim=(-1.08, 1.08), ylim=(-0.9, height - 0.4), yticks=[], xticks=[-1, -0.5, 0, 0.5, 1])
    panel.set_xticklabels(["−1", "", "0", "", "1"])
    panel.spines["left"].set_visible(False)
    panel.set_xlabel(r"Spearman's $\rho$ (claim: $-1$)")


def _ranks(panel: Axes, rows: pd.DataFrame, correlations: pd.DataFrame, name: str) -> None:
    if not rank_panel(panel, rows):
        panel.set_title(short_name(name))
        return
    found = correlations[correlations["benchmark"] == name]
    rho = float(found["rho"].iloc[0])
    measured = rf"$\rho={_signed(rho)}$" if np.isfinite(rho) else r"$\rho$ undefined"
    panel.set_title(f"{short_name(name)}\n{measured}", linespacing=1.05)


def _key(correlations: pd.DataFrame) -> str:
    """How to read the panels, for the free cell behind the last one."""
    overall = correlations[correlations["benchmark"] == MEAN].iloc[0]
    words = "Dashed: the claim, the\nnearer the better.\nBars: 95% intervals\nof the ranks."
    floor = float(overall["smallest_p"])
    if np.isfinite(floor):
        words += f"\nSmallest p that {int(overall['methods'])}\nmethods can give:\n{_p(floor)}."
    return words


def _draw_distances(points: pd.DataFrame) -> Figure:
    """Draw the half of the figure that needs no score: the distance of every method, by benchmark."""
    names = [*benchmarks_of(points), MEAN]
    methods = methods_of(points)
    width, gap, left = 1.31, 0.15, 1.04
    height = 0.14 * len(methods) + 0.1
    lines = ceil(len(names) / COLUMNS)
    sheet = Sheet.of_height(0.52 + lines * (height + 0.45) + 0.1)
    head = (
        f"{distance_name(points)} on {tokens_name(points)}, {per_cent(float(points['ratio'].iloc[0]))} kept"
    )
    sheet.text(TEXT_WIDTH / 2, 0.16, f"{head} (no scores given)", ha="center", va="center")
    for number, name in enumerate(names):
        line, column = divmod(number, COLUMNS)
        panel = sheet.panel(left + column * (width + gap), 0.5 + line * (height + 0.45), width, height)
        rows = points[points["benchmark"] == name].set_index("method").reindex(methods)
        _distance_rows(panel, rows.reset_index())
        panel.set_yticklabels([method_look(m).label for m in methods] if column == 0 else [])
        panel.set_title(name, weight="bold" if name == MEAN else "normal")
    return sheet.figure


def _distance_rows(panel: Axes, rows: pd.DataFrame) -> None:
    """Draw the distance of every method on a line of its own."""
    for place, row in enumerate(rows.to_dict("records")):
        look = method_look(str(row["method"]))
        panel.plot([row["distance_low"], row["distance_high"]], [place, place], color=look.colour, lw=1)
        panel.plot(row["distance"], place, **look.mark, ms=4.2, mew=0)
    panel.set(ylim=(len(rows) - 0.4, -0.6), yticks=range(len(rows)))
    panel.xaxis.set_major_locator(MaxNLocator(4))
    panel.grid(True)


def _p(value: float) -> str:
    if np.isnan(value):
        return "–"
    if value >= 0.001:
        return f"{value:.3f}"
    digits, power = f"{value:.0e}".split("e")
    return rf"${digits}\times10^{{{int(power)}}}$"


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-0.00", "0.00")


def caption2(versions: Mapping[str, Figure2Tables]) -> str:
    """Write the caption of Figure 2 and of its further versions; see :func:`draw_figure2`.

    Parameters
    ----------
    versions : mapping
        From a version's file name to its tables; the first is the figure, the others follow in a table.

    Returns
    -------
    str
        Markdown.
    """
    tables = next(iter(versions.values()))
    points, overall = tables.points, _overall(tables)
    methods = [method_look(name).label for name in methods_of(points)]
    head = (
        f"**{FIGURE.title}** {listed(methods)} at "
        f"{per_cent(float(points['ratio'].iloc[0]))} of the tokens; {basis(points)}."
    )
    if np.isfinite(float(overall["rho"])):
        head += (
            " (a) Mean score against mean distance over the benchmarks. (b) Spearman's ρ between distance "
            "and score with its 95% bootstrap interval and two-sided permutation p-value; the claim is −1. "
            "(c) Rank by score (1 = best) against rank by distance (1 = smallest). The paper draws such "
            "ranks, between which ρ has the other sign: its claim is +1 there, which is −1 here; version "
            "`figure2_ranks` draws them at every share kept. Distances are resampled "
            f"over {samples_words(points)}, scores drawn with their standard errors; the intervals say "
            f"nothing about other methods than these. {_floor(overall)}"
        )
    lines = [head, f"**Verdict.** {_verdict2(overall, tables.correlations)}"]
    if len(versions) > 1:
        lines.append(_versions_table(versions))
    return "\n\n".join(lines)


def _verdict2(overall: Numbers, correlations: pd.DataFrame) -> str:
    rho, p = float(overall["rho"]), float(overall["p_value"])
    if not np.isfinite(rho):
        return "No score is given for these methods on all benchmarks, so there is no overall correlation."
    each = correlations[correlations["benchmark"] != MEAN].dropna(subset=["rho"])
    where = (
        f"Per benchmark ρ is negative on {int((each['rho'] < 0).sum())} and positive on "
        f"{int((each['rho'] > 0).sum())} of {len(each)}, with p ≤ {SIGNIFICANT:g} on "
        f"{int((each['p_value'] <= SIGNIFICANT).sum())}."
    )
    if not np.isfinite(p):
        return f"Undecided: ρ = {two_decimals(rho)} overall, without an interval or a test. {where}"
    interval = interval_words(overall["rho_low"], overall["rho_high"])
    numbers = f"ρ = {two_decimals(rho)} overall (95% interval {interval}; {_p_words(overall)})"
    if p <= SIGNIFICANT:
        said = "The claim holds here" if rho < 0 else "The opposite of the claim holds here"
        return f"{said}: {numbers}. {where}"
    sign = (
        "no sign either way" if abs(rho) < 0.005 else f"the sign {'of' if rho < 0 else 'against'} the claim"
    )
    few = f"with {int(overall['methods'])} methods this is not told from chance"
    return f"Undecided: {numbers}, {sign}; {few}. {where}"


def _versions_table(versions: Mapping[str, Figure2Tables]) -> str:
    lines = [
        "| version | methods | distance | kept | overall ρ (claim −1) | 95% interval "
        "| ρ of the ranks (claim +1) | p | smallest p |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, tables in versions.items():
        labels = ", ".join(method_look(method).label for method in methods_of(tables.points))
        for row in _overall_rows(tables):
            kind = str(row["distance_kind"])
            head = f"| `{name}` | {labels} | {DISTANCES.get(kind, kind)} | {per_cent(float(row['ratio']))}"
            lines.append(f"{head} | {_version_numbers(row)} |")
    return "\n".join(lines)


def _version_numbers(row: Numbers) -> str:
    if not np.isfinite(float(row["rho"])):
        return "not known | – | – | – | –"
    interval = interval_words(row["rho_low"], row["rho_high"])
    p = float(row["p_value"])
    tests = f"{p:.3g} | {float(row['smallest_p']):.2g}" if np.isfinite(p) else "– | –"
    return f"{two_decimals(row['rho'])} | {interval} | {two_decimals(row['rank_rho'])} | {tests}"


def _floor(overall: Numbers) -> str:
    floor = float(overall["smallest_p"])
    if not np.isfinite(floor):
        return ""
    return f"The smallest two-sided p that {int(overall['methods'])} methods can give is {floor:.2g}."


def _p_words(overall: Numbers) -> str:
    p = float(overall["p_value"])
    if bool(overall["p_exact"]):
        return f"exact p = {p:.3g}"
    return f"Monte-Carlo p = {p:.3g} with standard error {float(overall['p_standard_error']):.1g}"


def _overall_rows(tables: Figure2Tables) -> list[Numbers]:
    rows: list[Numbers] = tables.correlations.to_dict("records")
    return [row for row in rows if row["benchmark"] == MEAN]


def _overall(tables: Figure2Tables) -> Numbers:
    return _overall_rows(tables)[0]


def _versions(given: Given) -> dict[str, Given]:
    """Figure 2, and what becomes of it with other methods and with the other distance."""
    measured = set(given.rows["method"].unique())
    methods = tuple(name for name in given.methods if name in measured)
    paper = tuple(name for name in RANKED_METHODS if name in methods)
    inner = tuple(name for name in methods if name not in ("first", "last"))
    asked: dict[str, dict[str, Any]] = {
        "": {"methods": paper},
        "_ranks": {"methods": paper, "every_ratio": True},
        "_all": {"methods": methods},
        "_all_ranks": {"methods": methods, "every_ratio": True},
        "_all_without_first_last": {"methods": inner},
        "_quantisation": {"methods": paper, "distance": "quantisation_error"},
        "_all_quantisation": {"methods": methods, "distance": "quantisation_error"},
    }
    if given.scores is None:
        del asked["_ranks"], asked["_all_ranks"]  # of which nothing is known then
    return {end: replace(given, **own) for end, own in asked.items()}


def _table(given: Given) -> Figure2Tables:
    how: dict[str, Any] = {"methods": given.methods, **given.how}
    if given.every_ratio:
        return figure2_ratios(given.rows, given.scores, **how)
    return figure2_tables(given.rows, given.scores, ratio=given.ratio, **how)


FIGURE = Declaration(
    title="Figure 2. Does a small distance go with a high score?",
    file="figure2",
    needs="sweep",
    table=_table,
    draw=draw_figure2,
    caption=caption2,
    scores=every_method,
    csvs=lambda tables: {"": tables.points, "_spearman": tables.correlations},
    versions=_versions,
)
