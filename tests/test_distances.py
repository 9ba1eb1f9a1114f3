"""The registry of distances: each is the function of its name, and keeps the laws that it is said to keep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import ortho_group

from otanalysis.distances import DISTANCES, EVERYWHERE, Distance, further_distances, measure_distances
from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.surrogate import Ladder

KEPT = np.array([3, 17, 8, 20])
# The same numbers in another order or unit; those that are roots of a difference of sums lose half of it.
ROUNDING = 1e-8


@dataclass(frozen=True)
class Law:
    """What a distance does not change with, and how it grows with the tokens."""

    degree: int
    moved: bool = True
    turned: bool = True
    zero: bool = True
    weighted: bool = True


LAWS = {
    "w2": Law(1),
    "w2_squared": Law(2),
    "gelbrich_w2_squared": Law(2),
    "bures_w2_squared": Law(2, moved=False),
    "trace_objective": Law(2, moved=False, zero=False),
    "logdet": Law(0, moved=False, turned=False, zero=False, weighted=False),
    "quantisation_error": Law(2),
    "energy_distance": Law(1),
    "hausdorff_radius": Law(1),
    "projection_residual": Law(0, moved=False),
    "effective_rank": Law(0, moved=False, zero=False),
    "sliced_w2": Law(1, turned=False),
}

every_distance = pytest.mark.parametrize("distance", DISTANCES.values(), ids=DISTANCES)


@pytest.fixture(scope="module")
def tokens() -> np.ndarray:
    generator = np.random.default_rng(0)
    return 0.3 + generator.standard_normal((24, 9)) * generator.exponential(size=(24, 1))


def test_keys_are_the_names_of_the_entries() -> None:
    assert LAWS.keys() == DISTANCES.keys()
    assert all(name == one.name and one.label for name, one in DISTANCES.items())
    assert len({one.label for one in DISTANCES.values()}) == len(DISTANCES)


def test_what_the_ladder_measures_too_is_the_same_number(tokens: np.ndarray) -> None:
    ladder = Ladder(tokens).values(KEPT)
    assert set(EVERYWHERE) <= ladder.keys()
    measured = measure_distances(Image(tokens), KEPT, EVERYWHERE)
    assert measured == pytest.approx({name: ladder[name] for name in EVERYWHERE}, rel=1e-12)


def test_what_is_asked_for_twice_or_measured_anyway_falls_out() -> None:
    assert further_distances(("sliced_w2", "w2", "energy_distance", "sliced_w2")) == (
        "energy_distance",
        "sliced_w2",
    )
    assert further_distances(DISTANCES) == tuple(name for name in DISTANCES if name not in EVERYWHERE)
    with pytest.raises(InputError, match=r"one of w2, w2_squared, .*sliced_w2; got 'wasserstein'"):
        further_distances(["wasserstein"])
    with pytest.raises(InputError, match="several"):
        further_distances("w2")


@every_distance
def test_grows_with_the_tokens_by_its_degree(distance: Distance, tokens: np.ndarray) -> None:
    degree = LAWS[distance.name].degree
    value = distance.measure(Image(tokens), KEPT)
    assert value > 0.0
    for power in (1, -20, -565, 256):  # tokens of 1e-170 and 1e77, whose squares vanish or are large
        found = distance.measure(Image(np.ldexp(tokens, power)), KEPT)
        assert found == pytest.approx(np.ldexp(value, degree * power), rel=ROUNDING, abs=1e-320)


@every_distance
def test_what_it_is_free_of_is_as_said(distance: Distance, tokens: np.ndarray) -> None:
    law, value = LAWS[distance.name], distance.measure(Image(tokens), KEPT)

    def same(other: np.ndarray, kept: np.ndarray = KEPT) -> bool:
        return bool(distance.measure(Image(other), kept) == pytest.approx(value, rel=ROUNDING))

    order = np.random.default_rng(1).permutation(24)
    assert same(tokens, KEPT[::-1])
    assert same(tokens[order], np.argsort(order)[KEPT])
    assert same(tokens + np.arange(9.0)) is law.moved
    assert same(tokens @ ortho_group.rvs(9, random_state=2)) is law.turned


@every_distance
def test_all_tokens_are_nearest_to_all_tokens(distance: Distance, tokens: np.ndarray) -> None:
    image = Image(tokens)
    everything = distance.measure(image, np.arange(24))
    if LAWS[distance.name].zero:
        assert everything == pytest.approx(0.0, abs=1e-12)
    if distance.name != "trace_objective":  # long tokens alone have more of it than all together
        some = [distance.measure(image, KEPT), distance.measure(image, np.arange(12))]
        assert all((everything > one) is distance.higher_is_closer for one in some)


@every_distance
def test_weights_count_tokens(distance: Distance, tokens: np.ndarray) -> None:
    times = np.random.default_rng(3).integers(0, 3, 24)
    times[KEPT] = [1, 2, 1, 2]
    first = np.cumsum(times) - times
    weighted = distance.measure(Image(tokens, weights=times), KEPT)
    repeated = distance.measure(Image(np.repeat(tokens, times, axis=0)), first[KEPT])
    same = bool(weighted == pytest.approx(repeated, rel=ROUNDING))
    assert same is LAWS[distance.name].weighted


@every_distance
def test_copies_of_the_kept_tokens_are_as_near(distance: Distance, tokens: np.ndarray) -> None:
    twice = Image(np.repeat(tokens, 2, axis=0))
    values = [distance.measure(twice, 2 * KEPT), distance.measure(twice, 2 * KEPT + 1)]
    assert values[0] == pytest.approx(values[1], rel=ROUNDING)
    if LAWS[distance.name].zero:
        assert distance.measure(twice, np.arange(0, 48, 2)) == pytest.approx(0.0, abs=1e-7)
