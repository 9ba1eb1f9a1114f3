"""Figure 4: how far each method's tokens are from all tokens, compared with OTPrune's."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from otanalysis.defaults import DEFAULT_GAMMAS
from otanalysis.figures.captions import basis, benchmarks_words, listed, samples_words, span
from otanalysis.figures.declaration import Declaration
from otanalysis.figures.layout import (
    BASIS,
    INTERVAL,
    Sheet,
    benchmarks_of,
    distance_name,
    error_lengths,
    method_legend,
    methods_of,
    per_cent,
    require_columns,
    set_ticks,
    tokens_name,
)
from otanalysis.figures.style import TEXT_WIDTH, method_look, paper_style
from otanalysis.stats.cells import MEAN
from otanalysis.stats.figure_tables import figure4_table

_COLUMNS = ("benchmark", "method", "ratio", *INTERVAL, *BASIS)

COLUMNS = 4
LEFT = 0.44  # beside tick labels of up to four letters
LETTER = 0.05
TOP = 0.48
MEAN_HEIGHT = 1.35
HEIGHT = 0.86


def draw_figure4(
    table: pd.DataFrame,
    bracket: pd.DataFrame | None = None,
    *,
    coverage: tuple[pd.DataFrame, pd.DataFrame] | None = None,
    name: str = "Figure 4",
) -> Figure:
    """Draw bars of each method's distance over that of OTPrune, on a log axis that starts at 1.

    Parameters
    ----------
    table : DataFrame
        From :func:`otanalysis.stats.figure_tables.figure4_table`.
    bracket : DataFrame, optional
        The smallest possible distance, where it is known: the same columns for the methods ``floor`` (no kept
        set is closer) and ``best`` (the closest one met).
    coverage : tuple of DataFrame, optional
        A table of the quantisation error and its bracket: their averages are drawn below those of the
        distance.
    name : str
        Of the figure, for messages.

    Returns
    -------
    Figure
        Top: the average over benchmarks; below, every benchmark. A bar that points up is farther from all
        tokens than OTPrune, one that points down is closer. The distance and normalisation are printed.

    Raises
    ------
    InputError
        If the table lacks a column.

    Examples
    --------
    >>> row = {"benchmark": "gqa", "method": "first", "ratio": 0.1, "value": 0.8, "low": 0.7, "high": 0.9}
    >>> row |= {"distance_kind": "w2", "normalisation": "none", "quantity": "relative_distance", "n": 8}
    >>> table = pd.DataFrame([row, row | {"benchmark": "mean"}])

    >>> [panel.get_title() for panel in draw_figure4(table).axes], caption4(table)[:11]
    (['Average over benchmarks', 'gqa'], '**Figure 4.')
    """
    parts = [_Bars.of(table, bracket, name)]
    if coverage is not None:
        parts.append(_Bars.of(*coverage, name))
    own = parts[0]
    names = benchmarks_of(own.table)
    methods = list(dict.fromkeys(method for part in parts for method in methods_of(part.table)))
    longest = max(len(f"{tick:g}") for part in parts for tick in _ticks(part.limits))
    left = LEFT + LETTER * max(0, longest - 4)
    with paper_style():
        grid_top = TOP + len(parts) * (MEAN_HEIGHT + 0.58)
        lines = ceil(len(names) / COLUMNS)
        sheet = Sheet.of_height(grid_top + lines * HEIGHT + (lines - 1) * 0.28 + 0.36)
        handles = method_legend(methods, bar=True)
        if len(own.bracket):
            handles += [
                Line2D([], [], color="black", lw=1.0, ls=(0, (1.2, 1.0)), label="best met"),
                Patch(facecolor="0.82", edgecolor="0.45", hatch="/////", lw=0, label="impossible"),
            ]
        sheet.legend(handles, top=0.03)
        for number, part in enumerate(parts):
            top = TOP + number * (MEAN_HEIGHT + 0.58)
            panel = sheet.panel(left, top, TEXT_WIDTH - left - 0.06, MEAN_HEIGHT)
            part.draw(panel, MEAN)
            _head(panel, part.table)
        width = (TEXT_WIDTH - left - 0.06 - (COLUMNS - 1) * 0.14) / COLUMNS
        for number, benchmark in enumerate(names):
            line, column = divmod(number, COLUMNS)
            place = left + column * (width + 0.14), grid_top + line * (HEIGHT + 0.28)
            panel = sheet.panel(*place, width, HEIGHT)
            own.draw(panel, benchmark)
            panel.set_title(benchmark)
            if column:
                panel.set_yticklabels([])
            else:
                panel.set_ylabel("ratio")
            if number + COLUMNS >= len(names):
                panel.set_xlabel("tokens kept")
            else:
                panel.set_xticklabels([])
        return sheet.figure


@dataclass(frozen=True)
class _Bars:
    """What one row of panels shows: bars, brackets, and the limits that they share."""

    table: pd.DataFrame
    bracket: pd.DataFrame
    limits: tuple[float, float]

    @classmethod
    def of(cls, table: pd.DataFrame, bracket: pd.DataFrame | None, name: str) -> _Bars:
        require_columns(table, _COLUMNS, name)
        known = table.dropna(subset=["value"])
        ends = known.iloc[:0] if bracket is None else bracket
        return cls(known, ends, _limits(pd.concat([known, ends])))

    def draw(self, panel: Axes, benchmark: str) -> None:
        own, ends = (one[one["benchmark"] == benchmark] for one in (self.table, self.bracket))
        _bars(panel, own, methods_of(self.table), self.limits)
        _bracket(panel, ends, self.limits)


def _head(panel: Axes, table: pd.DataFrame) -> None:
    """Write over and beside a panel of averages what they are of."""
    far, of_coverage = distance_name(table), table["distance_kind"].iloc[0] == "quantisation_error"
    short = "error" if of_coverage else far
    panel.set_title(
        "Coverage, average over benchmarks" if of_coverage else "Average over benchmarks", weight="bold"
    )
    panel.set_title(f"{far}, {tokens_name(table)}", loc="right")
    panel.set_ylabel(f"{short} / {short}(OTPrune)")
    panel.set_xlabel("tokens kept")
    up, down = ("covers less", "more") if of_coverage else ("farther", "closer")
    panel.set_title(f"up: {up} than OTPrune; down: {down}", loc="left", color="0.3")


def _bracket(panel: Axes, rows: pd.DataFrame, limits: tuple[float, float]) -> None:
    """Shade below the certified floor, and mark the closest kept set met, at every ratio."""
    ratios = sorted({float(ratio) for ratio in rows["ratio"]})
    for method, value, ratio in zip(rows["method"], rows["value"], rows["ratio"], strict=True):
        ends = ratios.index(float(ratio)) + np.array([-0.5, 0.5])
        if method == "floor":
            panel.fill_between(
                ends, limits[0], value, facecolor="0.82", edgecolor="0.45", hatch="/////", lw=0, zorder=0.5
            )
            panel.plot(ends, [value, value], color="black", lw=0.9, zorder=4)
        else:
            panel.plot(ends, [value, value], color="black", lw=0.9, ls=(0, (1.2, 1.0)), zorder=4)


def _limits(table: pd.DataFrame) -> tuple[float, float]:
    """Find common ends of the log axis, a little beyond the longest bar or interval on either side of 1."""
    ends = table[["value", "low", "high"]].to_numpy(dtype=np.float64)
    # Zero, the distance of kept duplicates, has no place on a log axis.
    ends = ends[np.isfinite(ends) & (ends > 0.0)]
    low, high = float(ends.min(initial=1.0)), float(ends.max(initial=1.0))
    reach = max(np.log(high / low), 0.05)
    return low * float(np.exp(-0.06 * reach)), high * float(np.exp(0.06 * reach))


def _ticks(limits: tuple[float, float]) -> list[float]:
    low, high = limits
    if high / low < 2.5:
        # Whole steps away from 1, so that the base of the bars always has its tick.
        step = next(size for size in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if (high - low) / size <= 5)
        counts = range(ceil((low - 1) / step), floor((high - 1) / step) + 1)
        return [round(1 + count * step, 2) for count in counts]
    steps = range(int(np.ceil(np.log2(low))), int(np.floor(np.log2(high))) + 1)
    stride = max(1, ceil(len(steps) / 6))
    return [2.0**power for power in steps if power % stride == 0]


def _bars(panel: Axes, rows: pd.DataFrame, methods: list[str], limits: tuple[float, float]) -> None:
    ratios = sorted({float(ratio) for ratio in rows["ratio"]})
    width = 0.84 / len(methods)
    for number, method in enumerate(methods):
        own = rows[rows["method"] == method].sort_values("ratio")
        places = np.array([ratios.index(float(ratio)) for ratio in own["ratio"]], dtype=np.float64)
        x = places + (number - (len(methods) - 1) / 2) * width
        value = own["value"].to_numpy(dtype=np.float64)
        look = method_look(method)
        panel.bar(x, value - 1.0, bottom=1.0, width=0.88 * width, color=look.colour, lw=0)
        panel.errorbar(x, value, yerr=error_lengths(own), fmt="none", ecolor="0.15", elinewidth=0.6)
    panel.set_yscale("log")
    panel.set_ylim(limits)
    set_ticks(panel.yaxis, _ticks(limits))
    panel.grid(True, axis="y")
    panel.axhline(1.0, color=method_look("otprune").colour, lw=0.9, zorder=3)
    panel.set_xticks(range(len(ratios)))
    panel.set_xticklabels([per_cent(ratio) for ratio in ratios])
    panel.set_xlim(-0.5, len(ratios) - 0.5)
    panel.tick_params(axis="x", length=0)


def caption4(table: pd.DataFrame) -> str:
    """Write the caption of Figure 4 from the table of :func:`draw_figure4`."""
    head = (
        f"**{FIGURE.title}** Mean distance of each method's tokens to all tokens, "
        f"divided by that of OTPrune's ({basis(table)}), per benchmark and as the average over "
        f"{benchmarks_words(table)}. Bars start at 1 on a log axis. Intervals are 95% paired "
        f"bootstraps over {samples_words(table)}."
    )
    rows = table[(table["benchmark"] == MEAN) & table["value"].notna()]
    groups: dict[str, list[str]] = {"closer": [], "farther": [], "open": []}
    for method in methods_of(rows[~rows["method"].isin(list(DEFAULT_GAMMAS))]):
        own = rows[rows["method"] == method]
        closer, farther = bool((own["high"] < 1).all()), bool((own["low"] > 1).all())
        groups["closer" if closer else "farther" if farther else "open"].append(_named(method, own))
    # OTPrune with another gamma is drawn beside it, and is no rival.
    others = [name for name in methods_of(rows) if name in DEFAULT_GAMMAS]
    beside = "".join(f" Beside it: {_named(one, rows[rows['method'] == one])}." for one in others)
    return f"{head}\n\n**Verdict.** {_verdict4(groups)}{beside}"


def _named(method: str, rows: pd.DataFrame) -> str:
    return f"{method_look(method).label} ({span(rows['value'].to_numpy(dtype=np.float64))})"


def _verdict4(groups: dict[str, list[str]]) -> str:
    count = sum(len(names) for names in groups.values())
    if not count:
        return "There is no other method to compare OTPrune with."
    if len(groups["farther"]) == count:
        return f"OTPrune has the smallest distance at every ratio, as claimed: {listed(groups['farther'])}."
    if not groups["closer"]:
        return f"Undecided for {listed(groups['open'])}; farther than OTPrune: {listed(groups['farther'])}."
    said = (
        f"OTPrune does not have the smallest distance: {len(groups['closer'])} of {count} methods are closer "
        f"at every ratio, {listed(groups['closer'])}"
    )
    if groups["farther"]:
        said += f"; farther at every ratio: {listed(groups['farther'])}"
    if groups["open"]:
        said += f"; not the same at every ratio, or not decided: {listed(groups['open'])}"
    return said + "."


FIGURE = Declaration(
    title="Figure 4. Distance relative to OTPrune.",
    file="figure4",
    needs="sweep",
    table=lambda given: figure4_table(given.rows, methods=given.methods, **given.how),
    draw=draw_figure4,
    caption=lambda tables: caption4(tables["figure4"]),
)
