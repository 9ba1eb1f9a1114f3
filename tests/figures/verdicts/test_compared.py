"""Claims of several models stand together where two have them measured, each with all its evidence."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from otanalysis.figures.verdicts.claim import PaperClaim
from otanalysis.figures.verdicts.compared import claims_in, compare_claims
from otanalysis.stats.judging import FAILS, HOLDS, OPEN, Evidence, Exactly, Positive, Rule, Within, judge

PIECES = (Evidence(2.0, 1.5, 2.5, "5%"), Evidence(3.0, 2.5, 3.5, "20%"))
REVERSED = (Evidence(-2.0, -2.5, -1.5, "5%", 0.01),)


def claim(*evidence: Evidence, words: str = "large", rule: Rule | None = None) -> PaperClaim:
    return PaperClaim(words, "here", "size", "all", evidence, rule or Within(above=1.0), "measure", "read so")


def test_what_one_model_alone_has_measured_is_left_out() -> None:
    alone, unknown = claim(*PIECES, words="alone"), claim(Evidence(math.nan), words="alone")
    table = compare_claims({"one": [alone, claim(*PIECES)], "two": [unknown, claim(*REVERSED)]})
    assert set(table["claim"]) == {"large"}
    assert table["model"].tolist() == ["one", "one", "two"]
    assert set(table["reading"]) == {"read so"}


def test_a_claim_that_is_read_in_two_ways_is_two_claims() -> None:
    other = replace(claim(*REVERSED), reading="read otherwise")
    table = compare_claims({name: [claim(*PIECES), other] for name in ("one", "two")})
    found = [(set(rows["reading"]), len(rows)) for rows in claims_in(table)]
    assert found == [({"read so"}, 4), ({"read otherwise"}, 2)]


def test_the_piece_that_decides_is_the_one_that_judges() -> None:
    claims = {"one": [claim(*PIECES)], "two": [claim(*REVERSED)]}
    table = compare_claims(claims)
    for name, (own,) in claims.items():
        verdict, piece = judge(own.evidence, own.rule)
        rows = table[table["model"] == name]
        assert set(rows["verdict"]) == {verdict}
        (deciding,) = rows[rows["deciding"]].to_dict("records")
        assert piece is not None
        assert (deciding["value"], deciding["where"]) == (piece.value, piece.where)
        assert rows["value"].tolist() == [one.value for one in own.evidence]
    assert table["verdict"].tolist() == [HOLDS, HOLDS, FAILS]


@pytest.mark.parametrize("rule", [Within(-1.0, 1.0), Within(above=0.5), Exactly(0.25, 0.75), Positive()])
def test_the_limits_are_those_of_the_rule(rule: Rule) -> None:
    """A sharp number a little inside of a finite limit holds, a little outside it does not."""
    table = compare_claims({name: [claim(*PIECES, rule=rule)] for name in ("one", "two")})
    least, most = (float(table[name].iloc[0]) for name in ("least", "most"))
    ends = [(least, 1e-9), (most, -1e-9)]
    sharp = [(end + step, end - step) for end, step in ends if math.isfinite(end)]
    assert sharp
    for inside, outside in sharp:
        held, failed = (rule(Evidence(x, x, x, p_value=0.01)) for x in (inside, outside))
        assert held == HOLDS
        assert failed in (FAILS, OPEN)
        assert failed != held


def test_the_claims_stand_in_the_order_of_the_first_model() -> None:
    first = [claim(*PIECES, words=words) for words in ("b", "a")]
    table = compare_claims({"one": first, "two": first[::-1]})
    assert [rows["claim"].iloc[0] for rows in claims_in(table)] == ["b", "a"]
    assert all(set(rows["model"]) == {"one", "two"} for rows in claims_in(table))
