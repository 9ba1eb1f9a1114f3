"""Statistics against scipy, enumeration by definition, and closed forms."""

from __future__ import annotations

from itertools import permutations
from math import factorial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from otanalysis.errors import InputError
from otanalysis.stats import statistics
from otanalysis.stats.statistics import (
    bootstrap_means,
    holm,
    mean_interval,
    percentile_interval,
    ratio_standard_error,
    spearman_rho,
    spearman_test,
    spearman_tests,
)

ROUNDING = 1e-12  # a handful of float64 operations on ranks of size at most 12


@settings(max_examples=60)
@given(st.integers(2, 9), st.integers(0, 10_000), st.booleans())
def test_rho_agrees_with_scipy_with_and_without_ties(n: int, seed: int, ties: bool) -> None:
    generator = np.random.default_rng(seed)
    x, y = generator.normal(size=(2, n))
    if ties:
        x, y = np.round(x), np.round(y)
    ours = float(spearman_rho(x, y))
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert np.isnan(ours)
    else:
        assert ours == pytest.approx(float(stats.spearmanr(x, y).statistic), abs=ROUNDING)


def test_rho_is_vectorised_over_leading_axes_and_broadcasts() -> None:
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(7, 5)), generator.normal(size=5)
    expected = [float(stats.spearmanr(row, y).statistic) for row in x]
    np.testing.assert_allclose(spearman_rho(x, y), expected, atol=ROUNDING)


def p_by_definition(x: np.ndarray, y: np.ndarray) -> float:
    observed = abs(stats.spearmanr(x, y).statistic)
    null = [abs(stats.spearmanr(x, np.array(order)).statistic) for order in permutations(y)]
    return float(np.mean(np.array(null) >= observed - 1e-9))


@pytest.mark.parametrize("seed", range(6))
def test_exact_p_value_agrees_with_enumeration(seed: int) -> None:
    generator = np.random.default_rng(seed)
    x, y = generator.normal(size=(2, 5))
    if seed >= 4:  # ties: the floor 2/n! no longer holds
        y = np.round(y)
    test = spearman_test(x, y)
    assert test.exact
    assert test.permutations == 120
    assert test.p_value == pytest.approx(p_by_definition(x, y), abs=ROUNDING)


@pytest.mark.parametrize("n", [3, 5, 7, 9])
def test_smallest_p_is_two_in_n_factorial_and_is_reached_by_a_perfect_order(n: int) -> None:
    test = spearman_test(np.arange(n), -np.arange(n))
    assert test.rho == -1.0
    assert test.smallest_p == pytest.approx(2 / factorial(n), rel=1e-12)
    assert test.p_value == test.smallest_p


def test_imperfect_order_does_not_reach_the_smallest_p() -> None:
    test = spearman_test([1, 2, 3, 4, 5], [1, 2, 3, 5, 4])
    assert test.rho == pytest.approx(0.9)
    assert test.p_value == pytest.approx(10 / 120)
    assert test.p_value > test.smallest_p


def test_all_pairings_under_the_null_give_a_uniform_or_conservative_p() -> None:
    x = np.arange(5)
    p = np.array([spearman_test(x, np.array(order)).p_value for order in permutations(range(5))])
    for level in (0.02, 0.05, 0.1, 0.2, 0.5):
        assert np.mean(p <= level) <= level + ROUNDING


def test_constant_list_has_no_correlation_and_no_p() -> None:
    test = spearman_test([1.0, 1.0, 1.0], [1.0, 2.0, 3.0])
    assert np.isnan([test.rho, test.p_value, test.smallest_p]).all()
    assert (test.n, test.permutations, test.standard_error) == (3, 0, 0.0)


def test_monte_carlo_beyond_nine_is_seeded_and_states_its_error() -> None:
    generator = np.random.default_rng(3)
    x = np.arange(11.0)
    y = x + generator.normal(scale=4.0, size=11)
    first = spearman_test(x, y, generator=np.random.default_rng(0))
    again = spearman_test(x, y, generator=np.random.default_rng(0))
    other = spearman_test(x, y, generator=np.random.default_rng(1))
    assert not first.exact
    assert first == again
    assert first.p_value != other.p_value
    assert abs(first.p_value - other.p_value) < 6 * (first.standard_error + other.standard_error)
    reference = stats.permutation_test(
        (y,),
        lambda order: abs(stats.spearmanr(x, order).statistic),
        permutation_type="pairings",
        alternative="greater",
        n_resamples=4000,
        rng=np.random.default_rng(5),
    )
    assert first.p_value == pytest.approx(reference.pvalue, abs=6 * np.sqrt(0.25 / 4000))


