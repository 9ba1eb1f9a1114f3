"""Tables over all subsets against the definition, one subset at a time."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from otanalysis.theorem.setfunctions import best_by_size, logdet_table, nested_triples, subset_sizes

# Elimination against a determinant of its own, on matrices with conditions of some hundreds.
TOLERANCE = 1e-11


def members(mask: int, m: int) -> list[int]:
    return [item for item in range(m) if mask >> item & 1]


@pytest.mark.parametrize("m", [1, 2, 5, 9])
def test_every_entry_is_the_log_determinant_of_its_subset(m: int) -> None:
    factors = np.random.default_rng(m).standard_normal((3, m, m + 2))
    matrices = np.eye(m) + factors @ factors.swapaxes(1, 2)

    tables = logdet_table(matrices)

    assert tables.shape == (3, 2**m)
    for matrix, table in zip(matrices, tables, strict=True):
        expected = [
            np.linalg.slogdet(matrix[np.ix_(members(mask, m), members(mask, m))])[1] for mask in range(2**m)
        ]
        np.testing.assert_allclose(table, expected, atol=TOLERANCE)


def test_a_matrix_that_is_not_positive_definite_gives_no_number() -> None:
    table = logdet_table(np.array([[1.0, 2.0], [2.0, 1.0]]))
    assert np.isnan(table).tolist() == [False, False, False, True]


@pytest.mark.parametrize("m", [2, 3, 5, 8])
def test_all_nested_pairs_are_there_once(m: int) -> None:
    small, large, item = nested_triples(m)
    found = set(zip(small.tolist(), large.tolist(), item.tolist(), strict=True))

    assert len(found) == len(small) == m * (3 ** (m - 1) - 2 ** (m - 1))
    for a, b, x in found:
        assert set(members(a, m)) < set(members(b, m))
        assert x & b == 0
        assert x.bit_count() == 1


def test_the_best_of_each_size_is_the_best_over_its_combinations() -> None:
    m = 6
    values = np.random.default_rng(0).standard_normal((2, 2**m))

    best, masks = best_by_size(values)

    for row in range(2):
        for size in range(m + 1):
            every = [sum(1 << item for item in chosen) for chosen in combinations(range(m), size)]
            assert best[row, size] == max(values[row, mask] for mask in every)
            assert values[row, masks[row, size]] == best[row, size]
    assert subset_sizes(m)[masks[0]].tolist() == list(range(m + 1))
