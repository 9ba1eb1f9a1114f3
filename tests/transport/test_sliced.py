"""The sliced distance: against exact transport along each of its directions, and below the exact distance."""

from __future__ import annotations

import numpy as np
import ot
import pytest

from otanalysis.image import Image
from otanalysis.transport import sliced_wasserstein2, wasserstein2
from otanalysis.transport.sliced import DIRECTIONS, DIRECTIONS_SEED

ROUNDING = 1e-9


@pytest.fixture
def directions() -> np.ndarray:
    drawn = np.random.default_rng(DIRECTIONS_SEED).standard_normal((4, DIRECTIONS))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=0))


def test_is_the_mean_of_exact_distances_along_its_directions(
    problem: tuple[np.ndarray, np.ndarray, np.ndarray], directions: np.ndarray
) -> None:
    tokens, kept, weights = problem
    for masses in (None, weights):
        along = [
            wasserstein2(tokens @ one[:, None], kept, weights=masses).squared_distance for one in directions.T
        ]
        found = sliced_wasserstein2(tokens, kept, weights=masses)
        assert found == pytest.approx(np.sqrt(np.mean(along)), rel=ROUNDING)
    assert sliced_wasserstein2(Image(tokens, weights=weights), kept) == found


def test_agrees_with_pot_along_the_same_directions(
    problem: tuple[np.ndarray, np.ndarray, np.ndarray], directions: np.ndarray
) -> None:
    tokens, kept, weights = problem
    masses = weights / weights.sum()
    expected = ot.sliced_wasserstein_distance(tokens, tokens[kept], a=masses, projections=directions)
    assert sliced_wasserstein2(tokens, kept, weights=weights) == pytest.approx(expected, rel=ROUNDING)


def test_never_exceeds_the_exact_distance(problem: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    tokens, _, weights = problem
    generator = np.random.default_rng(1)
    for size in (1, 2, 7, 17):
        kept = generator.permutation(18)[:size]
        far = wasserstein2(tokens, kept, weights=weights).distance
        assert 0.0 < sliced_wasserstein2(tokens, kept, weights=weights) < far


def test_in_one_dimension_it_is_the_exact_distance(
    problem: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    tokens, kept, _ = problem
    line = tokens[:, :1]
    assert sliced_wasserstein2(line, kept) == pytest.approx(wasserstein2(line, kept).distance, rel=ROUNDING)


def test_a_direction_sees_one_of_the_dimensions() -> None:
    tokens = np.random.default_rng(3).standard_normal((60, 10))
    far = wasserstein2(tokens, [0]).distance
    # To one kept token the mean over all directions is the exact square over d; 64 of them come near it.
    assert sliced_wasserstein2(tokens, [0]) == pytest.approx(far / np.sqrt(10), rel=0.1)
