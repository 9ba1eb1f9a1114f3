"""Cuts of unions of clusters: violated as their definition says, also where no single cluster's cut is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from otanalysis.transport import squared_distances
from otanalysis.transport.floor.cut_separation import cluster_graph, grow_unions, separate_union_cuts
from otanalysis.transport.floor.cuts import dendrogram, violated_cuts

SIZES, KEEP = (7, 7, 7, 19), 5
LEAST_VIOLATION = 0.02  # tokens
SOLVER_TOLERANCE = 1e-7  # of the plans that the LP solver returns


def four_clusters() -> np.ndarray:
    """Return 40 tokens, of which each kept one serves 8: three groups of 7 and one of 19."""
    generator = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 11.0], [300.0, 0.0]])
    return np.repeat(centres, SIZES, axis=0) + 0.1 * generator.standard_normal((40, 2))


def fractional_plan() -> tuple[np.ndarray, np.ndarray]:
    """Return shares [m, m] and kept [m]: 7/8 of a token for each small group, which serve one another."""
    group = np.repeat(np.arange(4), SIZES)
    kept = np.zeros(40)
    first = np.array([0, 7, 14])
    kept[first] = 7 / 8
    kept[21:24] = (5 - 3 * 7 / 8) / 3
    shares = np.zeros((40, 40))
    for number, j in enumerate(first):
        # Of each token of its own group as much as it is kept itself, the rest from the next group.
        shares[group == number, j] = 7 / 8
        shares[group == (number + 1) % 3, j] = 1 / 8
    shares[21:, 21:24] = 1 / 3
    return shares, kept


@pytest.fixture(name="groups")
def _groups() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    cost = squared_distances(four_clusters())
    groups, persistence, _ = dendrogram(cost)
    return cost, groups, persistence


def excess(served: np.ndarray, keepers: np.ndarray, shares: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return the violation of residual capacity inequalities, of one served group or many, by definition."""
    capacity = len(kept) / kept.sum()
    whole, rest = np.divmod(served.sum(axis=-1) / capacity, 1.0)
    left = served @ shares[:, keepers].sum(axis=1) - capacity * rest * kept[keepers].sum()
    return np.asarray(left - capacity * whole * (1.0 - rest))


def test_the_cut_of_a_union_is_found_where_single_clusters_violate_none(groups: tuple) -> None:
    cost, clusters, persistence = groups
    shares, kept = fractional_plan()
    small = clusters[clusters[:, :21].any(axis=1) & (clusters.sum(axis=1) <= 7)]

    cuts = separate_union_cuts(cluster_graph(cost, clusters, persistence), shares, kept, 10)

    assert len(violated_cuts(small, shares, kept, 10)) == 0
    assert len(cuts) > 0
    violations = [excess(a, b, shares, kept) for a, b in zip(cuts.served, cuts.keepers, strict=True)]
    assert min(violations) > 0.02
    assert violations == sorted(violations, reverse=True)


def test_clusters_grow_by_the_neighbour_whose_worst_cut_is_the_worst(
    small_cloud: Callable[..., np.ndarray], relax: Callable[..., Any]
) -> None:
    """All 127 groups of seven tokens are tried as the served ones, whatever the separation looks at."""
    every = (np.arange(1, 128)[:, None] >> np.arange(7)) % 2 == 1
    met: Counter[int] = Counter()
    for seed in range(40):
        cost = squared_distances(small_cloud(("clusters", "gaussian")[seed % 2], seed, 7))
        plan = relax(cost, 3)
        clusters = every[np.random.default_rng(seed).permutation(127)[:12]]
        graph = cluster_graph(cost, clusters, np.full(12, 2.0))

        def worst(members: Sequence[int], plan: Any = plan, clusters: np.ndarray = clusters) -> float:
            joined = clusters[list(members)].any(axis=0)
            return float(excess(every, joined, plan.shares, plan.kept).max())

        unions, violations = grow_unions(
            graph, clusters @ plan.shares.T, clusters @ plan.kept, np.ones(7), 7 / 3
        )
        rows = [tuple(row[row >= 0].tolist()) for row in unions]
        found = dict(zip(rows, violations, strict=True))
        assert {one for (one, *more) in rows if not more} == {
            one for one in range(12) if worst([one]) > LEAST_VIOLATION
        }
        for members, value in found.items():
            met[len(members)] += 1
            assert value == pytest.approx(worst(members), abs=SOLVER_TOLERANCE)
            near = {int(b) for a in members for b in graph.near[a] if b >= 0}
            apart = [b for b in near if not (clusters[b] & clusters[list(members)].any(axis=0)).any()]
            best = max((worst([*members, b]) for b in apart), default=0.0)
            if len(members) < 3 and best > LEAST_VIOLATION:
                longer = [found[*members, b] for b in apart if (*members, b) in found]
                assert longer == pytest.approx([best], abs=SOLVER_TOLERANCE)
    assert min(met[size] for size in (1, 2, 3)) >= 5, f"unions of one, two and three are wanted, met {met}"


def test_whole_plans_violate_no_cut(groups: tuple) -> None:
    cost, clusters, persistence = groups
    graph = cluster_graph(cost, clusters, persistence)
    for seed in range(20):
        chosen = np.random.default_rng(seed).permutation(40)[:KEEP]
        kept, shares = np.zeros(40), np.zeros((40, 40))
        kept[chosen] = 1.0
        for number, j in enumerate(chosen):
            shares[8 * number : 8 * (number + 1), j] = 1.0

        assert len(separate_union_cuts(graph, shares, kept, 10)) == 0


def test_neighbours_are_the_closest_that_share_no_token(groups: tuple) -> None:
    cost, clusters, persistence = groups
    graph = cluster_graph(cost, clusters, persistence)

    for own, near in zip(graph.clusters, graph.near, strict=True):
        apart = [other for other in range(len(graph.clusters)) if not (own & graph.clusters[other]).any()]
        mean = {other: cost[np.ix_(own, graph.clusters[other])].mean() for other in apart}
        expected = sorted(apart, key=lambda other: mean[other])[: near.size]
        assert [mean[one] for one in near if one >= 0] == pytest.approx(
            [mean[one] for one in expected], rel=1e-4
        )


def test_no_more_than_asked_are_returned(groups: tuple) -> None:
    cost, clusters, persistence = groups
    shares, kept = fractional_plan()

    assert len(separate_union_cuts(cluster_graph(cost, clusters, persistence), shares, kept, 1)) == 1
