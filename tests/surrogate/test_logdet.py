"""The surrogate's value, and that its two forms (rungs 4 and 5) are one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from otanalysis.errors import InputError
from otanalysis.surrogate import logdet_value, otprune_kernel, paper_factor, paper_objective
from otanalysis.transport import trace_objective

TOLERANCE = 1e-9
# sup_t log(1 + t) / sqrt(t), at t = 3.9215...
TRACE_CONSTANT = 0.80474


@pytest.fixture
def tokens() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((20, 6))


def unit_variance(tokens: np.ndarray) -> np.ndarray:
    """Return the paper's features, of second moment one."""
    return tokens / np.sqrt((tokens**2).mean(axis=0))


def covariance_form(features: np.ndarray, kept: list[int], gamma: float) -> float:
    """Return equation 7 from the second moments of all features and of the kept ones."""
    some = features[kept]
    root = np.real(sqrtm(features.T @ features / len(features)))
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
    features = unit_variance(tokens)
    assert np.trace(features.T @ features / 20) == pytest.approx(6, rel=TOLERANCE), "tr S is d"

    assert paper_objective(tokens, kept, gamma=gamma) == pytest.approx(
        covariance_form(features, kept, gamma), rel=1e-7
    )
    for how, taken in (("none", tokens), ("rows", tokens / np.linalg.norm(tokens, axis=1, keepdims=True))):
        assert paper_objective(tokens, kept, gamma=gamma, normalise=how) == pytest.approx(  # type: ignore[arg-type]
            covariance_form(taken, kept, gamma), rel=1e-7
        )


def test_both_forms_agree_under_the_table_of_both_gammas(tokens: np.ndarray) -> None:
    """The released factor g is the paper's gamma g k / m; the paper's gamma is the factor gamma m / k."""
    kept = [2, 4, 8]
    m, k = 20, 3

    def released(factor: float) -> float:
        return logdet_value(otprune_kernel(tokens, gamma=factor), kept)

    assert paper_objective(tokens, kept, gamma=0.01 * k / m) == pytest.approx(released(0.01), rel=TOLERANCE)
    for gamma in (0.005, 0.01, 0.05, 0.1):
        value = paper_objective(tokens, kept, gamma=gamma)
        assert value == pytest.approx(released(gamma * m / k), rel=TOLERANCE)
        assert value == pytest.approx(released(paper_factor(gamma, m, k)), rel=TOLERANCE)
        assert value != pytest.approx(released(gamma / (m * k)), rel=0.5), "on columns of norm one"


@pytest.mark.parametrize("gamma", [1e-2, 1.0, 1e4])
def test_the_surrogate_is_bounded_by_the_trace_objective(tokens: np.ndarray, gamma: float) -> None:
    kept = [3, 6, 11, 19]
    trace = trace_objective(unit_variance(tokens), kept)

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
