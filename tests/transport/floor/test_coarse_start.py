"""The start of the dual ascent: the optimal prices where every cluster is one token, good ones elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.optimize

from otanalysis.transport import lagrangian_bound, squared_distances
from otanalysis.transport.floor import coarse_start
from otanalysis.transport.floor.coarse_start import coarse_prices
from otanalysis.transport.floor.cuts import CapacityCuts, dendrogram
from otanalysis.transport.floor.lagrangian import Prices

# Two linear programs that HiGHS solves to feasibilities of 1e-7.
SOLVER_TOLERANCE = 1e-6


def no_cuts(m: int, keep: int) -> CapacityCuts:
    """Return an empty set of cuts."""
    return CapacityCuts(np.zeros((0, m), bool), np.zeros((0, m), bool), m / keep)


def start(tokens: np.ndarray, keep: int, cuts: CapacityCuts) -> tuple[Prices, float]:
    """Return the prices that the ascent starts from, and the bound that they give."""
    cost = squared_distances(tokens)
    prices = coarse_prices(cost, dendrogram(cost)[2], cuts, keep)
    value = lagrangian_bound(tokens, keep, prices.tokens, cuts=prices.cuts, cut_prices=prices.cut_prices)
    return prices, value


@pytest.mark.parametrize("seed", range(6))
def test_with_a_cluster_a_token_the_prices_are_optimal(seed: int, relax: Callable[..., Any]) -> None:
    generator = np.random.default_rng(seed)
    keep = int(generator.integers(2, 8))
    tokens = generator.standard_normal((9, 2))
    served = generator.random((3, 9)) < 0.6
    cuts = CapacityCuts(served, served, 9 / keep)
    cost = squared_distances(tokens)

    without, with_cuts = start(tokens, keep, no_cuts(9, keep))[1], start(tokens, keep, cuts)[1]

    assert without == pytest.approx(relax(cost, keep).value, rel=SOLVER_TOLERANCE)
    assert with_cuts == pytest.approx(relax(cost, keep, served, served).value, rel=SOLVER_TOLERANCE)


@pytest.mark.parametrize("keep", [2, 3, 4, 7])
def test_clusters_of_duplicates_lose_nothing(
    keep: int, relax: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coarse_start, "_CLUSTERS", 5)
    tokens = np.repeat(np.random.default_rng(1).standard_normal((5, 2)), 2, axis=0)

    prices, value = start(tokens, keep, no_cuts(10, keep))

    np.testing.assert_array_equal(prices.tokens[::2], prices.tokens[1::2])
    assert value == pytest.approx(relax(squared_distances(tokens), keep).value, rel=SOLVER_TOLERANCE)


def test_many_tokens_get_prices_that_are_better_than_none() -> None:
    generator = np.random.default_rng(2)
    tokens = generator.standard_normal((200, 4)) + 4 * generator.standard_normal((9, 4))[np.arange(200) % 9]

    _, value = start(tokens, 20, no_cuts(200, 20))

    assert value > 1.2 * lagrangian_bound(tokens, 20, np.zeros(200))


def test_a_cut_through_a_cluster_has_no_price() -> None:
    tokens = np.random.default_rng(3).standard_normal((100, 2))
    tokens[1] = tokens[0]
    halved, whole = np.zeros((2, 100), bool)
    halved[[0, *range(20, 40)]] = True
    far = np.argsort(tokens[:, 0])[:25]
    whole[far] = True
    tokens[far] -= 50.0
    served = np.array([halved, whole])

    prices, _ = start(tokens, 10, CapacityCuts(served, served, 10.0))

    assert prices.cut_prices[0] == 0.0
    assert prices.cut_prices[1] > 0.0
    np.testing.assert_array_equal(prices.cuts.served, served)


def test_a_program_that_is_not_solved_gives_zero_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scipy.optimize, "linprog", lambda *_, **__: SimpleNamespace(status=4))
    served = np.ones((1, 6), bool)

    prices, _ = start(np.random.default_rng(4).standard_normal((6, 2)), 4, CapacityCuts(served, served, 1.5))

    assert not prices.tokens.any()
    assert not prices.cut_prices.any()


@pytest.mark.parametrize(("m", "most"), [(9, 9), (9, 8), (9, 20), (9, 1), (70, 64), (65, 64), (300, 64)])
def test_the_clusters_are_as_many_as_they_may_be_whatever_the_version_of_scipy(m: int, most: int) -> None:
    tokens = np.random.default_rng(m).standard_normal((m, 3))
    _, _, tree = dendrogram(squared_distances(tokens))

    label = coarse_start._labels(tree, most)

    assert np.unique(label).tolist() == list(range(min(m, most)))
    merged = tree[: max(0, m - most)]
    assert len(np.unique(label)) == m - len(merged)


def test_tokens_that_merge_at_one_height_stay_together() -> None:
    line = np.arange(8.0)[:, None]
    _, _, tree = dendrogram(squared_distances(np.repeat(line, 2, axis=0)))

    label = coarse_start._labels(tree, 12)

    np.testing.assert_array_equal(label[::2], label[1::2])
    assert len(np.unique(label)) == 8
