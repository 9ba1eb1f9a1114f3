"""The longest tokens, of any size."""

from __future__ import annotations

import numpy as np
import pytest

from otanalysis.selection import SELECTORS, select

NORM = SELECTORS["norm"]


def test_the_longest_come_first_and_ties_by_place() -> None:
    tokens = np.array([[3.0, 4.0], [0.0, 1.0], [0.0, 0.0], [-5.0, 0.0], [6.0, 0.0]])
    assert select(tokens, "norm", keep=5).pick_order.tolist() == [4, 0, 3, 1, 2]


def test_the_share_of_the_squared_lengths_is_the_largest_of_all_sets() -> None:
    tokens = np.random.default_rng(0).standard_normal((20, 3))
    squares = np.sum(tokens**2, axis=1)
    kept = select(tokens, "norm", keep=6).indices
    share = NORM.objective_value(tokens, kept)
    assert share == pytest.approx(np.sort(squares)[-6:].sum() / squares.sum(), rel=1e-12)
    others = [NORM.objective_value(tokens, np.random.default_rng(s).permutation(20)[:6]) for s in range(30)]
    assert max(others) < share
    assert NORM.objective_value(np.zeros((4, 2)), [0, 1]) == 0.0


def test_a_small_token_keeps_its_place_beside_a_huge_one() -> None:
    """Squares of the small ones vanish beside that of the huge one, and below any number."""
    tokens = np.array([[1e-200, 0.0], [2e-200, 0.0], [1e150, 1e150], [1.5e-200, 0.0]])
    assert select(tokens, "norm", keep=4).pick_order.tolist() == [2, 1, 3, 0]
