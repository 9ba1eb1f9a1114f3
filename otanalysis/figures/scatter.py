"""Figure B: exact distance against the rungs, one point a subset, relative to random subsets."""

from __future__ import annotations

from math import exp, log
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from otanalysis.figures.captions import counted, two_decimals
from otanalysis.figures.declaration import Declaration
from otanalysis.figures.ladder import SMALL_LOSS
from otanalysis.figures.layout import Sheet, method_legend, per_cent, require_columns, set_ticks, tokens_words
from otanalysis.figures.style import TEXT_WIDTH, method_look, paper_style
from otanalysis.selection.pool import METHOD
from otanalysis.stats.ladder_tables import SCATTERED, scatter_table

_COLUMNS = ("normalisation", "ratio", "origin", "measure", "x", "y", "length", "rho")
_NAMES = {
    "bures_w2_squared": r"Rung 2: zero-mean Gaussian $W_2$, with $\mathrm{tr}\,\Sigma_C$",
    "trace_objective": r"Rung 3: trace term $T$ alone, $\mathrm{tr}\,\Sigma_C$ dropped",
    "logdet": "Rung 5: log-det as released",
}
_TICKS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 5.0, 7.0, 10.0)

LEFT = 0.42
GAP = 0.16
TOP = 0.7
HEIGHT = 1.66
LINE = HEIGHT + 0.56
FOOT = 0.34
LENGTHS = "coolwarm"


def draw_scatter(table: pd.DataFrame) -> Figure:
    r"""Draw exact :math:`W_2` against rungs 2, 3 and 5 for every subset, the methods marked.

    Parameters
    ----------
    table : DataFrame
        From :func:`otanalysis.stats.ladder_tables.scatter_table`.

    Returns
    -------
    Figure
        A line of panels a rung, a column a normalisation. Both axes are relative to the random subsets of the
        same image, and logarithmic; what the rung prefers is on the left, so that agreement is a rising
        cloud. Dots are drawn subsets, coloured by :math:`\mathrm{tr} \Sigma_C`; markers are the methods'.

    Raises
    ------
    InputError
        If the table lacks a column.

    Examples
    --------
    >>> row = {"normalisation": "none", "ratio": 0.1, "benchmark": "gqa", "sample": 0, "rho": 0.5}
    >>> row |= {"gamma": 0.01, "x": 1.0, "y": 1.0, "length": 1.0}
    >>> pairs = [(subset, rung) for subset in ("otprune", "random") for rung in _NAMES]
    >>> table = pd.DataFrame([row | {"origin": subset, "measure": rung} for subset, rung in pairs])
    >>> len(draw_scatter(table).axes), caption_scatter(table)[:11]
    (4, '**Figure B.')
    """
    require_columns(table, _COLUMNS, "Figure B")
    table = table[(table["x"] > 0) & (table["y"] > 0)]
    kinds = [str(name) for name in table["normalisation"].drop_duplicates()]
    methods = [name.removeprefix(METHOD) for name in table["origin"].unique() if name.startswith(METHOD)]
    width = (TEXT_WIDTH - LEFT - 0.06 - (len(kinds) - 1) * GAP) / len(kinds)
    lengths, far = _length_norm(table["length"]), _limits(table["y"])
    with paper_style():
        sheet = Sheet.of_height(TOP + len(SCATTERED) * LINE + FOOT)
        sheet.legend(method_legend(methods), top=0.03)
        for line, rung in enumerate(SCATTERED):
            rows = table[table["measure"] == rung.column]
            across = _limits(rows["x"])[:: -1 if rung.maximised else 1]
            top = TOP + line * LINE
            sheet.text(LEFT, top - 0.06, _NAMES[rung.column], va="bottom", fontsize=8.5)
            for column, kind in enumerate(kinds):
                left = LEFT + column * (width + GAP)
                if line == 0:
                    words = tokens_words(kind)
                    sheet.text(left + width / 2, TOP - 0.26, words, ha="center", va="bottom", weight="bold")
                panel = sheet.panel(left, top, width, HEIGHT)
                _points(panel, rows[rows["normalisation"] == kind], methods, lengths)
                _axes(panel, across, far)
                if column == 0:
                    panel.set_ylabel("exact $W_2$ (random = 1)")
                else:
                    panel.set_yticklabels([])
                panel.set_xlabel("← preferred by the rung")
        _foot(sheet, lengths, float(table["ratio"].iloc[0]))
        return sheet.figure


