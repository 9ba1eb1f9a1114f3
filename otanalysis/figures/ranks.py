"""Figure 2 as the paper draws it: rank by score against rank by distance, at every share of tokens kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from otanalysis.figures.layout import (
    Sheet,
    benchmarks_of,
    heat_map,
    method_legend,
    methods_of,
    no_score,
    per_cent,
    short_name,
)
from otanalysis.figures.style import TEXT_WIDTH, method_look
from otanalysis.stats.cells import MEAN
from otanalysis.stats.rank_tables import Figure2Tables

LEFT, TOP, GAP, CELL = 0.42, 0.66, 0.16, 0.17


def draw_ranks(tables: Figure2Tables) -> Figure:
    r"""Draw the ranks over all benchmarks, a panel a ratio, and their :math:`\rho` for every benchmark.

    Rank 1 is the smallest distance and the best score, so that the claim is the dashed diagonal,
    :math:`\rho = +1`.
    """
    ratios = sorted(float(ratio) for ratio in tables.points["ratio"].unique())
    overall = tables.points[tables.points["benchmark"] == MEAN]
    names = [*benchmarks_of(tables.points), MEAN]
    size = min((TEXT_WIDTH - LEFT - 0.06 - (len(ratios) - 1) * GAP) / len(ratios), 1.9)
    below = TOP + size + 0.72
    letters = max(len(short_name(name)) for name in names)
    sheet = Sheet.of_height(below + CELL * len(ratios) + 0.12 + 0.042 * letters)
    sheet.legend(method_legend(methods_of(tables.points)), top=0.03)
    for number, ratio in enumerate(ratios):
        panel = sheet.panel(LEFT + number * (size + GAP), TOP, size, size)
        there = rank_panel(panel, overall[overall["ratio"] == ratio])
        found = _words(_overall(tables.correlations, ratio)) if there else ""
        panel.set_title(f"{per_cent(ratio)} kept{found}", linespacing=1.1)
        panel.set_xlabel("rank by distance")
        if number == 0:
            panel.set_ylabel("rank by mean score")
        else:
            panel.set_yticklabels([])
    _each_benchmark(sheet, below, tables.correlations, ratios, names)
    return sheet.figure


def rank_panel(panel: Axes, rows: pd.DataFrame) -> bool:
    """Draw the score ranks of methods against their distance ranks; say whether there are scores."""
    n = len(rows)
    ticks = range(1, n + 1) if n <= 6 else range(1, n + 1, 2)
    panel.set(xlim=(0.5, n + 0.5), ylim=(n + 0.5, 0.5), xticks=ticks, yticks=ticks)
    if rows["score"].isna().all():
        no_score(panel)
        return False
    panel.plot([1, n], [1, n], ls=(0, (3, 2)), color="0.65", lw=0.7, zorder=0)
    for row in rows.to_dict("records"):
        look = method_look(str(row["method"]))
        x, y = row["distance_rank"], row["score_rank"]
        bar: dict[str, Any] = {"color": look.colour, "lw": 0.9, "alpha": 0.6}
        panel.plot([row["distance_rank_low"], row["distance_rank_high"]], [y, y], **bar)
        panel.plot([x, x], [row["score_rank_low"], row["score_rank_high"]], **bar)
        panel.plot(x, y, **look.mark, ms=4.6 if n <= 6 else 3.8, mew=0, zorder=3)
    panel.grid(True)
    return True


def _overall(correlations: pd.DataFrame, ratio: float) -> pd.Series:
    return correlations[(correlations["benchmark"] == MEAN) & (correlations["ratio"] == ratio)].iloc[0]


def _words(row: pd.Series) -> str:
    """Return the rest of a title: its first line ends with p, that none is wider than its panel."""
    if not np.isfinite(row["rank_rho"]):
        return "\n" + r"$\rho$ undefined"
    low, high = row["rank_rho_low"], row["rank_rho_high"]
    words = rf"$\rho={row['rank_rho']:.2f}$".replace("-", "−")
    if not np.isfinite([low, high]).all():
        return f"\n{words}, no interval"
    interval = f"[{low:.2f}, {high:.2f}]".replace("-", "−")
    return f", p = {row['p_value']:.2g}\n{words} {interval}"


def _each_benchmark(
    sheet: Sheet, top: float, correlations: pd.DataFrame, ratios: list[float], names: list[str]
) -> None:
    panel = sheet.panel(LEFT, top, TEXT_WIDTH - LEFT - 0.06, CELL * len(ratios))
    values = correlations.pivot(index="ratio", columns="benchmark", values="rank_rho").reindex(ratios)[names]
    digits = (TEXT_WIDTH - LEFT) / len(names) > 0.21
    heat_map(panel, values.to_numpy(dtype=np.float64), digits=digits)
    panel.set_yticks(np.arange(len(ratios)) + 0.5, [per_cent(ratio) for ratio in ratios])
    panel.set_xticks(np.arange(len(names)) + 0.5)
    labels = ["overall" if name == MEAN else short_name(name) for name in names]
    panel.set_xticklabels(labels, rotation=45, ha="right", rotation_mode="anchor")
    scale = r"$100\,\rho$" if digits else r"$\rho$"
    panel.set_title(f"{scale} of the ranks for every benchmark: 100 (blue) is the claim", loc="left")
