"""Figure D: the same claims judged on several models, side by side."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from otanalysis.arrays import FloatArray
from otanalysis.figures.captions import listed
from otanalysis.figures.declaration import Declaration
from otanalysis.figures.layout import INTERVAL, Sheet, require_columns
from otanalysis.figures.style import paper_style
from otanalysis.figures.verdicts.claim import number_words
from otanalysis.figures.verdicts.compared import claims_in
from otanalysis.stats.judging import FAILS, HOLDS, OPEN, Evidence, Verdict, Within
from otanalysis.studies.worlds import WORLDS

_COLUMNS: Final = (
    *("claim", "reading", "quantity", "model", *INTERVAL, "p_value", "where"),
    *("deciding", "verdict", "least", "most"),
)

LOOKS: Final[Mapping[str, Mapping[str, Any]]] = dict(
    zip(
        WORLDS,
        (
            {"color": "#0072B2", "marker": "o"},
            {"color": "#D55E00", "marker": "s"},
            {"color": "#882255", "marker": "D"},
        ),
        strict=True,
    )
)
"""How each model is drawn, in every figure that shows several."""

_TONES: Final[Mapping[str, str]] = {HOLDS: "#117733", FAILS: "#AA3333", OPEN: "0.45"}
_SHORT: Final[Mapping[str, str]] = {HOLDS: "holds", FAILS: "fails", OPEN: "open"}
LEFT, MIDDLE, WIDTH, TOP, LANE, GAP = 0.05, 2.6, 1.7, 0.4, 0.135, 0.17
LETTERS = 54
"""Most letters of a line that names a claim."""


def draw_worlds(table: pd.DataFrame) -> Figure:
    """Draw the evidence on every claim, a lane a model, with the number that decides and the verdict.

    Parameters
    ----------
    table : DataFrame
        From :func:`otanalysis.figures.verdicts.compared.compare_claims`.

    Returns
    -------
    Figure
        A block a claim: its words, all pieces of evidence on each model with their 95 % intervals (the
        deciding one filled), and the deciding number with the verdict. The line is the limit that the claim
        sets; the side of it that makes the claim true is shaded.

    Raises
    ------
    InputError
        If the table lacks a column.

    Examples
    --------
    >>> row = {"claim": "small is good", "reading": "", "quantity": "rho", "where": "5%", "p_value": np.nan}
    >>> row |= {"value": 0.5, "low": 0.4, "high": 0.6, "least": 0.0, "most": np.inf, "deciding": True}
    >>> made = [row | {"model": name, "verdict": "holds"} for name in ("mini-llava", "stamp-llava")]
    >>> [text.get_text() for text in draw_worlds(pd.DataFrame(made)).texts][:2]
    ['small is good', 'holds: 0.5 [0.4, 0.6]']
    """
    require_columns(table, _COLUMNS, "Figure D")
    models = [name for name in WORLDS if name in set(table["model"])]
    blocks = claims_in(table)
    heights = [_height(rows, len(models)) for rows in blocks]
    with paper_style():
        sheet = Sheet.of_height(TOP + sum(heights) + GAP * len(blocks))
        sheet.legend(_legend(models), top=0.05)
        top = TOP
        for rows, height in zip(blocks, heights, strict=True):
            _block(sheet, top, rows, models)
            top += height + GAP
        return sheet.figure


def _legend(models: Sequence[str]) -> list[Line2D]:
    return [Line2D([], [], ls="none", ms=4.5, label=WORLDS[name].words, **LOOKS[name]) for name in models]


def _words(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the lines that name a claim, each with its tone: what is said, and how it is read."""
    said, read = (str(rows[name].iloc[0]) for name in ("claim", "reading"))
    return [(line, "0") for line in textwrap.wrap(said, LETTERS)] + [
        (line, "0.45") for line in textwrap.wrap(read, LETTERS)
    ]


def _height(rows: pd.DataFrame, lanes: int) -> float:
    return LANE * max(lanes, len(_words(rows)))


def _block(sheet: Sheet, top: float, rows: pd.DataFrame, models: Sequence[str]) -> None:
    for number, (line, tone) in enumerate(_words(rows), start=1):
        sheet.text(LEFT, top + number * LANE - 0.03, line, va="baseline", fontsize=7.5, color=tone)
    panel = sheet.panel(MIDDLE, top, WIDTH, LANE * len(models))
    _evidence(panel, rows, models)
    for lane, name in enumerate(models):
        own = rows[(rows["model"] == name) & rows["deciding"]]
        where = top + (lane + 1) * LANE - 0.035
        look: dict[str, Any] = {"va": "baseline", "fontsize": 7.0}
        if own.empty:
            sheet.text(MIDDLE + WIDTH + 0.12, where, "not measured", color="0.6", **look)
            continue
        verdict = str(own["verdict"].iloc[0])
        words = f"{_SHORT[verdict]}: {number_words(own.iloc[0].to_dict() | {'where': ''})}"
        sheet.text(MIDDLE + WIDTH + 0.12, where, words, color=_TONES[verdict], **look)


