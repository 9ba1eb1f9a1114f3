"""The sentence on gamma: differences and errors by hand, and tables for which its verdict is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from otanalysis.stats.figure_tables import figure5_table
from otanalysis.stats.gamma_claim import CLAIMS, PAPER_GRID, PLATEAU, evidence_of, gamma_claim
from otanalysis.stats.judging import FAILS, HOLDS, OPEN, judge

RATIO = 0.1


def scored(scores: list[float], reach: float = 0.001, **settings: object) -> pd.DataFrame:
    """The mean rows of Figure 5 with these relative scores on the paper's grid."""
    values = np.array(scores)
    head = {"benchmark": "mean", "method": "otprune-paper", "ratio": RATIO, "quantity": "relative_score"}
    numbers = {"gamma": PAPER_GRID, "value": values, "low": values - reach, "high": values + reach}
    return pd.DataFrame(head | settings | numbers)


def verdicts(table: pd.DataFrame) -> dict[str, str]:
    found = gamma_claim(table)
    return {str(part): judge(evidence_of(rows), CLAIMS[str(part)])[0] for part, rows in found.groupby("part")}


@pytest.mark.parametrize(
    ("scores", "reach", "better", "plateau"),
    [
        ([0.80, 0.82, 0.82, 0.825], 0.001, HOLDS, HOLDS),
        ([0.80, 0.82, 0.86, 0.90], 0.001, HOLDS, FAILS),
        ([0.82, 0.80, 0.80, 0.70], 0.001, FAILS, FAILS),
        ([0.80, 0.80, 0.80, 0.80], 0.05, OPEN, OPEN),
    ],
)
def test_the_verdict_follows_the_scores(scores: list[float], reach: float, better: str, plateau: str) -> None:
    assert verdicts(scored(scores, reach)) == {"better": better, "plateau": plateau}


def test_a_difference_has_the_error_of_two_independent_scores() -> None:
    found = gamma_claim(scored([0.80, 0.82, 0.83, 0.85], 0.01))
    assert found["part"].tolist() == ["better", "plateau", "plateau", "plateau"]
    np.testing.assert_allclose(found["value"], [0.02, 0.01, 0.03, 0.02])
    np.testing.assert_allclose(found["high"] - found["value"], 0.01 * np.sqrt(2))
    np.testing.assert_allclose(found["value"] - found["low"], 0.01 * np.sqrt(2))


def test_units_and_ratios_are_told_apart_and_other_rows_left_out() -> None:
    paper, released = scored([0.8, 0.82, 0.82, 0.82]), scored([0.5, 0.6, 0.7, 0.8], method="otprune")
    others = [paper.assign(benchmark="gqa"), paper.assign(quantity="score")]
    found = gamma_claim(pd.concat([paper, released, released.assign(ratio=0.2), *others]))
    assert len(found) == 3 * 4
    assert [one.where for one in evidence_of(found)][:2] == [
        "10% kept, gamma 0.005 to 0.01",
        "10% kept, gamma 0.01 to 0.05",
    ]
    assert verdicts(released) == {"better": HOLDS, "plateau": FAILS}


def test_a_gamma_without_score_leaves_its_differences_out(tables: Any) -> None:
    """The made-up accuracies of the released unit have no gamma 0.005 nor 0.05."""
    found = gamma_claim(figure5_table(tables.sweep, tables.accuracy))
    ends = found[["method", "gamma_from", "gamma_to"]].drop_duplicates().set_index("method")
    assert ends.loc[["otprune"]].to_numpy().tolist() == [[0.01, 0.1]]
    assert len(ends.loc["otprune-paper"]) == 4
    assert gamma_claim(figure5_table(tables.sweep, None)).empty


def test_the_limit_of_a_plateau_is_judged_with_the_interval() -> None:
    inside, outside = PLATEAU - 0.002, PLATEAU + 0.002
    assert verdicts(scored([0.8, 0.8, 0.8, 0.8 + inside], 0.0005))["plateau"] == HOLDS
    assert verdicts(scored([0.8, 0.8, 0.8, 0.8 + outside], 0.0005))["plateau"] == FAILS
    assert verdicts(scored([0.8, 0.8, 0.8, 0.8 + inside], 0.005))["plateau"] == OPEN
