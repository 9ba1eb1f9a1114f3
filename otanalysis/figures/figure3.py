"""Figure 3: score and distance against the share of tokens kept, for the methods of the paper."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, PercentFormatter

from otanalysis.defaults import DEFAULT_GAMMAS, FULL
from otanalysis.figures.captions import basis, benchmarks_words, listed, overlap_words, questions_words
from otanalysis.figures.declaration import Declaration, Setting
from otanalysis.figures.layout import (
    BASIS,
    INTERVAL,
    Sheet,
    benchmarks_of,
    distance_name,
    error_lengths,
    method_legend,
    methods_of,
    no_score,
    per_cent,
    require_columns,
    tokens_name,
)
from otanalysis.figures.style import TEXT_WIDTH, method_look, paper_style
from otanalysis.stats.cells import MEAN
from otanalysis.stats.figure_tables import figure3_table

METHODS = (*DEFAULT_GAMMAS, "divprune", "dpp", "random")

_COLUMNS = ("benchmark", "method", "ratio", "quantity", *INTERVAL, *BASIS)

COLUMNS = 4
LEFT = 0.46
TOP = 0.48
MEAN_HEIGHT = 1.3
SCORE_HEIGHT = 0.84
DISTANCE_HEIGHT = 0.46
FULL_COLOUR = "0.25"
Place = tuple[float, float, float]


def draw_figure3(table: pd.DataFrame) -> Figure:
    """Draw score (absolute and relative to all tokens) and relative distance by share of tokens kept.

    Parameters
    ----------
    table : DataFrame
        From :func:`otanalysis.stats.figure_tables.figure3_table`. Quantities without values are left out.

    Returns
    -------
    Figure
        Top: means over benchmarks. Below, per benchmark: the score on the left axis, the same as a share of
        the score with all tokens on the right axis; under it the distance relative to OTPrune's.

    Raises
    ------
    InputError
        If the table lacks a column.

    Examples
    --------
    >>> row = {"benchmark": "gqa", "method": "first", "ratio": 0.1, "value": 0.8, "low": 0.7, "high": 0.9}
    >>> row |= {"distance_kind": "w2", "normalisation": "none", "quantity": "relative_distance", "n": 8}
    >>> table = pd.DataFrame([row, row | {"benchmark": "mean"}])

    >>> [panel.get_title() for panel in draw_figure3(table).axes], caption3(table)[:11]
    (['Mean relative distance, raw tokens', 'gqa'], '**Figure 3.')
    """
    require_columns(table, _COLUMNS, "Figure 3")
    names = benchmarks_of(table)
    table = table.dropna(subset=["value"])
    scored = bool((table["quantity"] == "score").any())
    methods = methods_of(table)
    with paper_style():
        block = DISTANCE_HEIGHT + (SCORE_HEIGHT + 0.07 if scored else 0.0)
        lines = ceil(len(names) / COLUMNS)
        blocks_top = TOP + MEAN_HEIGHT + 0.64
        sheet = Sheet.of_height(blocks_top + lines * block + (lines - 1) * 0.3 + 0.38)
        sheet.legend(_legend(methods, full=bool((table["method"] == FULL).any())), top=0.03, short=False)
        _means(sheet, table)
        aside = 0.62 if scored else 0.36
        width = (TEXT_WIDTH - LEFT - (0.4 if scored else 0.06) - (COLUMNS - 1) * aside) / COLUMNS
        for number, name in enumerate(names):
            line, column = divmod(number, COLUMNS)
            place = (LEFT + column * (width + aside), blocks_top + line * (block + 0.3), width)
            last = number + COLUMNS >= len(names)
            rows = table[table["benchmark"] == name]
            _block(sheet, place, rows, name, scored=scored, first=column == 0, last=last)
        line, column = divmod(len(names), COLUMNS)
        if column:
            words = _key(scored)
            sheet.note(LEFT + column * (width + aside) - 0.2, blocks_top + line * (block + 0.3) + 0.18, words)
        return sheet.figure


def _legend(methods: list[str], *, full: bool) -> list[Line2D | Patch]:
    handles = method_legend(methods, line=True)
    if full:
        handles.append(Line2D([], [], color=FULL_COLOUR, ls=(0, (4, 2)), lw=0.9, label="all tokens"))
    return handles


def _key(scored: bool) -> str:
    """How to read a block, for the free place behind the last one."""
    distance = "mean distance over\nsamples, divided by OTPrune's.\nBars: 95% intervals."
    if not scored:
        return "Mean" + distance[4:]
    return (
        "Upper panel: score; grey axis,\nthe same as a share of the score\n"
        "with all tokens (dashed; band:\nits 95% interval).\nLower panel: " + distance
    )


def _means(sheet: Sheet, table: pd.DataFrame) -> None:
    rows = table[table["benchmark"] == MEAN]
    far = distance_name(table)
    titles = {
        "score": ("Mean score", "score"),
        "relative_score": ("Mean relative score", "score / score with all tokens"),
        "relative_distance": (
            f"Mean relative distance, {tokens_name(table)}",
            f"{far} / {far}(OTPrune)",
        ),
    }
    shown = [name for name in titles if (rows["quantity"] == name).any()]
    width = (TEXT_WIDTH - LEFT - 0.1 - (len(shown) - 1) * 0.5) / max(len(shown), 1)
    for number, quantity in enumerate(shown):
        panel = sheet.panel(LEFT + number * (width + 0.5), TOP, width, MEAN_HEIGHT)
        _curves(panel, rows[rows["quantity"] == quantity])
        if quantity == "score":
            _full_line(panel, rows)
        elif quantity == "relative_score":
            panel.axhline(1.0, color=FULL_COLOUR, ls=(0, (4, 2)), lw=0.8, zorder=1)
            panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        title, label = titles[quantity]
        panel.set_title(title, weight="bold")
        panel.set(ylabel=label, xlabel="tokens kept")
        _ratio_axis(panel, rows, labels=True)


def _block(
    sheet: Sheet, place: Place, rows: pd.DataFrame, name: str, *, scored: bool, first: bool, last: bool
) -> None:
    left, top, width = place
    if scored:
        upper = sheet.panel(left, top, width, SCORE_HEIGHT)
        upper.set_title(name)
        upper.set_ylabel("score" if first else "")
        if (rows["quantity"] == "score").any():
            _curves(upper, rows[rows["quantity"] == "score"])
            _full_line(upper, rows)
            _ratio_axis(upper, rows, labels=False)
            _relative_axis(upper, rows)
        else:
            no_score(upper)
            upper.set(xticks=[], yticks=[])
        top += SCORE_HEIGHT + 0.07
    lower = sheet.panel(left, top, width, DISTANCE_HEIGHT)
    _curves(lower, rows[rows["quantity"] == "relative_distance"])
    lower.yaxis.set_major_locator(MaxNLocator(2, min_n_ticks=2))
    _ratio_axis(lower, rows, labels=last)
    lower.set_ylabel("rel. dist." if first else "")
    lower.set_xlabel("tokens kept" if last else "")
    if not scored:
        lower.set_title(name)


def _curves(panel: Axes, rows: pd.DataFrame) -> None:
    rows = rows[rows["method"] != FULL]
    methods = list(rows["method"].drop_duplicates())
    ratios = rows["ratio"].to_numpy(dtype=np.float64)
    # A small step aside keeps the error bars of different methods apart.
    step = 0.012 * float(np.ptp(ratios)) if len(ratios) else 0.0
    for number, method in enumerate(methods):
        own = rows[rows["method"] == method].sort_values("ratio")
        look = method_look(str(method))
        x = own["ratio"].to_numpy(dtype=np.float64) + step * (number - (len(methods) - 1) / 2)
        line: dict[str, Any] = {"color": look.colour, "marker": look.marker, "ms": 3.2, "mew": 0, "lw": 1.0}
        line["zorder"] = 3 if method == "otprune" else 2
        panel.errorbar(x, own["value"].to_numpy(np.float64), error_lengths(own), elinewidth=0.7, **line)
    panel.grid(True, axis="y")
    panel.yaxis.set_major_locator(MaxNLocator(4, min_n_ticks=3))


def _full_line(panel: Axes, rows: pd.DataFrame) -> None:
    full = rows[(rows["method"] == FULL) & (rows["quantity"] == "score")]
    if full.empty:
        return
    value, low, high = (float(full[name].iloc[0]) for name in ("value", "low", "high"))
    panel.axhline(value, color=FULL_COLOUR, ls=(0, (4, 2)), lw=0.8, zorder=1)
    if np.isfinite(low) and np.isfinite(high):
        panel.axhspan(low, high, color="0.5", alpha=0.13, lw=0, zorder=0)


def _relative_axis(panel: Axes, rows: pd.DataFrame) -> None:
    """Put the share of the full score on the right: one curve, read on two axes."""
    full = rows.loc[(rows["method"] == FULL) & (rows["quantity"] == "score"), "value"]
    if full.empty or not float(full.iloc[0]) > 0:
        return
    right = panel.twinx()
    right.spines["right"].set_visible(True)
    low, high = panel.get_ylim()
    right.set_ylim(low / float(full.iloc[0]), high / float(full.iloc[0]))
    right.yaxis.set_major_locator(MaxNLocator(4, min_n_ticks=2))
    right.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    right.tick_params(axis="y", colors="0.45")


def _ratio_axis(panel: Axes, rows: pd.DataFrame, *, labels: bool) -> None:
    ratios = sorted({float(ratio) for ratio in rows.loc[rows["method"] != FULL, "ratio"]})
    panel.set_xticks(ratios)
    panel.set_xticklabels([per_cent(ratio) for ratio in ratios] if labels else [])
    margin = 0.06 * (ratios[-1] - ratios[0]) if len(ratios) > 1 else 0.01
    panel.set_xlim(ratios[0] - margin, ratios[-1] + margin)


def caption3(table: pd.DataFrame) -> str:
    """Write the caption of Figure 3 from the table of :func:`draw_figure3`."""
    names = [method_look(name).label for name in methods_of(table)]
    head = f"**{FIGURE.title}** {listed(names)}; {basis(table)}."
    count = benchmarks_words(table)
    rows = table[(table["benchmark"] == MEAN) & table["value"].notna() & (table["method"] != FULL)]
    quantity = "relative_score" if (rows["quantity"] == "relative_score").any() else "score"
    scores = rows[rows["quantity"] == quantity]
    if scores.empty:
        return (
            f"{head} Distance divided by OTPrune's, as the mean over {count} and for each; bars "
            "are 95% paired bootstrap intervals over samples.\n\n**Verdict.** No score is given for all "
            "benchmarks, so there is no mean score to compare."
        )
    head += (
        f" Top: means over {count} of the score, of the score divided by that with all tokens, "
        "and of the distance divided by OTPrune's. Below: each benchmark; the right axis reads the score as "
        "a share of the score with all tokens. Bars are 95% intervals: 1.96 standard errors for scores "
        "(relative scores by the delta method with independent errors, which is conservative), a paired "
        f"bootstrap over samples for distances.{questions_words(table)}"
    )
    sentences = [_ranking_at(scores, float(ratio)) for ratio in sorted(scores["ratio"].unique())]
    what = "share of the score with all tokens" if quantity == "relative_score" else "mean score"
    return f"{head}\n\n**Verdict.** By {what}: {'; '.join(sentences)}."


def _ranking_at(scores: pd.DataFrame, ratio: float) -> str:
    rows = scores[scores["ratio"] == ratio].sort_values("value", ascending=False).to_dict("records")
    listed = ", ".join(f"{method_look(str(row['method'])).label} {row['value']:.3f}" for row in rows)
    said = f"at {per_cent(ratio)} kept {listed}"
    own = next((row for row in rows if row["method"] == "otprune"), None)
    if own is None or len(rows) < 2:
        return said
    best, second = rows[:2]
    if own is best:
        return f"{said} (OTPrune is highest; it and the next have {overlap_words(best, second)})"
    return f"{said} (OTPrune is not highest; it and the highest have {overlap_words(best, own)})"


def _scores(swept: pd.DataFrame, _: float) -> dict[Setting, bool]:
    methods = [name for name in METHODS if name in set(swept["method"])]
    return {Setting.released(name, ratio): False for name in methods for ratio in sorted(set(swept["ratio"]))}


FIGURE = Declaration(
    title="Figure 3. Score and distance by share of tokens kept.",
    file="figure3",
    needs="sweep",
    table=lambda given: figure3_table(given.rows, given.scores, methods=METHODS, **given.how),
    draw=draw_figure3,
    caption=lambda tables: caption3(tables["figure3"]),
    scores=_scores,
)
