"""The quantisation error: against the definition, and as the optimum over free weights."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from otanalysis.image import Image
from otanalysis.transport import quantisation_error, wasserstein2


@pytest.fixture
def problem() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.standard_normal((18, 4)), generator.permutation(18)[:5]


def test_agrees_with_the_definition(problem: tuple[np.ndarray, np.ndarray]) -> None:
    tokens, kept = problem
    expected = sum(min(sum((a - b) ** 2) for b in tokens[kept]) for a in tokens) / len(tokens)

    assert quantisation_error(tokens, kept) == pytest.approx(expected, rel=1e-12)
    assert quantisation_error(Image(tokens), kept) == quantisation_error(tokens, kept)


def test_is_the_transport_cost_with_free_weights(problem: tuple[np.ndarray, np.ndarray]) -> None:
    tokens, kept = problem
    cost = ((tokens[:, None] - tokens[kept]) ** 2).sum(-1)
    rows = np.kron(np.eye(18), np.ones(5))
    free = linprog(cost.ravel(), A_eq=rows, b_eq=np.full(18, 1 / 18), method="highs")

    assert quantisation_error(tokens, kept) == pytest.approx(free.fun, rel=1e-9)


def test_never_exceeds_the_exact_distance_and_usually_lies_below(
    problem: tuple[np.ndarray, np.ndarray],
) -> None:
    tokens, kept = problem

    assert quantisation_error(tokens, kept) < wasserstein2(tokens, kept).squared_distance
    assert quantisation_error(tokens, [4]) == pytest.approx(
        wasserstein2(tokens, [4]).squared_distance, rel=1e-12
    ), "one kept token leaves no freedom"


def test_a_further_token_never_raises_it(problem: tuple[np.ndarray, np.ndarray]) -> None:
    tokens, _ = problem
    order = np.random.default_rng(1).permutation(18)
    errors = [quantisation_error(tokens, order[:k]) for k in range(1, 19)]

    assert np.all(np.diff(errors) <= 0)
    assert errors[-1] == 0.0


def test_weights_are_those_of_the_mean(problem: tuple[np.ndarray, np.ndarray]) -> None:
    tokens, kept = problem
    weights = np.random.default_rng(2).exponential(size=18)
    nearest = ((tokens[:, None] - tokens[kept]) ** 2).sum(-1).min(axis=1)
    expected = float(np.average(nearest, weights=weights))

    assert quantisation_error(tokens, kept, weights=weights) == pytest.approx(expected, rel=1e-12)
    image = Image(tokens, weights=weights)
    assert quantisation_error(image, kept) == quantisation_error(tokens, kept, weights=weights)
    assert quantisation_error(image, kept, weights=np.ones(18)) == quantisation_error(tokens, kept)
    assert abs(expected / quantisation_error(tokens, kept) - 1) > 0.01
