"""The upper bounds of the surrogate, against every subset of small clouds."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from otanalysis.errors import InputError
from otanalysis.surrogate import (
    greedy_logdet,
    kernel_upper_bound,
    logdet_upper_bound,
    logdet_value,
    otprune_kernel,
)
from otanalysis.surrogate.upper_bound import NEGLIGIBLE

PARTS = ("prefix", "eigenvalue", "factorisation")
LAWS = ("normal", "ties", "duplicates", "zero rows", "outliers", "large")
GAMMAS = (0.01, 1.0, 100.0)
# The ascent stops at a relative gap of 1e-5.
ASCENT = 1e-4


def cloud(law: str, seed: int, m: int) -> np.ndarray:
    """Small clouds with what breaks careless bounds."""
    draw = np.random.default_rng(seed)
    d = int(draw.integers(1, 2 * m))
    tokens = draw.standard_normal((m, d))
    if law == "ties":
        tokens = np.round(tokens)
    elif law == "duplicates":
        tokens = tokens[draw.integers(0, max(1, m // 2), m)]
    elif law == "zero rows":
        tokens[draw.random(m) < 0.4] = 0.0
    elif law == "outliers":
        tokens[0] *= 1e3
    elif law == "large":
        tokens *= 30.0
    return tokens


def all_values(kernel: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Every k-subset and its log-determinant, by definition."""
    subsets = np.array(list(combinations(range(len(kernel)), k)))
    return subsets, np.linalg.slogdet(kernel[subsets[:, :, None], subsets[:, None, :]])[1]


def violations(kernel: np.ndarray, k: int, scale: float = 1.0) -> list[str]:
    """Return which bounds some k-subset exceeds; no tolerance: each bound contains its own allowance.

    A ``scale`` below one lowers every bound: the control, which must be noticed.
    """
    bound = kernel_upper_bound(kernel, k)
    subsets, values = all_values(kernel, k)
    found = [part for part in PARTS if values.max() > scale * bound.parts[part]]
    above = bound.majorant.intercept + bound.majorant.slopes[subsets].sum(axis=1)
    return found + ["majorant"] * bool((values > scale * above).any())


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("normalise", ["none", "columns", "rows"])
def test_no_subset_of_small_clouds_exceeds_a_bound(law: str, normalise: str) -> None:
    for seed in range(20):
        m = int(np.random.default_rng(seed).integers(1, 10))
        kernel = otprune_kernel(cloud(law, seed, m), gamma=GAMMAS[seed % 3], normalise=normalise)
        for k in range(1, m + 1):
            assert violations(kernel, k) == []


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("gamma", GAMMAS)
def test_no_subset_of_fourteen_tokens_exceeds_a_bound(law: str, gamma: float) -> None:
    kernel = otprune_kernel(cloud(law, 5, 14), gamma=gamma)
    for k in range(1, 15):
        assert violations(kernel, k) == []


@pytest.mark.parametrize("seed", range(4))
def test_bounds_that_are_a_little_too_low_are_noticed(seed: int) -> None:
    # Every bound is exact for a diagonal kernel, so a little less is too low.
    kernel = np.diag(1.0 + np.random.default_rng(seed).random(8))

    assert violations(kernel, 3) == []
    assert set(violations(kernel, 3, scale=1.0 - 10 * ASCENT)) == {*PARTS, "majorant"}


def test_eigenvalues_taken_for_one_are_taken_for_the_largest_of_them() -> None:
    close = 1.0 + np.linspace(0.0, 1e-9, 8)
    kernel = np.diag([np.e, *close])

    bound = kernel_upper_bound(kernel, 9)

    # With all tokens kept nothing is relaxed, and the sum of the logarithms is known.
    assert violations(kernel, 9) == []
    exact = 1.0 + float(np.log1p(np.linspace(0.0, 1e-9, 8)).sum())
    assert bound.rounding < 1e-11 < exact - 1.0
    assert exact <= bound.parts["factorisation"] <= exact + NEGLIGIBLE


def prefix_bounds(kernel: np.ndarray, k: int) -> list[float]:
    """The bound at each greedy prefix, by definition: its value and the k largest gains."""

    def value(kept: list[int]) -> float:
        return float(np.linalg.slogdet(kernel[np.ix_(kept, kept)])[1])

    m = len(kernel)
    prefix: list[int] = []
    bounds = []
    for _ in range(k + 1):
        gains = [value([*prefix, c]) - value(prefix) if c not in prefix else 0.0 for c in range(m)]
        bounds.append(value(prefix) + sum(sorted(gains)[m - k :]))
        prefix.append(int(np.argmax(gains)))
    return bounds


def test_the_prefix_bound_is_that_of_its_definition() -> None:
    best = set()
    for seed in range(12):
        for law in ("normal", "duplicates"):
            kernel = otprune_kernel(cloud(law, seed, 12), gamma=GAMMAS[seed % 3])
            for k in (1, 2, 5, 9):
                bound, bounds = kernel_upper_bound(kernel, k), prefix_bounds(kernel, k)
                best.add(int(np.argmin(bounds)))

                # The allowance for rounding covers both sides of a comparison.
                assert min(bounds) <= bound.parts["prefix"] <= min(bounds) + 2.0 * bound.rounding

    assert best >= {0, 3, 5, 9}, f"prefixes of many lengths must be the best one, only {best} are"