def test_the_standard_error_is_how_far_drawn_p_values_scatter_about_the_exact_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, y = [1, 2, 3, 4, 5, 6, 7], [3, 1, 6, 7, 2, 5, 4]
    exact = spearman_test(x, y)
    assert exact.exact
    assert exact.standard_error == 0.0
    assert 0.5 < exact.p_value < 0.8  # p (1 - p) is then far from what is taken for it by mistake
    monkeypatch.setattr(statistics, "LARGEST_EXACT", 6)
    monkeypatch.setattr(statistics, "MONTE_CARLO_PERMUTATIONS", 1000)
    runs = 400

    drawn = [spearman_test(x, y, generator=np.random.default_rng(seed)) for seed in range(runs)]

    p = np.array([test.p_value for test in drawn])
    stated = np.array([test.standard_error for test in drawn])
    assert {test.permutations for test in drawn} == {1000}
    # A standard deviation of 400 values is known to 3.5 %, five times that are allowed; their mean to 1 / 20.
    np.testing.assert_allclose(stated, p.std(), rtol=0.18)
    assert abs(p.mean() - exact.p_value) < 5 * p.std() / np.sqrt(runs) + 1 / 1000


@pytest.mark.parametrize("n", [10, 20])
def test_the_smallest_drawn_p_is_that_of_a_perfect_order_alone_among_the_draws(n: int) -> None:
    # A draw reaches a perfect order of 20 with probability 1e-13, one of 10 with 0.05: the seed has none.
    perfect = spearman_test(np.arange(n), -np.arange(n), generator=np.random.default_rng(0))
    other = spearman_test(np.arange(n), [1, 0, *range(2, n)], generator=np.random.default_rng(0))

    assert not perfect.exact
    assert perfect.p_value == perfect.smallest_p
    # Only the observed pairing among itself and the draws (Phipson and Smyth, 2010).
    assert perfect.smallest_p == pytest.approx(1 / 100_001, rel=1e-12)
    assert other.smallest_p == perfect.smallest_p


def test_monte_carlo_without_a_generator_is_refused() -> None:
    with pytest.raises(InputError, match="generator"):
        spearman_test(np.arange(12), np.arange(12))


@pytest.mark.parametrize(
    ("x", "y"), [([1.0], [1.0]), ([1.0, 2.0], [1.0, 2.0, 3.0]), ([1.0, np.nan, 2.0], [1.0, 2.0, 3.0])]
)
def test_unusable_pairs_are_refused(x: list[float], y: list[float]) -> None:
    with pytest.raises(InputError):
        spearman_test(x, y)


def test_bootstrap_has_the_moments_of_resampling_with_replacement() -> None:
    values = np.random.default_rng(0).normal(size=(40, 2))
    means = bootstrap_means(values, 20_000, generator=np.random.default_rng(1))
    error = values.std(axis=0) / np.sqrt(40)  # exact standard deviation of a bootstrap mean
    np.testing.assert_allclose(
        means.mean(axis=0), values.mean(axis=0), atol=5 * error.max() / np.sqrt(20_000)
    )
    np.testing.assert_allclose(means.std(axis=0), error, rtol=0.03)


def test_bootstrap_pairs_the_columns() -> None:
    column = np.random.default_rng(0).normal(size=(30, 1))
    means = bootstrap_means(np.hstack([column, 3 * column]), 50, generator=np.random.default_rng(1))
    np.testing.assert_allclose(means[:, 1], 3 * means[:, 0], rtol=1e-12)


def test_bootstrap_follows_its_generator() -> None:
    values = np.random.default_rng(0).normal(size=(30, 1))
    draw = [bootstrap_means(values, 20, generator=np.random.default_rng(seed)) for seed in (4, 4, 5)]
    np.testing.assert_array_equal(draw[0], draw[1])
    assert np.abs(draw[0] - draw[2]).max() > 0


@pytest.mark.parametrize(
    ("values", "resamples"),
    [(np.empty((0, 2)), 5), (np.ones((3, 1)), 0), (np.ones(3), 5)],
)
def test_bootstrap_refuses_nothing_to_draw(values: np.ndarray, resamples: int) -> None:
    with pytest.raises(InputError, match="bootstrap_means"):
        bootstrap_means(values, resamples, generator=np.random.default_rng(0))


def test_bootstrap_interval_covers_the_mean_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(7)
    covered = 0
    for _ in range(300):
        means = bootstrap_means(generator.normal(size=(60, 1)), 400, generator=generator)
        low, high = percentile_interval(means)
        covered += int(low[0] <= 0.0 <= high[0])
    assert 0.89 <= covered / 300 <= 0.99  # 95 % plus or minus four binomial standard errors (0.0126)


def test_percentile_interval_leaves_out_nan_and_gives_nan_for_none() -> None:
    table = np.column_stack([np.arange(101.0), np.arange(101.0), np.full(101, np.nan)])
    table[::2, 1] = np.nan
    low, high = percentile_interval(table)
    assert (low[0], high[0]) == pytest.approx((2.5, 97.5))
    assert (low[1], high[1]) == pytest.approx(tuple(np.quantile(np.arange(1.0, 100.0, 2), [0.025, 0.975])))
    assert np.isnan(low[2])
    assert np.isnan(high[2])


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_percentile_interval_refuses_levels_outside_the_unit_interval(level: float) -> None:
    with pytest.raises(InputError, match="level"):
        percentile_interval(np.arange(10.0), level=level)


