"""Nuclear norms in bulk against the singular values of every subset, where they are small too."""

from __future__ import annotations

import numpy as np
import pytest

from otanalysis.studies.table2.laws import LAWS
from otanalysis.studies.table2.nuclear_norms import (
    BATCH,
    DIRECT_UP_TO,
    SMALLEST_EIGENVALUE,
    NuclearNorms,
    root_traces,
    square_root_poles,
)
from otanalysis.studies.table2.subsets import random_subsets
from otanalysis.surrogate import Ladder

POLE_ERROR = 5e-10  # relative, of 36 poles down to 1e-12 of the largest eigenvalue
LOST_DIGITS = (
    1e-7  # per vanishing singular value, of the largest: the root of 1e-16, and what poles leave there
)


def rows_of(law: str, m: int, d: int, keep: int) -> np.ndarray:
    tokens = LAWS[law].draw(np.random.default_rng(4), m, d)
    left, singular, _ = np.linalg.svd(tokens, full_matrices=False)
    return np.asarray(left * singular**2 / np.sqrt(m * keep))


def by_singular_values(rows: np.ndarray, subsets: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.svd(rows[subsets], compute_uv=False).sum(axis=1))


@pytest.mark.parametrize("law", list(LAWS))
@pytest.mark.parametrize(
    ("m", "d", "keep"), [(20, 10, 5), (60, 50, 30), (60, 20, 40), (40, 6, 30), (200, 64, 50)]
)
def test_they_are_sums_of_singular_values(law: str, m: int, d: int, keep: int) -> None:
    rows = rows_of(law, m, d, keep)
    subsets = random_subsets(np.random.default_rng(0), m, keep, 40)
    expected = by_singular_values(rows, subsets)
    np.testing.assert_allclose(NuclearNorms(rows).of(subsets), expected, rtol=POLE_ERROR)
    assert np.ptp(expected) > 1e-4 * expected.mean()  # or any number would do


@pytest.mark.parametrize("keep", [DIRECT_UP_TO, DIRECT_UP_TO + 1, 24])
@pytest.mark.parametrize("kind", ["twins", "zeros", "small"])
def test_vanishing_singular_values_lose_digits_and_no_more(kind: str, keep: int) -> None:
    rows = np.random.default_rng(1).standard_normal((40, 30))
    if kind == "twins":
        rows[1::2] = rows[::2]
    else:
        rows[::3] *= 0.0 if kind == "zeros" else 1e-9
    subsets = np.stack([np.arange(keep), np.arange(40 - keep, 40)])
    expected = by_singular_values(rows, subsets)
    largest = np.linalg.svd(rows, compute_uv=False)[0]
    found = NuclearNorms(rows).of(subsets)
    assert np.abs(found - expected).max() < LOST_DIGITS * keep * largest


def test_zero_rows_have_norm_zero_and_no_subset_none() -> None:
    assert NuclearNorms(np.zeros((30, 25))).of(np.arange(20)[None, :]).tolist() == [0.0]
    assert NuclearNorms(np.ones((30, 25))).of(np.empty((0, 20), dtype=np.int64)).shape == (0,)


def test_batches_and_orders_change_nothing() -> None:
    rows = rows_of("gaussian", 50, 30, 20)
    subsets = random_subsets(np.random.default_rng(0), 50, 20, BATCH + 3)
    found = NuclearNorms(rows).of(subsets)
    np.testing.assert_array_equal(found[-3:], NuclearNorms(rows).of(subsets[-3:]))
    np.testing.assert_allclose(NuclearNorms(rows).of(subsets[:9, ::-1]), found[:9], rtol=POLE_ERROR)


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e150])
def test_scale_comes_out_as_it_went_in(scale: float) -> None:
    rows = rows_of("gaussian", 50, 30, 20)
    subsets = np.arange(20)[None, :]
    small = NuclearNorms(rows * np.sqrt(scale)).of(subsets)
    np.testing.assert_allclose(small, np.sqrt(scale) * NuclearNorms(rows).of(subsets), rtol=1e-12)


def test_traces_of_roots_are_those_of_the_eigenvalues() -> None:
    generator = np.random.default_rng(2)
    lower = [np.tril(np.triu(generator.standard_normal((7, 7)), -1)) for _ in range(5)]
    matrices = [one @ one.T for one in lower]  # tridiagonal and semidefinite
    diagonal = np.stack([np.diag(one) for one in matrices], axis=1)
    beside = np.stack([np.diag(one, 1) for one in matrices], axis=1)
    expected = [np.sqrt(np.maximum(np.linalg.eigvalsh(one), 0.0)).sum() for one in matrices]
    np.testing.assert_allclose(root_traces(diagonal, beside), expected, rtol=1e-7)


def test_poles_are_as_good_as_said_and_better_than_fewer() -> None:
    x = np.geomspace(SMALLEST_EIGENVALUE, 1.0, 2001)

    def error(count: int) -> float:
        shifts, weights = square_root_poles(SMALLEST_EIGENVALUE, count)
        assert (np.diff(shifts) > 0).all()
        return float(
            np.abs((weights * x[:, None] / (x[:, None] + shifts)).sum(axis=1) / np.sqrt(x) - 1).max()
        )

    assert error(36) < POLE_ERROR < error(24)


def test_it_is_the_objective_of_equation_4() -> None:
    tokens = np.random.default_rng(0).standard_normal((30, 24))
    ladder = Ladder(tokens, normalise="columns")
    unit = ladder.tokens
    left, singular, _ = np.linalg.svd(unit, full_matrices=False)
    subsets = random_subsets(np.random.default_rng(1), 30, 20, 5)
    found = NuclearNorms(left * singular**2 / np.sqrt(30 * 20)).of(subsets)
    expected = [ladder.values(kept)["trace_objective"] for kept in subsets]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
