"""Plans that change: optimal after every exchange, and the same as before once undone."""

from __future__ import annotations

from math import gcd

import numpy as np
import pytest

from otanalysis.transport import squared_distances
from otanalysis.transport.exact import solve_exact
from otanalysis.transport.floor.flow import Flow, clone_flow, restore_flow, solve_flow, swap_keeper

ROUNDING = 1e-9


def problem(m: int, keep: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Return costs of about one [m, m], some kept tokens, and weights and capacity in units."""
    generator = np.random.default_rng(seed)
    cost = squared_distances(generator.standard_normal((m, 3)))
    units = gcd(m, keep)
    return cost / cost.max(), generator.permutation(m)[:keep], np.full(m, keep // units), m // units


def check(flow: Flow, cost: np.ndarray, total: float, weight: np.ndarray, capacity: int) -> None:
    """See that the flow is a plan, that its parts agree, and that nothing is cheaper."""
    keep = flow.amount.shape[1]
    np.testing.assert_array_equal(flow.amount.sum(axis=1), weight)
    np.testing.assert_array_equal(flow.amount.sum(axis=0), capacity)
    np.testing.assert_array_equal(flow.residual, 0)
    np.testing.assert_array_equal(np.flatnonzero(flow.used), np.sort(flow.kept))
    np.testing.assert_array_equal(flow.cost, cost[:, flow.kept])
    for a in range(keep):
        members = np.flatnonzero(flow.amount[:, a])
        assert sorted(flow.members[a, : flow.number[a]]) == list(members)
        np.testing.assert_array_equal(
            np.delete(flow.move[a], a),
            np.delete((flow.cost[members] - flow.cost[members, a, None]).min(0), a),
        )
    # The prices are a proof: with them no token has a cheaper column than those that serve it.
    assert (flow.price[None] <= flow.price[:, None] + flow.move + 1e-12)[~np.eye(keep, dtype=bool)].all()
    assert (flow.amount * flow.cost).sum() == pytest.approx(total, rel=ROUNDING)
    exact = solve_exact(cost, np.sort(flow.kept), masses=weight / weight.sum()).squared_distance
    assert total / weight.sum() == pytest.approx(exact, rel=ROUNDING)


@pytest.mark.parametrize(("m", "keep"), [(40, 7), (40, 10), (36, 1), (30, 29), (45, 30), (24, 12), (12, 12)])
@pytest.mark.parametrize("seed", range(3))
def test_a_new_plan_is_optimal(seed: int, m: int, keep: int) -> None:
    cost, kept, weight, capacity = problem(m, keep, seed)

    flow, total = solve_flow(cost, kept, weight, capacity)

    check(flow, cost, total, weight, capacity)


@pytest.mark.parametrize(("m", "keep"), [(40, 7), (40, 10), (36, 1), (30, 29), (45, 30), (24, 12)])
def test_it_stays_optimal_through_exchanges(m: int, keep: int) -> None:
    cost, kept, weight, capacity = problem(m, keep, 0)
    generator = np.random.default_rng(1)
    flow, total = solve_flow(cost, kept, weight, capacity)

    for _ in range(15):
        token = generator.choice(np.flatnonzero(~flow.used))
        total = swap_keeper(cost, flow, generator.integers(keep), token, total, np.inf)
        check(flow, cost, total, weight, capacity)


def test_tokens_of_any_weights_stay_optimal_through_exchanges() -> None:
    cost, kept, _, _ = problem(40, 7, 0)
    generator = np.random.default_rng(1)
    weight = generator.integers(0, 50, 40)
    weight[0] += -weight.sum() % 7
    capacity = int(weight.sum()) // 7
    flow, total = solve_flow(cost, kept, weight, capacity)
    check(flow, cost, total, weight, capacity)

    for _ in range(15):
        token = generator.choice(np.flatnonzero(~flow.used))
        total = swap_keeper(cost, flow, generator.integers(7), token, total, np.inf)
        check(flow, cost, total, weight, capacity)


@pytest.mark.parametrize("limit", [np.inf, 1.02])
def test_an_exchange_can_be_undone(limit: float) -> None:
    cost, kept, weight, capacity = problem(40, 7, 0)
    generator = np.random.default_rng(1)
    flow, total = solve_flow(cost, kept, weight, capacity)
    copy, given_up = clone_flow(flow), 0

    for _ in range(15):
        token = generator.choice(np.flatnonzero(~flow.used))
        other = swap_keeper(cost, flow, generator.integers(7), token, total, limit * total)
        given_up += np.isinf(other)
        assert flow.used[token]
        restore_flow(flow, copy)

        for mine, its, name in zip(flow, copy, Flow._fields, strict=True):
            if name == "members":
                mine, its = (
                    [set(row[:n]) for row, n in zip(x, copy.number, strict=True)] for x in (mine, its)
                )
            np.testing.assert_array_equal(mine, its, err_msg=name)
        check(flow, cost, total, weight, capacity)
    assert (given_up > 0) == np.isfinite(limit)
