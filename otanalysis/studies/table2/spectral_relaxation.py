r"""Upper bounds for the objectives that depend on the spectrum of the kept tokens' second moment.

Rungs 1 to 5 of the ladder from exact transport to the surrogate of arXiv:2602.20205 ask for the
:math:`k`-subset :math:`C` with the largest

.. math:: h(C) = s \, \mathrm{tr}\, g(X_C) + \sum_{c \in C} b_c, \qquad X_C = \sum_{c \in C} a_c a_c^\top

for vectors :math:`a_c`, numbers :math:`b_c`, :math:`s > 0` and a concave increasing :math:`g` with
:math:`g(0) = 0`: the square root for rungs 1 to 3, :math:`\log(1 + t)` for rungs 4 and 5.

**Bound.** Take any positive definite :math:`\Theta` with eigenvalues :math:`\theta_1 \leq \theta_2 \leq
\dots`, and :math:`n = \min(k, r)`. At most :math:`n` eigenvalues :math:`\lambda_1 \geq \lambda_2 \geq \dots`
of :math:`X_C` differ from zero. With the conjugate :math:`g^*(\theta) = \max_t g(t) - \theta t` and the trace
inequality :math:`\sum_j \theta_j \lambda_j \leq \mathrm{tr}\, \Theta X_C` (von Neumann),

.. math:: h(C) \leq s \sum_{j \leq n} g^*(\theta_j) + \sum_{c \in C} (s \, a_c^\top \Theta a_c + b_c)

a plane over the subsets, whose largest value takes the :math:`k` largest slopes. Nothing was assumed of
:math:`\Theta`, so the bound holds wherever the search for a good one stops.

**Choice of** :math:`\Theta`. The smallest right side at weights :math:`x` in place of :math:`C` is the
concave relaxation :math:`s \Gamma_k(X) + b^\top x`, :math:`X = \sum_c x_c a_c a_c^\top`, with

.. math:: \Gamma_k(X) = \sum_{j \leq \iota} g(\lambda_j) + (k - \iota) \, g\Bigl(\tfrac{1}{k - \iota}
          \sum_{j > \iota} \lambda_j\Bigr), \qquad \lambda_\iota > \tfrac{1}{k - \iota} \sum_{j > \iota}
          \lambda_j \geq \lambda_{\iota + 1}

where :math:`k < r`, and :math:`\mathrm{tr}\, g(X)` otherwise. It equals :math:`h` at every subset, so that
branching closes the gap. For the logarithm it is the factorisation bound of Nikolov (STOC 2015), augmented by
Li (arXiv:2410.10078); nothing in it needs the logarithm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from otanalysis.arrays import FloatArray, IntArray

EIGENVALUE_FLOOR = 1e-12
"""Share of the largest eigenvalue to which smaller ones are raised before the slopes are taken: the root's
slope is infinite at zero, and the plane is valid at whatever point it is taken."""

ROUNDING = 1e-12
"""Allowance added to a bound, relative to the absolute values that were summed: products and sums over up to
a thousand terms leave about 1e-13 of them."""

SUFFICIENT_ASCENT = 1e-4
"""Armijo's constant of the line search."""

SMALLEST_STEP = 1e-3
"""Share of a projected step below which the line search takes what it has: any point gives a valid bound."""

LONGEST_STEP = 1e6
"""Longest step, in units of the weights: far beyond it the projection is the same corner, then overflow."""

BISECTIONS = 60
"""Halvings of the projection's shift: enough to reach its last bit."""


@dataclass(frozen=True, eq=False)
class Tangent:
    r"""A plane above the objective: :math:`h(C) \leq` ``intercept + slopes[C].sum()`` for every ``k``-subset.

    Attributes
    ----------
    point : ndarray [m]
        Weights in [0, 1] at which the plane touches the relaxation.
    value : float
        The relaxation there.
    intercept : float
        Constant part, rounding allowance included.
    slopes : ndarray [m]
        What a kept token adds.
    """

    point: FloatArray
    value: float
    intercept: float
    slopes: FloatArray

    def bound(self, state: IntArray, keep: int) -> float:
        """Return the largest value over the ``keep``-subsets that agree with ``state``.

        Parameters
        ----------
        state : ndarray [m]
            1 for tokens that are kept, -1 for tokens that are not, 0 for free ones.
        keep : int
            Size of the subsets.
        """
        forced, free = self.slopes[state == 1], np.sort(self.slopes[state == 0])[::-1]
        chosen = np.concatenate([forced, free[: keep - len(forced)]])
        return self.intercept + float(chosen.sum()) + ROUNDING * float(np.abs(chosen).sum())


