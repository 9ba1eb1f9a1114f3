"""Farthest point and facility location: the definition pick by pick, and what greedy guarantees."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from otanalysis.selection import SELECTORS, select

SHARE = 1.0 - 1.0 / math.e
ROUNDING = 1e-12


def cloud(seed: int, m: int = 30, d: int = 5) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.standard_normal((m, d)) + 3 * generator.integers(0, 3, size=(m, 1))


def of(library: str, tokens: np.ndarray) -> Any:
    return tokens if library == "numpy" else pytest.importorskip("torch").from_numpy(tokens)


def radius(tokens: np.ndarray, kept: Any) -> float:
    return float(cdist(tokens, tokens[list(kept)]).min(axis=1).max())


def likeness(tokens: np.ndarray, kept: Any) -> float:
    """Return the sum over the tokens of one plus the largest cosine similarity to a kept one."""
    similar = 1.0 - cdist(tokens, tokens[list(kept)], "cosine")
    return float((1.0 + similar.max(axis=1)).sum())


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("seed", range(3))
def test_the_farthest_point_is_picked_from_the_centre_on(seed: int, library: str) -> None:
    tokens = cloud(seed)
    distances = cdist(tokens, tokens)
    order, gains = [int(np.argmin(distances.max(axis=1)))], [math.inf]
    while len(order) < 12:
        nearest = distances[:, order].min(axis=1)
        order.append(int(np.argmax(nearest)))
        gains.append(nearest.max())

    chosen = select(of(library, tokens), "fps", keep=12)

    assert chosen.pick_order.tolist() == order
    np.testing.assert_allclose(np.asarray(chosen.gains), gains, rtol=1e-9)


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("seed", range(3))
def test_facility_location_picks_what_raises_its_sum_the_most(seed: int, library: str) -> None:
    tokens = cloud(seed)
    order: list[int] = []
    values = [0.0]
    while len(order) < 8:
        worth = [-math.inf if one in order else likeness(tokens, [*order, one]) for one in range(30)]
        # Of two tokens with none but each other near, each is worth the same: the first is picked.
        order.append(int(np.argmax(np.array(worth) > max(worth) - ROUNDING * 30)))
        values.append(max(worth))

    chosen = select(of(library, tokens), "facility-location", keep=8)

    assert chosen.pick_order.tolist() == order
    np.testing.assert_allclose(np.asarray(chosen.gains), np.diff(values), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("keep", [1, 2, 3])
@pytest.mark.parametrize("seed", range(6))
def test_what_greedy_guarantees_against_all_kept_sets(seed: int, keep: int) -> None:
    tokens = cloud(seed, m=11, d=3)
    every = list(combinations(range(11), keep))
    smallest = min(radius(tokens, kept) for kept in every)
    largest = max(likeness(tokens, kept) for kept in every)

    found = radius(tokens, select(tokens, "fps", keep=keep).indices)
    assert smallest - ROUNDING <= found <= 2.0 * smallest
    assert found <= smallest + ROUNDING or keep > 1, "of one token it is the best"
    own = likeness(tokens, select(tokens, "facility-location", keep=keep).indices)
    assert SHARE * largest <= own <= largest + ROUNDING


def test_kept_sets_that_break_these_bounds_exist() -> None:
    """Both bounds say something: on these tokens the worst kept sets are beyond them."""
    tokens = cloud(0, m=11, d=3)
    radii = [radius(tokens, kept) for kept in combinations(range(11), 3)]
    sums = [likeness(tokens, kept) for kept in combinations(range(11), 3)]
    assert max(radii) > 2.0 * min(radii)
    opposite = np.array([[1.0, 0.0]] * 6 + [[-1.0, 0.0]])
    assert likeness(opposite, [6]) < SHARE * likeness(opposite, [0])
    assert max(sums) > min(sums)


@pytest.mark.parametrize(("name", "measured"), [("fps", radius), ("facility-location", likeness)])
def test_the_objective_is_that_of_the_definition(
    name: str, measured: Callable[[np.ndarray, Any], float]
) -> None:
    tokens, kept = cloud(4), [3, 11, 20]
    wanted = {"fps": -measured(tokens, kept), "facility-location": measured(tokens, kept) / 30 - 1.0}[name]
    assert SELECTORS[name].objective_value(tokens, kept) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("name", ["fps", "facility-location"])
def test_duplicates_are_kept_last_and_ties_go_to_the_lowest_index(name: str) -> None:
    places = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    tokens = np.repeat(places, [2, 3, 2], axis=0)

    order = select(tokens, name, keep=7).pick_order.tolist()

    assert sorted(order[:3]) == [0, 2, 5]
    assert order[3:] == [1, 3, 4, 6]