def _points(panel: Axes, rows: pd.DataFrame, methods: list[str], lengths: LogNorm) -> None:
    drawn = rows[~rows["origin"].str.startswith(METHOD)]
    # Thousands of points: as an image they keep the PDF small, the words around them stay text.
    dots: dict[str, Any] = {"s": 2.5, "lw": 0, "rasterized": True, "zorder": 1}
    panel.scatter(drawn["x"], drawn["y"], c=drawn["length"], cmap=LENGTHS, norm=lengths, **dots)
    for method in methods:
        own, look = rows[rows["origin"] == METHOD + method], method_look(method)
        mark: dict[str, Any] = {"ms": 2.6, "mew": 0.25, "mec": "white", "rasterized": True, "zorder": 2}
        panel.plot(own["x"], own["y"], **look.mark, **mark)
    if len(rows):
        words = rf"$\rho={rows['rho'].iloc[0]:.2f}$".replace("-0.00", "0.00")
        box = {"fc": "white", "ec": "none", "alpha": 0.8, "pad": 1.5}
        place: dict[str, Any] = {"transform": panel.transAxes, "ha": "right", "va": "bottom"}
        panel.text(0.985, 0.03, words, fontsize=9, bbox=box, zorder=3, **place)


def _axes(panel: Axes, across: tuple[float, ...], far: tuple[float, ...]) -> None:
    panel.axhline(1, color="0.6", lw=0.5, zorder=0)
    panel.axvline(1, color="0.6", lw=0.5, zorder=0)
    panel.set(xscale="log", yscale="log", xlim=across, ylim=far)
    for axis, ends in ((panel.xaxis, sorted(across)), (panel.yaxis, far)):
        set_ticks(axis, _ticks(*ends))


def _ticks(low: float, high: float) -> list[float]:
    """Return round values between two ends, in steps of a tenth where the coarse ones are too few."""
    coarse = [tick for tick in _TICKS if low <= tick <= high]
    fine = [number / 10 for number in range(1, 100) if low <= number / 10 <= high]
    return coarse if len(coarse) > 2 else fine


def _limits(values: pd.Series) -> tuple[float, float]:
    low, high = min(float(values.min()), 1.0), max(float(values.max()), 1.0)
    reach = 0.05 * max(log(high / low), 0.05)
    return low * exp(-reach), high * exp(reach)


def _length_norm(lengths: pd.Series) -> LogNorm:
    """Colours that reach as far to either side of 1 as the subsets do."""
    reach = max(float(lengths.max()), 1 / float(lengths.min()), 1.05)
    return LogNorm(1 / reach, reach)


def _foot(sheet: Sheet, lengths: LogNorm, ratio: float) -> None:
    """How to read the panels, and the colours."""
    words = (
        f"{per_cent(ratio)} of the tokens kept; every value relative to the mean over the random subsets of "
        "its image.\n"
        r"$\rho$: Spearman's correlation within an image, mean over images."
    )
    sheet.note(LEFT, sheet.height - FOOT + 0.02, words)
    panel = sheet.panel(TEXT_WIDTH - 1.7, sheet.height - 0.22, 1.6, 0.07)
    bar = sheet.figure.colorbar(ScalarMappable(lengths, LENGTHS), cax=panel, orientation="horizontal")
    set_ticks(bar.ax.xaxis, _ticks(*panel.get_xlim()))
    bar.ax.set_title(r"dots: $\mathrm{tr}\,\Sigma_C$ (random = 1)")
    bar.outline.set_visible(False)


def caption_scatter(table: pd.DataFrame) -> str:
    """Write the caption of Figure B from the table of :func:`draw_scatter`.

    Returns
    -------
    str
        Markdown.
    """
    images = counted(len(table[["benchmark", "sample"]].drop_duplicates()), "image")
    head = (
        f"**{FIGURE.title}** One point a subset of {images}, "
        f"{per_cent(float(table['ratio'].iloc[0]))} of the tokens kept; W2 and the rungs relative to the "
        "random subsets of the same image, on log axes, what the rung prefers on the left: agreement is a "
        "rising cloud. Markers are the methods' subsets, dots the drawn ones, coloured by their mean squared "
        "token length tr Σ_C. ρ is Spearman's correlation within an image, mean over images."
    )
    sentences = [_scatter_verdict(str(kind), own) for kind, own in table.groupby("normalisation", sort=False)]
    return f"{head}\n\n**Verdict.** {' '.join(sentences)}"


def _scatter_verdict(kind: str, rows: pd.DataFrame) -> str:
    rho = rows.groupby("measure")["rho"].first()
    second, third, last = (float(rho[rung.column]) for rung in SCATTERED)
    drop = second - third
    effect = (
        f"changes ρ from {two_decimals(second)} to {two_decimals(third)}"
        if abs(drop) >= SMALL_LOSS
        else f"costs nothing (ρ {two_decimals(second)} and {two_decimals(third)})"
    )
    said = (
        f"On {tokens_words(kind)} dropping tr Σ_C {effect}; the released surrogate has {two_decimals(last)}."
    )
    own = rows[rows["origin"] == METHOD + "otprune"]
    if own.empty:
        return said
    length, far = two_decimals(float(own["length"].mean())), two_decimals(float(own["y"].mean()))
    return f"{said} OTPrune's subsets have {length} times the tr Σ_C of random ones and {far} times their W2."


FIGURE = Declaration(
    title="Figure B. Exact distance against the surrogate.",
    file="scatter",
    needs="ladder",
    table=lambda given: scatter_table(given.rows, ratio=given.ratio),
    draw=draw_scatter,
    caption=lambda tables: caption_scatter(tables["scatter"]),
)
