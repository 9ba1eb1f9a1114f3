"""The energy distance: against its definition, SciPy in one dimension, and what it is bounded by."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import energy_distance as of_scipy

from otanalysis.image import Image
from otanalysis.transport import energy_distance, wasserstein2

# A difference of three means of some hundred distances, each right to 1e-9 or better.
ROUNDING = 1e-9


def by_definition(tokens: np.ndarray, kept: np.ndarray, weights: np.ndarray) -> float:
    masses = weights / weights.sum()
    between = masses @ cdist(tokens, tokens[kept]).mean(axis=1)
    return float(
        2.0 * between - masses @ cdist(tokens, tokens) @ masses - cdist(tokens[kept], tokens[kept]).mean()
    )


def test_agrees_with_the_definition(problem: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    tokens, kept, weights = problem
    alike = by_definition(tokens, kept, np.ones(18))
    weighted = by_definition(tokens, kept, weights)
    assert energy_distance(tokens, kept) == pytest.approx(alike, rel=ROUNDING)
    assert energy_distance(tokens, kept, weights=weights) == pytest.approx(weighted, rel=ROUNDING)
    assert energy_distance(Image(tokens, weights=weights), kept) == pytest.approx(weighted, rel=ROUNDING)
    assert abs(alike - weighted) > 0.01


def test_is_the_square_of_what_scipy_returns_in_one_dimension(
    problem: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    tokens, kept, weights = problem
    line = tokens[:, 0]
    expected = of_scipy(line, line[kept], u_weights=weights) ** 2
    assert energy_distance(line[:, None], kept, weights=weights) == pytest.approx(expected, rel=ROUNDING)


def test_is_at_most_twice_the_exact_distance(problem: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    tokens, _, weights = problem
    generator = np.random.default_rng(1)
    for size in (1, 2, 7, 17):
        kept = generator.permutation(18)[:size]
        far = wasserstein2(tokens, kept, weights=weights).distance
        assert 0.0 < energy_distance(tokens, kept, weights=weights) <= 2.0 * far
    # Tokens at one distance from each other and one kept of two: W2 is its root over the root of two.
    assert energy_distance([[0.0], [1.0]], [0]) == 0.5


def test_vanishes_for_equal_distributions_alone() -> None:
    twice = np.repeat(np.random.default_rng(2).standard_normal((4, 3)), 2, axis=0)
    assert energy_distance(twice, [0, 2, 5, 7]) == pytest.approx(0.0, abs=1e-15)
    assert energy_distance(twice, [0, 1, 4, 6]) > 0.1
