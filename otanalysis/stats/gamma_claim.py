r"""The paper's sentence on gamma, tested: "slightly better from 0.005 to 0.01, then a plateau" (section 5.3).

Its grid is read in both units, that of the released code and the paper's own, at every share of tokens kept.
What is compared is the mean over benchmarks of the score relative to that with all tokens. *Better* means
that the score at 0.01 minus that at 0.005 is above zero, with its whole interval. A *plateau* means that the
differences between 0.01, 0.05 and 0.1 all lie within :data:`PLATEAU`, with their whole intervals; one that
lies beyond it, with its whole interval, ends it. What is neither is not decided.

Intervals cover 95 % and are Student's, of the differences on every benchmark: two settings answer the same
questions, so that most of the error of a score drops out of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from otanalysis.stats.cells import MEAN, rounded_settings
from otanalysis.stats.judging import Evidence, Within
from otanalysis.stats.statistics import mean_interval

PAPER_GRID = (0.005, 0.01, 0.05, 0.1)
"""The values of gamma in the paper's Figure 5."""

PLATEAU = 0.03
"""Largest change of the relative score that is a plateau still: 3 % of the score with all tokens."""

_PAIRS: tuple[dict[str, object], ...] = tuple(
    {"part": part, "gamma_from": start, "gamma_to": end}
    for part, pairs in (("better", [PAPER_GRID[:2]]), ("plateau", combinations(PAPER_GRID[1:], 2)))
    for start, end in pairs
)

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
    >>> row = {"method": "otprune", "ratio": 0.1, "quantity": "relative_score"}
    >>> scores = {"benchmark": ["gqa", "pope"] * 2, "gamma": [0.005] * 2 + [0.01] * 2}
    >>> table = pd.DataFrame(row | scores | {"value": [0.5, 0.7, 0.6, 0.82]})
    >>> gamma_claim(table).round(3)[["part", "value", "low"]].to_dict("records")
    [{'part': 'better', 'value': 0.11, 'low': -0.017}]
    """
    names = ["method", "ratio", "part", "gamma_from", "gamma_to", "value", "low", "high"]
    chosen = table[(table["benchmark"] != MEAN) & (table["quantity"] == "relative_score")]
    chosen = rounded_settings(chosen)
    scores = chosen.pivot(index=["method", "ratio", "benchmark"], columns="gamma", values="value")
    records = [
        {"method": method, "ratio": ratio} | pair | _difference(own, pair)
        for (method, ratio), own in scores.groupby(level=["method", "ratio"], sort=False)
        for pair in _PAIRS
        if {pair["gamma_from"], pair["gamma_to"]} <= set(own.dropna(axis="columns").columns)
    ]
    return pd.DataFrame(records, columns=names)


def _difference(scores: pd.DataFrame, pair: Mapping[str, object]) -> dict[str, float]:
    """Return the mean difference over benchmarks between two gammas, columns of the scores."""
    differences = (scores[pair["gamma_to"]] - scores[pair["gamma_from"]]).to_numpy(dtype=np.float64)
    low, high = mean_interval(differences)
    return {"value": float(differences.mean()), "low": low, "high": high}


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
