"""The dual ascent: never below its start, close to the relaxation's optimum; the plan that it averages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from otanalysis.transport import lagrangian_bound, squared_distances
from otanalysis.transport.ascent import Climb, climb
from otanalysis.transport.capacity import CapacityCuts
from otanalysis.transport.descent import settle
from otanalysis.transport.lagrangian import Prices

ROUNDING = 1e-9
# What a subgradient method of some hundred steps leaves of a small relaxation, as a share of its value.
LEFT_OPEN = 0.02


def problem(seed: int, m: int = 10, keep: int = 4) -> tuple[np.ndarray, int, CapacityCuts]:
    """Return tokens, how many to keep, and three cuts."""
    generator = np.random.default_rng(seed)
    served = generator.random((3, m)) < 0.6
    return generator.standard_normal((m, 2)), keep, CapacityCuts(served, served, m / keep)


def value_of(tokens: np.ndarray, keep: int, prices: Prices) -> float:
    """Return the bound that prices give."""
    return lagrangian_bound(tokens, keep, prices.tokens, cuts=prices.cuts, cut_prices=prices.cut_prices)


def climbed(tokens: np.ndarray, keep: int, prices: Prices, steps: int) -> Climb:
    """Return where an ascent towards the distance of a settled set ends."""
    cost = squared_distances(tokens)
    target = settle(cost, np.arange(keep), 10).squared_distance
    return climb(cost, keep, prices, target=target, steps=steps)


@pytest.mark.parametrize("steps", [1, 7, 60])
@pytest.mark.parametrize("seed", range(6))
def test_it_never_ends_below_its_start(seed: int, steps: int) -> None:
    tokens, keep, cuts = problem(seed)
    generator = np.random.default_rng([seed, 1])
    start = Prices(generator.standard_normal(10), cuts, generator.exponential(size=3))

    end = climbed(tokens, keep, start, steps).prices

    assert value_of(tokens, keep, end) >= value_of(tokens, keep, start)
    assert (end.cut_prices >= 0.0).all()


@pytest.mark.parametrize("seed", range(6))
def test_it_comes_close_to_the_relaxation_and_not_above(seed: int, relax: Callable[..., Any]) -> None:
    tokens, keep, cuts = problem(seed)

    end = climbed(tokens, keep, Prices(np.zeros(10), cuts, np.zeros(3)), 800).prices

    best = relax(squared_distances(tokens), keep, cuts.served, cuts.keepers).value
    assert (1 - LEFT_OPEN) * best < value_of(tokens, keep, end) <= best * (1 + ROUNDING)


@pytest.mark.parametrize("seed", range(8))
def test_what_the_short_lists_promised_wrongly_is_taken_back(seed: int) -> None:
    generator = np.random.default_rng(seed)
    tokens = generator.standard_normal((150, 2)) * np.where(np.arange(150) < 3, 10.0, 1.0)[:, None]
    nobody = np.zeros((0, 150), bool)
    # Prices that differ a lot make the cheapest entries others than the nearest, and change quickly.
    start = Prices(generator.random(150), CapacityCuts(nobody, nobody, 2.5), np.zeros(0))

    # One step fewer than it takes until all entries are looked at again.
    end = climbed(tokens, 60, start, 24).prices

    assert value_of(tokens, 60, end) >= value_of(tokens, 60, start)


@pytest.mark.parametrize("steps", [3, 250])
def test_the_averaged_plan_fills_what_it_keeps(steps: int) -> None:
    tokens, keep, cuts = problem(3, 30, 7)
    nobody = np.zeros((0, 30), bool)

    end = climbed(
        tokens, keep, Prices(np.zeros(30), CapacityCuts(nobody, nobody, 30 / 7), np.zeros(0)), steps
    )

    assert end.kept.sum() == pytest.approx(keep, rel=ROUNDING)
    assert end.shares.sum(axis=0) == pytest.approx(cuts.capacity * end.kept, abs=ROUNDING)
    assert (end.shares <= end.kept + ROUNDING).all()
    assert end.shares.min() >= 0.0


def test_prices_that_are_right_at_once_are_kept() -> None:
    tokens = np.array([[0.0], [0.1], [10.0], [10.1]])
    nobody = np.zeros((0, 4), bool)
    start = Prices(np.full(4, 0.005), CapacityCuts(nobody, nobody, 2.0), np.zeros(0))

    end = climbed(tokens, 2, start, 300)

    assert value_of(tokens, 2, end.prices) == pytest.approx(0.005, rel=1e-8)
    assert end.kept.sum() == 2.0
