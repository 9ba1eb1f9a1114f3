"""Exchanges of kept tokens: the cost is the exact distance, never higher than before, often the smallest."""

from __future__ import annotations

from collections.abc import Callable
from math import gcd

import numpy as np
import pytest

from otanalysis.transport import squared_distances
from otanalysis.transport.exact import solve_exact
from otanalysis.transport.floor.swap_search import improve_by_moves, improve_by_swaps

ROUNDING = 1e-9


def improved(
    cost: np.ndarray, kept: np.ndarray, trials: int, seed: int = 0, *, nearby: int = 0
) -> tuple[np.ndarray, float]:
    """Return the set after some exchanges, and the squared distance that the search believes it has."""
    m, keep = len(cost), len(kept)
    units, generator = gcd(m, keep), np.random.default_rng(seed)
    scale = cost.max() or 1.0
    found, total = improve_by_swaps(
        cost / scale,
        kept,
        np.full(m, keep // units),
        m // units,
        generator.integers(keep, size=(trials, 3)),
        generator.integers(m, size=trials),
        nearby,
    )
    return found, scale * total / (m * keep // units)


@pytest.mark.parametrize(("m", "keep"), [(40, 7), (40, 10), (36, 1), (30, 29), (45, 30), (24, 12)])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("nearby", [0, 60])
def test_what_it_believes_is_the_exact_distance(nearby: int, seed: int, m: int, keep: int) -> None:
    generator = np.random.default_rng(seed)
    cost = squared_distances(generator.standard_normal((m, 3)))
    start = generator.permutation(m)[:keep]

    found, believed = improved(cost, start, 60, seed, nearby=nearby)

    assert len(set(found)) == keep
    assert believed == pytest.approx(solve_exact(cost, found).squared_distance, rel=ROUNDING)
    assert believed <= solve_exact(cost, start).squared_distance * (1 + ROUNDING)


def test_ties_and_duplicates_break_nothing(small_cloud: Callable[..., np.ndarray], law: str) -> None:
    for seed in range(4):
        cost = squared_distances(small_cloud(law, seed, 12))
        found, believed = improved(cost, np.arange(5), 40, seed, nearby=40)

        again = solve_exact(cost, found).squared_distance
        assert believed == pytest.approx(again, rel=ROUNDING, abs=1e-11 * cost.max())
        assert len(set(found)) == 5


def test_exchanges_reach_the_best_set_of_small_clouds(
    small_cloud: Callable[..., np.ndarray], smallest_distance: Callable[..., float]
) -> None:
    reached_at_once = 0
    for seed in range(6):
        tokens = small_cloud("clusters", seed, 10)
        cost = squared_distances(tokens)
        best = smallest_distance(tokens, 4)

        assert improved(cost, np.arange(4), 200, seed)[1] == pytest.approx(best, rel=ROUNDING)
        reached_at_once += improved(cost, np.arange(4), 0)[1] <= best * (1 + ROUNDING)
    assert reached_at_once < 6, "moves alone should not be enough"


def test_more_exchanges_of_the_same_seed_are_no_worse_and_mostly_better() -> None:
    cost = squared_distances(np.random.default_rng(1).standard_normal((40, 3)))

    after = [improved(cost, np.arange(7), trials)[1] for trials in (0, 5, 20, 60)]

    assert (np.diff(after) <= 0.0).all()
    assert after[-1] < after[0]


def test_exchanges_nearby_end_where_no_single_one_is_a_gain() -> None:
    cost = squared_distances(np.random.default_rng(2).standard_normal((30, 3)))
    m, keep = len(cost), 5

    found, total = improved(cost, np.arange(keep), 0, nearby=m * keep * 100)

    others = np.setdiff1d(np.arange(m), found)
    after = [
        solve_exact(cost, np.sort(np.append(np.delete(found, a), j))).squared_distance
        for a in range(keep)
        for j in others
    ]
    assert min(after) >= total * (1 - ROUNDING)
    assert total < improved(cost, np.arange(keep), 0)[1], "moves alone ends there too: no case"


def test_moves_alone_are_the_search_without_exchanges() -> None:
    cost = squared_distances(np.random.default_rng(3).standard_normal((20, 3)))
    cost /= cost.max()
    none = np.zeros((0, 3), dtype=np.int64)

    kept, total = improve_by_moves(cost, np.arange(4), np.ones(20, np.int64), 5)

    again, same = improve_by_swaps(cost, np.arange(4), np.ones(20, np.int64), 5, none, none[:, 0], 0)
    np.testing.assert_array_equal(kept, again)
    assert total == same
    assert total / 20 < solve_exact(cost, np.arange(4)).squared_distance
