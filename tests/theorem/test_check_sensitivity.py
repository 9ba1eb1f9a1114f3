"""The checks see small faults, not only the gross ones of their controls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from otanalysis.image import Image
from otanalysis.surrogate import logdet_value, otprune_kernel
from otanalysis.theorem.greedy import GreedyRatio, GreedySteps, greedy_ratios, released_greedy
from otanalysis.theorem.instances import Cloud, KeptSet, Kernel
from otanalysis.theorem.relations import DualCertificate, Inequality, distance_rounding, root_bound
from otanalysis.theorem.setfunctions import logdet_table
from otanalysis.theorem.submodularity import (
    MonotoneChains,
    MonotoneEverywhere,
    Normalised,
    SubmodularChains,
    SubmodularEverywhere,
    weighted_surrogate,
)

TOKENS = np.random.default_rng(0).standard_normal((8, 4))
KERNEL = Kernel.of_tokens("test", TOKENS, 0.3)
SMALL = 1e-6


def raised(table: np.ndarray, mask: int, by: float) -> np.ndarray:
    return np.where(np.arange(len(table)) == mask, table + by, table)


def test_a_pair_that_gains_together_is_seen_by_its_size() -> None:
    diagonal = Kernel("modular", np.diag(np.arange(2.0, 7.0)))
    assert SubmodularEverywhere()(diagonal).violations == 0
    pair = SubmodularEverywhere(lambda matrix: raised(logdet_table(matrix), 0b11, SMALL))(diagonal)
    assert pair.violations > 0


def test_a_value_that_is_no_number_is_a_violation() -> None:
    broken = SubmodularEverywhere(lambda matrix: raised(logdet_table(matrix), 5, np.nan))(KERNEL)
    assert broken.violations > 0


def test_an_eigenvalue_just_below_one_is_seen() -> None:
    assert MonotoneEverywhere()(Kernel("one", np.eye(5))).violations == 0
    shrunk = Kernel("less", np.diag([1.0, 1.0, 1.0 - SMALL, 1.0, 1.0]))
    assert MonotoneEverywhere()(shrunk).violations == 2**4
    assert MonotoneChains()(Kernel("less", (1.0 - SMALL) * np.eye(40))).violations > 0


def test_chains_see_what_pairs_see() -> None:
    large = Kernel.of_tokens("large", np.random.default_rng(1).standard_normal((40, 6)), 0.3)
    assert SubmodularChains()(large).violations == 0
    squares = SubmodularChains(lambda matrix, kept: logdet_value(matrix, kept) + len(kept) ** 2)
    assert squares(large).violations > 0


def test_a_surrogate_that_starts_above_zero_is_seen() -> None:
    lifted = Normalised(lambda *arguments: weighted_surrogate(*arguments) + SMALL)
    assert Normalised()(KERNEL).violations == 0
    assert lifted(KERNEL).violations == 4


def swapped(kernel: np.ndarray, keep: int) -> tuple[np.ndarray, np.ndarray]:
    order, gains = released_greedy(kernel, keep)
    return order[[1, 0, *range(2, keep)]], gains


def inexact(kernel: np.ndarray, keep: int) -> tuple[np.ndarray, np.ndarray]:
    order, gains = released_greedy(kernel, keep)
    return order, gains * (1.0 + SMALL)


def repeated(kernel: np.ndarray, keep: int) -> tuple[np.ndarray, np.ndarray]:
    order, gains = released_greedy(kernel, keep)
    return np.where(np.arange(keep) == keep - 1, order[0], order), gains


@pytest.mark.parametrize("wrong", [swapped, inexact, repeated])
def test_greedy_that_is_a_little_wrong_is_seen(wrong: Callable[..., tuple[np.ndarray, np.ndarray]]) -> None:
    assert GreedySteps()(KERNEL).violations == 0
    assert GreedySteps(wrong)(KERNEL).violations > 0


def test_the_ratios_are_those_of_enumeration() -> None:
    from itertools import combinations

    order, _ = released_greedy(KERNEL.matrix, 8)
    expected = [
        logdet_value(KERNEL.matrix, order[:keep])
        / max(logdet_value(KERNEL.matrix, list(kept)) for kept in combinations(range(8), keep))
        for keep in range(1, 9)
    ]
    np.testing.assert_allclose(greedy_ratios(KERNEL.matrix), expected, rtol=1e-12)
    assert greedy_ratios(np.eye(3)).tolist() == [1.0, 1.0, 1.0]


def test_a_ratio_just_below_the_guarantee_is_seen() -> None:
    # Two items of log-determinants 0.632 and 1: greedy is made to take the lesser one first.
    kernel = np.diag(np.exp([0.632, 1.0]))
    wrong = GreedyRatio(lambda *_: (np.array([0, 1]), np.array([0.632, 1.0])))
    assert GreedyRatio()(Kernel("two", kernel)).violations == 0
    assert wrong(Kernel("two", kernel)).violations == 1


def test_each_part_of_the_dual_certificate_is_looked_at() -> None:
    one = KeptSet(Cloud("test", Image(TOKENS)), np.array([1, 4, 6]))
    found = one.transport
    (u, v), scale = found.potentials, SMALL * float(one.cloud.image.squared_distances.max())
    assert DualCertificate()(one).violations == 0
    wrongs = [
        replace(found, potentials=(u + scale, v)),
        replace(found, potentials=(u - scale, v)),
        replace(found, plan=found.plan + SMALL),
    ]
    assert [DualCertificate(lambda _, wrong=wrong: wrong)(one).violations > 0 for wrong in wrongs] == [
        True
    ] * 3


def test_an_inequality_tells_its_sides_apart() -> None:
    one = KeptSet(Cloud("test", Image(TOKENS)), np.array([1, 4, 6]))
    holds = Inequality(lambda _: 1.0, lambda _: 1.0 + SMALL, distance_rounding)(one)
    fails = Inequality(lambda _: 1.0 + SMALL, lambda _: 1.0, distance_rounding)(one)
    assert (holds.violations, fails.violations) == (0, 1)


def test_the_constant_is_the_least_that_bounds_the_logarithm() -> None:
    peak, constant = root_bound()
    t = np.concatenate([np.geomspace(1e-9, 1e9, 200_001), [peak]])
    ratios = np.log1p(t) / np.sqrt(t)
    assert ratios.max() == pytest.approx(constant, abs=1e-15)
    assert (peak, constant) == (pytest.approx(3.9215, abs=1e-4), pytest.approx(0.80474, abs=1e-5))


def test_rounding_grows_with_the_condition() -> None:
    well = Kernel.of_tokens("well", TOKENS, 1e-3)
    assert well.rounding < 1e-13 < Kernel.of_tokens("ill", TOKENS, 1e6).rounding
    np.testing.assert_array_equal(well.matrix, otprune_kernel(TOKENS, gamma=1e-3, normalise="none"))
