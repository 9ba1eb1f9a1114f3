"""Kernels and normalisation: against their definitions, for zero columns, rows and tokens."""

from __future__ import annotations

import numpy as np
import pytest

from otanalysis.arrays import Normalisation
from otanalysis.errors import InputError
from otanalysis.surrogate import (
    cosine_kernel,
    normalise_tokens,
    otprune_kernel,
    paper_factor,
    released_factor,
)

ROUNDING = 1e-12


@pytest.fixture
def tokens() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((11, 6))


def test_columns_are_divided_by_their_norm_and_keep_their_mean(tokens: np.ndarray) -> None:
    expected = np.column_stack([column / np.linalg.norm(column) for column in (tokens + 3).T])

    result = normalise_tokens(tokens + 3, "columns")

    np.testing.assert_allclose(result, expected, rtol=ROUNDING)
    assert np.all(result.mean(0) > 0.1), "no mean is removed"


def test_rows_are_divided_by_their_norm(tokens: np.ndarray) -> None:
    expected = np.array([row / np.linalg.norm(row) for row in tokens])

    np.testing.assert_allclose(normalise_tokens(tokens, "rows"), expected, rtol=ROUNDING)
    assert np.array_equal(normalise_tokens(tokens, "none"), tokens)


def test_zero_columns_and_rows_stay_zero(tokens: np.ndarray) -> None:
    tokens[:, 2] = 0
    tokens[5] = 0

    columns, rows = normalise_tokens(tokens, "columns"), normalise_tokens(tokens, "rows")

    assert not columns[:, 2].any()
    assert not rows[5].any()
    assert np.isfinite(columns).all()
    assert np.isfinite(rows).all()


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_normalisation_forgets_the_scale_even_where_squares_leave_float64(
    tokens: np.ndarray, scale: float
) -> None:
    np.testing.assert_allclose(
        normalise_tokens(scale * tokens, "columns"), normalise_tokens(tokens, "columns"), rtol=ROUNDING
    )


def test_normalising_twice_changes_nothing_and_the_input_is_left_alone(tokens: np.ndarray) -> None:
    before = tokens.copy()
    once = normalise_tokens(tokens, "columns")

    np.testing.assert_allclose(normalise_tokens(once, "columns"), once, rtol=ROUNDING)
    assert np.array_equal(tokens, before)


def test_the_kernel_of_otprune_agrees_with_its_definition(tokens: np.ndarray) -> None:
    unit = tokens / np.sqrt((tokens**2).sum(0))
    raised = unit @ unit.T
    expected = np.eye(11) + 0.3 * raised @ raised

    np.testing.assert_allclose(otprune_kernel(tokens, gamma=0.3), expected, rtol=ROUNDING, atol=ROUNDING)
    assert not np.allclose(otprune_kernel(tokens, gamma=0.3, normalise="rows"), expected)


def test_every_eigenvalue_of_the_kernel_of_otprune_is_at_least_one(tokens: np.ndarray) -> None:
    eigenvalues = np.linalg.eigvalsh(otprune_kernel(tokens, gamma=10.0))

    assert eigenvalues.min() >= 1 - ROUNDING * eigenvalues.max()
    assert eigenvalues.max() > 1.5


def test_cosines_agree_with_their_definition(tokens: np.ndarray) -> None:
    expected = [[a @ b / np.sqrt((a @ a) * (b @ b)) for b in tokens] for a in tokens]

    np.testing.assert_allclose(cosine_kernel(tokens), expected, rtol=ROUNDING, atol=ROUNDING)
    assert np.array_equal(np.diagonal(cosine_kernel(tokens)), np.ones(11))
    tokens[4] = 0
    assert not cosine_kernel(tokens)[4].any()


@pytest.mark.parametrize("gamma", [0.0, -1.0, np.nan, np.inf, "0.01", None])
def test_a_gamma_that_is_no_positive_number_is_refused(tokens: np.ndarray, gamma: object) -> None:
    with pytest.raises(InputError, match="gamma must be a positive"):
        otprune_kernel(tokens, gamma=gamma)  # type: ignore[arg-type]


def test_an_unknown_normalisation_is_refused(tokens: np.ndarray) -> None:
    with pytest.raises(InputError, match="none, columns, rows; got 'L2'"):
        otprune_kernel(tokens, normalise="L2")  # type: ignore[arg-type]


