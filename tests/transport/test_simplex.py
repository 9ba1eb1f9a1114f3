"""The proof of a transport: its bracket holds the optimum whatever was rounded."""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np
import pytest

import otanalysis as ota
from otanalysis.transport import exact, simplex, squared_distances, verify_transport
from otanalysis.transport.marginals import UniformMarginals, WeightedMarginals


@pytest.mark.parametrize("seed", range(40))
def test_the_bracket_of_a_solution_holds_the_optimum_in_rational_arithmetic(seed: int) -> None:
    """Of any prices, good or bad: the lower end is below, the upper above, whatever was rounded."""
    generator = np.random.default_rng(seed)
    m, k = int(generator.integers(2, 7)), int(generator.integers(1, 3))
    tokens = generator.standard_normal((m, 2)) * 10.0 ** generator.uniform(-8, 8, (m, 1))
    kept = generator.permutation(m)[:k].tolist()
    cost = np.ascontiguousarray(squared_distances(tokens)[:, kept])
    rational = [[Fraction(float(one)) for one in row] for row in cost]
    found = simplex.solve_uniform(cost, exact.MAX_PIVOTS)
    size = 10.0 ** generator.uniform(-16, 0) * cost.max()

    for prices in (found.v, found.v + size * generator.standard_normal(k)):
        one = simplex._assessed(cost, UniformMarginals(m, k), found.plan, prices)
        u, v = ([Fraction(float(price)) for price in side] for side in (one.u, one.v))
        over = max(u[i] + v[j] - rational[i][j] for i in range(m) for j in range(k))
        lower = sum(u) / m + sum(v) / k
        loss = (
            sum(max(Fraction(0), u[i] - min(rational[i][j] - v[j] for j in range(k))) for i in range(m)) / m
        )
        assert Fraction(one.dual) - Fraction(one.dual_rounding) <= lower - loss
        assert over <= Fraction(4.0 * one.dual_rounding) * m
        whole = np.rint(one.plan * lcm(m, k)).astype(int)
        upper = sum(int(whole[i, j]) * rational[i][j] for i in range(m) for j in range(k)) / lcm(m, k)
        assert upper <= Fraction(one.value) + Fraction(one.value_rounding)


@pytest.mark.parametrize("seed", range(40))
def test_the_bracket_between_any_masses_holds_the_optimum_in_rational_arithmetic(seed: int) -> None:
    generator = np.random.default_rng(seed)
    m, k = int(generator.integers(2, 7)), int(generator.integers(1, 3))
    tokens = generator.standard_normal((m, 2)) * 10.0 ** generator.uniform(-4, 4, (m, 1))
    cost = np.ascontiguousarray(squared_distances(tokens)[:, :k])
    rational = [[Fraction(float(one)) for one in row] for row in cost]
    sides = [10.0 ** generator.uniform(-6, 0, size) for size in (m, k)]
    rows, columns = (one / one.sum() for one in sides)
    marginals = WeightedMarginals(rows, columns)
    found = simplex.solve_weighted(cost, rows, columns, exact.MAX_PIVOTS)
    size = 10.0 ** generator.uniform(-16, 0) * cost.max()
    a, b = ([Fraction(float(one)) / sum(map(Fraction, side)) for one in side] for side in (rows, columns))

    for prices in (found.v, found.v + size * generator.standard_normal(k)):
        one = simplex._assessed(cost, marginals, found.plan, prices)
        v = [Fraction(float(price)) for price in one.v]
        # The best that is feasible with these v: what is below it is below the optimum.
        u = [min(rational[i][j] - v[j] for j in range(k)) for i in range(m)]
        lower = sum(p * q for p, q in zip(a, u, strict=True)) + sum(p * q for p, q in zip(b, v, strict=True))
        assert Fraction(one.dual) - Fraction(one.dual_rounding) <= lower
        carried = marginals.masses(one.plan)
        assert carried.whole is not None
        upper = sum(
            Fraction(float(mass)) * rational[i][j]
            for i, j, mass in zip(carried.rows, carried.columns, carried.whole, strict=True)
        )
        assert upper <= Fraction(one.value) + Fraction(one.value_rounding)
        assert lower <= upper * (1 + Fraction(1e-15))


@pytest.mark.parametrize(
    ("m", "k", "far", "spread"),
    [(359, 200, 1e2, 0.01), (401, 151, 1e3, 0.01), (503, 362, 1e4, 0.1), (617, 397, 1e2, 0.1)],
)
def test_what_is_far_smaller_than_the_largest_cost_is_solved_on_reduced_costs(
    monkeypatch: pytest.MonkeyPatch, m: int, k: int, far: float, spread: float
) -> None:
    """On a line the plan is known: the smallest tokens go to the smallest kept ones, in units of mass."""
    tokens = spread * np.random.default_rng(0).standard_normal(m)
    tokens[-m // 6 :] = far
    kept = [*range(k - k // 6), *range(m - k // 6, m)]
    solved: list[int] = []
    solve = simplex.network_simplex

    def counted(cost: np.ndarray, *rest: Any) -> Any:
        solved.append(len(cost))
        return solve(cost, *rest)

    monkeypatch.setattr(simplex, "network_simplex", counted)

    found = ota.wasserstein2(tokens[:, None], kept)

    assert len(solved) >= 3, (
        "the costs, the costs without what cannot carry mass, and those less the potentials"
    )
    units = lcm(m, k)
    moved = np.repeat(np.sort(tokens), units // m) - np.repeat(np.sort(tokens[kept]), units // k)
    assert found.squared_distance == pytest.approx(float((moved**2).mean()), rel=2.0 * simplex.GAP_TOLERANCE)
    assert verify_transport(tokens[:, None], found).sound
