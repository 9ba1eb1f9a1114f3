"""The largest sum of distances, and DART, pick by pick by their definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from otanalysis.errors import InputError
from otanalysis.selection import SELECTORS, select
from otanalysis.selection.diversity import DART


def cloud(seed: int, m: int = 30, d: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((m, d)) + 0.4


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("seed", range(3))
def test_max_sum_picks_what_is_far_from_all_picked_together(seed: int, library: str) -> None:
    tokens = cloud(seed)
    distances = cdist(tokens, tokens)
    order, gains = [int(np.argmax(distances.sum(axis=1)))], [0.0]
    while len(order) < 11:
        sums = distances[:, order].sum(axis=1)
        sums[order] = -1.0
        order.append(int(np.argmax(sums)))
        gains.append(sums.max())
    given: Any = tokens if library == "numpy" else pytest.importorskip("torch").from_numpy(tokens)

    chosen = select(given, "max-sum", keep=11)

    assert chosen.pick_order.tolist() == order
    np.testing.assert_allclose(np.asarray(chosen.gains), gains, rtol=1e-9)
    mean = cdist(tokens[order], tokens[order]).mean()
    assert SELECTORS["max-sum"].objective_value(given, chosen.indices) == pytest.approx(mean, rel=1e-12)
    assert mean == pytest.approx(2.0 * sum(gains) / 11**2, rel=1e-12), "each pair twice"


def test_max_sum_keeps_likes_at_both_ends_where_max_min_would_not() -> None:
    line = np.array([[0.0], [0.1], [5.0], [9.9], [10.0]])
    assert select(line, "max-sum", keep=4).indices.tolist() == [0, 1, 3, 4]
    assert 2 in select(line, "fps", keep=3).indices


def dart(tokens: np.ndarray, keep: int, pivots: int) -> list[int]:
    """Return what DART keeps, one place after the other."""
    norms = np.linalg.norm(tokens, axis=1)
    longest = sorted(range(len(tokens)), key=lambda one: (-norms[one], one))[: min(pivots, keep)]
    left = keep - len(longest)
    shares = [left // len(longest) + (number < left % len(longest)) for number in range(len(longest))]
    order = list(longest)
    for pivot, share in zip(longest, shares, strict=True):
        for _ in range(share):
            free = [one for one in range(len(tokens)) if one not in order]
            cosines = [tokens[pivot] @ tokens[one] / norms[pivot] / norms[one] for one in free]
            order.append(free[int(np.argmin(cosines))])
    return order


@pytest.mark.parametrize("pivots", [1, 4, 7])
@pytest.mark.parametrize("keep", [1, 3, 4, 9, 30])
def test_dart_shares_the_places_among_its_pivots(keep: int, pivots: int) -> None:
    for seed in range(2):
        tokens = cloud(seed)
        chosen = select(tokens, DART(pivots), keep=keep)
        assert set(chosen.indices.tolist()) == set(dart(tokens, keep, pivots))
        assert chosen.pick_order[:pivots].tolist() == dart(tokens, keep, pivots)[:pivots]
        assert chosen.gains is None
    assert SELECTORS["dart"] == DART(4)
    assert SELECTORS["dart"].objective_value(tokens, chosen.indices) is None


def test_dart_knows_no_length_beyond_its_pivots() -> None:
    tokens = cloud(5)
    longest = np.argsort(-np.linalg.norm(tokens, axis=1))[:4]
    scaled = tokens / 10.0
    scaled[longest] = tokens[longest]
    assert (
        select(scaled, "dart", keep=10).pick_order.tolist()
        == select(tokens, "dart", keep=10).pick_order.tolist()
    )
    longer = tokens.copy()
    longer[0] *= 100.0
    assert select(longer, "dart", keep=10).pick_order[0] == 0


@pytest.mark.parametrize("pivots", [0, -1, 1.5, "four", None])
def test_pivots_are_counted_from_one(pivots: Any) -> None:
    with pytest.raises(InputError, match="pivots must be an integer from 1 on"):
        DART(pivots)
