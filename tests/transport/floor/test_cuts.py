"""Capacity cuts: every whole choice satisfies them, and the violated ones are the worst there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import combinations, pairwise, product
from math import gcd
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from otanalysis.transport import squared_distances
from otanalysis.transport.floor.cuts import (
    CapacityCuts,
    cluster_cuts,
    dendrogram,
    distinct_columns,
    violated_cuts,
)

# HiGHS meets its constraints to 1e-7 at worst; the oracle sums a few dozen of them.
SOLVER_TOLERANCE = 1e-6
ROUNDING = 1e-12
LEAST_VIOLATION = 0.02  # tokens, as the module says


def all_groups(m: int) -> np.ndarray:
    """Return every non-empty group of m tokens [2^m - 1, m]."""
    return np.array(list(product([False, True], repeat=m)))[1:]


def most_served(m: int, keep: int, kept: tuple[int, ...], served: np.ndarray, keepers: np.ndarray) -> float:
    """Return how much of a group these kept tokens can serve at most that are in another, by assignment."""
    share = keep // gcd(m, keep)
    wanted = np.outer(served, keepers[list(kept)]).astype(float)
    square = np.repeat(np.repeat(wanted, share, axis=0), m // gcd(m, keep), axis=1)
    rows, columns = linear_sum_assignment(-square)
    return float(square[rows, columns].sum()) / share


def slack(cuts: CapacityCuts, keep: int, which: int) -> float:
    """Return how much room the worst kept set and plan leave in a cut; negative if the cut is wrong."""
    m = cuts.served.shape[1]
    served, keepers = cuts.served[which], cuts.keepers[which]
    rooms = [
        cuts.limit[which]
        + cuts.capacity * cuts.rest[which] * keepers[list(kept)].sum()
        - most_served(m, keep, kept, served, keepers)
        for kept in combinations(range(m), keep)
    ]
    return float(min(rooms))


def cuts_to_check() -> Iterator[tuple[CapacityCuts, int]]:
    """Yield all cuts of four tokens, and a hundred random ones of seven, for every number kept."""
    groups = all_groups(4)
    for keep in range(1, 5):
        pairs = [np.array(one) for one in zip(*product(groups, groups), strict=True)]
        yield CapacityCuts(pairs[0], pairs[1], 4 / keep), keep
    generator = np.random.default_rng(0)
    for keep in range(1, 8):
        served, keepers = generator.random((2, 15, 7)) < 0.6
        yield CapacityCuts(served, keepers, 7 / keep), keep


def test_every_kept_set_and_plan_satisfies_every_cut() -> None:
    for cuts, keep in cuts_to_check():
        assert min(slack(cuts, keep, which) for which in range(len(cuts))) >= -ROUNDING


def test_a_cut_of_its_own_keepers_has_no_room_to_spare() -> None:
    for keep in (2, 3, 4, 5):
        groups = all_groups(6)
        cuts = CapacityCuts(groups, groups, 6 / keep)
        for which in range(len(cuts)):
            assert slack(cuts, keep, which) == pytest.approx(0.0, abs=ROUNDING)


@pytest.mark.parametrize("name", ["rest", "limit"])
def test_a_smaller_term_makes_a_wrong_cut(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    groups = all_groups(5)
    sound = CapacityCuts(groups, groups, 5 / 3)
    value = getattr(sound, name)
    monkeypatch.setattr(CapacityCuts, name, property(lambda _: 0.9 * value))

    assert min(slack(CapacityCuts(groups, groups, 5 / 3), 3, which) for which in range(len(groups))) < -0.01


def test_terms_are_the_chord_of_what_whole_numbers_serve() -> None:
    generator = np.random.default_rng(1)
    for _ in range(200):
        m = int(generator.integers(1, 600))
        keep = int(generator.integers(1, m + 1))
        q = Fraction(m, keep)
        served, keepers = generator.random((2, 3, m)) < generator.random()
        cuts = CapacityCuts(served, keepers, m / keep)
        dear = generator.exponential(size=3)
        sizes = served.sum(axis=1)
        number = np.arange(keep + 1)
        allowed = cuts.limit[:, None] + cuts.capacity * cuts.rest[:, None] * number
        possible = np.minimum(sizes[:, None], float(q) * number)
        assert (allowed - possible).min() >= -ROUNDING * m
        for size, row, most in zip(sizes, allowed, possible, strict=True):
            whole, rest = divmod(int(size) / q, 1)
            # A group of a whole share may come out as one of the next smaller number and a rest of one.
            ends = [int(whole), int(whole) + 1] if rest else [int(whole)]
            assert row[ends] == pytest.approx(most[ends], rel=ROUNDING, abs=ROUNDING * m)
        assert cuts.rebate(dear) == pytest.approx((dear * cuts.capacity * cuts.rest) @ keepers, rel=ROUNDING)
        assert len(cuts) == 3


def test_surcharges_follow_their_definition() -> None:
    generator = np.random.default_rng(2)
    served, keepers = generator.random((2, 6, 9)) < 0.5
    dear = generator.exponential(size=6) * [1, 0, 1, 1, 0, 1]
    expected = np.zeros((9, 9))
    for a, b, price in zip(served, keepers, dear, strict=True):
        for j in range(9):
            for i in range(9):
                expected[j, i] += price * (a[i] and b[j])

    assert CapacityCuts(served, keepers, 3.0).surcharge(dear) == pytest.approx(expected, rel=ROUNDING)


def test_taking_and_joining_keep_order_and_capacity() -> None:
    served, keepers = np.random.default_rng(3).random((2, 5, 7)) < 0.5
    cuts = CapacityCuts(served, keepers, 3.5)

    mixed = cuts.take(np.array([4, 0])).join(cuts.take(np.array([2])))

    np.testing.assert_array_equal(mixed.served, served[[4, 0, 2]])
    np.testing.assert_array_equal(mixed.keepers, keepers[[4, 0, 2]])
    assert mixed.capacity == 3.5


def violation(
    served: np.ndarray, keepers: np.ndarray, shares: np.ndarray, kept: np.ndarray, keep: int
) -> float:
    """Return by how many tokens a plan violates the cut of two groups, as it is defined."""
    q = Fraction(len(kept), keep)
    whole, rest = divmod(int(served.sum()) / q, 1)
    return float(
        shares[np.ix_(served, keepers)].sum()
        - float(q * rest) * kept[keepers].sum()
        - float(q * whole * (1 - rest))
    )


def fractional_plans(
    small_cloud: Callable[..., np.ndarray], relax: Callable[..., Any]
) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Yield shares and kept shares of relaxations that keep parts of tokens."""
    for seed in range(25):
        generator = np.random.default_rng(seed)
        m = int(generator.integers(5, 10))
        keep = int(generator.integers(2, m))
        relaxed = relax(squared_distances(small_cloud(("clusters", "gaussian")[seed % 2], seed, m)), keep)
        yield relaxed.shares, relaxed.kept, keep


