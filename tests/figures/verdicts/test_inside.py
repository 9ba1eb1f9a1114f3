"""What the test inside an image says of the paper's claim follows its intervals, and is open without it."""

from __future__ import annotations

import pandas as pd

from otanalysis.figures.verdicts import verdict_table
from otanalysis.figures.verdicts.inside import inside_claims
from otanalysis.stats.judging import FAILS, HOLDS, OPEN
from otanalysis.stats.within_tables import MAIN_PAIR
from tests.neighbours import load

MADE_UP = load("figures/test_within.py").made_up
W2, COVERAGE = MAIN_PAIR


def judged(table: pd.DataFrame | None) -> pd.Series:
    return verdict_table(inside_claims(table)).set_index(["claim", "quantity"])["verdict"]


def test_a_claim_holds_where_every_interval_lies_above_zero() -> None:
    """In the made-up table the quantisation error goes with the answer, and W2 against it, given it."""
    found = judged(MADE_UP())
    by_coverage = found[
        found.index.get_level_values(0).str.startswith(
            "kept sets of one image that are closer by quantisation"
        )
    ]
    by_w2 = found[
        found.index.get_level_values(0).str.startswith("kept sets of one image that are closer by exact W2")
    ]
    given = found[found.index.get_level_values(1).str.contains("given quantisation error")]
    assert by_coverage.tolist() == [HOLDS, HOLDS]
    assert by_w2.tolist() == [OPEN, OPEN]
    assert given.tolist() == [FAILS]


def test_one_way_of_numbering_positions_is_enough_to_break_it() -> None:
    table = MADE_UP()
    broken = (table["positions"] == "original") & (table["measure"] == COVERAGE)
    table.loc[broken, ["value", "low", "high"]] = [-0.2, -0.3, -0.1]
    rows = verdict_table(inside_claims(table))
    own = rows[rows["claim"].str.startswith("kept sets of one image that are closer by quantisation")]
    assert own["verdict"].tolist() == [FAILS, FAILS]
    assert set(own["where"]) == {"positions original"}


def test_without_the_test_nothing_is_decided() -> None:
    assert set(judged(None)) == {OPEN}
