"""The relations between the rungs of the ladder, as inequalities and identities between two numbers of a set.

Each side is computed on its own: where the package takes a value from one formula, the other side here takes
the definition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy.optimize import brentq

from otanalysis.arrays import FloatArray
from otanalysis.surrogate import logdet_value, otprune_kernel, paper_objective
from otanalysis.theorem.check import Tally
from otanalysis.theorem.instances import EPSILON, ROUNDING_FACTOR, KeptSet
from otanalysis.transport import ExactTransport

# Distances are sums of up to m d products of the size of the largest squared norm, and nuclear norms add
# the ulps of up to m singular values: 576 ulps are 1.3e-13, with a factor of 8 in reserve.
DISTANCE_TOLERANCE = 1e-12

Quantity: TypeAlias = Callable[[KeptSet], float]


def distance_rounding(instance: KeptSet) -> tuple[float, float]:
    """Return the size of the terms of a squared distance, and the tolerance relative to it."""
    return instance.cloud.scale, DISTANCE_TOLERANCE


def logdet_rounding(instance: KeptSet) -> tuple[float, float]:
    r"""Return one, below which the identity in :math:`\log\det (I + M)` sets the error, and the tolerance.

    The eigenvalues of :math:`M` carry ulps of its trace, and there are ``min(k, d)`` of them.
    """
    size = 1.0 + instance.gamma * float(np.sum(core(instance) ** 2))
    return 1.0, ROUNDING_FACTOR * len(instance.cloud.tokens) * EPSILON * size


def trace_rounding(instance: KeptSet) -> tuple[float, float]:
    r"""Return the size of :math:`\gamma` times a squared trace, and the tolerance relative to it."""
    return instance.gamma * instance.cloud.scale**2, DISTANCE_TOLERANCE


@dataclass(frozen=True)
class Inequality:
    """One quantity of a kept set never exceeds another.

    Parameters
    ----------
    lower, upper : callable
        The two quantities; either may be put to the test.
    rounding : callable
        From the kept set to the size of the numbers compared and the tolerance relative to it.
    """

    lower: Quantity
    upper: Quantity
    rounding: Callable[[KeptSet], tuple[float, float]]

    def __call__(self, instance: KeptSet) -> Tally:
        """Return ``upper - lower``, relative to the larger of the two or of the terms they are made of."""
        lower, upper = self.lower(instance), self.upper(instance)
        size, tolerance = self.rounding(instance)
        return Tally.of((upper - lower) / max(size, abs(upper), abs(lower)), tolerance)


@dataclass(frozen=True)
class Identity:
    """Two quantities of a kept set are the same.

    Parameters
    ----------
    left, right : callable
        The two quantities, computed in different ways.
    rounding : callable
        From the kept set to the size of the numbers compared and the tolerance relative to it.
    """

    left: Quantity
    right: Quantity
    rounding: Callable[[KeptSet], tuple[float, float]]

    def __call__(self, instance: KeptSet) -> Tally:
        """Return minus the difference, relative to the larger number or the terms they are made of."""
        left, right = self.left(instance), self.right(instance)
        size, tolerance = self.rounding(instance)
        return Tally.of(-abs(left - right) / max(size, abs(left), abs(right)), tolerance)


@dataclass(frozen=True)
class DualCertificate:
    """Rung 0 proves itself: its potentials are feasible and reach the value of the plan.

    Parameters
    ----------
    transport : callable
        From a kept set to the exact transport under test.
    """

    transport: Callable[[KeptSet], ExactTransport] = lambda instance: instance.transport

    def __call__(self, instance: KeptSet) -> Tally:
        """Return minus the worst infeasibility, gap and error of a marginal, relative to the largest cost."""
        found = self.transport(instance)
        u, v = found.potentials
        cost = instance.cloud.image.squared_distances[:, instance.kept]
        m, k = cost.shape
        scale = float(cost.max()) or 1.0
        gap = abs(float(np.sum(found.plan * cost)) - float(u.mean() + v.mean())) / scale
        infeasible = max(0.0, float(np.max(u[:, None] + v[None, :] - cost))) / scale
        uneven = max(
            float(np.abs(found.plan.sum(axis=1) - 1 / m).max()),
            float(np.abs(found.plan.sum(axis=0) - 1 / k).max()),
            -float(found.plan.min()),
        )
        return Tally.of([-gap, -infeasible, -uneven], DISTANCE_TOLERANCE)


def core(instance: KeptSet) -> FloatArray:
    r"""Return a small matrix with the singular values of :math:`\Sigma^{1/2} \Sigma_C^{1/2}`.

    With the singular value decompositions :math:`V / \sqrt m = U S W^\top` and :math:`V_C / \sqrt k = U_C S_C
    W_C^\top` the roots are :math:`W S W^\top` and :math:`W_C S_C W_C^\top`, so the product has those of
    :math:`S W^\top W_C S_C`. No root of a rounded eigenvalue is taken.

    Returns
    -------
    ndarray [min(m, d), min(k, d)]
    """
    tokens, kept = instance.cloud.tokens, instance.kept
    _, scale, basis = np.linalg.svd(tokens / np.sqrt(len(tokens)), full_matrices=False)
    _, kept_scale, kept_basis = np.linalg.svd(tokens[kept] / np.sqrt(len(kept)), full_matrices=False)
    return np.asarray((scale[:, None] * basis) @ (kept_scale[:, None] * kept_basis).T)


def surrogate(instance: KeptSet) -> float:
    r"""Return :math:`F(C)` with the paper's factor :math:`\gamma / (mk)` (rungs 4 and 5)."""
    return paper_objective(instance.cloud.tokens, instance.kept, gamma=instance.gamma, normalise="none")


def released_surrogate(instance: KeptSet) -> float:
    """Return the log-determinant of the released kernel, its own factor chosen to mean the same gamma."""
    factor = instance.gamma / (len(instance.cloud.tokens) * len(instance.kept))
    kernel = otprune_kernel(instance.cloud.tokens, gamma=factor, normalise="none")
    return logdet_value(kernel, instance.kept)


def root_bound() -> tuple[float, float]:
    r"""Return :math:`t^* = \arg\max \log(1 + t) / \sqrt t` and the maximum :math:`c`.

    It makes :math:`\log(1 + t) \leq c \sqrt t` for all :math:`t \geq 0` with the least constant. At the
    maximum :math:`2t = (1 + t) \log(1 + t)`.

    Examples
    --------
    >>> [round(value, 5) for value in root_bound()]
    [3.92155, 0.80474]
    """
    peak = float(brentq(lambda t: 2.0 * t - (1.0 + t) * np.log1p(t), 1.0, 10.0, xtol=1e-14, rtol=1e-14))
    return peak, float(np.log1p(peak) / np.sqrt(peak))
