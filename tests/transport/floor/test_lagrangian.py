"""The Lagrangian bound: against its definition in whole numbers, and against every kept set."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.transport import lagrangian_bound, squared_distances
from otanalysis.transport.exact import solve_exact
from otanalysis.transport.floor import lagrangian
from otanalysis.transport.floor.cuts import CapacityCuts
from otanalysis.transport.floor.lagrangian import cheapest_fill

# What the bound gives up for errors in the distances, and for sums of a few dozen terms of the largest one.
GIVEN_UP = 1.1e-9
ROUNDING = 1e-11
# HiGHS stops at feasibilities of 1e-7; its vertices are exact to far better than this.
SOLVER_TOLERANCE = 1e-9


def draw_cuts(generator: np.random.Generator, m: int, keep: int, count: int) -> CapacityCuts:
    """Return cuts of random groups, half of them with the group itself as keepers."""
    served = generator.random((count, m)) < generator.random((count, 1))
    keepers = generator.random((count, m)) < generator.random((count, 1))
    keepers[::2] = served[::2]
    return CapacityCuts(served, keepers, m / keep)


def draw_prices(
    generator: np.random.Generator, cost: np.ndarray, keep: int, cuts: CapacityCuts
) -> tuple[np.ndarray, np.ndarray]:
    """Return prices of tokens and cuts: the potentials of some kept set, disturbed a little or a lot."""
    scale = float(cost.max())
    potentials = solve_exact(cost, generator.permutation(len(cost))[:keep]).potentials[0]
    noise = scale * 10.0 ** generator.uniform(-6, 2)
    multipliers = potentials + noise * generator.standard_normal(len(cost))
    dear = scale * 10.0 ** generator.uniform(-4, 0) * generator.exponential(size=len(cuts))
    return multipliers, dear * (generator.random(len(cuts)) < 0.7)


def by_definition(
    cost: np.ndarray, keep: int, multipliers: np.ndarray, cuts: CapacityCuts, dear: np.ndarray
) -> Fraction:
    """Return the formula at the head of the module, in exact arithmetic, loop by loop."""
    m = len(cost)
    q = Fraction(m, keep)
    prices = [Fraction(float(value)) for value in multipliers]
    priced = []
    for served, keepers, value in zip(cuts.served, cuts.keepers, dear, strict=True):
        whole, rest = divmod(int(served.sum()) / q, 1)
        priced.append((served, keepers, Fraction(float(value)), whole, rest))
    columns = []
    for j in range(m):
        entries = sorted(
            Fraction(float(cost[i, j])) - prices[i] + sum(p for a, b, p, _, _ in priced if a[i] and b[j])
            for i in range(m)
        )
        left, total = q, Fraction(0)
        for entry in entries:
            total += min(left, Fraction(1)) * entry
            left -= min(left, Fraction(1))
        columns.append(total - sum(q * rest * p for _, b, p, _, rest in priced if b[j]))
    limits = [p * q * whole * (1 - rest) for _, _, p, whole, rest in priced]
    return sum(prices + [-one for one in limits] + sorted(columns)[:keep], Fraction(0)) / m


def misses(small_cloud: Callable[..., np.ndarray], law: str, seeds: range) -> list[str]:
    """Return where the computed bound is above its definition, or needlessly far below."""
    found = []
    for seed in seeds:
        generator = np.random.default_rng(seed)
        m = int(generator.integers(1, 9))
        keep = int(generator.integers(1, m + 1))
        tokens = small_cloud(law, seed, m)
        cost = squared_distances(tokens)
        cuts = draw_cuts(generator, m, keep, int(generator.integers(0, 4)))
        multipliers, dear = draw_prices(generator, cost, keep, cuts)
        value = lagrangian_bound(tokens, keep, multipliers, cuts=cuts, cut_prices=dear)
        exact = by_definition(cost, keep, multipliers, cuts, dear)
        scale = cost.max() + np.abs(multipliers).max() + dear.sum()
        if Fraction(value) > exact:
            found.append(f"above at {law} {seed}")
        if value < float(exact) - GIVEN_UP * abs(float(exact)) - ROUNDING * scale - lagrangian.TINY:
            found.append(f"far below at {law} {seed}")
    return found


def test_it_is_the_definition_less_an_allowance(small_cloud: Callable[..., np.ndarray], law: str) -> None:
    assert misses(small_cloud, law, range(25)) == []


def test_without_the_allowance_rounding_would_be_noticed(
    small_cloud: Callable[..., np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("EPS", "COST_ERROR", "TINY"):
        monkeypatch.setattr(lagrangian, name, 0.0)

    assert any(miss.startswith("above") for miss in misses(small_cloud, "gaussian", range(25)))


def violations(
    small_cloud: Callable[..., np.ndarray],
    smallest_distance: Callable[..., float],
    law: str,
    seeds: range,
    draws: int = 12,
) -> list[str]:
    """Return where random prices give a bound above the smallest distance of all kept sets."""
    found = []
    for seed in seeds:
        generator = np.random.default_rng([seed, 1])
        m = int(generator.integers(1, 9))
        keep = int(generator.integers(1, m + 1))
        tokens = small_cloud(law, seed, m)
        image = Image(tokens)
        optimum = smallest_distance(tokens, keep)
        for _ in range(draws):
            cuts = draw_cuts(generator, m, keep, 3)
            multipliers, dear = draw_prices(generator, image.squared_distances, keep, cuts)
            value = lagrangian_bound(image, keep, multipliers, cuts=cuts, cut_prices=dear)
            if value > optimum:
                found.append(f"{law} {seed}: {value} > {optimum}")
    return found


def test_no_prices_lift_it_above_the_best_kept_set(
    small_cloud: Callable[..., np.ndarray], smallest_distance: Callable[..., float], law: str
) -> None:
    assert violations(small_cloud, smallest_distance, law, range(80)) == []


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("limit", lambda cuts: np.zeros(len(cuts))),
        ("rest", lambda cuts: np.zeros(len(cuts))),
        ("_rebates", lambda cuts: np.zeros(cuts.keepers.shape)),
    ],
)
def test_a_cut_with_a_wrong_term_is_noticed(
    small_cloud: Callable[..., np.ndarray],
    smallest_distance: Callable[..., float],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    wrong: Callable[[CapacityCuts], np.ndarray],
) -> None:
    monkeypatch.setattr(CapacityCuts, name, property(wrong))

    assert violations(small_cloud, smallest_distance, "clusters", range(15))


def test_fourteen_tokens_too(
    small_cloud: Callable[..., np.ndarray], smallest_distance: Callable[..., float]
) -> None:
    generator = np.random.default_rng(2)
    for keep in (2, 7, 13):
        tokens = small_cloud("clusters", 1, 14)
        cost = squared_distances(tokens)
        optimum = smallest_distance(tokens, keep)
        for _ in range(100):
            cuts = draw_cuts(generator, 14, keep, 3)
            multipliers, dear = draw_prices(generator, cost, keep, cuts)
            assert lagrangian_bound(tokens, keep, multipliers, cuts=cuts, cut_prices=dear) <= optimum


@pytest.mark.parametrize("capacity", [0.4, 1.0, 2.5, 3.0, 10 / 3, 7.0])
def test_filling_is_the_cheapest_by_linear_programming(capacity: float) -> None:
    rows = np.random.default_rng(3).standard_normal((6, 7))
    rows[0] = 1.0  # all equal

    fill = cheapest_fill(rows, capacity)

    for row, positions, weights, total in zip(rows, fill.positions, fill.weights, fill.totals, strict=True):
        best = linprog(row, A_eq=np.ones((1, 7)), b_eq=[capacity], bounds=(0, 1), method="highs")
        assert total == pytest.approx(best.fun, rel=SOLVER_TOLERANCE)
        assert row[positions] @ weights == pytest.approx(total, rel=ROUNDING)
        assert weights.sum() == pytest.approx(capacity, rel=ROUNDING)
        assert len(set(positions)) == len(positions)
        assert weights.min() >= 0.0
        assert weights.max() <= 1.0


def test_negative_cut_prices_count_as_zero() -> None:
    tokens = np.random.default_rng(4).standard_normal((8, 2))
    cuts = draw_cuts(np.random.default_rng(5), 8, 3, 2)
    multipliers = np.full(8, 0.3)

    with_negative = lagrangian_bound(tokens, 3, multipliers, cuts=cuts, cut_prices=[-5.0, 0.2])

    assert with_negative == lagrangian_bound(tokens, 3, multipliers, cuts=cuts, cut_prices=[0.0, 0.2])


def test_a_capacity_that_is_nearly_right_gives_no_other_bound() -> None:
    tokens = np.random.default_rng(6).standard_normal((8, 2))
    cuts = draw_cuts(np.random.default_rng(7), 8, 3, 2)
    off = CapacityCuts(cuts.served, cuts.keepers, cuts.capacity * (1 + 1e-10))
    given: dict[str, Any] = {"cut_prices": [1e6, 1e6]}

    right = lagrangian_bound(tokens, 3, np.ones(8), cuts=cuts, **given)

    assert lagrangian_bound(tokens, 3, np.ones(8), cuts=off, **given) == right


def test_prices_of_any_size_give_a_number() -> None:
    tokens = np.random.default_rng(8).standard_normal((6, 2))
    cuts = draw_cuts(np.random.default_rng(9), 6, 4, 2)
    largest = np.finfo(np.float64).max

    for multipliers in (np.full(6, largest), np.full(6, -largest), largest * (-1.0) ** np.arange(6)):
        value = lagrangian_bound(1e150 * tokens, 4, multipliers, cuts=cuts, cut_prices=[largest, largest])
        assert value <= 0.0


CUTS = CapacityCuts(np.ones((1, 4), bool), np.ones((1, 4), bool), 2.0)
SHORT = CapacityCuts(np.ones((1, 3), bool), np.ones((1, 3), bool), 2.0)
NUMBERS: Any = CapacityCuts(np.full((1, 4), 2.0), np.ones((1, 4), bool), 2.0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"multipliers": [0.0, 0.0, 0.0]}, "4 finite numbers"),
        ({"multipliers": [0.0, 0.0, np.nan, 0.0]}, "4 finite numbers"),
        ({"keep": 0}, "1..4"),
        ({"keep": 5}, "1..4"),
        ({"cuts": CUTS}, "both or neither"),
        ({"cut_prices": [1.0]}, "both or neither"),
        ({"cuts": CUTS, "cut_prices": [1.0, 2.0]}, "one a cut"),
        ({"cuts": CUTS, "cut_prices": [np.inf]}, "one a cut"),
        ({"cuts": SHORT, "cut_prices": [1.0]}, "each of the 4 tokens"),
        ({"cuts": NUMBERS, "cut_prices": [1.0]}, "true or false"),
        ({"cuts": CUTS, "cut_prices": [1.0], "keep": 3}, "capacity of 2 tokens"),
        ({"tokens": [[0.0], [np.inf], [1.0], [2.0]]}, "finite"),
    ],
)
def test_what_makes_no_sense_is_refused(changed: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"tokens": [[0.0], [1.0], [4.0], [5.0]], "keep": 2, "multipliers": np.zeros(4)}

    with pytest.raises(InputError, match=message):
        lagrangian_bound(**(given | changed))