@pytest.mark.parametrize("nothing", [3.0, [], np.empty((0, 2))])
def test_percentile_interval_of_no_replicates_is_refused(nothing: Any) -> None:
    with pytest.raises(InputError, match="at least one replicate; got shape"):
        percentile_interval(nothing)


def test_delta_method_agrees_with_simulated_ratios() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.normal(0.6, 0.015, 200_000), generator.normal(0.8, 0.02, 200_000)
    assert float(ratio_standard_error(0.6, 0.015, 0.8, 0.02)) == pytest.approx(float(np.std(a / b)), rel=0.02)


def test_delta_method_is_wider_than_the_truth_when_the_errors_are_shared() -> None:
    generator = np.random.default_rng(0)
    shared = generator.normal(0.0, 0.015, 200_000)
    spread = float(np.std((0.6 + shared) / (0.8 + shared)))
    assert float(ratio_standard_error(0.6, 0.015, 0.8, 0.015)) > 1.5 * spread


def test_ratio_to_zero_has_no_error() -> None:
    assert np.isnan(ratio_standard_error(0.5, 0.1, 0.0, 0.1))


@pytest.mark.parametrize(
    "unusable",
    [
        ["a", "b", "c"],
        [1.0, None, 2.0],
        [1j, 2.0, 3.0],
        [True, False, True],
        [[1.0], [2.0, 3.0]],
        [10**400, 1, 2],
    ],
)
def test_what_is_no_list_of_numbers_is_refused(unusable: Any) -> None:
    with pytest.raises(InputError, match="number"):
        spearman_test(unusable, [1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="number"):
        spearman_test([1.0, 2.0, 3.0], unusable)
    with pytest.raises(InputError, match="number"):
        spearman_rho([1.0, 2.0, 3.0], unusable)


def test_numbers_of_other_kinds_are_ranked() -> None:
    wanted = spearman_test([1, 2, 3, 4], [4, 1, 2, 3])
    nullable = pd.Series([1, 2, 3, 4], dtype="Int64")

    assert spearman_test(nullable, np.array([4, 1, 2, 3], dtype=np.uint8)) == wanted
    assert spearman_test(nullable.astype(object), (4.0, 1.0, 2.0, 3.0)) == wanted


def test_the_interval_of_a_mean_is_students() -> None:
    values = np.random.default_rng(0).standard_normal(11)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.9)
    assert mean_interval(values, level=0.9) == pytest.approx(tuple(expected))
    low, high = mean_interval(values)
    assert low < expected.low < expected.high < high
    assert np.isnan(mean_interval([1.0])).all()
    assert np.isnan(mean_interval([1.0, np.nan])).all()
    with pytest.raises(InputError, match=r"\(0, 1\), got 1"):
        mean_interval(values, level=1.0)


@pytest.mark.parametrize("n", [6, 12])
def test_several_lists_are_tested_as_each_would_be_alone(n: int) -> None:
    generator = np.random.default_rng(n)
    lists, other = generator.integers(0, 5, (4, n)).astype(float), generator.standard_normal(n)
    lists[2] = 7.0
    together = spearman_tests(lists, other, generator=np.random.default_rng(0))
    for one, test in zip(lists, together, strict=True):
        assert vars(spearman_test(one, other, generator=np.random.default_rng(0))) == pytest.approx(
            vars(test), nan_ok=True
        )
    assert np.isnan(together[2].rho)
    with pytest.raises(InputError, match="one length"):
        spearman_tests(other, other, generator=generator)


def stepped_down(p_values: np.ndarray, level: float) -> np.ndarray:
    """Holm's procedure as he wrote it: reject the smallest while it is at most the level over those left."""
    rejected = np.zeros(len(p_values), dtype=bool)
    for place, test in enumerate(np.argsort(p_values)):
        if p_values[test] > level / (len(p_values) - place):
            break
        rejected[test] = True
    return rejected


def test_holm_rejects_what_stepping_down_rejects() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        p_values = generator.random(8) ** 4
        for level in (0.01, 0.05, 0.2, 0.9):
            np.testing.assert_array_equal(holm(p_values) <= level, stepped_down(p_values, level))


def test_holm_counts_only_tests_and_stays_a_probability() -> None:
    assert holm([0.02, np.nan, 0.6, 0.5]) == pytest.approx([0.06, np.nan, 1.0, 1.0], nan_ok=True)
    assert np.isnan(holm([np.nan])).all()
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06]), "as R's p.adjust has it"


def test_one_row_gives_no_interval_and_two_alike_one_of_no_width() -> None:
    one = bootstrap_means([[0.7, 0.6]], 5, generator=np.random.default_rng(0))
    assert one.shape == (5, 2)
    assert np.isnan(percentile_interval(one)).all()
    two = bootstrap_means([[0.7, 0.6]] * 2, 5, generator=np.random.default_rng(0))
    np.testing.assert_allclose(percentile_interval(two), [[0.7, 0.6]] * 2)
