"""The search for kept sets: shares kept when rounding, distances that never grow, ends that are ends."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest

from otanalysis.transport import squared_distances
from otanalysis.transport.exact import solve_exact
from otanalysis.transport.floor.local_search import local_search, move_medoids, sample_systematically

# The exact solver's own tolerance, relative to the largest cost.
SOLVER_TOLERANCE = 1e-10
# The chances are capped to 1e-9 of one.
CAPPING = 1e-8
LEAST_WEIGHT = 1e-3  # share of the mean that every token gets on top, as the module says


def capped_chances(weights: np.ndarray, keep: int) -> np.ndarray:
    """Return min(1, t w) with the t that makes their sum ``keep``, by bisection."""
    weights = weights + LEAST_WEIGHT * weights.mean()
    low, high = 0.0, 1.0 / weights.min()
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.minimum(1.0, middle * weights).sum() < keep else (low, middle)
    return np.asarray(np.minimum(1.0, high * weights))


def draw_weights(generator: np.random.Generator, m: int) -> np.ndarray:
    """Return weights with zeros and with some that are much larger than others."""
    weights = generator.exponential(size=m) ** generator.integers(1, 4)
    weights[generator.random(m) < 0.3] = 0.0
    weights[int(generator.integers(m))] = 1.0
    return weights


def runs_off_their_share(
    kept: np.ndarray, order: np.ndarray, weights: np.ndarray, keep: int
) -> list[tuple[int, int]]:
    """Return the runs of the order with more or fewer kept tokens than their chances rounded up or down."""
    sums = np.concatenate([[0.0], np.cumsum(capped_chances(weights, keep)[order])])
    counts = np.concatenate([[0], np.cumsum(np.isin(order, kept))])
    found = []
    for start in range(len(order)):
        for end in range(start + 1, len(order) + 1):
            share, count = sums[end] - sums[start], counts[end] - counts[start]
            if not np.floor(share - CAPPING) <= count <= np.ceil(share + CAPPING):
                found.append((start, end))
    return found


def test_every_run_gets_its_share_rounded_up_or_down() -> None:
    for seed in range(60):
        generator = np.random.default_rng(seed)
        m = int(generator.integers(1, 40))
        keep = int(generator.integers(1, m + 1))
        order, weights = generator.permutation(m), draw_weights(generator, m)

        kept = sample_systematically(order, weights, keep, generator)

        assert len(kept) == keep
        assert (np.diff(kept) > 0).all()
        assert runs_off_their_share(kept, order, weights, keep) == []


def test_drawing_each_token_alone_would_miss_the_shares() -> None:
    generator = np.random.default_rng(0)
    order, weights = generator.permutation(30), draw_weights(generator, 30)
    chance = capped_chances(weights, 8) / 8

    alone = generator.choice(30, 8, replace=False, p=chance)

    assert runs_off_their_share(alone, order, weights, 8)


class Offset:
    """A generator whose only draw is known."""

    def __init__(self, value: float) -> None:
        self.value = value

    def random(self) -> float:
        """Return the known number."""
        return self.value


def test_tokens_are_drawn_as_often_as_their_chances() -> None:
    order, weights = np.random.default_rng(1).permutation(12), draw_weights(np.random.default_rng(2), 12)
    offsets = (np.arange(1000) + 0.5) / 1000
    drawn = np.zeros(12)
    for offset in offsets:
        drawn[sample_systematically(order, weights, 5, cast(np.random.Generator, Offset(offset)))] += 1

    # Each token is hit on an interval as long as its chance: off by two points of the grid at most.
    assert drawn / 1000 == pytest.approx(capped_chances(weights, 5), abs=2e-3)


def problem(law_seed: int, m: int = 40, keep: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Return the squared distances of a cloud and a random kept set."""
    generator = np.random.default_rng(law_seed)
    tokens = generator.standard_normal((m, 3)) * generator.exponential(size=(m, 1))
    tokens[: m // 5] = tokens[0]
    return squared_distances(tokens), generator.permutation(m)[:keep]


@pytest.mark.parametrize("seed", range(8))
def test_local_search_never_raises_the_distance_and_ends_where_no_move_helps(seed: int) -> None:
    cost, start = problem(seed)
    rounding = SOLVER_TOLERANCE * cost.max()
    distances = [local_search(cost, start, rounds).squared_distance for rounds in range(6)]
    end = local_search(cost, start, 1000)

    assert distances[0] == solve_exact(cost, start).squared_distance
    assert (np.diff(distances) <= rounding).all()
    assert end.squared_distance < distances[0]
    free = np.setdiff1d(np.arange(len(cost)), end.indices)
    for column, token in enumerate(end.indices):
        plan = end.plan[:, column]
        assert (cost[free] @ plan >= cost[token] @ plan - rounding).all(), "a cheaper free token is left"


@pytest.mark.parametrize("seed", range(8))
def test_a_move_lowers_the_cost_of_the_plan_and_keeps_the_tokens_distinct(seed: int) -> None:
    cost, start = problem(seed)
    transport = solve_exact(cost, start)

    moved = move_medoids(cost, transport)

    assert len(set(moved)) == len(start)
    before, after = (np.sum(cost[:, kept] * transport.plan) for kept in (transport.indices, moved))
    assert after < before
    np.testing.assert_array_equal(transport.indices, start)


def moved_by_definition(cost: np.ndarray, kept: np.ndarray, plan: np.ndarray) -> list[int]:
    """Return each kept token's cheapest successor in turn, among those that nobody else keeps by then."""
    result = kept.tolist()
    for column in range(len(result)):
        others = result[:column] + result[column + 1 :]
        open_to_it = [token for token in range(len(cost)) if token not in others]
        result[column] = min(open_to_it, key=lambda token: cost[token] @ plan[:, column])
    return [int(one) for one in result]


def test_moves_follow_their_definition() -> None:
    inherited = 0
    for seed in range(60):
        generator = np.random.default_rng(seed)
        cost = squared_distances(generator.standard_normal((12, 2)))
        transport = solve_exact(cost, generator.permutation(12)[:5])

        moved = move_medoids(cost, transport)

        assert moved.tolist() == moved_by_definition(cost, transport.indices, transport.plan)
        left = transport.indices[moved != transport.indices]
        inherited += len(np.intersect1d(left, moved)) > 0
    assert inherited >= 3, "some should move to a place that another one left"


def test_duplicates_do_not_change_places() -> None:
    cost = squared_distances(np.repeat(np.random.default_rng(3).standard_normal((4, 2)), 5, axis=0))
    kept = np.array([0, 5, 10, 15])

    np.testing.assert_array_equal(move_medoids(cost, solve_exact(cost, kept)), kept)
