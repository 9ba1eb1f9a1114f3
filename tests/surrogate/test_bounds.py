"""The upper bounds of the surrogate, against every subset of small clouds."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from otanalysis.surrogate import otprune_kernel
from otanalysis.surrogate.bounds import kernel_upper_bound

PARTS = ("prefix", "eigenvalue", "factorisation")


def cloud(law: str, seed: int, m: int) -> np.ndarray:
    """Small clouds with what breaks careless bounds."""
    draw = np.random.default_rng(seed)
    d = int(draw.integers(1, 2 * m))
    tokens = draw.standard_normal((m, d))
    if law == "ties":
        tokens = np.round(tokens)
    elif law == "duplicates":
        tokens = tokens[draw.integers(0, max(1, m // 2), m)]
    elif law == "zero rows":
        tokens[draw.random(m) < 0.4] = 0.0
    elif law == "outliers":
        tokens[0] *= 1e3
    elif law == "large":
        tokens *= 30.0
    return tokens


LAWS = ("normal", "ties", "duplicates", "zero rows", "outliers", "large")


def all_values(kernel: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Every k-subset and its log-determinant, by definition."""
    subsets = np.array(list(combinations(range(len(kernel)), k)))
    return subsets, np.linalg.slogdet(kernel[subsets[:, :, None], subsets[:, None, :]])[1]


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("normalise", ["none", "columns", "rows"])
def test_no_part_is_below_the_optimum(law: str, normalise: str) -> None:
    for seed in range(20):
        m = int(np.random.default_rng(seed).integers(2, 10))
        gamma = (0.01, 1.0, 100.0)[seed % 3]
        kernel = otprune_kernel(cloud(law, seed, m), gamma=gamma, normalise=normalise)
        for k in range(1, m + 1):
            bound = kernel_upper_bound(kernel, k)
            subsets, values = all_values(kernel, k)
            for part in PARTS:
                assert values.max() <= bound.parts[part], (seed, k, part)
            above = bound.majorant.intercept + bound.majorant.slopes[subsets].sum(axis=1)
            assert (values <= above).all(), (seed, k)