@dataclass(frozen=True, eq=False)
class SpectralObjective:
    r"""The objective :math:`h(C) = s \, \mathrm{tr}\, g(X_C) + \sum_{c \in C} b_c` of subsets of one size.

    Attributes
    ----------
    vectors : ndarray [m, r]
        Rows :math:`a_c`.
    offsets : ndarray [m]
        Numbers :math:`b_c`.
    scale : float
        Positive :math:`s`.
    transform : {"sqrt", "log1p"}
        The function :math:`g`.
    keep : int
        Size :math:`k` of the subsets.

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((8, 3))
    >>> objective = SpectralObjective(rows, np.zeros(8), 1.0, "log1p", 2)
    >>> tangent = objective.tangent(np.full(8, 2 / 8))
    >>> kept = np.array([1, 4])
    >>> bool(objective.value(kept) <= tangent.intercept + tangent.slopes[kept].sum())
    True
    """

    vectors: FloatArray
    offsets: FloatArray
    scale: float
    transform: Literal["sqrt", "log1p"]
    keep: int

    def value(self, kept: IntArray) -> float:
        """Return the objective of the positions ``kept`` [k]."""
        return float(self.values(self.vectors[kept[None, :]], kept[None, :])[0])

    def values(self, rows: FloatArray, subsets: IntArray) -> FloatArray:
        """Return the objective [n] of subsets [n, k] with these ``rows`` [n, k, r] in place of their own."""
        singular = np.linalg.svd(rows, compute_uv=False)
        terms = singular if self.transform == "sqrt" else np.log1p(singular**2)
        return np.asarray(self.scale * terms.sum(axis=1) + self.offsets[subsets].sum(axis=1))

    def tangent(self, point: FloatArray) -> Tangent:
        """Return the plane that touches the relaxation at weights [m] that sum to ``keep``."""
        eigenvalues, basis = np.linalg.eigh(self.vectors.T @ (point[:, None] * self.vectors))
        floor = max(EIGENVALUE_FLOOR * float(eigenvalues[-1]), float(np.finfo(np.float64).tiny))
        levels = _flattened(np.maximum(eigenvalues[::-1], floor), self.keep)
        if self.transform == "sqrt":
            heights, theta = np.sqrt(levels), 0.5 / np.sqrt(levels)
        else:
            heights, theta = np.log1p(levels), 1.0 / (1.0 + levels)
        # Beyond the k-th eigenvalue any slope that is not smaller will do; an equal one is tightest.
        every = np.concatenate([theta, np.full(len(eigenvalues) - len(theta), theta[-1])])
        tilt = theta @ levels
        return Tangent(
            point=point,
            value=self.scale * float(heights.sum()) + float(self.offsets @ point),
            intercept=self.scale * float(heights.sum() - tilt + ROUNDING * (heights.sum() + tilt)),
            slopes=self.scale * ((self.vectors @ basis[:, ::-1]) ** 2 @ every) + self.offsets,
        )


def best_tangent(
    objective: SpectralObjective, state: IntArray, *, start: FloatArray, enough: float, steps: int
) -> Tangent:
    """Search the plane with the lowest bound by projected gradient ascent of the relaxation.

    Steps have the length of Barzilai and Borwein, shortened until the relaxation rises.

    Parameters
    ----------
    objective : SpectralObjective
    state : ndarray [m]
        See :meth:`Tangent.bound`.
    start : ndarray [m]
        Weights to start from; they are projected on the feasible ones first.
    enough : float
        Stop once the bound is not above this value.
    steps : int
        Most steps.

    Returns
    -------
    Tangent
    """
    keep = objective.keep
    current = best = objective.tangent(_projected(start, state, keep))
    length = np.inf
    for step in range(steps):
        spread = float(np.ptp(current.slopes[state == 0]))
        if spread == 0.0 or best.bound(state, keep) <= enough:
            break
        length = min(length, (LONGEST_STEP if step else 1.0) / spread)
        move = _projected(current.point + length * current.slopes, state, keep) - current.point
        rise, share = float(current.slopes @ move), 1.0
        reached = objective.tangent(current.point + move)
        while reached.value < current.value + SUFFICIENT_ASCENT * share * rise and share > SMALLEST_STEP:
            share /= 2.0
            reached = objective.tangent(current.point + share * move)
        bend = share * float(move @ (current.slopes - reached.slopes))
        # On a straight stretch there is no curvature to measure: go twice as far.
        length = share**2 * float(move @ move) / bend if bend > 0.0 else 2.0 * length
        current = reached
        best = min(best, current, key=lambda one: one.bound(state, keep))
        if not move.any():
            break
    return best


def _flattened(eigenvalues: FloatArray, keep: int) -> FloatArray:
    r"""Return the levels of :math:`\Gamma_k`, at most ``keep`` of them, of descending eigenvalues [r]."""
    if keep >= len(eigenvalues):
        return eigenvalues
    means = np.cumsum(eigenvalues[::-1])[::-1][:keep] / (keep - np.arange(keep))
    split = int(np.argmax(means >= eigenvalues[:keep]))
    levels = eigenvalues[:keep].copy()
    levels[split:] = means[split]
    return levels


def _projected(point: FloatArray, state: IntArray, keep: int) -> FloatArray:
    """Return the nearest weights in [0, 1] that agree with ``state`` and sum to ``keep``."""
    weights = np.where(state == 1, 1.0, 0.0)
    free = point[state == 0]
    left = keep - int(weights.sum())
    if free.size:
        low, high = float(free.min()) - 1.0, float(free.max())
        for _ in range(BISECTIONS):
            middle = (low + high) / 2.0
            if np.clip(free - middle, 0.0, 1.0).sum() > left:
                low = middle
            else:
                high = middle
        weights[state == 0] = np.clip(free - high, 0.0, 1.0)
    return weights
