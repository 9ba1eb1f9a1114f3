"""Pivoted QR, leverage and the principal residual, against LAPACK and the singular value decomposition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.linalg import lstsq, qr

from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.selection import SELECTORS, select
from otanalysis.selection.residual import Leverage, PCAResidual


def cloud(seed: int, m: int = 30, d: int = 9) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.standard_normal((m, d)) * 0.8 ** np.arange(d) + generator.standard_normal(d)


def outside(tokens: np.ndarray, kept: Any) -> float:
    """Return the share of the squared lengths that no combination of the kept tokens reaches."""
    solution = lstsq(tokens[kept].T, tokens.T)[0]
    return float(np.sum((tokens.T - tokens[kept].T @ solution) ** 2) / np.sum(tokens**2))


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize(("m", "d", "keep"), [(30, 9, 9), (12, 40, 12), (30, 9, 3)])
def test_the_pivots_are_those_of_lapack(m: int, d: int, keep: int, library: str) -> None:
    for seed in range(3):
        tokens = cloud(seed, m, d)
        factor, pivots = qr(tokens.T, mode="r", pivoting=True)
        given: Any = tokens if library == "numpy" else pytest.importorskip("torch").from_numpy(tokens)

        chosen = select(given, "pivoted-qr", keep=keep)

        assert chosen.pick_order.tolist() == pivots[:keep].tolist()
        squares = 2.0 * np.log(np.abs(np.diag(factor)[:keep]))
        np.testing.assert_allclose(np.asarray(chosen.gains), squares, atol=1e-6)


@pytest.mark.parametrize("keep", [1, 4, 9])
def test_the_objective_is_the_residual_of_least_squares(keep: int) -> None:
    tokens = cloud(4)
    kept = np.random.default_rng(1).permutation(30)[:keep]
    own = SELECTORS["pivoted-qr"].objective_value(tokens, kept)
    assert own == pytest.approx(-outside(tokens, kept), abs=1e-12)
    assert own < -0.01 or keep == 9


def test_multiples_and_sums_of_the_kept_lie_in_their_span() -> None:
    tokens = np.array([[2.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.5, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.1]])
    assert select(tokens, "pivoted-qr", keep=3).pick_order.tolist() == [0, 2, 4]
    assert select(tokens, "fps", keep=3).pick_order.tolist() != [0, 2, 4]


@pytest.mark.parametrize("rank", [None, 1, 3, 50])
@pytest.mark.parametrize("keep", [1, 5, 12])
def test_leverage_by_the_singular_vectors(keep: int, rank: int | None) -> None:
    tokens = cloud(2)
    left = np.linalg.svd(tokens, full_matrices=False)[0][:, : rank or keep]
    scores = np.sum(left**2, axis=1)
    selector = Leverage(rank)

    chosen = select(tokens, selector, keep=keep)

    assert chosen.pick_order.tolist() == np.argsort(-scores)[:keep].tolist()
    assert selector.objective_value(tokens, chosen.indices) == pytest.approx(np.sort(scores)[-keep:].mean())


def test_without_a_limit_all_independent_tokens_would_have_the_same_leverage() -> None:
    tokens = cloud(0, m=8, d=20)
    np.testing.assert_allclose(Leverage(50).scores(Image(tokens), 3), 1.0)
    assert np.ptp(Leverage().scores(Image(tokens), 3)) > 0.1


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_principal_residual_by_the_singular_value_decomposition(share: float) -> None:
    tokens = cloud(3)
    centred = tokens - tokens.mean(axis=0)
    _, values, right = np.linalg.svd(centred, full_matrices=False)
    held = np.cumsum(values**2) / np.sum(values**2)
    background = right[: int(np.argmax(held >= share)) + 1]
    scores = np.sum((centred - centred @ background.T @ background) ** 2, axis=1)
    selector = PCAResidual(share)

    chosen = select(tokens, selector, keep=7)

    assert chosen.pick_order.tolist() == np.argsort(-scores)[:7].tolist()
    kept = scores[chosen.indices].sum() / scores.sum()
    assert selector.objective_value(tokens, chosen.indices) == pytest.approx(kept, rel=1e-9)


def test_a_token_off_the_plane_of_all_others_has_the_largest_residual() -> None:
    generator = np.random.default_rng(0)
    tokens = np.zeros((25, 4))
    tokens[:, :2] = 5.0 * generator.standard_normal((25, 2))
    tokens[17, 3] = 1.0
    tokens += 100.0
    assert select(tokens, PCAResidual(0.9), keep=1).indices.tolist() == [17]
    assert select(tokens, "norm", keep=1).indices.tolist() != [17]


@pytest.mark.parametrize("tokens", [np.zeros((6, 3)), np.full((6, 3), 0.1), np.full((6, 3), -1e-200)])
@pytest.mark.parametrize("name", ["pivoted-qr", "leverage", "pca-residual"])
def test_tokens_that_are_all_alike_are_taken_in_order(name: str, tokens: np.ndarray) -> None:
    chosen = select(tokens, name, keep=3)
    assert chosen.pick_order.tolist() == [0, 1, 2]
    assert np.isfinite(SELECTORS[name].objective_value(tokens, chosen.indices))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Leverage(0), "rank must be an integer from 1 on"),
        (lambda: Leverage(2.5), "rank must be an integer from 1 on"),  # type: ignore[arg-type]
        (lambda: PCAResidual(0.0), "share must be a number"),
        (lambda: PCAResidual(1.0), "share must be a number"),
    ],
)
def test_bad_parameters_are_refused(make: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        make()
