"""The bound of the quantisation error: against its definition in fractions, and against every kept set."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.transport import quantisation_bound
from otanalysis.transport.floor import coverage_bound, lagrangian

Cloud = Callable[[str, int, int], np.ndarray]

# What the bound gives up for errors in the distances, and for sums of a few dozen terms, as shares of these.
GIVEN_UP = 1.1e-9
ROUNDING = 1e-12


def draw_prices(generator: np.random.Generator, cost: np.ndarray, keep: int) -> np.ndarray:
    """Return prices of the tokens: what some kept set costs each, disturbed a little or a lot."""
    noise = float(cost.max()) * 10.0 ** generator.uniform(-6, 2)
    return cost[:, generator.permutation(len(cost))[:keep]].min(axis=1) + noise * generator.standard_normal(
        len(cost)
    )


def draw_weights(generator: np.random.Generator, m: int) -> np.ndarray:
    """Return whole weights, some of them zero and one perhaps heavier than all others."""
    weights = generator.integers(0, 4, m)
    weights[generator.integers(m)] += generator.choice([1, 50])
    return weights


def by_definition(cost: np.ndarray, keep: int, prices: np.ndarray, weights: np.ndarray) -> Fraction:
    """Return the formula at the head of the module, in exact arithmetic, loop by loop."""
    exact = [[Fraction(float(one)) for one in row] for row in cost]
    u = [Fraction(float(one)) for one in prices]
    w = [Fraction(int(one), int(weights.sum())) for one in weights]
    places = range(len(cost))
    gains = [sum(w[i] * min(Fraction(0), exact[i][j] - u[i]) for i in places) for j in places]
    return sum((w[i] * u[i] for i in places), Fraction(0)) + sum(sorted(gains)[:keep], Fraction(0))


def misses(small_cloud: Cloud, law: str, seeds: range) -> list[str]:
    """Return where the computed bound is above its definition, or needlessly far below."""
    found = []
    for seed in seeds:
        generator = np.random.default_rng(seed)
        m = int(generator.integers(1, 9))
        keep = int(generator.integers(1, m + 1))
        image = Image(small_cloud(law, seed, m))
        cost = image.squared_distances
        prices, weights = draw_prices(generator, cost, keep), draw_weights(generator, m)
        value = quantisation_bound(image, keep, prices, weights=weights)
        exact = by_definition(cost, keep, prices, weights)
        if Fraction(value) > exact:
            found.append(f"above at {law} {seed}")
        slack = GIVEN_UP * abs(float(exact)) + ROUNDING * keep * np.abs(prices).max() + 2 * lagrangian.TINY
        if value < float(exact) - slack:
            found.append(f"far below at {law} {seed}")
    return found


def test_it_is_the_definition_less_an_allowance(small_cloud: Cloud, law: str) -> None:
    assert misses(small_cloud, law, range(25)) == []


def test_without_the_allowance_rounding_would_be_noticed(
    small_cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coverage_bound, "EPS", 0.0)
    for name in ("COST_ERROR", "TINY"):
        monkeypatch.setattr(lagrangian, name, 0.0)

    assert any(miss.startswith("above") for miss in misses(small_cloud, "gaussian", range(25)))


def violations(small_cloud: Cloud, law: str, seeds: range, more: int = 0) -> list[str]:
    """Return where random prices give a bound above the smallest error of all kept sets.

    With ``more`` it is the bound for so many tokens less than are kept: the control.
    """
    found = []
    for seed in seeds:
        generator = np.random.default_rng([seed, 1])
        m = int(generator.integers(2, 9))
        keep = int(generator.integers(1 + more, m + 1))
        image, weights = Image(small_cloud(law, seed, m)), draw_weights(generator, m)
        cost, masses = image.squared_distances, weights / weights.sum()
        optimum = min(masses @ cost[:, list(kept)].min(axis=1) for kept in combinations(range(m), keep))
        for _ in range(12):
            prices = draw_prices(generator, cost, keep)
            if quantisation_bound(image, keep - more, prices, weights=weights) > optimum:
                found.append(f"{law} {seed}")
    return found


def test_no_prices_lift_it_above_the_best_kept_set(small_cloud: Cloud, law: str) -> None:
    assert violations(small_cloud, law, range(60)) == []


def test_a_bound_for_fewer_kept_tokens_is_noticed(small_cloud: Cloud) -> None:
    assert violations(small_cloud, "clusters", range(15), more=1)


def test_the_prices_of_the_best_set_prove_it_where_clusters_are_far_apart() -> None:
    tokens = np.array([[0.0], [1.0], [2.0], [100.0], [101.0], [102.0]])

    assert quantisation_bound(tokens, 2, np.full(6, 4.0)) == pytest.approx(4.0 / 6.0, rel=GIVEN_UP)
    assert quantisation_bound(tokens, 2, np.zeros(6)) == pytest.approx(0.0, abs=1e-300)


def test_weights_are_taken_from_the_image_unless_others_are_given() -> None:
    generator = np.random.default_rng(0)
    tokens, prices, weights = generator.standard_normal((7, 2)), generator.random(7), np.arange(1.0, 8.0)

    own = quantisation_bound(Image(tokens, weights=weights), 3, prices)

    assert own == quantisation_bound(tokens, 3, prices, weights=5.0 * weights)
    assert own != quantisation_bound(tokens, 3, prices)
    assert quantisation_bound(Image(tokens, weights=weights), 3, prices, weights=np.ones(7)) == pytest.approx(
        quantisation_bound(tokens, 3, prices), rel=ROUNDING
    )


def test_prices_of_any_size_give_a_number() -> None:
    tokens = 1e150 * np.random.default_rng(1).standard_normal((6, 2))
    largest = np.finfo(np.float64).max

    for prices in (np.full(6, largest), np.full(6, -largest), largest * (-1.0) ** np.arange(6)):
        assert quantisation_bound(tokens, 4, prices) <= 0.0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"multipliers": [0.0, 0.0, 0.0]}, "4 finite numbers"),
        ({"multipliers": [0.0, 0.0, np.nan, 0.0]}, "4 finite numbers"),
        ({"multipliers": ["a"] * 4}, "real numbers"),
        ({"keep": 0}, "1..4"),
        ({"keep": 5}, "1..4"),
        ({"weights": [1.0, -1.0, 1.0, 1.0]}, "weights"),
        ({"tokens": [[0.0], [np.inf], [1.0], [2.0]]}, "finite"),
    ],
)
def test_what_makes_no_sense_is_refused(changed: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"tokens": [[0.0], [1.0], [4.0], [5.0]], "keep": 2, "multipliers": np.zeros(4)}

    with pytest.raises(InputError, match=message):
        quantisation_bound(**(given | changed))
