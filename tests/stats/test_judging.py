"""Rules on cases whose verdict is known, and their conjunction."""

from __future__ import annotations

import math

import pytest

from otanalysis.stats.judging import FAILS, HOLDS, OPEN, Evidence, Exactly, Positive, Rule, Within, judge


@pytest.mark.parametrize(
    ("rule", "evidence", "verdict"),
    [
        (Within(above=0.0), Evidence(1.0, 0.5, 1.5), HOLDS),
        (Within(above=0.0), Evidence(1.0, -0.5, 1.5), OPEN),
        (Within(above=0.0), Evidence(-1.0, -1.5, -0.5), FAILS),
        (Within(above=0.0), Evidence(1.0), OPEN),
        (Within(-0.1, 0.1), Evidence(0.0, -0.05, 0.05), HOLDS),
        (Within(-0.1, 0.1), Evidence(0.3, 0.2, 0.4), FAILS),
        (Within(-0.1, 0.1), Evidence(-0.3, -0.4, -0.2), FAILS),
        (Within(-0.1, 0.1), Evidence(0.0, -0.2, 0.2), OPEN),
        (Exactly(most=0), Evidence(0.0), HOLDS),
        (Exactly(most=0), Evidence(1.0), FAILS),
        (Exactly(least=1.0), Evidence(1.0), HOLDS),
        (Exactly(1.0, 2.0), Evidence(0.5), FAILS),
        (Exactly(most=0), Evidence(math.nan), OPEN),
        (Positive(), Evidence(1.0, p_value=0.05), HOLDS),
        (Positive(), Evidence(1.0, p_value=0.06), OPEN),
        (Positive(), Evidence(-1.0, p_value=0.01), FAILS),
        (Positive(), Evidence(1.0), OPEN),
        (Positive(), Evidence(0.0, p_value=0.01), OPEN),
    ],
)
def test_a_rule_judges_one_piece(rule: Rule, evidence: Evidence, verdict: str) -> None:
    assert rule(evidence) == verdict
    assert judge([evidence], rule)[0] == verdict


GOOD, BETTER = Evidence(1.0, 0.5, 1.5, "good"), Evidence(2.0, 1.5, 2.5, "better")
BAD, WORSE = Evidence(-1.0, -1.5, -0.5, "bad"), Evidence(-2.0, -2.5, -1.5, "worse")
VAGUE, VAGUER = Evidence(0.1, -1.0, 1.0, "vague"), Evidence(0.0, -1.0, 1.0, "vaguer")


@pytest.mark.parametrize(
    ("pieces", "verdict", "deciding"),
    [
        ([BETTER, GOOD], HOLDS, "good"),
        ([GOOD, BAD, WORSE, VAGUE], FAILS, "worse"),
        ([BETTER, VAGUE, VAGUER], OPEN, "vaguer"),
    ],
)
def test_one_failure_is_enough_and_all_must_hold(pieces: list[Evidence], verdict: str, deciding: str) -> None:
    found, one = judge(pieces, Within(above=0.0))
    assert found == verdict
    assert one is not None
    assert one.where == deciding


def test_nothing_measured_decides_nothing() -> None:
    assert judge([], Within(above=0.0)) == (OPEN, None)
    assert judge([Evidence(math.nan)], Exactly(most=0)) == (OPEN, None)
    missing = Evidence(math.nan, where="a rival is missing")
    assert judge([Evidence(math.nan), missing], Exactly(most=0)) == (OPEN, missing)
    assert judge([missing, GOOD], Within(above=0.0)) == (OPEN, missing), "the piece that leaves it open"


@pytest.mark.parametrize("rule", [Within(above=0.0), Positive(), Within(-0.1, 0.1)])
def test_the_mirrored_evidence_turns_a_one_sided_verdict_and_keeps_a_two_sided_one(rule: Rule) -> None:
    two_sided = rule == Within(-0.1, 0.1)
    for value, reach, p_value in ((1.0, 0.5, 0.01), (1.0, 2.0, 0.3), (0.05, 0.01, 0.01)):
        found = rule(Evidence(value, value - reach, value + reach, p_value=p_value))
        turned = rule(Evidence(-value, -value - reach, -value + reach, p_value=p_value))
        assert turned == (found if two_sided else {HOLDS: FAILS, OPEN: OPEN}[found])
