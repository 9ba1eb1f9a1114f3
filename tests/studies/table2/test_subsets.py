"""Subsets: all of them once, in order, from any number on; and random ones that favour none."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest

from otanalysis.studies.table2.subsets import numbered_subsets, random_subsets


@pytest.mark.parametrize(("m", "keep"), [(1, 1), (5, 1), (7, 3), (9, 8), (10, 5)])
def test_numbers_go_through_all_subsets_once(m: int, keep: int) -> None:
    total = comb(m, keep)
    every = numbered_subsets(0, total, m, keep)
    assert sorted(map(tuple, every.tolist())) == sorted(combinations(range(m), keep))
    middle = total // 2
    np.testing.assert_array_equal(numbered_subsets(middle, total - middle, m, keep), every[middle:])


def test_the_last_of_millions_is_the_last_positions() -> None:
    total = comb(30, 10)
    np.testing.assert_array_equal(numbered_subsets(total - 1, 1, 30, 10)[0], np.arange(20, 30))


def test_large_binomials_in_between_do_not_overflow() -> None:
    assert comb(99, 50) > 2**64
    np.testing.assert_array_equal(
        numbered_subsets(0, 100, 100, 99),
        np.array([np.delete(np.arange(100), 99 - number) for number in range(100)]),
    )


def test_random_subsets_are_uniform() -> None:
    count = 30_000
    drawn = random_subsets(np.random.default_rng(0), 6, 3, count)
    assert (np.diff(drawn, axis=1) > 0).all()
    _, seen = np.unique(drawn, axis=0, return_counts=True)
    expected = count / comb(6, 3)
    assert len(seen) == comb(6, 3)
    # Six standard deviations of a binomial count.
    assert np.abs(seen - expected).max() < 6 * np.sqrt(expected)