def _evidence(panel: Axes, rows: pd.DataFrame, models: Sequence[str]) -> None:
    least, most = float(rows["least"].iloc[0]), float(rows["most"].iloc[0])
    limits = _limits(rows)
    panel.set(xlim=limits, ylim=(len(models) - 0.5, -0.5), yticks=[])
    panel.axvspan(max(least, limits[0]), min(most, limits[1]), color="0.93", lw=0, zorder=0)
    for limit in (least, most):
        if np.isfinite(limit):
            panel.axvline(limit, color="0.3", lw=0.6, zorder=1)
    for lane, name in enumerate(models):
        own = rows[rows["model"] == name].to_dict("records")
        for number, one in enumerate(own):
            y = lane + 0.6 * ((number + 0.5) / len(own) - 0.5)
            _piece(panel, one, y, LOOKS[name])
    panel.tick_params(axis="x", labelsize=6, pad=1, length=1.5)
    panel.locator_params(axis="x", nbins=5)
    panel.spines["left"].set_visible(False)


def _piece(panel: Axes, one: Mapping[Any, Any], y: float, look: Mapping[str, Any]) -> None:
    colour = look["color"]
    panel.plot([one["low"], one["high"]], [y, y], color=colour, lw=0.8, solid_capstyle="butt")
    inside = colour if one["deciding"] else "white"
    panel.plot(one["value"], y, marker=look["marker"], color=colour, mfc=inside, ms=2.6, mew=0.6)


def _limits(rows: pd.DataFrame) -> tuple[float, float]:
    """Return what the axis has to reach from and to: all values, intervals and limits of the claim."""
    numbers: FloatArray = rows[[*INTERVAL, "least", "most"]].to_numpy(dtype=np.float64)
    known = numbers[np.isfinite(numbers)]
    low, high = float(known.min()), float(known.max())
    room = 0.06 * (high - low) or 0.1
    return low - room, high + room


def caption_worlds(table: pd.DataFrame) -> str:
    """Write the caption of Figure D, drawn by :func:`draw_worlds`.

    Returns
    -------
    str
        Markdown.
    """
    models = [name for name in WORLDS if name in set(table["model"])]
    named = listed([f"`{name}` ({WORLDS[name].words})" for name in models])
    blocks = claims_in(table)
    head = (
        f"**{FIGURE.title}** {named}: the claims that at least two of them have the measurements for, each "
        "judged by the same rule. Every piece of evidence is drawn with its 95% interval where it has one, a "
        "share of tokens kept or a way of numbering positions each; the filled one decides. The line is the "
        "limit of the claim, the shaded side makes it true. A claim is about every share kept that was "
        "measured on the model."
    )
    return f"{head}\n\n**Verdict.** {_verdict(blocks)}"


def _verdict(blocks: Sequence[pd.DataFrame]) -> str:
    """Say on how many claims the models agree, and name those on which they lie on opposite sides."""
    found = [rows.loc[rows["deciding"]].drop_duplicates("model") for rows in blocks]
    same = sum(own["verdict"].nunique() == 1 for own in found)
    said = f"Of {len(blocks)} claims {same} have the same verdict on every model that has them measured."
    apart = [_named(own) for own in found if {HOLDS, FAILS} <= set(_sides(own))]
    if not apart:
        return f"{said} On none of them do two models have intervals on opposite sides of the limit."
    return (
        f"{said} Two models have intervals on opposite sides of the limit on {'; '.join(apart)}. Where the "
        "verdict is open none the less, the methods are too few to tell: intervals are over pictures and "
        "answers."
    )


def _sides(rows: pd.DataFrame) -> list[Verdict]:
    """Return whether the deciding interval of every model lies inside the limits, outside or across."""
    return [
        Within(one["least"], one["most"])(Evidence(one["value"], one["low"], one["high"]))
        for one in rows.to_dict("records")
    ]


def _named(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    words = f"{first['claim']} ({first['reading']})" if first["reading"] else str(first["claim"])
    each = [f"`{one['model']}` {number_words(one)}, {one['verdict']}" for one in rows.to_dict("records")]
    return f"{words}: {listed(each)}"


FIGURE = Declaration(
    title="Figure D. Do the claims hold on one model and not on another?",
    file="worlds",
    needs="worlds",
    table=lambda given: given.rows,
    draw=draw_worlds,
    caption=lambda tables: caption_worlds(tables["worlds"]),
)