@pytest.mark.parametrize("seed", range(5))
def test_a_kernel_above_the_identity_needs_no_gram_form(seed: int) -> None:
    root = np.random.default_rng(seed).standard_normal((9, 9))
    kernel = 3.0 * np.eye(9) + root @ root.T
    for k in range(1, 10):
        assert violations(kernel, k) == []


@pytest.mark.parametrize("k", [1, 3, 8])
def test_the_relaxation_is_exact_for_a_diagonal_kernel(k: int) -> None:
    diagonal = np.array([1.0, 4.0, 2.0, 2.0, 9.0, 1.5, 2.0, 7.0])

    bound = kernel_upper_bound(np.diag(diagonal), k)

    assert bound.value == pytest.approx(np.log(np.sort(diagonal)[-k:]).sum(), rel=ASCENT)
    assert bound.greedy_ratio == pytest.approx(1.0, abs=ASCENT)


@pytest.mark.parametrize("law", LAWS)
def test_the_ends_are_exact(law: str) -> None:
    kernel = otprune_kernel(cloud(law, 3, 12), gamma=1.0)

    one, all_of_them = kernel_upper_bound(kernel, 1), kernel_upper_bound(kernel, 12)

    assert one.parts["factorisation"] == pytest.approx(np.log(np.diag(kernel).max()), rel=ASCENT)
    whole = np.linalg.slogdet(kernel)[1]
    assert all_of_them.parts["factorisation"] == pytest.approx(whole, rel=ASCENT)
    np.testing.assert_array_equal(all_of_them.weights, 1.0)


def test_scaling_the_kernel_shifts_the_relaxation() -> None:
    kernel = otprune_kernel(cloud("normal", 1, 14), gamma=1.0)

    once, scaled = (kernel_upper_bound(c * kernel, 5).parts["factorisation"] for c in (1.0, 7.0))

    assert scaled - once == pytest.approx(5 * np.log(7.0), rel=ASCENT)


def test_the_order_of_the_tokens_does_not_matter() -> None:
    tokens = cloud("normal", 4, 14)
    order = np.random.default_rng(0).permutation(14)

    bound, permuted = (
        logdet_upper_bound(tokens, 6, gamma=1.0),
        logdet_upper_bound(tokens[order], 6, gamma=1.0),
    )

    assert permuted.value == pytest.approx(bound.value, rel=ASCENT)


def test_a_cloud_with_clusters_is_certified_by_the_relaxation() -> None:
    draw = np.random.default_rng(2)
    tokens = draw.standard_normal((6, 40))[draw.integers(0, 6, 200)] + 0.3 * draw.standard_normal((200, 40))

    bound = logdet_upper_bound(tokens, 20)

    assert bound.kind == "factorisation"
    assert bound.value == min(bound.parts.values())
    assert bound.greedy_ratio > 0.99
    assert bound.greedy / bound.parts["prefix"] < 0.9


def test_the_greedy_value_is_that_of_the_greedy_subset() -> None:
    kernel = otprune_kernel(cloud("normal", 6, 14), gamma=1.0)

    order, _ = greedy_logdet(kernel, 5, floor=1.0)

    assert kernel_upper_bound(kernel, 5).greedy == pytest.approx(logdet_value(kernel, order), rel=1e-9)


def test_tokens_without_content_are_certified() -> None:
    bound = logdet_upper_bound(np.zeros((6, 3)), 2)

    assert 0.0 <= bound.value <= bound.rounding
    assert bound.greedy_ratio == 1.0


def test_settings_of_the_kernel_are_passed_on() -> None:
    tokens = cloud("normal", 8, 12)

    bound = logdet_upper_bound(tokens, 4, gamma=2.0, normalise="rows")

    assert bound.value == kernel_upper_bound(otprune_kernel(tokens, gamma=2.0, normalise="rows"), 4).value


def test_torch_agrees() -> None:
    torch = pytest.importorskip("torch")
    tokens = cloud("normal", 9, 12)

    assert logdet_upper_bound(torch.from_numpy(tokens), 4).value == pytest.approx(
        logdet_upper_bound(tokens, 4).value, rel=ASCENT
    )


def test_kernels_that_the_theorem_does_not_cover_are_refused() -> None:
    with pytest.raises(InputError, match=r"at least one; the smallest is 0\.5"):
        kernel_upper_bound(np.diag([0.5, 2.0]), 1)
    with pytest.raises(InputError, match="symmetric"):
        kernel_upper_bound(np.array([[2.0, 1.0], [0.0, 2.0]]), 1)
    with pytest.raises(InputError, match="finite"):
        kernel_upper_bound(np.array([[np.nan, 0.0], [0.0, 2.0]]), 1)
    with pytest.raises(InputError, match="square"):
        kernel_upper_bound(np.ones((2, 3)), 1)
    with pytest.raises(InputError, match=r"1\.\.2"):
        kernel_upper_bound(np.eye(2), 3)
