"""The sentence on gamma: differences and errors by hand, and tables for which its verdict is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from otanalysis.stats.figure_tables import figure5_table
from otanalysis.stats.gamma_claim import CLAIMS, PAPER_GRID, PLATEAU, evidence_of, gamma_claim
from otanalysis.stats.judging import FAILS, HOLDS, OPEN, judge

RATIO = 0.1


def scored(scores: list[float], spread: float = 0.0002, **settings: object) -> pd.DataFrame:
    """Relative scores on the paper's grid, of three benchmarks that differ by so much from gamma to gamma."""
    head = {"method": "otprune-paper", "ratio": RATIO, "quantity": "relative_score"} | settings
    return pd.DataFrame(
        [
            head | {"benchmark": name, "gamma": gamma, "value": score + spread * side * (-1) ** place}
            for name, side in (("gqa", -1), ("pope", 0), ("mme", 1))
            for place, (gamma, score) in enumerate(zip(PAPER_GRID, scores, strict=True))
        ]
    )


def verdicts(table: pd.DataFrame) -> dict[str, str]:
    found = gamma_claim(table)
    return {str(part): judge(evidence_of(rows), CLAIMS[str(part)])[0] for part, rows in found.groupby("part")}


@pytest.mark.parametrize(
    ("scores", "spread", "better", "plateau"),
    [
        ([0.80, 0.82, 0.82, 0.825], 0.0002, HOLDS, HOLDS),
        ([0.80, 0.82, 0.86, 0.90], 0.0002, HOLDS, FAILS),
        ([0.82, 0.80, 0.80, 0.70], 0.0002, FAILS, FAILS),
        ([0.80, 0.80, 0.80, 0.80], 0.05, OPEN, OPEN),
    ],
)
def test_the_verdict_follows_the_scores(
    scores: list[float], spread: float, better: str, plateau: str
) -> None:
    assert verdicts(scored(scores, spread)) == {"better": better, "plateau": plateau}


def test_a_difference_is_paired_over_the_benchmarks() -> None:
    table = scored([0.80, 0.82, 0.83, 0.85], 0.01)
    found = gamma_claim(table)
    assert found["part"].tolist() == ["better", "plateau", "plateau", "plateau"]
    np.testing.assert_allclose(found["value"], [0.02, 0.01, 0.03, 0.02])
    each = table.pivot(index="benchmark", columns="gamma", values="value")
    test = stats.ttest_rel(each[0.01], each[0.005]).confidence_interval()
    assert tuple(found.loc[0, ["low", "high"]]) == pytest.approx(tuple(test))
    same = found[(found["gamma_from"] == 0.01) & (found["gamma_to"] == 0.1)]
    np.testing.assert_allclose(
        same["high"], same["low"]
    )  # what benchmarks share from gamma to gamma drops out


def test_units_and_ratios_are_told_apart_and_other_rows_left_out() -> None:
    paper, released = scored([0.8, 0.82, 0.82, 0.82]), scored([0.5, 0.6, 0.7, 0.8], method="otprune")
    others = [paper.assign(benchmark="mean"), paper.assign(quantity="score")]
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
    assert verdicts(scored([0.8, 0.8, 0.8, 0.8 + inside]))["plateau"] == HOLDS
    assert verdicts(scored([0.8, 0.8, 0.8, 0.8 + outside]))["plateau"] == FAILS
    assert verdicts(scored([0.8, 0.8, 0.8, 0.8 + inside], 0.005))["plateau"] == OPEN


def test_one_benchmark_has_no_interval_and_decides_nothing() -> None:
    one = scored([0.8, 0.9, 0.9, 0.9])
    assert verdicts(one[one["benchmark"] == "gqa"]) == {"better": OPEN, "plateau": OPEN}
