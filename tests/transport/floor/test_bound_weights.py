"""The floor of weighted tokens: never above any kept set's distance, whatever the weights."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import combinations
from math import gcd

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

import otanalysis as ota
from otanalysis.errors import InputError
from otanalysis.transport import squared_distances
from otanalysis.transport.exact import solve_exact
from otanalysis.transport.floor import bound, lagrangian
from otanalysis.transport.floor.bound import _whole_units
from otanalysis.transport.floor.cuts import CapacityCuts, cluster_cuts, dendrogram, violated_cuts
from otanalysis.transport.floor.lagrangian import cheapest_fill
from otanalysis.transport.verification import verify_transport
from tests.clouds import drawn_weights

Cloud = Callable[[str, int, int], np.ndarray]

# The exact solver's own tolerance, relative to the value.
SOLVER_TOLERANCE = 1e-10
# What the bound gives up for errors in the distances, and for sums of a few dozen terms of the largest one.
GIVEN_UP = 1.1e-9
ROUNDING = 1e-11


def smallest_distance(tokens: np.ndarray, keep: int, weights: np.ndarray) -> float:
    """Return the smallest squared distance of all kept sets, each an assignment of copies by SciPy."""
    cost = np.sum((tokens[:, None] - tokens[None]) ** 2, axis=2)
    scale = cost.max() or 1.0
    total = int(weights.sum())
    common = gcd(total, keep)
    split = np.repeat(cost / scale, weights * (keep // common), axis=0)
    found = []
    for kept in combinations(range(len(tokens)), keep):
        square = np.repeat(split[:, list(kept)], total // common, axis=1)
        found.append(float(square[linear_sum_assignment(square)].mean()))
    return float(scale * min(found))


def violations(small_cloud: Cloud, law: str, seeds: range, sharpen: float = 1.0) -> list[str]:
    """Return where a floor or one of its parts is above the smallest distance, or the best set below it."""
    found = []
    for seed in seeds:
        generator = np.random.default_rng([seed, 7])
        m = int(generator.integers(1, 8))
        keep = int(generator.integers(1, m + 1))
        tokens, weights = small_cloud(law, seed, m), drawn_weights(generator, m)
        floor = ota.wasserstein2_floor(tokens, keep, weights=weights, effort=0.1)
        optimum = smallest_distance(tokens, keep, weights)
        claims = {"floor": sharpen * floor.squared_distance, "distance": floor.distance**2 * (1 - 1e-15)}
        claims |= {f"part {name}": value for name, value in floor.parts.items()}
        claims["spectral"] = ota.spectral_bound(tokens, keep, weights=weights)
        claims["again"] = ota.lagrangian_bound(
            ota.Image(tokens, weights=weights),
            keep,
            floor.multipliers,
            cuts=floor.cuts,
            cut_prices=floor.cut_prices,
        )
        found += [f"{law} {seed} {name}" for name, value in claims.items() if not value <= optimum]
        if floor.best.squared_distance < optimum * (1.0 - SOLVER_TOLERANCE):
            found.append(f"{law} {seed} best")
    return found


def test_no_kept_set_of_small_clouds_is_below_the_floor(small_cloud: Cloud, law: str) -> None:
    assert violations(small_cloud, law, range(12)) == []


def test_a_sharper_floor_would_be_noticed(small_cloud: Cloud) -> None:
    assert violations(small_cloud, "gaussian", range(8), sharpen=1.0 + 1e-6)


def test_the_floor_of_clusters_is_close_and_the_search_finds_the_best_set(small_cloud: Cloud) -> None:
    for seed in range(3):
        tokens, weights = small_cloud("clusters", seed, 9), drawn_weights(np.random.default_rng(seed), 9)
        floor = ota.wasserstein2_floor(tokens, 4, weights=weights)
        optimum = smallest_distance(tokens, 4, weights)
        assert floor.best.squared_distance == pytest.approx(optimum, rel=1e-9)
        assert 0.5 * optimum <= floor.squared_distance <= optimum
        assert verify_transport(tokens, floor.best).sound


@pytest.mark.parametrize("seed", range(3))
def test_the_floor_of_larger_weighted_clouds_closes_the_gap_and_knows_its_weights(seed: int) -> None:
    generator = np.random.default_rng(seed)
    tokens, weights = generator.standard_normal((90, 3)), generator.exponential(size=90) ** 3
    floor = ota.wasserstein2_floor(tokens, 11, weights=weights)
    plain = ota.wasserstein2_floor(tokens, 11)

    assert 0.0 <= floor.gap < 0.1
    best = ota.wasserstein2(tokens, floor.best.indices, weights=weights)
    assert best.squared_distance == pytest.approx(floor.best.squared_distance, rel=ROUNDING)
    other = ota.wasserstein2(tokens, plain.best.indices, weights=weights)
    assert floor.best.squared_distance < other.squared_distance
    assert floor.squared_distance > 0.0
    again = ota.lagrangian_bound(
        tokens, 11, floor.multipliers, cuts=floor.cuts, cut_prices=floor.cut_prices, weights=weights
    )
    assert again == pytest.approx(floor.parts["lagrangian"], rel=1e-12)


def test_equal_weights_give_the_same_floor_to_the_last_bit() -> None:
    tokens = np.random.default_rng(0).standard_normal((40, 3))
    plain = ota.wasserstein2_floor(tokens, 7)
    equal = ota.wasserstein2_floor(tokens, 7, weights=np.full(40, 3.0))

    assert equal.squared_distance == plain.squared_distance
    np.testing.assert_array_equal(equal.multipliers, plain.multipliers)


def test_where_all_tokens_are_kept_the_floor_is_the_distance_to_them() -> None:
    tokens, weights = np.random.default_rng(1).standard_normal((12, 2)), np.arange(12.0)
    floor = ota.wasserstein2_floor(tokens, 12, weights=weights)

    assert floor.squared_distance == pytest.approx(floor.best.squared_distance, rel=2e-9)
    assert floor.best.squared_distance > 0.01


def by_definition(
    cost: np.ndarray,
    keep: int,
    sizes: list[Fraction],
    multipliers: np.ndarray,
    cuts: CapacityCuts,
    dear: np.ndarray,
) -> Fraction:
    """Return the formula at the head of lagrangian.py with sizes, in exact arithmetic, loop by loop."""
    m, q = len(cost), Fraction(len(cost), keep)
    prices = [Fraction(float(value)) for value in multipliers]
    priced = []
    for served, keepers, value in zip(cuts.served, cuts.keepers, dear, strict=True):
        whole, rest = divmod(sum(np.array(sizes)[served], Fraction(0)) / q, 1)
        priced.append((served, keepers, Fraction(float(value)), whole, rest))
    columns = []
    for j in range(m):
        entries = sorted(
            (Fraction(float(cost[i, j])) - prices[i] + sum(p for a, b, p, *_ in priced if a[i] and b[j]), i)
            for i in range(m)
        )
        left, total = q, Fraction(0)
        for entry, i in entries:
            taken = min(left, sizes[i])
            total += taken * entry
            left -= taken
        columns.append(total - sum(q * rest * p for _, b, p, _, rest in priced if b[j]))
    limits = [p * q * whole * (1 - rest) for _, _, p, whole, rest in priced]
    worth = [size * price for size, price in zip(sizes, prices, strict=True)]
    return sum(worth + [-one for one in limits] + sorted(columns)[:keep], Fraction(0)) / m


def misses(small_cloud: Cloud, law: str, seeds: range) -> list[str]:
    """Return where the computed bound is above its definition, or needlessly far below."""
    found = []
    for seed in seeds:
        generator = np.random.default_rng(seed)
        m = int(generator.integers(2, 9))
        keep = int(generator.integers(1, m + 1))
        tokens = small_cloud(law, seed, m)
        weights = 10.0 ** generator.uniform(-3, 0, m) * (np.arange(m) != 1)
        image = ota.Image(tokens, weights=weights)
        cost = image.squared_distances
        served, keepers = generator.random((2, 3, m)) < 0.6
        cuts, dear = CapacityCuts(served, keepers, m / keep), cost.max() * generator.exponential(size=3)
        start = solve_exact(cost, generator.permutation(m)[:keep], masses=image.weights).potentials[0]
        multipliers = start + cost.max() * 10.0 ** generator.uniform(-6, 0) * generator.standard_normal(m)
        value = ota.lagrangian_bound(image, keep, multipliers, cuts=cuts, cut_prices=dear)
        exact = [Fraction(float(one)) for one in weights]
        sizes = [m * one / sum(exact) for one in exact]
        truth = by_definition(cost, keep, sizes, multipliers, cuts, dear)
        scale = cost.max() + np.abs(multipliers).max() + dear.sum()
        if Fraction(value) > truth:
            found.append(f"above at {law} {seed}")
        if value < float(truth) - GIVEN_UP * abs(float(truth)) - ROUNDING * scale - lagrangian.TINY:
            found.append(f"far below at {law} {seed}")
    return found


def test_the_bound_is_its_definition_less_an_allowance(small_cloud: Cloud, law: str) -> None:
    assert misses(small_cloud, law, range(20)) == []


def test_without_the_allowance_rounding_would_be_noticed(
    small_cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("EPS", "COST_ERROR", "TINY"):
        monkeypatch.setattr(lagrangian, name, 0.0)
    assert any(miss.startswith("above") for miss in misses(small_cloud, "gaussian", range(25)))


def test_the_spectral_bound_is_that_of_copies_and_both_ways_agree() -> None:
    generator = np.random.default_rng(2)
    tokens, copies = generator.standard_normal((20, 6)), generator.integers(0, 4, 20)
    many = np.repeat(tokens, copies, axis=0)
    masses = copies / copies.sum()
    cost = squared_distances(tokens)
    scale = 2.0 ** np.ceil(np.log2(cost.max()))

    for keep in (1, 3, 6):
        weighted = ota.spectral_bound(tokens, keep, weights=copies)
        assert weighted == pytest.approx(ota.spectral_bound(many, keep), rel=1e-9)
        of_distances = scale * bound._spectral_bound_of(cost / scale, keep, masses)
        assert of_distances == pytest.approx(weighted, rel=1e-6)
        assert of_distances <= weighted * (1 + ROUNDING)
        assert weighted > 0.0


def test_a_fill_takes_the_cheapest_first_and_no_more_than_there_is() -> None:
    rows = np.array([[3.0, 1.0, 2.0, 0.0]])
    fill = cheapest_fill(rows, 2.0, np.array([1.0, 0.5, 2.5, 0.0]))

    assert fill.totals.tolist() == [0.5 * 1.0 + 1.5 * 2.0]
    assert dict(zip(fill.positions[0].tolist(), fill.weights[0].tolist(), strict=True)) == {
        3: 0.0, 1: 0.5, 2: 1.5, 0: 0.0,
    }  # fmt: skip
    assert fill.highest(rows).tolist() == [2.0]
    with_ones = cheapest_fill(rows, 2.5, np.ones(4))
    assert with_ones.totals == pytest.approx(cheapest_fill(rows, 2.5).totals)
    assert with_ones.highest(rows) == cheapest_fill(rows, 2.5).highest(rows)


def test_cuts_of_sized_tokens_are_those_of_copies() -> None:
    generator = np.random.default_rng(3)
    copies = generator.integers(1, 4, 10)
    total, keep = int(copies.sum()), 4
    tokens = np.repeat(generator.standard_normal((4, 2)) * 5, [3, 2, 3, 2], axis=0)
    tokens += 0.1 * generator.standard_normal((10, 2))
    groups, persistence, _ = dendrogram(squared_distances(tokens))
    sizes = 10 * copies / total

    for cuts in (
        CapacityCuts(groups, groups, 10 / keep, sizes),
        cluster_cuts(groups, persistence, keep, sizes),
    ):
        many = CapacityCuts(np.repeat(cuts.served, copies, axis=1), cuts.keepers, total / keep)
        np.testing.assert_allclose(cuts.rest % 1.0, many.rest % 1.0, atol=1e-12)
        np.testing.assert_allclose(cuts.limit * total / 10, many.limit, atol=1e-9)
    assert cuts.take(np.array([0])).sizes is sizes
    assert cuts.join(cuts).sizes is sizes

    # Each half of the tokens keeps one and a half of three and serves itself.
    half = np.arange(10) < 5
    shares = np.where(half[:, None] == half, 0.2, 0.0)
    found = violated_cuts(np.array([half, ~half]), shares, np.full(10, 0.3), 5, sizes)
    assert len(found) > 0
    kept = np.full(10, 0.3)
    for served, keepers, rest, limit in zip(
        found.served, found.keepers, found.rest, found.limit, strict=True
    ):
        flow = (sizes[:, None] * shares)[np.ix_(served, keepers)].sum()
        assert flow - found.capacity * rest * kept[keepers].sum() > limit


def test_the_search_weighs_tokens_in_whole_units_that_fill_all_room() -> None:
    masses = np.random.default_rng(4).exponential(size=50) * (np.arange(50) != 3)
    masses /= masses.sum()

    units, capacity = _whole_units(50, 7, masses)

    assert units.sum() == 7 * capacity
    np.testing.assert_allclose(units / units.sum(), masses, atol=2.0 / units.sum())
    assert units[3] == 0


def test_weights_that_make_no_sense_are_refused() -> None:
    tokens = np.random.default_rng(5).standard_normal((6, 2))
    for refused in (
        lambda: ota.wasserstein2_floor(tokens, 2, weights=np.ones(5)),
        lambda: ota.spectral_bound(tokens, 2, weights=-np.ones(6)),
        lambda: ota.lagrangian_bound(tokens, 2, np.zeros(6), weights=np.zeros(6)),
    ):
        with pytest.raises(InputError, match="weights must be"):
            refused()
