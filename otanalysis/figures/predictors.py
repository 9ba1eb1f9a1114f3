"""Figure P: which distance goes with the score over methods, one cell a distance and benchmark."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from otanalysis.arrays import BoolArray, FloatArray
from otanalysis.distances import DISTANCES
from otanalysis.figures.captions import benchmarks_words, counted, listed, two_decimals
from otanalysis.figures.declaration import Declaration, Given, every_method
from otanalysis.figures.distances import CLOSER, FARTHER
from otanalysis.figures.layout import (
    Sheet,
    benchmarks_of,
    per_cent,
    require_columns,
    short_name,
    tokens_words,
)
from otanalysis.figures.style import TEXT_WIDTH, method_look, paper_style
from otanalysis.selection import SELECTORS
from otanalysis.stats.cells import MEAN
from otanalysis.stats.predictors import ENDS, PredictorTables, predictor_tables

LEFT, TOP, TITLE, ROW, GAP = 1.56, 0.34, 0.2, 0.162, 0.16
NAMES = 0.8
"""Inches for the names of the benchmarks below the last matrix."""

SMALLEST_CELL = 0.21
"""Inches below which a cell is too narrow for its number."""

LEVEL = 0.05
"""What the p-value of a cell must be below after Holm's method to be marked."""

_COLUMNS = ("without_ends", "distance", "closer", "benchmark", "rho", "low", "high", "p_holm", "n_methods")


def draw_predictors(table: pd.DataFrame) -> Figure:
    """Draw the correlations of distances with scores: a matrix of all methods, and one without the ends.

    Parameters
    ----------
    table : DataFrame
        The ``matrix`` of :func:`otanalysis.stats.predictors.predictor_tables`.

    Returns
    -------
    Figure
        Rows are distances, columns benchmarks, the overall one set apart. Numbers are 100 rho, grey where the
        interval holds zero. Elsewhere a cell is blue if the closer kept tokens have the better score, orange
        if the farther ones do; a dot says that its p-value is below 0.05 after Holm's method.

    Raises
    ------
    InputError
        If the table lacks a column.

    Examples
    --------
    >>> row = {"distance": "w2", "closer": "lower is closer", "benchmark": MEAN, "ratio": 0.1, "rho": -0.9}
    >>> row |= {"low": -1.0, "high": -0.5, "p_holm": 0.01, "n_methods": 20, "normalisation": "none"}
    >>> table = pd.DataFrame([row | {"without_ends": without} for without in (False, True)])
    >>> [text.get_text() for axes in draw_predictors(table).axes for text in axes.texts]
    ['exact W2 ↓', '−90', 'exact W2 ↓', '−90']
    """
    require_columns(table, _COLUMNS, "Figure P")
    distances = [str(name) for name in table["distance"].drop_duplicates()]
    benchmarks = [*benchmarks_of(table), MEAN]
    height, width = ROW * len(distances), TEXT_WIDTH - LEFT - 0.06
    matrices = list(table.groupby("without_ends", sort=True))
    with paper_style():
        sheet = Sheet.of_height(TOP + len(matrices) * (TITLE + height + GAP) - GAP + NAMES)
        sheet.legend(_legend(), top=0.03)
        for number, (without_ends, rows) in enumerate(matrices):
            panel = sheet.panel(LEFT, TOP + TITLE + number * (TITLE + height + GAP), width, height)
            _cells(panel, rows, distances, benchmarks)
            panel.set_title(_title(bool(without_ends), rows), loc="left", weight="bold", fontsize=7.5)
            if number == 0:
                panel.set_title(r"$100\,\rho$ between distance and score", loc="right")
            labels = ["overall" if name == MEAN else short_name(name) for name in benchmarks]
            last = number + 1 == len(matrices)
            panel.set_xticks(range(len(benchmarks)), labels if last else [], rotation=45, ha="right")
            for label in panel.get_xticklabels():
                label.set_rotation_mode("anchor")
        return sheet.figure


