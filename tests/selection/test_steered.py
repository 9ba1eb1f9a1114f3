"""Steered subsets: one size, each leaning as it says, and swaps that lower what they are to lower."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

import otanalysis as ota
from otanalysis.arrays import FloatArray
from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.selection.pool import RANDOM
from otanalysis.selection.steered import (
    LENGTH,
    PLACE,
    QUANTISATION_SWAPS,
    STRETCH,
    W2_SWAPS,
    SteeredSubset,
    draw_steered,
)

M, KEEP = 96, 8
GRID = np.stack(np.meshgrid(np.arange(8), np.arange(12)), axis=-1).reshape(-1, 2) / [8, 12]
OBJECTIVES = {
    W2_SWAPS: lambda image, kept: ota.wasserstein2(image, kept).squared_distance,
    QUANTISATION_SWAPS: ota.quantisation_error,
}


@pytest.fixture(scope="module")
def image() -> Image:
    generator = np.random.default_rng(0)
    return Image(generator.standard_normal((M, 2)) * generator.uniform(0.3, 3.0, (M, 1)))


def drawn(
    image: Image, *, seed: int = 0, subsets: int = 40, places: FloatArray | None = GRID
) -> list[SteeredSubset]:
    generator = np.random.default_rng(seed)
    return list(draw_steered(image, KEEP, subsets=subsets, generator=generator, places=places))


def test_all_subsets_are_distinct_tokens_of_one_size_in_order(image: Image) -> None:
    for subset in drawn(image):
        assert len(subset.indices) == KEEP
        assert np.all(np.diff(subset.indices) > 0)
        assert 0 <= subset.indices[0] <= subset.indices[-1] < M


def test_the_kinds_have_their_shares(image: Image) -> None:
    origins = [subset.origin for subset in drawn(image)]
    places = [PLACE, STRETCH] * 3
    assert origins == [RANDOM] * 16 + places + [LENGTH] * 6 + [W2_SWAPS] * 6 + [QUANTISATION_SWAPS] * 6
    assert [one.origin for one in drawn(image, places=None)][16:22] == [STRETCH] * 6
    few = [one.origin for one in drawn(image, subsets=7)]
    assert few == [RANDOM] * 3 + [PLACE, LENGTH, W2_SWAPS, QUANTISATION_SWAPS]


def test_equal_seeds_give_equal_subsets_and_others_give_others(image: Image) -> None:
    first, again, other = ([one.indices.tolist() for one in drawn(image, seed=seed)] for seed in (1, 1, 2))
    assert first == again
    assert sum(a == b for a, b in zip(first, other, strict=True)) < 5


def test_every_stage_of_swaps_lowers_its_objective(image: Image) -> None:
    subsets = drawn(image)
    for origin, start in product(OBJECTIVES, (0, 1)):
        chain = [subsets[start], *(one for one in subsets if (one.origin, one.start) == (origin, start))]
        assert len(chain) == 4
        values = [OBJECTIVES[origin](image, one.indices) for one in chain]
        assert all(later < earlier for earlier, later in pairwise(values))


def test_swaps_of_both_kinds_begin_alike_and_are_as_many(image: Image) -> None:
    subsets = drawn(image)
    begun = {
        origin: [(one.start, one.swaps) for one in subsets if one.origin == origin] for origin in OBJECTIVES
    }
    assert begun[W2_SWAPS] == begun[QUANTISATION_SWAPS] == [(0, 1), (0, 2), (0, 4), (1, 1), (1, 2), (1, 4)]
    assert all(one.start == number for number, one in enumerate(subsets[:28]))
    first = next(one for one in subsets if one.origin == W2_SWAPS)
    assert len(np.setdiff1d(first.indices, subsets[0].indices)) == 1


def test_a_swap_is_the_best_one_for_the_plan_that_it_starts_from() -> None:
    """All swaps of a small image are looked at."""
    image = Image([[0.0], [1.0], [10.0], [11.0], [12.0], [20.0]])
    tried = 0
    for start, swapped in swapped_pairs(image):
        plan = ota.wasserstein2(image, start, kept_weights="optimal").plan
        served = image.squared_distances @ plan
        best = min(
            served[token, column] - served[start[column], column]
            for column in range(2)
            for token in range(6)
            if token not in start
        )
        if np.array_equal(start, swapped):
            assert best >= -1e-9
            continue
        [column], [token] = np.flatnonzero(~np.isin(start, swapped)), np.setdiff1d(swapped, start)
        assert served[token, column] - served[start[column], column] == pytest.approx(best)
        tried += 1
    assert tried > 3


def swapped_pairs(image: Image) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return random pairs of tokens, each with what one swap makes of it."""
    found = []
    for seed in range(8):
        subsets = draw_steered(image, 2, subsets=7, generator=np.random.default_rng(seed))
        found.append((subsets[0].indices, subsets[-1].indices))
    return found


def test_where_no_swap_lowers_the_objective_none_is_made() -> None:
    """Of two points, three tokens each, a set with both cannot be bettered."""
    image = Image(np.repeat([[0.0], [1.0]], 3, axis=0))
    settled = 0
    for seed in range(6):
        subsets = draw_steered(image, 2, subsets=7, generator=np.random.default_rng(seed))
        if ota.quantisation_error(image, subsets[0].indices) == 0.0:
            settled += 1
            for swapped in subsets[-2:]:
                assert swapped.swaps == 0
                assert swapped.indices.tolist() == subsets[0].indices.tolist()
    assert settled > 1


def test_places_and_lengths_are_leant_to(image: Image) -> None:
    """Sets near a place are narrower than random ones on average, and lengths follow their bias."""
    lengths = np.linalg.norm(image.host, axis=1)
    spread: dict[str, list[float]] = {RANDOM: [], PLACE: [], STRETCH: []}
    leaning = []
    for seed in range(20):
        subsets = drawn(image, seed=seed)
        for one in subsets[:22]:
            where = np.arange(M)[:, None] / M if one.origin == STRETCH else GRID
            spread[one.origin].append(float(where[one.indices].std(axis=0).mean()))
        leaning.append([lengths[one.indices].mean() for one in subsets[22:28]])
    means = {origin: np.mean(values) for origin, values in spread.items()}
    assert means[PLACE] < 0.85 * means[RANDOM]
    assert means[STRETCH] < 0.9 * means[RANDOM]
    assert np.all(np.diff(np.mean(leaning, axis=0)) > 0)


def test_uniform_subsets_hold_every_token_equally_often(image: Image) -> None:
    counts = np.zeros(M)
    for seed in range(60):
        for one in draw_steered(image, KEEP, subsets=7, generator=np.random.default_rng(seed))[:3]:
            counts[one.indices] += 1
    expected = 180 * KEEP / M
    statistic = float(np.sum((counts - expected) ** 2) / (expected * (1 - KEEP / M)))
    assert 50 < statistic < 155  # chi-squared of 95 degrees of freedom: beyond 1 in 10,000 on either side


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"subsets": 6}, "At least 7"), ({"keep": M}, "leave some out"), ({"keep": 0}, "leave some out")],
)
def test_what_makes_no_sense_is_refused(settings: dict[str, int], said: str, image: Image) -> None:
    how = {"keep": KEEP, "subsets": 40} | settings
    with pytest.raises(InputError, match=said):
        draw_steered(image, how["keep"], subsets=how["subsets"], generator=np.random.default_rng(0))
