"""Figure C: relative distances as in Figure 4, with the certified floor below which no kept set can be."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from otanalysis.errors import InputError
from otanalysis.figures.declaration import Declaration
from otanalysis.figures.figure4 import draw_figure4
from otanalysis.figures.layout import benchmarks_of, per_cent, require_columns, tokens_words
from otanalysis.figures.style import method_look
from otanalysis.stats.cells import MEAN
from otanalysis.stats.certificate_tables import FLOOR, certificate_table, floor_table, greedy_table
from otanalysis.studies.selections import BEST

# Of the theorem: greedy reaches at least this share of the largest surrogate.
GUARANTEE = 1.0 - float(np.exp(-1.0))


def draw_floor(table: pd.DataFrame, coverage: pd.DataFrame | None = None) -> Figure:
    """Draw bars of each method's distance over that of OTPrune, and the bracket of the best possible.

    Parameters
    ----------
    table : DataFrame
        From :func:`otanalysis.stats.certificate_tables.floor_table`.
    coverage : DataFrame, optional
        The same of the quantisation error.

    Returns
    -------
    Figure
        As Figure 4, with the average of the quantisation error in a second row; hatched is what no kept set
        can reach, dotted the closest one that was met. The best possible lies between the two.

    Raises
    ------
    InputError
        If the table lacks a column or the floor.

    Examples
    --------
    >>> row = {"benchmark": "mean", "ratio": 0.1, "value": 0.8, "low": 0.7, "high": 0.9}
    >>> row |= {"distance_kind": "w2", "normalisation": "none"}
    >>> table = pd.DataFrame([row | {"method": method} for method in ("first", "floor", "best")])
    >>> draw_floor(table).axes[0].get_title()
    'Average over benchmarks'
    >>> rows = table.assign(quantity="over_floor", n=8)
    >>> caption_floor(rows, rows.assign(median=0.99, worst=0.98))[:11]
    '**Figure C.'
    """
    second = None if coverage is None else _parted(coverage)
    return draw_figure4(*_parted(table), coverage=second, name="Figure C")


def _parted(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of the methods, and those of the floor and of the best met."""
    require_columns(table, ("method",), "Figure C")
    bracket = table["method"].isin([FLOOR, BEST])
    if not (table["method"] == FLOOR).any():
        raise InputError("The table of Figure C lacks the floor: make it with otanalysis.studies.")
    return table[~bracket], table[bracket]


def caption_floor(
    certificates: pd.DataFrame, greedy: pd.DataFrame, coverage: pd.DataFrame | None = None
) -> str:
    """Write the caption of :func:`draw_floor`, with how far methods are at most from the best possible.

    Parameters
    ----------
    certificates, greedy : DataFrame
        From :func:`otanalysis.stats.certificate_tables.certificate_table` and ``greedy_table``.
    coverage : DataFrame, optional
        As ``certificates``, of the quantisation error.

    Returns
    -------
    str
        Markdown.
    """
    mean = certificates[certificates["benchmark"] == MEAN]
    count = len(benchmarks_of(certificates))
    tokens = tokens_words(str(certificates["normalisation"].iloc[0]))
    head = (
        f"**{FIGURE.title}** Mean distance of each method's tokens to all tokens over "
        f"that of OTPrune's ({tokens}). No kept set of the size reaches into the hatched region: its edge is "
        "the certified floor (Lagrangian and spectral bounds). Dotted: the closest kept set met; the best "
        f"possible lies between. {int(mean['n'].max())} images of {count} benchmark{'s' * (count != 1)}; "
        "intervals are 95% paired bootstraps over images."
    )
    pooled = greedy[greedy["benchmark"] == MEAN]
    ratios = ", ".join(per_cent(float(ratio)) for ratio in sorted(mean["ratio"].unique()))
    surrogate = (
        f"Greedy certainly reaches {float(pooled['median'].min()):.4f} of the largest surrogate in the "
        f"median and {float(pooled['worst'].min()):.4f} at worst, where the theorem promises {GUARANTEE:.3f}."
    )
    return (
        f"{head}\n\n**Verdict.** Squared W2 over its floor, with {ratios} kept, and the share of the way "
        f"from random subsets down to the floor (negative: farther than random):\n\n{_lines(mean, '.2f')}"
        + ("" if coverage is None else f"\n\n{_coverage_words(coverage)}")
        + f"\n\n{surrogate}"
    )


def _coverage_words(coverage: pd.DataFrame) -> str:
    """Return what is proven of the quantisation error, the method that covers best first."""
    mean = coverage[coverage["benchmark"] == MEAN]
    order = mean[mean["quantity"] == "over_floor"].groupby("method")["value"].mean().sort_values().index
    ranked = mean.sort_values("method", key=lambda column: column.map(list(order).index), kind="stable")
    return (
        "Second row: coverage, the mean squared distance of a token to its nearest kept one (quantisation "
        f"error), over its floor, and the share of the way as above:\n\n{_lines(ranked, '.3f')}"
    )


def _lines(mean: pd.DataFrame, digits: str) -> str:
    """Return a line a method: how many times the floor, and the share of the way down to it, by ratio."""
    over = mean[mean["quantity"] == "over_floor"]
    closed = mean[mean["quantity"] == "gap_closed"]
    lines = []
    for method in over["method"].drop_duplicates():
        share = "" if closed.empty or method == "random" else f" (share {_span(closed, method, '.2f')})"
        lines.append(f"- {_label(method)}: {_span(over, method, digits)}{share}")
    return "\n".join(lines)


def _label(method: str) -> str:
    return "the closest kept set met" if method == BEST else method_look(method).label


def _span(rows: pd.DataFrame, method: str, digits: str) -> str:
    values = rows.loc[rows["method"] == method].sort_values("ratio")["value"]
    return ", ".join(f"{value:{digits}}" for value in values).replace("-", "−")


def _coverage_tables(rows: pd.DataFrame | None) -> dict[str, pd.DataFrame]:
    if rows is None:
        return {}
    error = "quantisation_error"
    return {
        "relative_error": floor_table(rows, distance=error),
        "coverage": certificate_table(rows, distance=error),
    }


def _caption(made: Mapping[str, pd.DataFrame]) -> str:
    return caption_floor(made["certificates"], made["greedy"], made.get("coverage"))


def _csvs(made: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    of_coverage = [made[name] for name in ("coverage", "relative_error") if name in made]
    more = {"_coverage": pd.concat(of_coverage, ignore_index=True)} if of_coverage else {}
    return {"": made["relative"], "_certificates": made["certificates"], **more}


FIGURE = Declaration(
    title="Figure C. How close can a kept set be?",
    file="floor",
    needs="certificates",
    table=lambda given: {
        "relative": floor_table(given.rows, distance=given.distance),
        "certificates": certificate_table(given.rows),
        "greedy": greedy_table(given.rows),
        **_coverage_tables(given.coverage),
    },
    draw=lambda made: draw_floor(made["relative"], made.get("relative_error")),
    caption=lambda tables: _caption(tables["floor"]),
    csvs=_csvs,
)
