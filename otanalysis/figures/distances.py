"""Figure E: Figure 4's ratio for every distance and normalisation that it could mean, and either gamma."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from otanalysis.arrays import FloatArray
from otanalysis.defaults import DEFAULT_GAMMAS
from otanalysis.figures.captions import DISTANCES, counted, listed, span
from otanalysis.figures.declaration import Declaration, Given
from otanalysis.figures.layout import INTERVAL, Sheet, methods_of, per_cent, require_columns, tokens_words
from otanalysis.figures.style import TEXT_WIDTH, method_look, paper_style
from otanalysis.stats.distance_grid import READINGS, SQUARED_OBJECTIVE, distance_grid

_COLUMNS = ("baseline", "normalisation", "distance_kind", "closer", "ratio", "method", *INTERVAL, "place")
_NAMES = {
    "w2": "exact $W_2$",
    "w2_squared": "exact $W_2^2$",
    "gelbrich_w2_squared": "Gelbrich",
    "bures_w2_squared": "zero-mean Gauss (eq. 3)",
    "quantisation_error": "quantisation error",
    "trace_objective": "$f$ (eq. 4)",
    SQUARED_OBJECTIVE: "$f^2$ (eq. 4)",
}
_WORDS = DISTANCES | {
    "gelbrich_w2_squared": "Gelbrich's distance",
    "bures_w2_squared": "zero-mean Gaussian distance (equation 3)",
    "trace_objective": "f of equation 4",
    SQUARED_OBJECTIVE: "f squared",
}
_TOKENS = {"none": "raw", "columns": "columns", "rows": "rows"}
_GAMMAS = {"otprune": "the released", "otprune-paper": "the paper's"}

LITERAL = "trace_objective"
"""What the paper's bars are, word for word: its :math:`f`."""

LEFT, TOP, GAP, ROW, MARK = 1.86, 1.2, 0.12, 0.142, 0.16
TITLE = 0.38
CELL_SIZE = 6.2
REACH = 4.0
"""Ratio, up or down, at which a colour is full."""

CLOSER, FARTHER = "#2C7FB8", method_look("otprune").colour


def draw_distances(table: pd.DataFrame) -> Figure:
    """Draw each method's quantity over that of OTPrune: a row a reading and normalisation, a column a method.

    Parameters
    ----------
    table : DataFrame
        From :func:`otanalysis.stats.distance_grid.distance_grid`, of one ratio.

    Returns
    -------
    Figure
        One panel a gamma of OTPrune. Blue: the method is closer to all tokens than OTPrune, by this
        reading; orange: OTPrune is closer; no colour without an interval. Grey numbers: no interval that lies
        apart from 1. A dot marks the rows in which OTPrune is the closest of all, a ring those in which that
        is not decided.

    Raises
    ------
    InputError
        If the table lacks a column.

    Examples
    --------
    >>> row = {"baseline": "otprune", "normalisation": "none", "closer": "lower", "place": "not closest"}
    >>> row |= {"ratio": 0.1, "method": "first", "value": 0.5, "low": 0.4, "high": 0.6, "n": 8}
    >>> table = pd.DataFrame([row | {"distance_kind": kind} for kind in ("w2", "w2_squared")])
    >>> [text.get_text() for text in draw_distances(table).texts], caption_distances(table)[:11]
    (['10% of the tokens kept', 'over OTPrune, the released gamma'], '**Figure E.')
    """
    require_columns(table, _COLUMNS, "Figure E")
    rows = _rows(table)
    baselines = [str(name) for name in table["baseline"].drop_duplicates()]
    width = (TEXT_WIDTH - LEFT - 0.06 - (len(baselines) - 1) * GAP) / len(baselines) - MARK
    with paper_style():
        sheet = Sheet.of_height(TOP + ROW * len(rows) + 0.08)
        words = f"{per_cent(float(table['ratio'].iloc[0]))} of the tokens kept"
        sheet.legend(_legend(), top=0.03)
        sheet.text(0.05, TITLE, words, weight="bold", va="center")
        for number, baseline in enumerate(baselines):
            left = LEFT + number * (width + MARK + GAP)
            panel = sheet.panel(left, TOP, width, ROW * len(rows))
            _cells(panel, table[table["baseline"] == baseline], rows)
            title = f"over OTPrune, {_GAMMAS.get(baseline, baseline)} gamma"
            sheet.text(left + width / 2, TITLE, title, weight="bold", ha="center", va="center")
            if number == 0:
                _name_rows(panel, rows)
        return sheet.figure