def _legend() -> list[Any]:
    dot = Line2D([], [], marker="o", color="0.1", ls="none", ms=2.6, mew=0, label=f"p < {LEVEL:g} after Holm")
    return [
        Patch(facecolor=CLOSER, label="closer goes with the better score"),
        Patch(facecolor=FARTHER, label="farther goes with the better score"),
        Patch(facecolor="0.95", label="interval holds zero"),
        dot,
    ]


def _title(without_ends: bool, rows: pd.DataFrame) -> str:
    counts = sorted(set(rows["n_methods"]) - {0})  # none of benchmarks without scores
    if not counts:
        return "No method has scores"
    n = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    ends = listed([method_look(name).label for name in ENDS])
    return f"{n} methods, without {ends}" if without_ends else f"All {n} methods"


def _cells(panel: Axes, rows: pd.DataFrame, distances: list[str], benchmarks: list[str]) -> None:
    of_cell = rows.set_index(["distance", "benchmark"])
    index = pd.MultiIndex.from_product([distances, benchmarks])
    shape = len(distances), len(benchmarks)
    own = of_cell.reindex(index)
    rho, holm = (own[name].to_numpy(dtype=np.float64).reshape(shape) for name in ("rho", "p_holm"))
    marked = _excludes_zero(own).reshape(shape)
    colour = np.where(marked, agreement(own).reshape(shape), np.nan)
    panel.set_facecolor("0.95")
    panel.imshow(colour, cmap=_colours(), vmin=-1, vmax=1, aspect="auto")
    numbered = panel.get_position().width * TEXT_WIDTH / len(benchmarks) > SMALLEST_CELL
    _name_rows(panel, distances)
    for (line, column), value in np.ndenumerate(rho):
        if numbered:
            tone = "0.5" if not marked[line, column] else "white" if abs(value) > 0.75 else "0.1"
            panel.text(column, line, _number(value), ha="center", va="center", fontsize=6.5, color=tone)
        if holm[line, column] < LEVEL:
            dark = numbered and abs(value) > 0.75
            mark: dict[str, Any] = {"color": "white" if dark else "0.1", "ms": 1.9, "mew": 0}
            panel.plot(column + 0.36, line - 0.26, "o", **mark)
    for line in range(1, len(distances)):
        panel.axhline(line - 0.5, color="white", lw=0.6)
    for column in range(1, len(benchmarks)):
        panel.axvline(column - 0.5, color="white", lw=2.5 if column == len(benchmarks) - 1 else 0.6)
    panel.set(yticks=[], xlim=(-0.5, len(benchmarks) - 0.5), ylim=(len(distances) - 0.5, -0.5))
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{round(100 * value)}".replace("-", "−")


def _name_rows(panel: Axes, distances: list[str]) -> None:
    place: dict[str, Any] = {"transform": panel.get_yaxis_transform(), "va": "center", "clip_on": False}
    inch = 1 / (panel.get_position().width * TEXT_WIDTH)
    for line, name in enumerate(distances):
        arrow = "↑" if DISTANCES[name].higher_is_closer else "↓"
        panel.text(-0.06 * inch, line, f"{DISTANCES[name].label} {arrow}", ha="right", fontsize=7.5, **place)


def _colours() -> LinearSegmentedColormap:
    return LinearSegmentedColormap.from_list("closer", [FARTHER, "#F7F7F7", CLOSER])


def _excludes_zero(rows: pd.DataFrame) -> BoolArray:
    return np.asarray((rows["low"] > 0.0) | (rows["high"] < 0.0))


def agreement(rows: pd.DataFrame) -> FloatArray:
    """Return rho with the sign that makes 1 of: the closer the kept tokens, the better the score."""
    sign = np.where(rows["closer"] == "higher is closer", 1.0, -1.0)
    return np.asarray(sign * rows["rho"].to_numpy(dtype=np.float64))


