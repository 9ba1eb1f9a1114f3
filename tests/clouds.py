"""Weights of small clouds in the tests of what weighs tokens."""

from __future__ import annotations

import numpy as np


def drawn_weights(generator: np.random.Generator, m: int) -> np.ndarray:
    """Return whole weights [m], a third of them zero and one perhaps heavier than all others."""
    weights = generator.integers(1, 5, m) * (generator.random(m) < 0.7)
    weights[generator.integers(m)] += generator.choice([1, 12])
    return weights
