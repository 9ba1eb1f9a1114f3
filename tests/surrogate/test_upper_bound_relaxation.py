"""The augmented factorisation relaxation: touching, concave, above every subset, and solved."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from otanalysis.surrogate.upper_bound import Majorant, majorant_at, solve_relaxation

# Two evaluations of sums of some twenty logarithms, relative to them.
ROUNDING = 1e-9
# The ascent promises 1e-5; the slow one that it is compared with stops at 1e-4.
SLOW_GAP = 1e-4


def level_spectrum(spectrum: np.ndarray, k: int) -> np.ndarray:
    """Return the k values of the relaxation by pouring the tail over the heads, one at a time."""
    ordered = sorted(spectrum, reverse=True)
    for head in range(k):
        level = sum(ordered[head:]) / (k - head)
        if head == k - 1 or ordered[head] <= level:
            return np.array([*ordered[:head], *[level] * (k - head)])
    raise AssertionError("unreachable: the last head always stops")


def relaxation_by_definition(factor: np.ndarray, weights: np.ndarray, k: int) -> float:
    gram = (factor * weights[:, None]).T @ factor
    spectrum = np.clip(np.linalg.eigvalsh(gram), 0.0, None)
    return float(np.log1p(spectrum if k >= len(spectrum) else level_spectrum(spectrum, k)).sum())


def feasible(draw: np.random.Generator, m: int, k: int) -> np.ndarray:
    """A random point of the relaxation: the mean of some k-subsets."""
    return np.mean([np.isin(np.arange(m), draw.permutation(m)[:k]) for _ in range(3)], axis=0)


def problem(seed: int) -> tuple[np.ndarray, int, np.random.Generator]:
    draw = np.random.default_rng(seed)
    m, r = int(draw.integers(2, 11)), int(draw.integers(1, 9))
    factor = draw.standard_normal((m, r)) * 10.0 ** draw.uniform(-3, 2)
    factor[draw.random(m) < 0.2] = 0.0
    return factor, int(draw.integers(1, m + 1)), draw


def exceeded(factor: np.ndarray, k: int, majorant: Majorant) -> bool:
    """Whether some k-subset lies above the majorant."""
    for chosen in combinations(range(len(factor)), k):
        kept = list(chosen)
        value = np.linalg.slogdet(np.eye(k) + factor[kept] @ factor[kept].T)[1]
        if value > majorant.intercept + majorant.slopes[kept].sum() + ROUNDING * (1.0 + value):
            return True
    return False


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6))
def test_the_majorant_lies_above_every_subset_whatever_the_weights(seed: int) -> None:
    factor, k, draw = problem(seed)
    weights = draw.random(len(factor)) * draw.choice([0.01, 1.0, 50.0])

    assert not exceeded(factor, k, majorant_at(factor, weights, k))


def test_a_majorant_of_smaller_subsets_is_noticed() -> None:
    # Its intercept lacks one term, so it does not bound subsets that are larger by one.
    factor = np.random.default_rng(0).standard_normal((8, 6))
    too_small = majorant_at(factor, np.full(8, 3 / 8), 3)

    assert not exceeded(factor, 3, too_small)
    assert exceeded(factor, 4, too_small)


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6))
def test_the_majorant_touches_the_relaxation_and_lies_above_it(seed: int) -> None:
    factor, k, draw = problem(seed)
    here, there = feasible(draw, len(factor), k), feasible(draw, len(factor), k)
    majorant = majorant_at(factor, here, k)

    at_here = relaxation_by_definition(factor, here, k)
    at_there = relaxation_by_definition(factor, there, k)

    assert majorant.intercept + majorant.slopes @ here == pytest.approx(at_here, rel=ROUNDING, abs=1e-15)
    assert majorant.intercept + majorant.slopes @ there >= at_there * (1.0 - ROUNDING)


@pytest.mark.parametrize("seed", range(20))
def test_the_relaxation_is_the_log_determinant_at_subsets(seed: int) -> None:
    factor, k, draw = problem(seed)
    kept = draw.permutation(len(factor))[:k]
    weights = np.isin(np.arange(len(factor)), kept).astype(float)
    majorant = majorant_at(factor, weights, k)

    value = np.linalg.slogdet(np.eye(k) + factor[kept] @ factor[kept].T)[1]

    assert majorant.intercept + majorant.slopes[kept].sum() == pytest.approx(value, rel=1e-6, abs=1e-12)


def frank_wolfe(factor: np.ndarray, k: int) -> tuple[float, float]:
    """Return the best value and the best bound that the textbook method meets: no Hessian, no barrier."""
    weights = np.full(len(factor), k / len(factor))
    lower, upper = -np.inf, np.inf
    for step in range(4000):
        slopes = majorant_at(factor, weights, k).slopes
        value = relaxation_by_definition(factor, weights, k)
        corner = np.isin(np.arange(len(factor)), np.argsort(-slopes)[:k])
        lower, upper = max(lower, value), min(upper, value + slopes @ (corner - weights))
        if upper - lower <= SLOW_GAP * upper:
            break
        weights = weights + 2.0 / (step + 2.0) * (corner - weights)
    return lower, upper


@pytest.mark.parametrize("k", [2, 5, 9, 14])
@pytest.mark.parametrize("size", [0.1, 1.0, 10.0])
def test_the_ascent_reaches_the_optimum_of_the_relaxation(k: int, size: float) -> None:
    factor = size * np.random.default_rng(k).standard_normal((30, 9))

    weights, majorant = solve_relaxation(factor, k)
    lower, upper = frank_wolfe(factor, k)

    assert lower * (1.0 - ROUNDING) <= majorant.maximum <= upper * (1.0 + SLOW_GAP)
    assert relaxation_by_definition(factor, weights, k) >= lower * (1.0 - SLOW_GAP)
    assert weights.sum() == pytest.approx(k)
    assert 0.0 <= weights.min() <= weights.max() <= 1.0


def test_the_augmented_form_is_at_most_the_plain_determinant() -> None:
    factor = np.random.default_rng(3).standard_normal((20, 12))
    weights = np.full(20, 4 / 20)
    plain = np.linalg.slogdet(np.eye(12) + factor.T @ (factor * weights[:, None]))[1]

    majorant = majorant_at(factor, weights, 4)

    assert majorant.intercept + majorant.slopes @ weights < 0.95 * plain
