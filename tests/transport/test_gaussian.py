"""Rungs 1 to 3: against the definition with matrix square roots, and the order of the ladder."""

from __future__ import annotations

import numpy as np
import ot
import pytest
from scipy.linalg import sqrtm

from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.transport import (
    TokenMoments,
    bures_squared,
    gelbrich_squared,
    trace_objective,
    wasserstein2,
)

# The root of a matrix exact to d ulps is exact to about their root, relative to the largest eigenvalue.
ROOT_TOLERANCE = 1e-7
# The nuclear-norm form against itself in another basis.
ROUNDING = 1e-10
SHAPES = [(30, 6, 4), (30, 6, 12), (12, 40, 5), (12, 40, 12), (9, 9, 1)]


def problem(m: int, d: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(100 * m + d)
    tokens = 0.5 + generator.standard_normal((m, d)) * generator.exponential(size=(m, 1))
    return tokens, generator.permutation(m)[:k]


def trace_of_root(first: np.ndarray, second: np.ndarray) -> float:
    root = np.real(sqrtm(first))
    return float(np.sqrt(np.clip(np.linalg.eigvalsh(root @ second @ root), 0, None)).sum())


def by_definition(tokens: np.ndarray, kept: np.ndarray, *, centre: bool) -> float:
    some = tokens[kept]
    shift = tokens.mean(0) - some.mean(0) if centre else np.zeros(tokens.shape[1])
    if centre:
        tokens, some = tokens - tokens.mean(0), some - some.mean(0)
    first, second = tokens.T @ tokens / len(tokens), some.T @ some / len(some)
    return float(shift @ shift + np.trace(first) + np.trace(second) - 2 * trace_of_root(first, second))


@pytest.mark.parametrize(("m", "d", "k"), SHAPES)
def test_agree_with_the_definition(m: int, d: int, k: int) -> None:
    tokens, kept = problem(m, d, k)
    scale = float((tokens**2).sum(1).mean())
    tolerance = {"abs": ROOT_TOLERANCE * scale * d}

    assert gelbrich_squared(tokens, kept) == pytest.approx(
        by_definition(tokens, kept, centre=True), **tolerance
    )
    assert bures_squared(tokens, kept) == pytest.approx(
        by_definition(tokens, kept, centre=False), **tolerance
    )


@pytest.mark.parametrize(("m", "d", "k"), SHAPES)
def test_whole_weights_of_an_image_are_so_many_copies_of_a_token(m: int, d: int, k: int) -> None:
    tokens, kept = problem(m, d, k)
    copies = np.random.default_rng(m).integers(1, 4, m)
    many, places = np.repeat(tokens, copies, axis=0), (np.cumsum(copies) - 1)[kept]
    image = Image(tokens, weights=copies)

    for measure in (gelbrich_squared, bures_squared, trace_objective):
        assert measure(image, kept) == pytest.approx(measure(many, places), rel=ROUNDING)
        assert abs(measure(image, kept) - measure(tokens, kept)) > 1e-3 * measure(image, kept)
    np.testing.assert_allclose(TokenMoments(image).mean, many.mean(axis=0), rtol=ROUNDING)
    assert bures_squared(image, kept) <= gelbrich_squared(image, kept) * (1 + ROUNDING)
    assert gelbrich_squared(image, kept) <= wasserstein2(image, kept).squared_distance * (1 + ROUNDING)


def test_gelbrich_agrees_with_pot_where_covariances_are_regular() -> None:
    tokens, kept = problem(60, 3, 20)
    some = tokens[kept]
    expected = ot.gaussian.bures_wasserstein_distance(
        tokens.mean(0), some.mean(0), np.cov(tokens.T, bias=True), np.cov(some.T, bias=True)
    )

    assert gelbrich_squared(tokens, kept) == pytest.approx(expected**2, rel=1e-8)


@pytest.mark.parametrize(("m", "d", "k"), SHAPES)
def test_rung_2_is_the_traces_minus_twice_rung_3(m: int, d: int, k: int) -> None:
    tokens, kept = problem(m, d, k)
    nuclear = np.linalg.norm(tokens @ tokens[kept].T, "nuc") / np.sqrt(m * k)
    traces = (tokens**2).sum() / m + (tokens[kept] ** 2).sum() / k

    assert trace_objective(tokens, kept) == pytest.approx(nuclear, rel=ROUNDING)
    assert bures_squared(tokens, kept) == pytest.approx(traces - 2 * nuclear, abs=ROUNDING * traces)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("m", "d", "k"), SHAPES)
def test_the_ladder_descends(m: int, d: int, k: int, seed: int) -> None:
    tokens, _ = problem(m, d, k)
    kept = np.random.default_rng(seed).permutation(m)[:k]
    exact = wasserstein2(tokens, kept).squared_distance
    slack = ROUNDING * float((tokens**2).sum(1).max())

    assert gelbrich_squared(tokens, kept) <= exact + slack
    assert bures_squared(tokens, kept) <= gelbrich_squared(tokens, kept) + slack


def test_the_rungs_are_apart_so_that_their_order_means_something() -> None:
    tokens, kept = problem(30, 6, 4)
    exact, first, second = (
        wasserstein2(tokens, kept).squared_distance,
        gelbrich_squared(tokens, kept),
        bures_squared(tokens, kept),
    )

    assert second < 0.99 * first < 0.99 * exact


def test_dropping_the_trace_of_the_kept_tokens_changes_the_order_of_subsets() -> None:
    tokens = np.array([[10.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.9, 0.1]])

    assert trace_objective(tokens, [0]) > trace_objective(tokens, [1])
    assert bures_squared(tokens, [0]) > bures_squared(tokens, [1])


@pytest.mark.parametrize(("m", "d"), [(20, 4), (8, 30)])
def test_keeping_everything_is_at_distance_zero(m: int, d: int) -> None:
    tokens, _ = problem(m, d, 1)
    scale = float((tokens**2).sum(1).mean())

    assert bures_squared(tokens, np.arange(m)) == pytest.approx(0, abs=ROUNDING * scale)
    assert gelbrich_squared(tokens, np.arange(m)) == pytest.approx(0, abs=ROUNDING * scale)


def test_translation_moves_rung_2_but_not_rung_1() -> None:
    tokens, kept = problem(30, 6, 4)

    assert gelbrich_squared(tokens + 7, kept) == pytest.approx(gelbrich_squared(tokens, kept), rel=1e-8)
    assert bures_squared(tokens + 7, kept) != pytest.approx(bures_squared(tokens, kept), rel=1e-2)


@pytest.mark.parametrize("function", [gelbrich_squared, bures_squared, trace_objective])
def test_shared_moments_give_the_same_answers(function: object) -> None:
    assert callable(function)
    tokens, kept = problem(12, 40, 5)
    moments = TokenMoments(tokens)

    assert function(moments, kept) == function(tokens, kept)
    assert function(moments, kept[:2]) == function(tokens, kept[:2])
    with pytest.raises(InputError, match=r"0\.\.11"):
        function(moments, [12])


def test_moments_of_bad_tokens_are_refused() -> None:
    with pytest.raises(InputError, match="NaN"):
        TokenMoments([[1.0, np.nan]])