def _rows(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the reading and normalisation of every row, in the order of the table's readings."""
    there = table[["distance_kind", "normalisation"]].drop_duplicates()
    kinds = list(there["normalisation"].drop_duplicates())
    known = set(there.itertuples(index=False, name=None))
    return [(one.column, kind) for one in READINGS for kind in kinds if (one.column, kind) in known]


def _legend() -> list[Any]:
    ring: dict[str, Any] = {"color": "0.1", "ls": "none", "ms": 4.5, "mew": 0.8}
    return [
        Patch(facecolor=CLOSER, label="the method is closer"),
        Patch(facecolor=FARTHER, label="OTPrune is closer"),
        Line2D([], [], marker="o", label="OTPrune is the closest of all", **ring),
        Line2D([], [], marker="o", mfc="white", label="not decided", **ring),
    ]


def _cells(panel: Axes, table: pd.DataFrame, rows: Sequence[tuple[str, str]]) -> None:
    methods = methods_of(table)
    of_row = table.set_index(["distance_kind", "normalisation", "method"])
    index = [(*row, method) for row in rows for method in methods]
    own = of_row.reindex(pd.MultiIndex.from_tuples(index))
    shape = len(rows), len(methods)
    value, low, high = (own[name].to_numpy(dtype=np.float64).reshape(shape) for name in INTERVAL)
    higher = (own["closer"] == "higher").to_numpy().reshape(shape)
    nearness = np.where(np.isnan(low) | np.isnan(high), np.nan, _nearness(value, higher))
    panel.set_facecolor("0.95")
    panel.imshow(nearness, cmap=_colours(), vmin=-1, vmax=1, aspect="auto")
    for (line, column), number in np.ndenumerate(value):
        inside = not (low[line, column] > 1 or high[line, column] < 1)
        dark = abs(nearness[line, column]) > 0.75
        colour = "0.5" if inside else "white" if dark else "0.1"
        words = "–" if np.isnan(number) else f"{number:.2f}" if number < 9.95 else f"{number:.0f}"
        panel.text(column, line, words, ha="center", va="center", fontsize=CELL_SIZE, color=colour)
    for line in range(1, len(rows)):
        new = rows[line][0] != rows[line - 1][0]
        panel.axhline(line - 0.5, color="white", lw=2.2 if new else 0.5)
    for column in range(1, len(methods)):
        panel.axvline(column - 0.5, color="white", lw=0.5)
    _marks(panel, table, rows)
    panel.set(yticks=[], xticks=range(len(methods)))
    panel.xaxis.tick_top()
    labels = [method_look(method).label for method in methods]
    panel.set_xticklabels(labels, rotation=50, ha="left", rotation_mode="anchor")
    panel.tick_params(length=0, pad=1)
    panel.spines[:].set_visible(False)


def _nearness(value: FloatArray, higher: Any) -> FloatArray:
    """Map ratios to [-1, 1]: below zero the method is closer, above zero OTPrune."""
    turned = np.log(np.where(value > 0, value, np.nan)) / np.log(REACH) * np.where(higher, -1.0, 1.0)
    return np.asarray(np.clip(turned, -1.0, 1.0))


def _colours() -> LinearSegmentedColormap:
    return LinearSegmentedColormap.from_list("closer", [CLOSER, "#F4F4F4", FARTHER])


def _marks(panel: Axes, table: pd.DataFrame, rows: Sequence[tuple[str, str]]) -> None:
    places = table.groupby(["distance_kind", "normalisation"])["place"].first()
    methods = len(methods_of(table))
    for line, row in enumerate(rows):
        place = str(places.get(row, ""))
        if place != "not closest":
            face = "0.1" if place == "closest" else "white"
            look: dict[str, Any] = {"color": "0.1", "mfc": face, "ms": 4.5, "mew": 0.8, "clip_on": False}
            panel.plot(methods - 0.5 + 0.3, line, "o", **look)
    panel.set_xlim(-0.5, methods - 0.5)


def _name_rows(panel: Axes, rows: Sequence[tuple[str, str]]) -> None:
    place: dict[str, Any] = {"transform": panel.get_yaxis_transform(), "va": "center", "clip_on": False}
    inch = 1 / (panel.get_position().width * TEXT_WIDTH)
    closer = {one.column: one.words for one in READINGS}
    for line, (column, kind) in enumerate(rows):
        panel.text(-0.05 * inch, line, _TOKENS.get(kind, kind), ha="right", fontsize=7, **place)
        if line == 0 or rows[line - 1][0] != column:
            panel.text((0.05 - LEFT) * inch, line, _NAMES.get(column, column), fontsize=7.5, **place)
            words = place | {"fontsize": 6.5, "style": "italic", "color": "0.4"}
            panel.text((0.05 - LEFT) * inch, line + 0.95, closer[column], **words)


def caption_distances(table: pd.DataFrame) -> str:
    """Write the caption of Figure E, drawn by :func:`draw_distances`, from the table of all ratios.

    Returns
    -------
    str
        Markdown.
    """
    ratios = ", ".join(per_cent(float(ratio)) for ratio in sorted(table["ratio"].unique()))
    head = (
        f"**{FIGURE.title}** What Figure 4 divides, for every quantity and normalisation that it could mean: "
        f"each method's over OTPrune's, ratio of the means over {counted(table['n'].max(), 'image')}, for "
        "OTPrune with the released gamma and with the paper's. Beside each quantity stands which values are "
        "the close ones: blue always means that the method is closer than OTPrune. The columns have "
        "unit variance, as in the paper's derivation. Numbers in grey have no 95% paired bootstrap interval "
        "that lies apart from 1. A dot marks where OTPrune is the closest of all, with intervals that "
        f"lie apart from 1. Drawn is one share kept; the table has {ratios}."
    )
    found = [_verdict(str(name), own) for name, own in table.groupby("baseline", sort=False)]
    literal = table[(table["distance_kind"] == LITERAL)]
    if not literal.empty:
        found.append(_literal(literal))
    return f"{head}\n\n**Verdict.** " + "\n\n".join(found)


def _verdict(baseline: str, rows: pd.DataFrame) -> str:
    groups = rows.groupby(["distance_kind", "normalisation"], sort=False)["place"]
    places = {_reading(str(kind), str(tokens)): set(own) for (kind, tokens), own in groups}
    always = [words for words, own in places.items() if own == {"closest"}]
    never = sum(own == {"not closest"} for own in places.values())
    untold = sum("undecided" in own for own in places.values())
    said = (
        f"OTPrune with {_GAMMAS.get(baseline, baseline)} gamma is the closest of all at every share kept in "
        f"{len(always)} of {len(places)} readings ({listed(always)}), and at none in {never}"
        + (f"; in {untold} it is not decided at some share." if untold else ".")
    )
    exact = rows[(rows["distance_kind"] == "w2") & ~rows["method"].isin(list(DEFAULT_GAMMAS))]
    nearest = exact.groupby(["normalisation", "ratio"])["value"].min()
    spans = [
        f"{span(own.to_numpy(dtype=np.float64))} on {tokens_words(str(kind))}"
        for kind, own in nearest.groupby(level="normalisation", sort=False)
    ]
    return f"{said} By exact W2 the nearest of the other methods has {listed(spans)} times its distance."


def _literal(rows: pd.DataFrame) -> str:
    parts = []
    for (baseline, kind), own in rows.groupby(["baseline", "normalisation"], sort=False):
        others = own.loc[~own["method"].isin(list(DEFAULT_GAMMAS)), "value"].to_numpy(dtype=np.float64)
        words = f"{_GAMMAS.get(str(baseline), str(baseline))} gamma, {tokens_words(str(kind))}"
        parts.append(f"{span(others)} ({words})")
    return (
        "The paper's bars are f(C_method)/f(C_OTPrune) with the words 'lower is closer', and f is the "
        "objective that its equation 4 maximises, so that higher is closer. These ratios are "
        f"{'; '.join(parts)}. Where they lie below 1, greedy found the largest f, and 'lower is closer' "
        "would make OTPrune the farthest."
    )


def _reading(column: str, kind: str) -> str:
    return f"{_WORDS.get(column, column)} on {tokens_words(kind)}"


def _table(given: Given) -> dict[str, pd.DataFrame]:
    grid = distance_grid(given.rows[given.rows["method"].isin(given.methods)])
    return {"all": grid, "drawn": grid[np.isclose(grid["ratio"], given.ratio)]}


FIGURE = Declaration(
    title="Figure E. Which distance would make OTPrune the closest?",
    file="distances",
    needs="normalisations",
    table=_table,
    draw=lambda made: draw_distances(made["drawn"]),
    caption=lambda tables: caption_distances(tables["distances"]["all"]),
    csvs=lambda made: {"": made["all"]},
)
