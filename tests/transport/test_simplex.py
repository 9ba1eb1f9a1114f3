"""The proof of a transport: its bracket holds the optimum whatever was rounded."""

from __future__ import annotations

from fractions import Fraction
from math import lcm

import numpy as np
import pytest

from otanalysis.transport import exact, simplex, squared_distances
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
