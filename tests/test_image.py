"""Squared distances: against the definition, for duplicates and for clouds far from the origin."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from otanalysis.errors import InputError
from otanalysis.transport import quantisation_error, squared_distances, wasserstein2

# The worst case that the docstring promises; cdist itself is exact to about d ulps.
RELATIVE_TOLERANCE = 1e-10


@pytest.mark.parametrize("shift", [0.0, 1e3])
@pytest.mark.parametrize("m", [1, 2, 40])
def test_agrees_with_the_definition(m: int, shift: float) -> None:
    tokens = np.random.default_rng(m).standard_normal((m, 7)) + shift

    result = squared_distances(tokens)

    np.testing.assert_allclose(result, cdist(tokens, tokens, "sqeuclidean"), rtol=RELATIVE_TOLERANCE, atol=0)
    assert result.dtype == np.float64
    assert np.array_equal(result, result.T)
    assert not np.diagonal(result).any()


def test_two_clouds_agree_with_the_definition() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.standard_normal((9, 4)), 5 + generator.standard_normal((6, 4))

    np.testing.assert_allclose(
        squared_distances(a, b), cdist(a, b, "sqeuclidean"), rtol=RELATIVE_TOLERANCE, atol=0
    )


def test_duplicates_are_at_distance_zero_and_near_duplicates_are_not() -> None:
    base = 100 * np.random.default_rng(1).standard_normal((20, 300))
    near = base[:1] + np.eye(1, 300) * 1e-6
    tokens = np.vstack([base, base, near])

    result = squared_distances(tokens)

    assert not np.diagonal(result[:20, 20:40]).any()
    # The difference itself is rounded by half an ulp of 100, 1.4e-14, on a step of 1e-6.
    assert result[0, 40] == pytest.approx(1e-12, rel=1e-7, abs=0)
    naive = (base**2).sum(1)[0] + (near**2).sum() - 2 * (base[0] @ near[0])
    assert naive != pytest.approx(1e-12, rel=1e-1, abs=0), "the guard must be needed here"


def test_close_pairs_are_recomputed_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otanalysis.image._CHUNK_ENTRIES", 16)
    tokens = np.vstack([np.full((12, 5), 7.0), np.zeros((3, 5))])

    result = squared_distances(tokens)

    assert np.array_equal(result, cdist(tokens, tokens, "sqeuclidean"))


def test_short_integers_and_half_floats_are_computed_in_double_precision() -> None:
    tokens = np.array([[200, 100], [10, 250]], dtype=np.uint8)
    halves = np.array([[60000.0], [-60000.0]], dtype=np.float16)
    exact = float(Fraction(float(halves[0, 0]) - float(halves[1, 0])) ** 2)

    assert squared_distances(tokens)[0, 1] == 190.0**2 + 150.0**2
    assert squared_distances(halves)[0, 1] == exact


def test_refuses_clouds_it_cannot_measure() -> None:
    with pytest.raises(InputError, match="same dimension; got 2 and 3"):
        squared_distances(np.zeros((4, 2)), np.zeros((4, 3)))
    with pytest.raises(InputError, match="too large for squared distances"):
        squared_distances([[1e200], [-1e200]])


@pytest.mark.parametrize("distance", [wasserstein2, quantisation_error])
@pytest.mark.parametrize(
    ("cost", "message"),
    [
        (np.zeros((3, 4)), "m = 4 tokens; got shape"),
        (np.full((4, 4), np.nan), "non-negative squared distances"),
        (np.full((4, 4), np.inf), "non-negative squared distances"),
        (np.full((4, 4), -1.0), "non-negative squared distances"),
    ],
)
def test_a_shared_cost_that_does_not_fit_is_refused(distance: object, cost: np.ndarray, message: str) -> None:
    assert callable(distance)
    with pytest.raises(InputError, match=message):
        distance(np.zeros((4, 2)), [0, 1], cost=cost)