def caption_predictors(tables: PredictorTables) -> str:
    """Write the caption of Figure P.

    Parameters
    ----------
    tables : PredictorTables
        From :func:`otanalysis.stats.predictors.predictor_tables`.

    Returns
    -------
    str
        Markdown.

    Examples
    --------
    >>> row = {"without_ends": False, "distance": "w2", "closer": "lower is closer", "benchmark": MEAN}
    >>> row |= {"rho": -0.9, "low": -1.0, "high": -0.5, "p": 0.001, "p_holm": 0.001, "n_methods": 20}
    >>> matrix = pd.DataFrame([row | {"samples": 8, "ratio": 0.1, "normalisation": "none"}])
    >>> points = pd.DataFrame({"benchmark": [MEAN], "method": ["dpp"], "score": [0.5], "w2": [1.0]})
    >>> caption_predictors(PredictorTables(matrix, points)).rpartition("remain ")[2]
    'exact W2 (−0.90).'
    """
    table = tables.matrix
    one = table.iloc[0]
    cells = int(table.loc[~table["without_ends"], "p"].notna().sum())
    head = (
        f"**{FIGURE.title}** Spearman's ρ, over methods, between the mean distance of their kept tokens to "
        "all tokens and the score that the model reaches with them; "
        f"{per_cent(float(one['ratio']))} of the tokens kept, {tokens_words(str(one['normalisation']))}, "
        f"{benchmarks_words(table)}, {counted(table['samples'].max(), 'image')}. An arrow says which "
        "values are the close ones. Coloured where the 95% bootstrap interval, over images, scores and "
        "methods at once, excludes zero: blue if the closer kept tokens have the better score, orange if the "
        "farther ones do. About one cell in twenty is coloured by accident; a dot marks p < "
        f"{LEVEL:g} (permutations of the methods) after Holm's method over all {cells} cells of a matrix. "
        "Below: the same without methods that keep one end of the picture."
    )
    overall = table[table["benchmark"] == MEAN]
    said = [_verdict(bool(ends), rows) for ends, rows in overall.groupby("without_ends", sort=True)]
    missing = _missing(tables.points)
    return f"{head}\n\n**Verdict.** " + " ".join([*said, missing] if missing else said)


def _verdict(without_ends: bool, rows: pd.DataFrame) -> str:
    """Say for which distances the overall correlation is told from zero, and in which direction."""
    whom = (
        f"without {listed([method_look(name).label for name in ENDS])}"
        if without_ends
        else "over all methods"
    )
    if rows["rho"].isna().all():
        return f"Overall, {whom}, there are too few methods with a score to say anything."
    toward, marked = agreement(rows), _excludes_zero(rows)
    return (
        f"Overall, {whom} ({int(rows['n_methods'].max())}), closer kept tokens have the better score by "
        f"{_named(rows[marked & (toward > 0)])}, and the farther ones by "
        f"{_named(rows[marked & (toward < 0)])}; not told from zero: {_named(rows[~marked])}. "
        f"After Holm's method there remain {_named(rows[rows['p_holm'] < LEVEL])}."
    )


def _named(rows: pd.DataFrame) -> str:
    names = [DISTANCES[str(name)].label for name in rows["distance"]]
    return listed([f"{name} ({two_decimals(rho)})" for name, rho in zip(names, rows["rho"], strict=True)])


def _missing(points: pd.DataFrame) -> str:
    """Say which methods are left out of the overall column, since they have no distance or no score."""
    overall = points[points["benchmark"] == MEAN].drop(columns="benchmark").set_index("method")
    far = overall.drop(columns="score").notna().all(axis=1)
    parts = [
        f"{listed([method_look(str(name)).label for name in overall.index[lacking]])} for want of a {what}"
        for what, lacking in (("score", far & overall["score"].isna()), ("distance", ~far))
        if lacking.any()
    ]
    return f"Not compared overall: {'; '.join(parts)}." if parts else ""


def _table(given: Given) -> PredictorTables:
    return predictor_tables(given.rows, given.scores, ratio=given.ratio, normalise=given.normalise)


FIGURE = Declaration(
    title="Figure P. Which distance predicts the score?",
    file="predictors",
    needs="predictors",
    methods=tuple(SELECTORS),
    table=_table,
    draw=lambda tables: draw_predictors(tables.matrix),
    caption=lambda tables: caption_predictors(tables["predictors"]),
    scores=every_method,
    csvs=lambda tables: {"": tables.matrix, "_methods": tables.points},
)
