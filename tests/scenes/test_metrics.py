"""Scores of answers, against their definitions."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, strategies as st

from otanalysis.scenes.metrics import METRICS, count_score, edit_similarity, exact_match

answers = st.lists(st.sampled_from("0123"), max_size=6).map(tuple)


@cache
def levenshtein(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    """Return the edit distance by its recursive definition."""
    if not a or not b:
        return len(a) + len(b)
    return min(
        levenshtein(a[1:], b) + 1,
        levenshtein(a, b[1:]) + 1,
        levenshtein(a[1:], b[1:]) + (a[0] != b[0]),
    )


@given(answers, answers)
def test_edit_similarity_is_the_recursive_definition(a: tuple[str, ...], b: tuple[str, ...]) -> None:
    expected = 1 - levenshtein(a, b) / max(len(a), len(b), 1)
    assert edit_similarity(" ".join(a), " ".join(b)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("answer", "truth", "score"),
    [
        ("4", "4", 1),
        ("5", "4", 0.75),
        ("3", "4", 0.75),
        ("9", "4", 0),
        ("1", "0", 0),
        ("red", "4", 0),
        ("", "4", 0),
    ],
)
def test_counts_lose_in_proportion_to_the_error(answer: str, truth: str, score: float) -> None:
    assert count_score(answer, truth) == pytest.approx(score)


def test_exact_match_ignores_blanks_only() -> None:
    assert exact_match(" yes ", "yes") == 1
    assert exact_match("yes yes", "yes") == 0


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_gives_one_to_the_truth_and_less_to_nothing(name: str) -> None:
    assert METRICS[name]("3", "3") == 1
    assert METRICS[name]("", "3") == 0
