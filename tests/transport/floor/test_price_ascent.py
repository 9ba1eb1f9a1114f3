"""The price ascent: it rises from where it began, ends where no more can be had, and says what was kept."""

from __future__ import annotations

import numpy as np
import pytest

from otanalysis.transport import squared_distances
from otanalysis.transport.floor.coverage import _error, _medoid_prices
from otanalysis.transport.floor.coverage_bound import evaluate
from otanalysis.transport.floor.price_ascent import _bound, _slope, ascend_prices
from otanalysis.transport.medoids import medoids, settle_medoids

ROUNDING = 1e-12


def problem(seed: int, m: int = 40, d: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Return squared distances of about one and masses."""
    generator = np.random.default_rng(seed)
    cost = squared_distances(generator.standard_normal((m, d)))
    masses = generator.exponential(size=m)
    return cost / cost.max(), masses / masses.sum()


def in_order(cost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    near = np.argsort(cost, axis=1)
    return near, np.take_along_axis(cost, near, axis=1)


@pytest.mark.parametrize("seed", range(4))
def test_bound_and_slope_are_those_of_the_definition(seed: int) -> None:
    cost, masses = problem(seed)
    near, ordered = in_order(cost)
    price = 0.2 * np.random.default_rng(seed).random(40)

    value, kept = _bound(near, ordered, masses, 6, price)

    gains = masses @ np.minimum(cost - price[:, None], 0.0)
    assert value == pytest.approx(masses @ price + np.sort(gains)[:6].sum(), rel=ROUNDING)
    np.testing.assert_array_equal(np.flatnonzero(kept), np.sort(np.argsort(gains)[:6]))
    slopes = [_slope(near[i], ordered[i], price[i], kept) for i in range(40)]
    np.testing.assert_array_equal(slopes, 1 - (cost[:, kept] < price[:, None]).sum(axis=1))
    # The slope is the derivative: what a little more of every price in turn changes.
    for i in range(40):
        more = price.copy()
        more[i] += 1e-9
        changed = _bound(near, ordered, masses, 6, more)[0] - value
        assert changed == pytest.approx(1e-9 * masses[i] * slopes[i], rel=1e-3, abs=1e-16)


@pytest.mark.parametrize("seed", range(6))
def test_it_rises_and_says_how_often_each_token_was_kept(seed: int) -> None:
    cost, masses = problem(seed)
    kept = medoids(cost, 5, 100, masses)
    start, target = _medoid_prices(cost, kept, masses), _error(cost, kept, masses)

    prices, shares = ascend_prices(*in_order(cost), masses, 5, start, target, 1000)

    before, after = (evaluate(cost, 5, one, masses) for one in (start, prices))
    assert before < after <= target
    assert after > 0.9 * target
    assert shares.sum() == pytest.approx(5.0, rel=1e-3)  # a running mean that began with nothing
    assert shares.min() >= 0.0
    assert shares.max() <= 1.0
    likely = settle_medoids(cost, np.argsort(-shares)[:5], 5, 100, masses)
    assert _error(cost, likely, masses) <= target * (1.0 + ROUNDING), "where it would keep is a good start"


def test_a_bound_that_reaches_its_target_ends_it_where_it_is() -> None:
    tokens = np.repeat([[0.0], [10.0], [20.0]], 4, axis=0) + np.tile([0.0, 0.1, 0.2, 0.3], 3)[:, None]
    cost, masses = squared_distances(tokens), np.full(12, 1.0 / 12)
    kept = medoids(cost, 3, 100)
    start = np.full(12, 4.0)

    prices, _ = ascend_prices(*in_order(cost), masses, 3, start, _error(cost, kept, masses), 1000)

    np.testing.assert_array_equal(prices, start)
    assert evaluate(cost, 3, prices, masses) == pytest.approx(_error(cost, kept, masses), rel=1e-9)


def test_medoids_are_worth_the_same_at_their_prices() -> None:
    cost, masses = problem(9)
    kept = medoids(cost, 6, 100, masses)
    prices, nearest = _medoid_prices(cost, kept, masses), cost[:, kept].argmin(axis=1)

    gains = [masses[nearest == c] @ (prices - cost[:, one])[nearest == c] for c, one in enumerate(kept)]

    np.testing.assert_allclose(gains, gains[0], rtol=1e-9)
    others = np.sort(cost[:, kept], axis=1)
    assert (prices >= others[:, 0]).all()
    assert (prices <= others[:, 1] * (1.0 + ROUNDING)).all()
