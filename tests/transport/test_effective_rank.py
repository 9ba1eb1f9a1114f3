"""The effective rank: against its definition, and between one and the rank."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import entropy

from otanalysis.transport import effective_rank

ROUNDING = 1e-12


@pytest.fixture
def tokens() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((18, 6)) * np.geomspace(1.0, 0.01, 6)


def test_agrees_with_the_definition(tokens: np.ndarray) -> None:
    kept = [4, 11, 0, 7]
    sizes = np.sqrt(np.linalg.eigvalsh(tokens[kept] @ tokens[kept].T))
    assert effective_rank(tokens, kept) == pytest.approx(np.exp(entropy(sizes)), rel=1e-9)


def test_lies_between_one_and_the_rank(tokens: np.ndarray) -> None:
    for size in (1, 3, 6, 12, 18):
        found = effective_rank(tokens, np.arange(size))
        assert 1.0 - ROUNDING <= found <= min(size, 6)
    long = np.diag([2.0, 2.0, 2.0, 0.5])
    assert effective_rank(long, [0, 1, 2]) == pytest.approx(3.0, rel=ROUNDING)
    assert 3.0 < effective_rank(long, [0, 1, 2, 3]) < 4.0


def test_multiples_of_one_token_fill_one_direction(tokens: np.ndarray) -> None:
    line = np.outer([1.0, -3.0, 0.5, 0.0], tokens[0])
    assert effective_rank(line, [0, 1, 2, 3]) == pytest.approx(1.0, rel=1e-9)
    assert effective_rank(line, [3]) == 0.0


def test_tokens_that_are_dropped_do_not_matter(tokens: np.ndarray) -> None:
    others = tokens.copy()
    others[5:] *= 100.0
    assert effective_rank(others, [0, 3, 4]) == effective_rank(tokens, [0, 3, 4])
    assert effective_rank(others, [0, 3, 5]) != effective_rank(tokens, [0, 3, 5])
