"""The projection residual: against least squares, between its bounds, and free of lengths and repetitions."""

from __future__ import annotations

import numpy as np
import pytest

from otanalysis.image import Image
from otanalysis.transport import projection_residual

ROUNDING = 1e-12


def cloud(m: int, d: int) -> np.ndarray:
    generator = np.random.default_rng([m, d])
    return 0.3 + generator.standard_normal((m, d)) * generator.exponential(size=(m, 1))


def by_least_squares(tokens: np.ndarray, kept: list[int], weights: np.ndarray) -> float:
    combination = np.linalg.lstsq(tokens[kept].T, tokens.T, rcond=None)[0]
    outside = tokens - combination.T @ tokens[kept]
    return float((weights @ outside**2).sum() / (weights @ tokens**2).sum())


@pytest.mark.parametrize(("m", "d"), [(16, 7), (16, 40)])
def test_agrees_with_least_squares(m: int, d: int) -> None:
    tokens, kept, weights = cloud(m, d), [7, 2, 11], np.random.default_rng(0).exponential(size=m)
    alike, weighted = (by_least_squares(tokens, kept, w) for w in (np.ones(m), weights))
    assert projection_residual(tokens, kept) == pytest.approx(alike, rel=ROUNDING)
    assert projection_residual(tokens, kept, weights=weights) == pytest.approx(weighted, rel=ROUNDING)
    assert projection_residual(Image(tokens, weights=weights), kept) == pytest.approx(weighted, rel=ROUNDING)
    assert abs(alike - weighted) > 1e-3


def test_falls_from_token_to_token_and_never_below_the_best_subspace() -> None:
    tokens = cloud(16, 7)
    order = np.random.default_rng(1).permutation(16)
    found = np.array([projection_residual(tokens, order[:size]) for size in range(1, 17)])
    sizes = np.linalg.svd(tokens, compute_uv=False) ** 2
    best = np.array([sizes[size:].sum() / sizes.sum() for size in range(1, 17)])
    assert (found <= 1.0).all()
    assert (found[:6] >= best[:6]).all()
    assert (np.diff(found[:7]) < 0.0).all()
    assert found[6:] == pytest.approx(0.0, abs=1e-28), "seven tokens span all seven dimensions"


def test_a_repeated_or_stretched_token_spans_nothing_new() -> None:
    tokens = cloud(12, 5)
    tokens[3], tokens[9] = tokens[0], -4.0 * tokens[0]
    assert projection_residual(tokens, [0, 3, 9]) == pytest.approx(projection_residual(tokens, [0]))
    assert projection_residual(tokens, [0, 3, 4]) < 0.9 * projection_residual(tokens, [0, 3, 9])


def test_a_short_kept_token_spans_its_direction_beside_a_long_one() -> None:
    tokens = [[1e9, 0.0], [0.0, 1e-9], [3e9, 4e9]]
    assert projection_residual(tokens, [0, 1]) == 0.0
    assert projection_residual(tokens, [0]) == pytest.approx(16.0 / 26.0)


def test_of_zeros_nothing_lies_outside() -> None:
    assert projection_residual(np.zeros((4, 3)), [1]) == 0.0
    assert projection_residual([[0.0, 0.0], [1.0, 2.0]], [0]) == 1.0
