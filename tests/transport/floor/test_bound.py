"""The floor of the exact distance: never above any kept set's, equal to the best where it can be."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from otanalysis.arrays import normalise_tokens
from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.transport import (
    lagrangian_bound,
    spectral_bound,
    squared_distances,
    wasserstein2,
    wasserstein2_floor,
)
from otanalysis.transport.floor import bound, cut_separation
from otanalysis.transport.floor.cuts import CapacityCuts

# The exact solver's own tolerance, relative to the largest cost.
SOLVER_TOLERANCE = 1e-10
# What the floor gives up for errors in the distances, and a little more.
GIVEN_UP = 2e-9
# The ascent's distance from an optimum that it can reach.
REACHED = 1e-6
# Two orders of summation, and what the spectral bound of distances gives up of the largest distance a token.
ROUNDING = 1e-11
SPECTRAL_GIVEN_UP = 1e-9


def violations(
    small_cloud: Callable[..., np.ndarray],
    smallest_distance: Callable[..., float],
    law: str,
    seeds: range,
    sharpen: float = 1.0,
) -> list[str]:
    """Return where a floor or one of its parts is above the smallest distance, or the best set below it.

    No tolerance: every bound contains its own. ``sharpen`` above one raises the floor: the control.
    """
    found = []
    for seed in seeds:
        generator = np.random.default_rng([seed, 7])
        m = int(generator.integers(1, 10))
        keep = int(generator.integers(1, m + 1))
        tokens = small_cloud(law, seed, m)
        floor = wasserstein2_floor(tokens, keep, effort=float(generator.choice([0.05, 0.3])))
        optimum = smallest_distance(tokens, keep)
        claims = {"floor": sharpen * floor.squared_distance, "spectral": spectral_bound(tokens, keep)}
        claims |= {f"part {name}": value for name, value in floor.parts.items()}
        found += [f"{law} {seed} {name}" for name, value in claims.items() if not value <= optimum]
        if not floor.distance <= np.sqrt(optimum):
            found.append(f"{law} {seed} distance")
        if floor.best.squared_distance < optimum * (1.0 - SOLVER_TOLERANCE):
            found.append(f"{law} {seed} best")
    return found


def test_no_kept_set_of_small_clouds_is_below_the_floor(
    small_cloud: Callable[..., np.ndarray], smallest_distance: Callable[..., float], law: str
) -> None:
    assert violations(small_cloud, smallest_distance, law, range(50)) == []


@pytest.mark.parametrize(("law", "m"), [("clusters", 12), ("grid", 12), ("gaussian", 13), ("ties", 14)])
def test_no_kept_set_of_larger_clouds_is_below_the_floor(
    small_cloud: Callable[..., np.ndarray], smallest_distance: Callable[..., float], law: str, m: int
) -> None:
    tokens = small_cloud(law, 3, m)
    for keep in (2, m // 2, m - 2, m - 1):
        floor = wasserstein2_floor(tokens, keep)
        optimum = smallest_distance(tokens, keep)
        assert floor.squared_distance <= optimum
        assert floor.best.squared_distance == pytest.approx(optimum, rel=1e-9, abs=1e-15)


def test_a_floor_that_is_hardly_higher_would_be_noticed(
    small_cloud: Callable[..., np.ndarray], smallest_distance: Callable[..., float]
) -> None:
    assert violations(small_cloud, smallest_distance, "clusters", range(8), sharpen=1.0 + 2 * GIVEN_UP)


@pytest.mark.parametrize("name", ["limit", "rest"])
def test_a_cut_without_one_of_its_terms_would_be_noticed(
    small_cloud: Callable[..., np.ndarray],
    smallest_distance: Callable[..., float],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setattr(CapacityCuts, name, property(lambda cuts: np.zeros(len(cuts))))

    assert violations(small_cloud, smallest_distance, "clusters", range(30))


def far_clusters(sizes: tuple[int, ...], d: int = 3) -> np.ndarray:
    """Return clusters whose distances are a hundred times their widths."""
    generator = np.random.default_rng(len(sizes))
    centres = 100.0 * np.eye(len(sizes), d)
    return np.repeat(centres, sizes, axis=0) + generator.standard_normal((sum(sizes), d))


def test_a_spectral_bound_with_one_axis_too_many_would_be_noticed(
    smallest_distance: Callable[..., float],
) -> None:
    tokens = far_clusters((4, 4))

    assert spectral_bound(tokens, 2) <= smallest_distance(tokens, 2) < spectral_bound(tokens, 1)


@pytest.mark.parametrize(
    ("tokens", "keep"),
    [
        (far_clusters((6, 6)), 2),
        (far_clusters((5, 5)), 4),
        (far_clusters((4, 4, 4)), 3),
        (far_clusters((8, 4)), 3),
        (np.random.default_rng(0).standard_normal((11, 4)), 1),
        (np.arange(12.0)[:, None], 3),
        (np.repeat(np.random.default_rng(1).standard_normal((5, 2)), 2, axis=0), 5),
        (np.array([[0.0], [1.0]]), 1),
    ],
)
def test_floor_and_best_set_meet_where_the_relaxation_is_whole(
    tokens: np.ndarray, keep: int, smallest_distance: Callable[..., float]
) -> None:
    floor = wasserstein2_floor(tokens, keep)
    optimum = smallest_distance(tokens, keep)

    assert floor.squared_distance == pytest.approx(optimum, rel=REACHED, abs=1e-12)
    assert floor.best.squared_distance == pytest.approx(optimum, rel=ROUNDING, abs=1e-15)
    assert 0.0 <= floor.gap < REACHED


@pytest.mark.parametrize(("sizes", "keep", "most"), [((25, 23), 5, 0.03), ((13, 17, 30), 9, 0.04)])
def test_capacity_cuts_close_what_clusters_of_parts_leave_open(
    sizes: tuple[int, ...], keep: int, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = far_clusters(sizes)

    with_cuts = wasserstein2_floor(tokens, keep)
    nobody = np.zeros((0, len(tokens)), bool)
    none = CapacityCuts(nobody, nobody, len(tokens) / keep)
    monkeypatch.setattr(bound, "cluster_cuts", lambda *_: none)
    monkeypatch.setattr(cut_separation, "separate_union_cuts", lambda *_: none)
    without = wasserstein2_floor(tokens, keep)

    assert with_cuts.gap < most
    assert without.gap > 0.5


def test_cuts_found_on_the_way_raise_the_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = far_clusters((25, 23)) * 0.1
    nobody = np.zeros((0, 48), bool)
    none = CapacityCuts(nobody, nobody, 48 / 5)

    monkeypatch.setattr(bound, "cluster_cuts", lambda *_: none)
    found_only = wasserstein2_floor(tokens, 5)
    monkeypatch.setattr(cut_separation, "separate_union_cuts", lambda *_: none)
    without = wasserstein2_floor(tokens, 5)

    assert len(found_only.cuts) > 0
    assert found_only.squared_distance > 10 * without.squared_distance


def test_a_middling_cloud_leaves_little_open() -> None:
    tokens = np.random.default_rng(4).standard_normal((80, 6))

    assert wasserstein2_floor(tokens, 10).gap < 0.1


def test_the_best_set_is_what_the_exact_distance_says() -> None:
    tokens = np.random.default_rng(5).standard_normal((30, 3))

    best = wasserstein2_floor(tokens, 6).best

    again = wasserstein2(tokens, best.indices)
    assert len(set(best.indices)) == 6
    assert best.squared_distance == again.squared_distance
    np.testing.assert_array_equal(best.plan, again.plan)


@pytest.mark.parametrize("keep", [1, 4, 11, 23, 24])
def test_the_published_prices_give_the_bound_again(keep: int) -> None:
    tokens = far_clusters((10, 14))

    floor = wasserstein2_floor(tokens, keep)

    given: dict[str, Any] = {"cuts": floor.cuts, "cut_prices": floor.cut_prices}
    assert lagrangian_bound(tokens, keep, floor.multipliers, **given) == floor.parts["lagrangian"]
    assert floor.squared_distance == max(*floor.parts.values(), 0.0)
    assert floor.distance == np.sqrt(floor.squared_distance)
    assert floor.kind == ("lagrangian" if keep < 24 else "trivial")
    assert (floor.cut_prices >= 0.0).all()
    assert floor.keep == keep


def test_it_is_deterministic() -> None:
    tokens = np.random.default_rng(8).standard_normal((40, 3))

    one, other = wasserstein2_floor(tokens, 7), wasserstein2_floor(tokens, 7)

    assert one.squared_distance == other.squared_distance
    np.testing.assert_array_equal(one.multipliers, other.multipliers)
    np.testing.assert_array_equal(one.best.indices, other.best.indices)


@pytest.mark.parametrize("how", ["columns", "rows"])
def test_normalisation_is_applied_first(how: Any) -> None:
    tokens = np.random.default_rng(10).standard_normal((14, 3)) * [1.0, 10.0, 100.0]

    by_name = wasserstein2_floor(tokens, 4, normalise=how)

    assert by_name.parts == wasserstein2_floor(normalise_tokens(tokens, how), 4).parts
    assert by_name.squared_distance != pytest.approx(wasserstein2_floor(tokens, 4).squared_distance, rel=0.1)
    assert by_name.best.squared_distance == pytest.approx(
        wasserstein2(tokens, by_name.best.indices, normalise=how).squared_distance, rel=ROUNDING
    )


def test_an_image_gives_the_same_floor_as_its_tokens() -> None:
    tokens = np.random.default_rng(11).standard_normal((14, 3))

    shared = wasserstein2_floor(Image(tokens), 4)

    assert shared.parts == wasserstein2_floor(tokens, 4).parts


@pytest.mark.parametrize("keep", range(1, 9))
def test_spectral_bound_is_the_variance_off_the_first_principal_axes(keep: int) -> None:
    tokens = np.random.default_rng(13).standard_normal((20, 6)) * np.arange(1.0, 7.0) + 50.0
    variances = np.sort(np.linalg.eigvalsh(np.cov(tokens.T, bias=True)))[::-1]

    value = spectral_bound(tokens, keep)

    assert value == pytest.approx(variances[keep - 1 :].sum(), rel=1e-9)
    assert value <= wasserstein2(tokens, np.arange(keep)).squared_distance
    part = wasserstein2_floor(tokens, keep, effort=0.01).parts["spectral"]
    slack = SPECTRAL_GIVEN_UP * len(tokens) * squared_distances(tokens).max()
    assert value - slack <= part <= value * (1.0 + ROUNDING)


def test_spectral_bound_is_attained_by_tokens_around_one() -> None:
    tokens = np.vstack([np.zeros(4), np.eye(4), -np.eye(4)])

    assert spectral_bound(tokens, 1) == pytest.approx(
        wasserstein2(tokens, [0]).squared_distance, rel=ROUNDING
    )
    assert spectral_bound(tokens, 5) == 0.0


def test_nothing_is_claimed_of_distances_that_have_lost_their_digits() -> None:
    tokens = np.random.default_rng(16).standard_normal((7, 2))

    floor = wasserstein2_floor(1e-160 * tokens, 2)

    assert (floor.squared_distance, floor.kind) == (0.0, "trivial")
    assert floor.best.squared_distance > 0.0
    of_ordinary = wasserstein2_floor(tokens, 2)
    assert floor.distance == pytest.approx(1e-160 * of_ordinary.distance, rel=1e-12)
    assert floor.gap == pytest.approx(of_ordinary.gap, rel=1e-9)


def test_spectral_bound_of_the_largest_and_smallest_tokens_is_a_number() -> None:
    tokens = np.random.default_rng(14).standard_normal((5, 3))

    assert np.isfinite(spectral_bound(1e300 * tokens, 2))
    assert spectral_bound(1e-160 * tokens, 2) == 0.0


def test_torch_tokens_have_the_same_spectral_bound() -> None:
    torch = pytest.importorskip("torch")
    tokens = np.random.default_rng(15).standard_normal((10, 2))

    assert spectral_bound(torch.tensor(tokens), 2) == spectral_bound(tokens, 2)


@pytest.mark.parametrize("keep", [0, 6])
def test_spectral_bound_refuses_what_makes_no_sense(keep: int) -> None:
    with pytest.raises(InputError, match=r"1\.\.5"):
        spectral_bound(np.eye(5), keep)


def test_a_floor_goes_to_another_process_whole() -> None:
    tokens = np.random.default_rng(0).standard_normal((20, 3))
    floor = wasserstein2_floor(tokens, 5)
    again = pickle.loads(pickle.dumps(floor))
    given = {"cuts": again.cuts, "cut_prices": again.cut_prices}
    bound = lagrangian_bound(tokens, again.keep, again.multipliers, **given)
    assert bound == floor.parts["lagrangian"] == again.parts["lagrangian"]
    np.testing.assert_array_equal(again.best.indices, floor.best.indices)
    with pytest.raises(TypeError):
        again.parts["lagrangian"] = 0.0
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(floor.parts)
