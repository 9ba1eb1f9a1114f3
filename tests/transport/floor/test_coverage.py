"""The floor of the quantisation error: never above any kept set's, and close to the linear relaxation."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

import otanalysis as ota
from otanalysis.arrays import normalise_tokens
from otanalysis.image import Image
from otanalysis.transport import quantisation_bound, quantisation_error, quantisation_floor
from otanalysis.transport.floor import coverage_bound
from otanalysis.transport.verification import verify_transport
from tests.clouds import drawn_weights

Cloud = Callable[[str, int, int], np.ndarray]

# What the floor gives up for errors in the distances, and a little more.
GIVEN_UP = 2e-9
# Two orders of summation.
ROUNDING = 1e-12
# The ascent's distance from an optimum that it can reach.
REACHED = 1e-6
# What a thousand steps may leave of the relaxation of a dozen tokens: the worst of some thousand was a tenth.
RELAXED = 1e-3


def smallest_error(tokens: np.ndarray, keep: int, weights: np.ndarray) -> float:
    """Return the smallest quantisation error of all kept sets, by looking at each."""
    cost = np.sum((tokens[:, None] - tokens[None]) ** 2, axis=2)
    every = np.array(list(combinations(range(len(tokens)), keep)))
    return float((weights / weights.sum() @ cost[:, every].min(axis=2)).min())


def violations(small_cloud: Cloud, law: str, seeds: range, sharpen: float = 1.0) -> list[str]:
    """Return where a floor is above the smallest error, or its best set is not one of the sets.

    No tolerance: the floor contains its own. ``sharpen`` above one raises the floor: the control.
    """
    found = []
    for seed in seeds:
        generator = np.random.default_rng([seed, 7])
        m = int(generator.integers(1, 11))
        keep = int(generator.integers(1, m + 1))
        tokens = small_cloud(law, seed, m)
        weights = drawn_weights(generator, m) if seed % 2 else np.ones(m)
        how: dict[str, Any] = {"weights": weights} if seed % 2 else {}
        floor = quantisation_floor(tokens, keep, effort=float(generator.choice([0.02, 0.2])), **how)
        optimum = smallest_error(tokens, keep, weights)
        if not sharpen * floor.squared_distance <= optimum:
            found.append(f"{law} {seed} floor")
        if not floor.distance <= np.sqrt(optimum):
            found.append(f"{law} {seed} distance")
        if not floor.best.squared_distance >= (1.0 - GIVEN_UP) * optimum:
            found.append(f"{law} {seed} best")
        if floor.best.squared_distance != quantisation_error(tokens, floor.best.indices, **how):
            found.append(f"{law} {seed} error of the best")
    return found


def test_no_kept_set_of_small_clouds_is_below_the_floor(small_cloud: Cloud, law: str) -> None:
    assert violations(small_cloud, law, range(90)) == []


def test_a_floor_that_is_hardly_higher_would_be_noticed(small_cloud: Cloud) -> None:
    assert violations(small_cloud, "clusters", range(8), sharpen=1.0 + 2 * GIVEN_UP)


def test_a_bound_that_keeps_one_token_less_would_be_noticed(
    small_cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def generous(cost: np.ndarray, keep: int, *rest: Any) -> float:
        return coverage_bound.bound_at(cost, max(keep - 1, 1), *rest)

    monkeypatch.setattr("otanalysis.transport.floor.coverage.bound_at", generous)

    assert violations(small_cloud, "gaussian", range(12))


def relaxation(cost: np.ndarray, keep: int, masses: np.ndarray) -> float:
    """Return the value of the linear relaxation, by HiGHS, on costs of about one."""
    m, scale = len(cost), cost.max()
    every, one, zero = np.eye(m), np.ones(m), np.zeros((m, m))
    found = linprog(
        np.concatenate([(masses[:, None] * cost / scale).ravel(), np.zeros(m)]),
        A_ub=np.hstack([np.eye(m * m), -np.kron(one[:, None], every)]),
        b_ub=np.zeros(m * m),
        A_eq=np.vstack([np.hstack([np.kron(every, one), zero]), np.concatenate([np.zeros(m * m), one])]),
        b_eq=np.concatenate([one, [keep]]),
        bounds=(0, None),
        method="highs",
    )
    assert found.status == 0
    return float(scale * found.fun)


@pytest.mark.parametrize(
    "law", ["gaussian", "ties", "grid", "zero rows", "clusters", "far from zero", "high dimension"]
)
def test_it_comes_close_to_the_linear_relaxation(small_cloud: Cloud, law: str) -> None:
    """HiGHS is right to 1e-7 of the largest cost: not where a few are millions of times the value."""
    for seed in range(6):
        generator = np.random.default_rng([seed, 3])
        m = int(generator.integers(4, 14))
        keep = int(generator.integers(2, m))
        image = Image(small_cloud(law, seed, m), weights=generator.exponential(size=m) if seed % 2 else None)
        masses = np.full(m, 1.0 / m) if image.weights is None else image.weights
        lowest = relaxation(image.squared_distances, keep, masses)
        floor = quantisation_floor(image, keep)
        assert floor.squared_distance <= lowest * (1.0 + ROUNDING) + 1e-12 * image.squared_distances.max()
        assert floor.squared_distance >= (1.0 - RELAXED) * lowest - 1e-12 * image.squared_distances.max()


@pytest.mark.parametrize(("law", "m"), [("clusters", 14), ("grid", 14), ("gaussian", 15), ("outlier", 14)])
def test_the_search_finds_the_best_set_of_larger_clouds(small_cloud: Cloud, law: str, m: int) -> None:
    tokens = small_cloud(law, 3, m)
    for keep in (2, m // 2, m - 2, m - 1):
        floor = quantisation_floor(tokens, keep)
        optimum = smallest_error(tokens, keep, np.ones(m))
        assert floor.squared_distance <= optimum
        assert floor.best.squared_distance == pytest.approx(optimum, rel=1e-9, abs=1e-15)


def test_one_kept_token_is_known_exactly(small_cloud: Cloud, law: str) -> None:
    for seed in range(5):
        tokens = small_cloud(law, seed, 9)
        weights = drawn_weights(np.random.default_rng(seed), 9)
        floor = quantisation_floor(tokens, 1, weights=weights)
        optimum = smallest_error(tokens, 1, weights)
        assert floor.squared_distance == pytest.approx(optimum, rel=GIVEN_UP, abs=1e-300)
        assert floor.best.squared_distance == pytest.approx(optimum, rel=GIVEN_UP)


def test_keeping_all_tokens_or_all_places_leaves_nothing() -> None:
    tokens = np.repeat(np.random.default_rng(1).standard_normal((5, 2)), 2, axis=0)
    for given, keep in ((tokens, 10), (tokens, 5), (tokens, 7), (np.ones((4, 2)), 1)):
        floor = quantisation_floor(given, keep)
        assert (floor.squared_distance, floor.distance, floor.best.squared_distance) == (0.0, 0.0, 0.0)
        assert (floor.kind, floor.gap) == ("trivial", 0.0)
        assert len(set(floor.best.indices.tolist())) == keep


def test_far_clusters_of_many_duplicates_are_known_exactly() -> None:
    """Their tokens reach far beyond those that are nearest, which are at no distance."""
    tokens = np.repeat(
        [[0.0, 0.0], [3.0, 0.0], [100.0, 1.0], [100.0, 5.0], [0.0, 90.0]], (60, 1, 40, 2, 5), 0
    )
    floor = quantisation_floor(tokens, 3)

    assert floor.best.squared_distance == pytest.approx((9.0 + 2 * 16.0) / 108, rel=ROUNDING)
    assert floor.gap == pytest.approx(0.0, abs=REACHED)


def test_what_is_left_open_of_a_middling_cloud_is_little() -> None:
    tokens = np.random.default_rng(4).standard_normal((120, 6))
    floor = quantisation_floor(tokens, 12)

    assert 0.0 <= floor.gap < 0.02
    kept = ota.select(tokens, "kmedoids", keep=12).indices
    assert floor.best.squared_distance <= quantisation_error(tokens, kept)
    assert floor.squared_distance < ota.wasserstein2(tokens, kept).squared_distance


def test_the_best_set_is_what_the_free_distance_says() -> None:
    tokens, weights = np.random.default_rng(5).standard_normal((30, 3)), np.arange(1.0, 31.0)

    best = quantisation_floor(tokens, 6, weights=weights).best

    again = ota.wasserstein2(tokens, best.indices, weights=weights, kept_weights="optimal")
    assert best.free
    assert best.squared_distance == again.squared_distance
    np.testing.assert_array_equal(best.plan, again.plan)
    assert verify_transport(tokens, best).sound


@pytest.mark.parametrize("keep", [1, 4, 11, 23, 24])
def test_the_published_prices_give_the_floor_again(keep: int) -> None:
    tokens, weights = np.random.default_rng(keep).standard_normal((24, 3)), np.arange(24.0) + 1.0

    floor = quantisation_floor(tokens, keep, weights=weights)

    again = quantisation_bound(tokens, keep, floor.multipliers, weights=weights)
    assert max(again, 0.0) == floor.squared_distance
    assert floor.distance == np.sqrt(floor.squared_distance)
    assert floor.kind == ("lagrangian" if keep < 24 else "trivial")
    assert floor.keep == keep


def test_a_token_of_weight_two_is_two_tokens() -> None:
    generator = np.random.default_rng(10)
    tokens, weights = generator.standard_normal((16, 2)), generator.integers(0, 4, 16)
    copies = np.repeat(tokens, weights, axis=0)

    weighted = quantisation_floor(np.vstack([tokens, 50.0 + tokens[:3]]), 5, weights=[*weights, 0, 0, 0])

    assert weighted.best.squared_distance == pytest.approx(
        quantisation_floor(copies, 5).best.squared_distance, rel=1e-9
    )
    assert quantisation_floor(copies, 5).squared_distance == pytest.approx(
        weighted.squared_distance, rel=RELAXED
    )


def test_equal_weights_change_no_digit_that_matters_and_calls_repeat() -> None:
    tokens = np.random.default_rng(11).standard_normal((40, 3))
    plain, again = quantisation_floor(tokens, 7), quantisation_floor(Image(tokens), 7)
    equal = quantisation_floor(tokens, 7, weights=np.full(40, 3.0))

    assert (plain.squared_distance, plain.gap) == (again.squared_distance, again.gap)
    np.testing.assert_array_equal(plain.multipliers, again.multipliers)
    assert equal.squared_distance == plain.squared_distance


@pytest.mark.parametrize("how", ["columns", "rows"])
def test_normalisation_is_applied_first(how: Any) -> None:
    tokens = np.random.default_rng(12).standard_normal((14, 3)) * [1.0, 10.0, 100.0]

    by_name = quantisation_floor(tokens, 4, normalise=how)

    assert by_name.squared_distance == quantisation_floor(normalise_tokens(tokens, how), 4).squared_distance
    assert by_name.squared_distance != pytest.approx(quantisation_floor(tokens, 4).squared_distance, rel=0.1)


def test_nothing_is_claimed_of_errors_that_have_lost_their_digits() -> None:
    tokens = np.random.default_rng(13).standard_normal((9, 2))
    floor, ordinary = quantisation_floor(1e-160 * tokens, 3), quantisation_floor(tokens, 3)

    assert (floor.squared_distance, floor.kind) == (0.0, "trivial")
    assert floor.distance == pytest.approx(1e-160 * ordinary.distance, rel=1e-9)
    assert floor.gap == pytest.approx(ordinary.gap, abs=REACHED)


def test_a_floor_goes_to_another_process_whole() -> None:
    tokens = np.random.default_rng(15).standard_normal((20, 3))
    floor = quantisation_floor(tokens, 5)
    again = pickle.loads(pickle.dumps(floor))

    assert quantisation_bound(tokens, again.keep, again.multipliers) == floor.squared_distance
    np.testing.assert_array_equal(again.best.indices, floor.best.indices)
