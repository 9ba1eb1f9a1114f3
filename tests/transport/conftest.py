"""Small clouds of many kinds, and their smallest exact distance by looking at every kept set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import gcd

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment, linprog

Cloud = Callable[[str, int, int], np.ndarray]
Optimum = Callable[[np.ndarray, int], float]
Relax = Callable[..., "Relaxation"]


@pytest.fixture(scope="session")
def small_cloud() -> Cloud:
    """Return a function of law, seed and number of tokens."""

    def draw(law: str, seed: int, m: int) -> np.ndarray:
        generator = np.random.default_rng([seed, m])
        d = int(generator.integers(1, 5))
        tokens = generator.standard_normal((m, d))
        labels = generator.integers(0, 3, m)
        match law:
            case "gaussian":
                return tokens
            case "ties":
                return tokens[labels % m]
            case "grid":
                return generator.integers(-2, 3, (m, d)).astype(float)
            case "zero rows":
                return tokens * (labels > 0)[:, None]
            case "clusters":
                return 0.1 * tokens + 5.0 * generator.standard_normal((3, d))[labels]
            case "far clusters":
                return tokens + 1e6 * labels[:, None]
            case "outlier":
                return tokens * np.where(np.arange(m) == 0, 1e4, 1.0)[:, None]
            case "nearly all equal":
                return np.asarray(1.0 + 1e-7 * tokens * (labels == 0)[:, None])
            case "far from zero":
                return tokens + 1e8
            case "high dimension":
                return generator.standard_normal((m, 200)) * generator.exponential(size=(m, 1))
            case "tiny":
                return 1e-152 * tokens
            case "huge":
                return 1e150 * tokens
        raise ValueError(law)

    return draw


@pytest.fixture
def problem() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return tokens [18, 4], five kept ones, and weights of all tokens [18]."""
    generator = np.random.default_rng(0)
    return generator.standard_normal((18, 4)), generator.permutation(18)[:5], generator.exponential(size=18)


LAWS = (
    "gaussian",
    "ties",
    "grid",
    "zero rows",
    "clusters",
    "far clusters",
    "outlier",
    "nearly all equal",
    "far from zero",
    "high dimension",
    "tiny",
    "huge",
)


@pytest.fixture(scope="session", params=LAWS)
def law(request: pytest.FixtureRequest) -> str:
    """Return the name of a law of :func:`small_cloud`, each in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def smallest_distance() -> Optimum:
    """Return a function of tokens and ``keep``: the smallest squared distance of all sets of that size.

    Every set is an assignment problem of tokens split into equal masses, solved by SciPy: exact on integers.
    """

    def solve(tokens: np.ndarray, keep: int) -> float:
        m = len(tokens)
        cost = np.sum((tokens[:, None] - tokens[None]) ** 2, axis=2)
        scale = cost.max() or 1.0
        split = np.repeat(cost / scale, keep // gcd(m, keep), axis=0)
        return scale * min(
            _assigned(np.repeat(split[:, list(kept)], m // gcd(m, keep), axis=1))
            for kept in combinations(range(m), keep)
        )

    return solve


def _assigned(square: np.ndarray) -> float:
    rows, columns = linear_sum_assignment(square)
    return float(square[rows, columns].mean())


@dataclass(frozen=True, eq=False)
class Relaxation:
    """The linear relaxation of the choice of a kept set, solved."""

    value: float
    shares: np.ndarray
    kept: np.ndarray


@pytest.fixture(scope="session")
def relax() -> Relax:
    """Return a function that solves the relaxation of a cost [m, m] and ``keep`` with capacity cuts."""

    def solve(
        cost: np.ndarray, keep: int, served: np.ndarray | None = None, keepers: np.ndarray | None = None
    ) -> Relaxation:
        m = len(cost)
        capacity = m / keep
        every, one, zero = np.eye(m), np.ones(m), np.zeros((m, m))
        equal = np.vstack(
            [
                np.hstack([np.kron(every, one), zero]),
                np.hstack([np.kron(one, every), -capacity * every]),
                np.hstack([np.zeros(m * m), one])[None],
            ]
        )
        below = [np.hstack([np.eye(m * m), -np.kron(one[:, None], every)])]
        limits = [np.zeros(m * m)]
        for a, b in zip(
            served if served is not None else [], keepers if keepers is not None else [], strict=True
        ):
            whole, rest = divmod(Fraction(int(a.sum()) * keep, m), 1)
            row = np.concatenate([np.outer(a, b).ravel(), -capacity * float(rest) * b])
            below.append(row[None])
            limits.append(np.array([capacity * whole * float(1 - rest)]))
        found = linprog(
            np.concatenate([cost.ravel(), np.zeros(m)]),
            A_ub=np.vstack(below),
            b_ub=np.concatenate(limits),
            A_eq=equal,
            b_eq=np.concatenate([np.ones(m), np.zeros(m), [keep]]),
            bounds=[(0, None)] * (m * m) + [(0, 1)] * m,
            method="highs",
        )
        assert found.status == 0
        return Relaxation(found.fun / m, found.x[: m * m].reshape(m, m), found.x[m * m :])

    return solve