def test_the_violated_cuts_are_the_worst_of_all(
    small_cloud: Callable[..., np.ndarray], relax: Callable[..., Any]
) -> None:
    seen = 0
    for shares, kept, keep in fractional_plans(small_cloud, relax):
        m = len(kept)
        groups = all_groups(m)
        keepers = groups[np.random.default_rng(m).permutation(len(groups))[:8]]
        for one in keepers:
            worst = max(violation(served, one, shares, kept, keep) for served in groups)
            found = violated_cuts(one[None], shares, kept, 5)
            if worst < LEAST_VIOLATION - SOLVER_TOLERANCE:
                assert len(found) == 0
            elif worst > LEAST_VIOLATION + SOLVER_TOLERANCE:
                seen += 1
                assert len(found) == 1
                np.testing.assert_array_equal(found.keepers[0], one)
                given = violation(found.served[0], one, shares, kept, keep)
                assert given == pytest.approx(worst, abs=SOLVER_TOLERANCE)
                assert found.capacity == pytest.approx(m / keep, rel=SOLVER_TOLERANCE)
    assert seen >= 20


def test_the_most_violated_come_first_and_no_more_than_asked(
    small_cloud: Callable[..., np.ndarray], relax: Callable[..., Any]
) -> None:
    cut_off = 0
    for shares, kept, keep in fractional_plans(small_cloud, relax):
        groups = all_groups(len(kept))
        every = violated_cuts(groups, shares, kept, len(groups))
        sizes = [
            violation(a, b, shares, kept, keep) for a, b in zip(every.served, every.keepers, strict=True)
        ]
        assert all(one >= other - SOLVER_TOLERANCE for one, other in pairwise(sizes))
        first = violated_cuts(groups, shares, kept, 3)
        np.testing.assert_array_equal(first.keepers, every.keepers[:3])
        cut_off += len(every) > 3
    assert cut_off >= 5


def test_cuts_of_plans_that_serve_too_much_or_too_little_are_violated_too() -> None:
    generator = np.random.default_rng(8)
    seen = 0
    for _ in range(60):
        kept = generator.dirichlet(np.ones(9)) * 4
        shares = generator.random((9, 9)) * kept
        shares *= (9 / 4) * kept / shares.sum(axis=0)
        found = violated_cuts(all_groups(9), shares, kept, 600)
        for served, keepers in zip(found.served, found.keepers, strict=True):
            assert violation(served, keepers, shares, kept, 4) > LEAST_VIOLATION - ROUNDING
        seen += len(found)
    assert seen > 500


