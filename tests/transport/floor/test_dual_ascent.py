"""The dual ascent: close to the relaxation's optimum and never above; the plan that it ends with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from otanalysis.transport import lagrangian_bound, squared_distances
from otanalysis.transport.floor import dual_ascent
from otanalysis.transport.floor.cuts import CapacityCuts
from otanalysis.transport.floor.dual_ascent import DualSolution, ascend_dual
from otanalysis.transport.floor.lagrangian import Prices

ROUNDING = 1e-9
# What some hundred steps and the last smoothing leave of a small relaxation, as a share of its value.
LEFT_OPEN = 0.02


def problem(seed: int, m: int = 10, keep: int = 4) -> tuple[np.ndarray, int, CapacityCuts]:
    """Return tokens, how many to keep, and three cuts."""
    generator = np.random.default_rng(seed)
    served = generator.random((3, m)) < 0.6
    return generator.standard_normal((m, 2)), keep, CapacityCuts(served, served, m / keep)


def value_of(tokens: np.ndarray, keep: int, prices: Prices) -> float:
    """Return the bound that prices give."""
    return lagrangian_bound(tokens, keep, prices.tokens, cuts=prices.cuts, cut_prices=prices.cut_prices)


def ascended(tokens: np.ndarray, keep: int, prices: Prices, steps: int, width: float = 1e-3) -> DualSolution:
    """Return where an ascent ends that narrows the smoothing in three stages."""
    cost = squared_distances(tokens)
    for factor in (100.0, 10.0):
        prices = ascend_dual(cost, keep, prices, width=factor * width, steps=steps).prices
    return ascend_dual(cost, keep, prices, width=width, steps=steps)


@pytest.mark.parametrize("seed", range(6))
def test_it_comes_close_to_the_relaxation_and_not_above(seed: int, relax: Callable[..., Any]) -> None:
    tokens, keep, cuts = problem(seed)

    end = ascended(tokens, keep, Prices(np.zeros(10), cuts, np.zeros(3)), 300).prices

    best = relax(squared_distances(tokens), keep, cuts.served, cuts.keepers).value
    assert (1 - LEFT_OPEN) * best < value_of(tokens, keep, end) <= best * (1 + ROUNDING)
    assert (end.cut_prices >= 0.0).all()


def test_few_steps_stay_farther_below() -> None:
    tokens, keep, cuts = problem(0)
    start = Prices(np.zeros(10), cuts, np.zeros(3))

    few, many = (value_of(tokens, keep, ascended(tokens, keep, start, steps).prices) for steps in (2, 300))

    assert few < many * (1 - LEFT_OPEN)


def test_lifted_prices_have_every_token_served_by_some() -> None:
    # In many dimensions the nearest tokens of all are the same few, and the others near to hardly any.
    cost = squared_distances(np.random.default_rng(0).standard_normal((150, 100)))

    def servers(rows: np.ndarray) -> np.ndarray:
        """Return how many columns have each token among the ten that fill them."""
        return np.count_nonzero(rows <= np.sort(rows, axis=1)[:, [9]], axis=0)

    lifted = dual_ascent._with_raised_prices(cost, 15)

    assert (lifted <= cost).all()
    assert servers(cost).min() < 6
    assert np.count_nonzero(lifted <= np.sort(cost, axis=1)[:, [9]] + 1e-9, axis=0).min() >= 6


@pytest.mark.parametrize("choice", [1.0, np.inf])
@pytest.mark.parametrize("steps", [1, 100])
def test_the_plan_fills_what_it_keeps(steps: int, choice: float) -> None:
    tokens, keep, _ = problem(3, 30, 7)
    nobody = np.zeros((0, 30), bool)
    start = Prices(np.zeros(30), CapacityCuts(nobody, nobody, 30 / 7), np.zeros(0))

    end = ascend_dual(squared_distances(tokens), keep, start, width=0.1, steps=steps, choice=choice)

    assert end.kept.sum() == pytest.approx(keep, rel=ROUNDING)
    assert end.shares.sum(axis=0) == pytest.approx(30 / 7 * end.kept, abs=1e-8)
    assert (end.shares <= end.kept + ROUNDING).all()
    assert end.shares.min() >= 0.0


def test_prices_that_are_right_at_once_are_kept() -> None:
    tokens = np.array([[0.0], [0.1], [10.0], [10.1]])
    nobody = np.zeros((0, 4), bool)
    start = Prices(np.full(4, 0.005), CapacityCuts(nobody, nobody, 2.0), np.zeros(0))

    end = ascend_dual(squared_distances(tokens), 2, start, width=1e-9, steps=300)

    assert value_of(tokens, 2, end.prices) == pytest.approx(0.005, rel=1e-6)
