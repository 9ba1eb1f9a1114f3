"""Figure R: kept tokens renumbered from 0, or with the positions of the whole prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from otanalysis.defaults import BASELINES, FULL, MAJORITY, NO_IMAGE
from otanalysis.figures.captions import listed, two_decimals
from otanalysis.figures.declaration import Declaration
from otanalysis.figures.layout import INTERVAL, Sheet, error_lengths, per_cent, require_columns
from otanalysis.figures.style import TEXT_WIDTH, method_look, paper_style
from otanalysis.stats.positions_table import GAIN, positions_table
from otanalysis.studies.worlds import WORLDS

_COLUMNS: Final = ("model", "kind", "method", "ratio", "positions", *INTERVAL)
_LINES: Final[dict[str, dict[str, Any]]] = {
    FULL: {"color": "0.25", "ls": (0, (4, 2)), "lw": 0.9, "label": "all tokens"},
    MAJORITY: {"color": "0.25", "ls": (0, (1, 1.5)), "lw": 0.9, "label": "commonest answer"},
    NO_IMAGE: {"color": "#AA3333", "ls": (0, (1, 1.5)), "lw": 0.9, "label": "no image tokens"},
}
LEFT, TOP, GAP, ROW, BELOW, HEAD = 1.25, 0.36, 0.16, 0.15, 0.36, 0.34


def draw_positions(table: pd.DataFrame) -> Figure:
    """Draw every method's mean score with renumbered and with original positions, by kind of question.

    Parameters
    ----------
    table : DataFrame
        From :func:`otanalysis.stats.positions_table.positions_table`.

    Returns
    -------
    Figure
        A band a model, a panel a kind of question, a row a method: hollow with renumbered, filled with
        original positions, 95 % intervals. Lines are the scores of the same questions with all tokens, of the
        commonest answer and without any image token, where these are known.

    Raises
    ------
    InputError
        If the table lacks a column.

    Examples
    --------
    >>> row = {"model": "mini-llava", "kind": "place", "method": "dpp", "ratio": 0.1, "benchmarks": 2}
    >>> row |= {"low": 0.1, "high": 0.9}
    >>> values = {"renumbered": 0.25, "original": 0.75, GAIN: 0.5}
    >>> table = pd.DataFrame([row | {"positions": one, "value": value} for one, value in values.items()])
    >>> [panel.get_title() for panel in draw_positions(table).axes]
    ['place (2 benchmarks)']
    """
    require_columns(table, _COLUMNS, "Figure R")
    models = [name for name in WORLDS if name in set(table["model"])]
    bands = [table[table["model"] == name] for name in models]
    heights = [ROW * _methods(own).size for own in bands]
    with paper_style():
        sheet = Sheet.of_height(TOP + sum(heights) + len(bands) * (HEAD + BELOW))
        sheet.legend(_legend(table), top=0.05)
        top = TOP
        for name, own, height in zip(models, bands, heights, strict=True):
            sheet.text(0.05, top + 0.1, f"{name}: {WORLDS[name].words}", weight="bold")
            _band(sheet, top + HEAD, height, own, list(WORLDS[name].kinds))
            top += HEAD + height + BELOW
        return sheet.figure


def _legend(table: pd.DataFrame) -> list[Line2D]:
    mark: dict[str, Any] = {"ls": "none", "marker": "o", "ms": 4, "color": "0.3"}
    handles = [
        Line2D([], [], label="renumbered from 0, as in LLaVA's code", mfc="white", **mark),
        Line2D([], [], label="original positions", **mark),
    ]
    known = set(table["method"])
    return handles + [Line2D([], [], **look) for name, look in _LINES.items() if name in known]


def _methods(rows: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Return the methods of a model, that with the best mean score with original positions first."""
    own = rows[rows["positions"] == "original"]
    return own.groupby("method")["value"].mean().sort_values(ascending=False).index.to_numpy()


def _band(sheet: Sheet, top: float, height: float, rows: pd.DataFrame, order: Sequence[str]) -> None:
    methods = _methods(rows)
    kinds = [name for name in order if name in set(rows["kind"])]
    width = (TEXT_WIDTH - LEFT - 0.1 - (len(kinds) - 1) * GAP) / len(kinds)
    for number, kind in enumerate(kinds):
        panel = sheet.panel(LEFT + number * (width + GAP), top, width, height)
        own = rows[rows["kind"] == kind]
        for line in own[own["method"].isin(BASELINES)].to_dict("records"):
            panel.axvline(line["value"], zorder=0, **_LINES[str(line["method"])])
        for place, method in enumerate(methods):
            _pair(panel, own[own["method"] == method].set_index("positions"), place, str(method))
        panel.set(xlim=(-0.02, 1.02), ylim=(len(methods) - 0.5, -0.5), xlabel="mean score")
        labels = [method_look(str(method)).label for method in methods]
        panel.set_yticks(range(len(methods)), labels if number == 0 else [])
        panel.tick_params(axis="y", length=0)
        panel.grid(True, axis="x")
        count = int(own["benchmarks"].max())
        panel.set_title(f"{kind} ({count} benchmark{'s' * (count > 1)})")


def _pair(panel: Axes, rows: pd.DataFrame, place: int, method: str) -> None:
    if rows.empty:
        return
    look = method_look(method)
    ends = rows.loc[["renumbered", "original"], "value"].to_numpy(dtype=np.float64)
    panel.plot(ends, [place, place], color=look.colour, lw=1.4, alpha=0.35, zorder=1)
    for positions, inside in (("renumbered", "white"), ("original", look.colour)):
        bar: dict[str, Any] = {"fmt": "o", "ms": 3.4, "mew": 0.8, "elinewidth": 0.7, "zorder": 2}
        own = rows.loc[[positions]]
        panel.errorbar(own["value"], [place], xerr=error_lengths(own), color=look.colour, mfc=inside, **bar)


def caption_positions(table: pd.DataFrame) -> str:
    """Write the caption of Figure R, drawn by :func:`draw_positions`.

    Returns
    -------
    str
        Markdown.
    """
    ratio = float(table.loc[table["positions"] == GAIN, "ratio"].iloc[0])
    head = (
        f"**{FIGURE.title}** Mean score with {per_cent(ratio)} of the tokens kept, by what the questions "
        "turn on: where something is, what it is, how many there are. Hollow: positions renumbered from 0, "
        "as in LLaVA's code; filled: those of the whole prompt. Bars are 95% intervals, several questions of "
        "one scene taken as independent."
    )
    found = [
        f"On `{name}` original positions change the score, from the method that gains least to the one that "
        f"gains most, by {listed(_spans(rows))}."
        for name, rows in table[table["positions"] == GAIN].groupby("model", sort=False)
    ]
    return f"{head}\n\n**Verdict.** " + " ".join(found)


def _spans(gains: pd.DataFrame) -> list[str]:
    return [f"{_span(own)} for questions of {kind}" for kind, own in gains.groupby("kind", sort=False)]


def _span(gains: pd.DataFrame) -> str:
    ordered = gains.sort_values("value", kind="stable")
    least, most = ordered.iloc[0], ordered.iloc[-1]
    return " to ".join(
        f"{two_decimals(float(one['value']))} ({method_look(str(one['method'])).label})"
        for one in (least, most)
    )


FIGURE = Declaration(
    title="Figure R. Renumbered or original positions of the kept tokens?",
    file="positions",
    needs="positions",
    table=lambda given: positions_table(given.rows),
    draw=draw_positions,
    caption=lambda tables: caption_positions(tables["positions"]),
)