def test_a_whole_kept_set_violates_nothing() -> None:
    generator = np.random.default_rng(5)
    for _ in range(20):
        kept = np.zeros(8)
        kept[generator.permutation(8)[:4]] = 1.0
        shares = np.zeros((8, 8))
        shares[np.arange(8), np.repeat(np.flatnonzero(kept), 2)[generator.permutation(8)]] = 1.0

        assert len(violated_cuts(all_groups(8), shares, kept, 10)) == 0


def test_the_dendrogram_merges_the_two_closest_groups() -> None:
    tokens = np.random.default_rng(6).standard_normal((15, 3))
    distance = np.sqrt(squared_distances(tokens))
    parts = [frozenset([one]) for one in range(15)]
    heights: dict[frozenset[int], float] = dict.fromkeys(parts, 0.0)
    merged = []
    while len(parts) > 1:
        height, left, right = min(
            ((distance[np.ix_(list(a), list(b))].mean(), a, b) for a, b in combinations(parts, 2)),
            key=lambda one: one[0],
        )
        parts = [one for one in parts if one not in (left, right)] + [left | right]
        heights[left | right] = height
        merged.append(left | right)

    groups, persistence, linkage = dendrogram(squared_distances(tokens))

    assert [frozenset(np.flatnonzero(group).tolist()) for group in groups] == merged
    assert linkage[:, 2] == pytest.approx([heights[one] for one in merged], rel=1e-9)
    for group, given in zip(merged[:-1], persistence[:-1], strict=True):
        parent = min((one for one in merged if group < one), key=len)
        assert given == pytest.approx(heights[parent] / heights[group], rel=1e-9)
    assert persistence[-1] == np.inf


def two_clusters(first: int, second: int) -> np.ndarray:
    """Return the squared distances of two groups that are far from each other."""
    tokens = np.random.default_rng(7).standard_normal((first + second, 2))
    tokens[:first] += 1000.0
    return squared_distances(tokens)


def test_well_separated_clusters_are_cut_and_only_they() -> None:
    groups, persistence, _ = dendrogram(two_clusters(7, 5))

    cuts = cluster_cuts(groups, persistence, 3)

    found = {frozenset(np.flatnonzero(one).tolist()) for one in cuts.served}
    assert {frozenset(range(7)), frozenset(range(7, 12))} <= found
    assert frozenset(range(12)) not in found
    assert all(len(one) > 12 / 3 for one in found)
    np.testing.assert_array_equal(cuts.served, cuts.keepers)
    assert cuts.capacity == 4.0


def test_clusters_of_whole_shares_need_no_cut() -> None:
    groups, persistence, _ = dendrogram(two_clusters(8, 4))

    found = {frozenset(np.flatnonzero(one).tolist()) for one in cluster_cuts(groups, persistence, 3).served}

    assert frozenset(range(8)) not in found
    assert frozenset(range(8, 12)) not in found


@pytest.mark.parametrize("number", [0, 1, 3, 20])
def test_every_column_is_of_the_kind_that_equals_it(number: int) -> None:
    groups = np.random.default_rng(number).random((number, 30)) < 0.3

    first, kind = distinct_columns(groups)

    np.testing.assert_array_equal(groups[:, first][:, kind], groups)
    assert len(first) == len(np.unique(groups.T, axis=0))


def test_the_surcharge_is_the_sum_over_the_cuts_of_a_pair() -> None:
    generator = np.random.default_rng(0)
    served, keepers = generator.random((2, 5, 12)) < 0.5
    prices = np.array([0.0, 1.0, 0.5, 0.0, 2.0])

    found = CapacityCuts(served, keepers, 3.0).surcharge(prices)

    wanted = [[prices[keepers[:, j] & served[:, i]].sum() for i in range(12)] for j in range(12)]
    np.testing.assert_allclose(found, wanted, rtol=ROUNDING)


def test_no_cuts_change_no_cost_and_others_join_them() -> None:
    none = CapacityCuts.none(6, 4)
    assert (len(none), none.capacity) == (0, 1.5)
    assert not none.surcharge(np.zeros(0)).any()
    assert not none.rebate(np.zeros(0)).any()
    group = np.arange(6)[None, :] < 2
    joined = none.join(CapacityCuts(group, group, 1.5))
    assert (len(joined), joined.limit.tolist()) == (1, [pytest.approx(1.0)])
