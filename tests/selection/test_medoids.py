"""ot-medoids: every round descends, the end is a fixed point, and it beats what it starts from."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from otanalysis.errors import ConvergenceError
from otanalysis.image import Image
from otanalysis.selection import select
from otanalysis.selection.medoids import OTMedoids
from otanalysis.transport import quantisation_error, squared_distances, wasserstein2
from otanalysis.transport.floor.local_search import move_medoids

ROUNDING = 1e-12


def cloud(seed: int, m: int = 60, d: int = 6) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.standard_normal((m, d)) + 4 * generator.integers(0, 3, size=(m, 1))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("duplicates", [False, True])
def test_no_round_increases_the_exact_distance(seed: int, duplicates: bool) -> None:
    tokens = cloud(seed)
    if duplicates:
        tokens[:40] = np.repeat(tokens[:4], 10, axis=0)
    cost = squared_distances(tokens)
    kept = np.random.default_rng(seed).permutation(60)[:9]
    values = []

    for _ in range(50):
        transport = wasserstein2(tokens, kept)
        values.append(transport.squared_distance)
        moved = move_medoids(cost, transport)
        assert len(np.unique(moved)) == 9
        if np.array_equal(moved, kept):
            break
        kept = moved

    assert len(values) < 50, "the end must be reached"
    assert values[-1] < 0.9 * values[0], "the random start must leave something to improve"
    assert np.all(np.diff(values) <= ROUNDING * cost.max())


@pytest.mark.parametrize("seed", range(3))
def test_the_result_is_a_fixed_point_below_its_start_and_other_methods(seed: int) -> None:
    tokens = cloud(seed)
    cost = squared_distances(tokens)

    kept = select(tokens, "ot-medoids", keep=9).indices
    value = wasserstein2(tokens, kept)

    assert np.array_equal(move_medoids(cost, value), kept)
    for start in ("kmedoids", "random", "otprune"):
        other = select(tokens, start, keep=9).indices
        assert value.squared_distance <= wasserstein2(tokens, other).squared_distance
    start = select(tokens, "kmedoids", keep=9).indices
    assert value.squared_distance < 0.99 * wasserstein2(tokens, start).squared_distance


def test_two_far_groups_are_shared_out_by_mass() -> None:
    generator = np.random.default_rng(0)
    tokens = np.concatenate([generator.normal(0, 0.1, (30, 2)), generator.normal(50, 0.1, (10, 2))])

    kept = select(tokens, "ot-medoids", keep=4).indices

    assert (kept < 30).sum() == 3


def test_a_move_needs_a_gain_and_takes_the_best() -> None:
    tokens = np.array([[0.0], [1.0], [2.0], [2.0]])
    cost = squared_distances(tokens)

    assert move_medoids(cost, wasserstein2(tokens, [0])).tolist() == [1]
    assert move_medoids(cost, wasserstein2(tokens, [1])).tolist() == [1]
    # Token 1 serves 0 and 1: each is as good a medoid as the other. Token 3 has its duplicate 2.
    assert move_medoids(cost, wasserstein2(tokens, [1, 3])).tolist() == [1, 3]


@pytest.mark.parametrize("method", ["kmedoids", "ot-medoids"])
def test_duplicates_make_up_the_count(method: str) -> None:
    tokens = np.repeat([[0.0, 1.0], [9.0, 0.0]], 3, axis=0)

    kept = select(tokens, method, keep=5).indices

    assert kept.tolist() == sorted(set(kept.tolist()))
    assert len(kept) == 5


def test_too_few_rounds_raise() -> None:
    with pytest.raises(ConvergenceError, match="raise max_rounds"):
        select(cloud(0), OTMedoids(max_rounds=1), keep=9)


@pytest.mark.parametrize("keep", [1, 3, 6])
@pytest.mark.parametrize("seed", range(8))
def test_weighted_medoids_are_a_local_minimum_of_the_weighted_error(seed: int, keep: int) -> None:
    generator = np.random.default_rng(seed)
    tokens, weights = generator.standard_normal((14, 2)), generator.exponential(size=14) ** 3
    weights[4] = 0.0
    image = Image(tokens, weights=weights)

    kept = select(image, "kmedoids", keep=keep).indices

    value = quantisation_error(image, kept)
    for a, j in product(range(keep), np.setdiff1d(np.arange(14), kept)):
        other = np.append(np.delete(kept, a), j)
        assert value <= quantisation_error(image, other) * (1 + ROUNDING)
    if keep == 1:
        assert value == min(quantisation_error(image, [j]) for j in range(14))


@pytest.mark.parametrize("method", ["kmedoids", "ot-medoids"])
def test_whole_weights_choose_nearly_as_well_as_copies_and_other_than_none(method: str) -> None:
    measures = {
        "kmedoids": lambda image, kept: quantisation_error(image, kept),
        "ot-medoids": lambda image, kept: wasserstein2(image, kept).squared_distance,
    }
    better = 0
    for seed in range(6):
        tokens = cloud(seed)
        copies = np.random.default_rng(seed).integers(0, 6, 60) ** 2
        image, measure = Image(tokens, weights=copies), measures[method]
        places = np.repeat(np.arange(60), copies)
        weighted = measure(image, select(image, method, keep=9).indices)
        plain = measure(image, select(tokens, method, keep=9).indices)
        of_copies = np.unique(places[select(tokens[places], method, keep=9).indices])
        if method == "kmedoids":
            assert weighted <= 1.1 * measure(image, of_copies)
        better += weighted < plain
    assert better >= 5


def test_weighted_ot_medoids_settle_where_no_token_moves() -> None:
    tokens, weights = cloud(0), np.random.default_rng(1).exponential(size=60)
    image = Image(tokens, weights=weights)

    kept = select(image, "ot-medoids", keep=9).indices

    transport = wasserstein2(image, kept)
    assert np.array_equal(move_medoids(squared_distances(tokens), transport), kept)
    start = select(image, "kmedoids", keep=9).indices
    assert transport.squared_distance < wasserstein2(image, start).squared_distance


@pytest.mark.parametrize("method", ["kmedoids", "ot-medoids"])
def test_equal_weights_choose_as_none_do(method: str) -> None:
    tokens = cloud(2)
    plain = select(tokens, method, keep=9).indices
    np.testing.assert_array_equal(select(Image(tokens, weights=[7] * 60), method, keep=9).indices, plain)
