"""Kernels and normalisation: against their definitions, for zero columns, rows and tokens."""

from __future__ import annotations

import numpy as np
import pytest

from otanalysis.errors import InputError
from otanalysis.surrogate import cosine_kernel, normalise_tokens, otprune_kernel

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
