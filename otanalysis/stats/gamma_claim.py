r"""The paper's sentence on gamma, tested: "slightly better from 0.005 to 0.01, then a plateau" (section 5.3).

Its grid is read in both units, that of the released code and the paper's own, at every share of tokens kept.
What is compared is the mean over benchmarks of the score relative to that with all tokens. *Better* means
that the score at 0.01 minus that at 0.005 is above zero, with its whole interval. A *plateau* means that the
differences between 0.01, 0.05 and 0.1 all lie within :data:`PLATEAU`, with their whole intervals; one that
lies beyond it, with its whole interval, ends it. What is neither is not decided.

Intervals cover 95 % and take the errors of two scores as independent. They answered the same questions, so
the intervals are too wide rather than too narrow.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas as pd

from otanalysis.stats.cells import MEAN
from otanalysis.stats.judging import Evidence, Within

PAPER_GRID = (0.005, 0.01, 0.05, 0.1)
"""The values of gamma in the paper's Figure 5."""

PLATEAU = 0.03
"""Largest change of the relative score that is a plateau still: 3 % of the score with all tokens.

About what 400 questions on each of eleven benchmarks can tell apart; a smaller one would leave all open.
"""


CLAIMS = {"better": Within(above=0.0), "plateau": Within(above=-PLATEAU, below=PLATEAU)}
"""The rule of either part of the sentence."""


def gamma_claim(table: pd.DataFrame) -> pd.DataFrame:
    """Tabulate the differences that the sentence is about, each with its interval.

    Parameters
    ----------
    table : DataFrame
        From :func:`otanalysis.stats.figure_tables.figure5_table`.

    Returns
    -------
    DataFrame
        Columns ``method`` (whose name says the unit), ``ratio``, ``part`` (``better`` or ``plateau``),
        ``gamma_from``, ``gamma_to``, ``value`` (relative score at the second minus that at the first, no
        unit), ``low``, ``high``. Differences of a gamma that has no score on every benchmark are left out.

    Examples
    --------
    >>> row = {"benchmark": "mean", "method": "otprune", "ratio": 0.1, "quantity": "relative_score"}
    >>> scores = {"value": [0.5, 0.6], "low": [0.49, 0.59], "high": [0.51, 0.61], "gamma": [0.005, 0.01]}
    >>> gamma_claim(pd.DataFrame(row | scores)).round(3)[["part", "value", "low"]].to_dict("records")
    [{'part': 'better', 'value': 0.1, 'low': 0.086}]
    """
    overall = (table["benchmark"] == MEAN) & (table["quantity"] == "relative_score")
    chosen = table[overall & table["value"].notna()]
    records = [
        {"method": method, "ratio": ratio} | record
        for (method, ratio), rows in chosen.groupby(["method", "ratio"], sort=False)
        for record in _differences(rows)
    ]
    names = ["method", "ratio", "part", "gamma_from", "gamma_to", "value", "low", "high"]
    return pd.DataFrame(records, columns=names)


def evidence_of(rows: pd.DataFrame) -> list[Evidence]:
    """Return the rows of :func:`gamma_claim` as what a verdict rests on; see :data:`CLAIMS`."""
    return [
        Evidence(
            float(row["value"]),
            float(row["low"]),
            float(row["high"]),
            f"{100 * float(row['ratio']):.4g}% kept, gamma {row['gamma_from']:g} to {row['gamma_to']:g}",
        )
        for row in rows.to_dict("records")
    ]


def _differences(rows: pd.DataFrame) -> Iterator[dict[str, object]]:
    first, *rest = PAPER_GRID
    pairs = [("better", (first, rest[0])), *(("plateau", pair) for pair in combinations(rest, 2))]
    for part, (start, end) in pairs:
        ends = [rows[np.isclose(rows["gamma"], gamma)] for gamma in (start, end)]
        if any(own.empty for own in ends):
            continue
        low, high = ends[0].iloc[0], ends[1].iloc[0]
        value = float(high["value"] - low["value"])
        reach = float(np.hypot(*((one["high"] - one["low"]) / 2 for one in (low, high))))
        settings = {"part": part, "gamma_from": start, "gamma_to": end}
        yield settings | {"value": value, "low": value - reach, "high": value + reach}