def test_torch_tokens_give_torch_kernels(tokens: np.ndarray) -> None:
    torch = pytest.importorskip("torch")
    half = torch.tensor(tokens, dtype=torch.bfloat16)

    for kernel in (otprune_kernel, cosine_kernel):
        result = kernel(half)

        assert isinstance(result, torch.Tensor)
        assert result.dtype == torch.float64
        np.testing.assert_allclose(
            result.numpy(), kernel(half.double().numpy()), rtol=ROUNDING, atol=ROUNDING
        )


PAPER_TABLE = {
    0.05: (0.0005, 0.20, (0.10, 0.20, 1.0, 2.0)),
    0.098: (0.00098, 0.102, (0.051, 0.102, 0.51, 1.02)),
    0.15: (0.0015, 0.067, (0.033, 0.067, 0.33, 0.67)),
    0.2: (0.0020, 0.05, (0.025, 0.05, 0.25, 0.5)),
}
"""By share kept: the paper's gamma of the released 0.01, the factor of the paper's, those of its grid."""


@pytest.mark.parametrize("ratio", PAPER_TABLE)
def test_the_factors_are_those_of_the_table_of_both_gammas(ratio: float) -> None:
    released, factor, grid = PAPER_TABLE[ratio]
    m, keep = 10**6, round(ratio * 10**6)

    assert paper_factor(released, m, keep) == pytest.approx(0.01, rel=1e-12)
    assert paper_factor(0.01, m, keep) == pytest.approx(factor, rel=0.005)
    factors = [paper_factor(gamma, m, keep) for gamma in (0.005, 0.01, 0.05, 0.1)]
    # The table has two or three digits: 0.033 is 1/30.
    np.testing.assert_allclose(factors, grid, rtol=0.0102)


@pytest.mark.parametrize("how", ["columns", "rows", "none"])
@pytest.mark.parametrize("keep", [1, 4, 11])
def test_the_papers_factor_gives_the_papers_kernel(tokens: np.ndarray, how: Normalisation, keep: int) -> None:
    """Equation 8 on features of unit variance (columns of norm sqrt(m)), or on the tokens as they stand."""
    m = len(tokens)
    features = {
        "columns": tokens / np.sqrt((tokens**2).mean(axis=0)),
        "rows": tokens / np.linalg.norm(tokens, axis=1, keepdims=True),
        "none": tokens,
    }[how]
    raised = features @ features.T
    wanted = np.eye(m) + 0.3 / (m * keep) * raised @ raised.T

    kernel = otprune_kernel(tokens, gamma=paper_factor(0.3, m, keep, how), normalise=how)

    np.testing.assert_allclose(kernel, wanted, rtol=ROUNDING, atol=ROUNDING)


def test_whose_gamma_it_is_decides_about_the_factor() -> None:
    assert released_factor(0.01, 576, 56, gamma_of="released") == 0.01
    assert released_factor(0.01, 576, 56, gamma_of="paper") == paper_factor(0.01, 576, 56) == 0.01 * 576 / 56
    assert released_factor(0.01, 576, 56, "rows", gamma_of="paper") == 0.01 / (576 * 56)
    with pytest.raises(InputError, match="gamma_of must be one of released, paper; got 'mine'"):
        released_factor(0.01, 576, 56, gamma_of="mine")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("gamma", "keep", "how", "said"),
    [
        (0.0, 3, "columns", "gamma must be a positive"),
        (0.01, 0, "columns", "keep must be an integer in 1..11; got 0"),
        (0.01, 12, "columns", "keep must be an integer in 1..11; got 12"),
        (0.01, 3, "unit", "normalise must be one of none, columns, rows; got 'unit'"),
        (1e308, 3, "columns", r"gamma=1e\+308 leaves the range .* for 3 of 11 tokens \(inf\)"),
        (5e-324, 3, "none", r"leaves the range .*\(0\)"),
    ],
)
def test_what_has_no_factor_is_refused(gamma: float, keep: int, how: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        paper_factor(gamma, 11, keep, how)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"m must be an integer from 1 on; got 2\.5"):
        paper_factor(0.01, 2.5, 1)  # type: ignore[arg-type]
