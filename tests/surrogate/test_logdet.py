"""The surrogate's value, and that its two forms (rungs 4 and 5) are one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from otanalysis.errors import InputError
from otanalysis.surrogate import logdet_value, normalise_tokens, otprune_kernel, paper_objective
from otanalysis.transport import trace_objective

TOLERANCE = 1e-9
# sup_t log(1 + t) / sqrt(t), at t = 3.9215...
TRACE_CONSTANT = 0.80474


@pytest.fixture
def tokens() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((20, 6))


def covariance_form(tokens: np.ndarray, kept: list[int], gamma: float) -> float:
    unit = tokens / np.sqrt((tokens**2).sum(0))
    some = unit[kept]
    root = np.real(sqrtm(unit.T @ unit / len(unit)))
    inner = root @ (some.T @ some / len(some)) @ root
    return float(np.log1p(gamma * np.linalg.eigvalsh(inner)).sum())


def test_agrees_with_the_determinant(tokens: np.ndarray) -> None:
    kernel, kept = otprune_kernel(tokens, gamma=2.0), [7, 1, 12]

    assert logdet_value(kernel, kept) == pytest.approx(
        np.log(np.linalg.det(kernel[np.ix_(kept, kept)])), rel=TOLERANCE
    )


def test_a_singular_subset_has_minus_infinity() -> None:
    assert logdet_value(np.diag([1.0, 0.0, 2.0]), [0, 1]) == -np.inf
    assert logdet_value(np.diag([1.0, 0.0, 2.0]), [0, 2]) == pytest.approx(np.log(2))


@pytest.mark.parametrize("gamma", [1e-2, 1.0, 1e4])
@pytest.mark.parametrize("kept", [[3], [0, 5, 9], list(range(20))])
def test_rung_5_equals_rung_4(tokens: np.ndarray, kept: list[int], gamma: float) -> None:
    assert paper_objective(tokens, kept, gamma=gamma) == pytest.approx(
        covariance_form(tokens, kept, gamma), rel=1e-7
    )


def test_the_released_factor_is_the_papers_over_m_k(tokens: np.ndarray) -> None:
    kept = [2, 4, 8]

    assert paper_objective(tokens, kept, gamma=0.01 * 20 * 3) == pytest.approx(
        logdet_value(otprune_kernel(tokens, gamma=0.01), kept), rel=TOLERANCE
    )


@pytest.mark.parametrize("gamma", [1e-2, 1.0, 1e4])
def test_the_surrogate_is_bounded_by_the_trace_objective(tokens: np.ndarray, gamma: float) -> None:
    kept = [3, 6, 11, 19]
    trace = trace_objective(normalise_tokens(tokens, "columns"), kept)

    assert (
        0 < paper_objective(tokens, kept, gamma=gamma) <= TRACE_CONSTANT * np.sqrt(gamma) * trace * (1 + 1e-4)
    )


def test_bad_arguments_are_refused(tokens: np.ndarray) -> None:
    with pytest.raises(InputError, match="square"):
        logdet_value(tokens, [0])
    with pytest.raises(InputError, match=r"0\.\.19"):
        paper_objective(tokens, [20], gamma=1.0)
    with pytest.raises(InputError, match="gamma"):
        paper_objective(tokens, [2], gamma=0.0)


def test_torch_agrees(tokens: np.ndarray) -> None:
    torch = pytest.importorskip("torch")
    kept, tensor = [2, 4, 8], torch.from_numpy(tokens)
    kernel = otprune_kernel(tokens)

    assert logdet_value(torch.from_numpy(kernel), torch.tensor(kept)) == pytest.approx(
        logdet_value(kernel, kept), rel=TOLERANCE
    )
    assert paper_objective(tensor, kept, gamma=3.0) == pytest.approx(
        paper_objective(tokens, kept, gamma=3.0), rel=TOLERANCE
    )
