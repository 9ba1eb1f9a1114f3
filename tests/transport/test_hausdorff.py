"""The Hausdorff radius: against SciPy, and between the mean and the largest distance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist, directed_hausdorff

from otanalysis.image import Image
from otanalysis.transport import hausdorff_radius, quantisation_error


@pytest.fixture
def tokens() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((18, 4))


def test_agrees_with_scipy(tokens: np.ndarray) -> None:
    kept = [4, 11, 0, 7]
    expected = directed_hausdorff(tokens, tokens[kept])[0]
    assert hausdorff_radius(tokens, kept) == pytest.approx(expected, rel=1e-12)
    assert expected == max(directed_hausdorff(tokens[kept], tokens)[0], expected), "kept ones are tokens"


def test_its_square_is_at_least_the_quantisation_error(tokens: np.ndarray) -> None:
    order = np.random.default_rng(1).permutation(18)
    radii = np.array([hausdorff_radius(tokens, order[:size]) for size in range(1, 19)])
    errors = np.array([quantisation_error(tokens, order[:size]) for size in range(1, 19)])
    assert (errors <= radii**2).all()
    assert (np.diff(radii) <= 0.0).all()
    assert radii[-1] == 0.0 < radii[-2]


def test_only_tokens_without_a_mass_are_left_out(tokens: np.ndarray) -> None:
    kept = [3, 8]
    near = cdist(tokens, tokens[kept]).min(axis=1)
    last = int(near.argmax())
    weights = np.random.default_rng(2).uniform(0.1, 1.0, 18)
    assert hausdorff_radius(tokens, kept, weights=weights) == pytest.approx(near.max(), rel=1e-12)
    weights[last] = 0.0
    expected = np.delete(near, last).max()
    assert hausdorff_radius(tokens, kept, weights=weights) == pytest.approx(expected, rel=1e-12)
    assert hausdorff_radius(Image(tokens, weights=weights), kept) == pytest.approx(expected, rel=1e-12)
    assert expected < near.max()
