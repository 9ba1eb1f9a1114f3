"""The masses of plans: restored exactly from the support, and from nothing else."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import otanalysis as ota
from otanalysis.transport.exact import MAX_PIVOTS
from otanalysis.transport.marginals import Marginals, UniformMarginals, WeightedMarginals
from otanalysis.transport.simplex import solve_weighted


def test_uniform_masses_are_the_exact_ones_and_no_others() -> None:
    plan = ota.wasserstein2(np.random.default_rng(7).standard_normal((9, 2)), [0, 3, 4, 8]).plan
    uniform = UniformMarginals(9, 4)

    found = uniform.masses(plan)

    assert found.units == 36
    assert found.whole is not None
    assert np.bincount(found.rows, found.whole, 9).tolist() == [4.0] * 9
    assert np.bincount(found.columns, found.whole, 4).tolist() == [9.0] * 4
    np.testing.assert_allclose(found.whole / 36, found.given, rtol=1e-12)
    assert uniform.masses(np.full((9, 4), 1 / 36)).whole is not None
    assert UniformMarginals(6, 4).masses(np.full((6, 4), 1 / 24)).whole is None
    swung = plan.copy()
    swung[0] -= 1 / 36
    assert uniform.masses(swung).whole is None


def masses(seed: int, size: int, least: float) -> np.ndarray:
    weights = 10.0 ** np.random.default_rng(seed).uniform(least, 0, size)
    return np.asarray(weights / weights.sum())


@pytest.mark.parametrize("least", [0.0, -3.0, -12.0])
@pytest.mark.parametrize("seed", range(8))
def test_weighted_masses_follow_from_the_support_in_rational_arithmetic(seed: int, least: float) -> None:
    m, k = 11, 4
    marginals = WeightedMarginals(masses(seed, m, least), masses(seed + 100, k, least))
    cost = ota.squared_distances(np.random.default_rng(seed).standard_normal((m, 2)))[:, :k].copy()
    plan = solve_weighted(cost, marginals.rows, marginals.columns, MAX_PIVOTS).plan
    rounded = plan * (1 + 1e-6 * np.random.default_rng(seed).standard_normal(plan.shape))

    restored = marginals.restored(rounded)

    np.testing.assert_allclose(restored, plan, rtol=1e-15)
    exact = [[Fraction(float(one)) for one in row] for row in restored]
    rows, columns = ([Fraction(float(one)) for one in side] for side in (marginals.rows, marginals.columns))
    allowed = Fraction(2.0**-52)  # one rounding a mass, and the sum of all masses that the shares are of
    for i in range(m):
        assert abs(sum(exact[i]) - rows[i] / sum(rows)) <= allowed * rows[i]
    for j in range(k):
        got = sum(exact[i][j] for i in range(m))
        assert abs(got - columns[j] / sum(columns)) <= allowed * columns[j]


def test_a_plan_with_a_cycle_or_without_a_way_is_left_as_it_is() -> None:
    marginals = WeightedMarginals(np.array([0.25, 0.75]), np.array([0.5, 0.5]))
    cycle = np.outer(marginals.rows, marginals.columns)
    crossed = np.diag([0.25, 0.5])  # the second row cannot get rid of a quarter
    backwards = np.array([[0.25, 0.25], [0.75, 0.0]])  # column 0 would need less than nothing of row 0

    for plan in (cycle, crossed, backwards):
        assert marginals.masses(plan).whole is None
        assert marginals.restored(plan) is plan
    right = np.array([[0.25, 0.0], [0.25, 0.5]])
    np.testing.assert_array_equal(marginals.restored(1.5 * right), right)
    dust = right + np.array([[0.0, 0.0], [0.0, 1e-20]])
    np.testing.assert_array_equal(marginals.restored(dust), right)


@pytest.mark.parametrize(
    "marginals", [UniformMarginals(6, 4), WeightedMarginals(masses(0, 6, -5.0), masses(1, 4, -5.0))]
)
def test_what_is_said_of_potentials_is_their_mean_over_the_masses(marginals: Marginals) -> None:
    u, v = np.random.default_rng(2).standard_normal(6), np.random.default_rng(3).standard_normal(4)

    assert marginals.mean(u, v) == pytest.approx((marginals.rows @ u, marginals.columns @ v), rel=1e-14)
    assert marginals.value(u, v) == pytest.approx(sum(marginals.mean(u, v)), rel=1e-14)
    supplies, demands = marginals.supplies
    np.testing.assert_allclose(supplies / marginals.units, marginals.rows, rtol=1e-15)
    np.testing.assert_allclose(demands / marginals.units, marginals.columns, rtol=1e-15)
    assert marginals.shares >= 1.0 / min(marginals.rows.min(), marginals.columns.min()) * (1 - 1e-15)
