"""The proof of a transport: its bracket holds the optimum whatever was rounded, and its masses are exact."""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np
import pytest

import otanalysis as ota
from otanalysis.transport import exact, simplex, squared_distances


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
        one = simplex._assessed(cost, found.plan, prices)
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
    solve = simplex._simplex

    def counted(cost: np.ndarray, *rest: Any) -> Any:
        solved.append(len(cost))
        return solve(cost, *rest)

    monkeypatch.setattr(simplex, "_simplex", counted)

    found = ota.wasserstein2(tokens[:, None], kept)

    assert len(solved) >= 3, (
        "the costs, the costs without what cannot carry mass, and those less the potentials"
    )
    units = lcm(m, k)
    moved = np.repeat(np.sort(tokens), units // m) - np.repeat(np.sort(tokens[kept]), units // k)
    assert found.squared_distance == pytest.approx(float((moved**2).mean()), rel=2.0 * simplex.GAP_TOLERANCE)
    assert exact.verify_transport(tokens[:, None], found).sound


def test_masses_are_the_exact_ones_and_no_others() -> None:
    plan = ota.wasserstein2(np.random.default_rng(7).standard_normal((9, 2)), [0, 3, 4, 8]).plan

    found = simplex.masses(plan)

    assert found.units == 36
    assert found.whole is not None
    assert np.bincount(found.rows, found.whole, 9).tolist() == [4.0] * 9
    assert np.bincount(found.columns, found.whole, 4).tolist() == [9.0] * 4
    np.testing.assert_allclose(found.whole / 36, found.given, rtol=1e-12)
    assert simplex.masses(np.full((9, 4), 1 / 36)).whole is not None
    assert simplex.masses(np.full((6, 4), 1 / 24)).whole is None
    swung = plan.copy()
    swung[0] -= 1 / 36
    assert simplex.masses(swung).whole is None
