"""Figure I: the test inside the image, a row a distance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from otanalysis.distances import DISTANCES
from otanalysis.figures.captions import counted, interval_words, listed, two_decimals
from otanalysis.figures.declaration import Declaration, Given
from otanalysis.figures.layout import INTERVAL, Sheet, error_lengths, per_cent, require_columns
from otanalysis.figures.style import TEXT_WIDTH, method_look, paper_style
from otanalysis.selection.pool import RANDOM
from otanalysis.stats.cells import MEAN
from otanalysis.stats.within_tables import MAIN_PAIR, METHODS, NOTHING

_COLUMNS: Final = ("model", "positions", "pool", "benchmark", "measure", "given", *INTERVAL, "n")
_TITLES: Final = {
    "renumbered": "inside an image, renumbered",
    "original": "inside an image, original",
    METHODS: "between methods",
}
_LOOKS: Final[dict[str, dict[str, Any]]] = {
    "all": {"color": "#2C7FB8", "marker": "o"},
    RANDOM: {"color": "0.35", "marker": "D", "mfc": "white"},
    METHODS: {"color": method_look("otprune").colour, "marker": "s"},
}
_WORDS: Final = {"all": "all sets of a question", RANDOM: "uniformly random sets only", METHODS: "methods"}
_QUANTITIES: Final = {
    "kept_on_objects": "share of kept on objects",
    "objects_kept": "objects with a kept token",
}
LEFT, TOP, GAP, ROW, BELOW = 1.62, 0.45, 0.16, 0.2, 0.42


def draw_within(table: pd.DataFrame) -> Figure:
    r"""Draw Spearman's :math:`\rho` between closeness and the log-probability of the right answer.

    Parameters
    ----------
    table : DataFrame
        From :func:`otanalysis.stats.within_tables.within_table`, with or without the rows between methods of
        :func:`otanalysis.stats.within_tables.with_between`.

    Returns
    -------
    Figure
        A row a distance, a panel a way of numbering positions; filled: over all subsets of a question,
        hollow: over the uniformly random ones. A last panel has the correlation over methods, where that is
        known. Right of zero, closer sets answer better. Several models stand below each other, on one axis.

    Raises
    ------
    InputError
        If the table lacks a column.

    Examples
    --------
    >>> row = {"positions": "original", "benchmark": "mean", "given": "nothing", "ratio": 0.1, "n": 8}
    >>> row |= {"model": "llava"}
    >>> row |= {"value": 0.2, "low": 0.1, "high": 0.3, "scenes": 8, "subsets": 40, "measure": "w2_squared"}
    >>> table = pd.DataFrame([row | {"pool": pool} for pool in ("all", "random")])
    >>> draw_within(table).axes[0].get_title(), caption_within(table)[:11]
    ('inside an image, original', '**Figure I.')
    """
    require_columns(table, _COLUMNS, "Figure I")
    rows = table[(table["benchmark"] == MEAN) & (table["given"] == NOTHING)]
    bands = {str(name): own for name, own in rows.groupby("model", sort=False)}
    heights = {name: ROW * own["measure"].nunique() for name, own in bands.items()}
    with paper_style():
        sheet = Sheet.of_height(TOP + sum(heights.values()) + (len(bands) - 1) * (BELOW + 0.2) + BELOW)
        sheet.legend(_legend(rows), top=0.03)
        top = TOP
        for name, own in bands.items():
            if len(bands) > 1:
                sheet.text(0.05, top - 0.06, name, weight="bold")
            _band(sheet, top, own, rows)
            top += heights[name] + BELOW + 0.2
        return sheet.figure


def _band(sheet: Sheet, top: float, rows: pd.DataFrame, everything: pd.DataFrame) -> None:
    """Draw the panels of one model, on the axes of all."""
    kinds = [str(name) for name in everything["positions"].drop_duplicates()]
    names = [str(name) for name in rows["measure"].drop_duplicates()]
    width = (TEXT_WIDTH - LEFT - 0.1 - (len(kinds) - 1) * GAP) / len(kinds)
    for number, kind in enumerate(kinds):
        own = rows[rows["positions"] == kind]
        if own.empty:
            continue
        panel = sheet.panel(LEFT + number * (width + GAP), top, width, ROW * len(names))
        _correlations(panel, own, names)
        panel.set_xlim(*_limits(everything[(everything["positions"] == METHODS) == (kind == METHODS)]))
        panel.set_title(_TITLES.get(kind, kind))
        score = "score" if kind == METHODS else "answer"
        panel.set_xlabel(rf"$\rho$ of closeness with the {score}")
        panel.set_yticks(range(len(names)), [_name(one) for one in names] if number == 0 else [])


def _limits(rows: pd.DataFrame) -> tuple[float, float]:
    """Return what an axis has to reach from and to: all values and intervals, and zero."""
    numbers = np.append(rows[list(INTERVAL)].to_numpy(dtype=np.float64), 0.0)
    low, high = float(np.nanmin(numbers)), float(np.nanmax(numbers))
    room = 0.08 * (high - low)
    return low - room, high + room


def _legend(rows: pd.DataFrame) -> list[Line2D]:
    pools = [pool for pool in _LOOKS if (rows["pool"] == pool).any()]
    return [Line2D([], [], ls="none", ms=4, label=_WORDS[pool], **_LOOKS[pool]) for pool in pools]


def _correlations(panel: Axes, rows: pd.DataFrame, names: Sequence[str]) -> None:
    panel.axvline(0, color="0.6", lw=0.6, zorder=0)
    pools = [pool for pool in _LOOKS if (rows["pool"] == pool).any()]
    for number, pool in enumerate(pools):
        own = rows[rows["pool"] == pool].set_index("measure").reindex(list(names))
        places = np.arange(len(names)) + 0.3 * (number - (len(pools) - 1) / 2)
        look: dict[str, Any] = {"ls": "none", "ms": 3.5, "mew": 0.7, "elinewidth": 0.7, **_LOOKS[pool]}
        panel.errorbar(own["value"], places, xerr=error_lengths(own), **look)
    panel.set_ylim(len(names) - 0.5, -0.5)
    panel.tick_params(axis="y", length=0)
    panel.grid(True, axis="x")


def caption_within(table: pd.DataFrame) -> str:
    """Write the caption of Figure I, drawn by :func:`draw_within`.

    Returns
    -------
    str
        Markdown.
    """
    overall = table[table["benchmark"] == MEAN]
    mean, between = overall[overall["pool"] != METHODS], overall[overall["pool"] == METHODS]
    first = mean[mean["model"] == mean["model"].iloc[0]]
    subsets = first.groupby("pool")["subsets"].max()
    head = (
        f"**{FIGURE.title}** One picture and one question stay as they are; only the kept tokens change, "
        f"{int(subsets['all'])} sets of {per_cent(float(first['ratio'].iloc[0]))} a question: "
        f"{int(subsets[RANDOM])} uniformly random ones, and others that lean to places, to long or short "
        "tokens, to a smaller W2 or to a smaller quantisation error. Shown is Spearman's correlation, over "
        "the sets of a question, between closeness (a distance, signed so that larger is closer) and the "
        f"log-probability of the right answer, averaged over {counted(first['n'].max(), 'question')}; 95% "
        f"bootstraps over {counted(first['scenes'].max(), 'scene')}, without a correction for many "
        "comparisons. Kept tokens are renumbered from 0, as in LLaVA's code, or keep their positions."
    )
    several = mean["model"].nunique() > 1
    found = []
    for name, rows in mean.groupby("model", sort=False):
        whose = f"On `{name}` ({int(rows['n'].max())} questions of {int(rows['scenes'].max())} scenes): "
        said = " ".join(_verdict(str(kind), own) for kind, own in rows.groupby("positions", sort=False))
        found.append(whose + said if several else said)
    if not between.empty:
        head += (
            f" The last panel has the same over {int(between['n'].max())} methods, mean closeness with the "
            "score (the overall column of Figure P)."
        )
        whose = f" of `{between['model'].iloc[0]}`" if several else ""
        found.append(_sided(f"Between methods{whose}: closer sets have", between))
    return f"{head}\n\n**Verdict.** " + " ".join(found)


def _verdict(positions: str, rows: pd.DataFrame) -> str:
    over_all = rows[rows["pool"] == "all"]
    said = [_sided(f"Positions {positions}: closer sets give", over_all[over_all["given"] == NOTHING])]
    for name, other in (MAIN_PAIR, MAIN_PAIR[::-1]):
        own = over_all[(over_all["measure"] == name) & (over_all["given"] == other)]
        said += [
            f"Given {_name(other)}, {_name(name)} has {_number(row)}."
            for row in own.dropna(subset=["value"]).to_dict("records")
        ]
    return " ".join(said)


def _sided(words: str, rows: pd.DataFrame) -> str:
    """Say by which distances closer sets are told to be better, or worse."""
    better = [_label(row) for row in rows[rows["low"] > 0].to_dict("records")]
    worse = [_label(row) for row in rows[rows["high"] < 0].to_dict("records")]
    untold = " (there is no interval)" if rows["low"].isna().all() else ""
    return f"{words} the better answers by {listed(better)}, and the worse ones by {listed(worse)}{untold}."


def _label(row: dict[Any, Any]) -> str:
    return f"{_name(str(row['measure']))} ({two_decimals(row['value'])})"


def _name(measure: str) -> str:
    return DISTANCES[measure].label if measure in DISTANCES else _QUANTITIES.get(measure, measure)


def _number(row: dict[Any, Any]) -> str:
    return f"{two_decimals(row['value'])} ({interval_words(row['low'], row['high'])})"


def _table(given: Given) -> pd.DataFrame:
    return given.rows


FIGURE = Declaration(
    title="Figure I. Which distance goes with the answer inside an image?",
    file="within",
    needs="within",
    table=_table,
    draw=draw_within,
    caption=lambda tables: caption_within(tables["within"]),
)
