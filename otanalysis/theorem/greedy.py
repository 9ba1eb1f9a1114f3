"""Greedy: its guarantee against brute force, and its recursion against its definition."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from otanalysis.arrays import FloatArray, IntArray
from otanalysis.surrogate import greedy_logdet
from otanalysis.theorem.check import Tally
from otanalysis.theorem.instances import Kernel
from otanalysis.theorem.setfunctions import best_by_size, logdet_table

GUARANTEE = 1.0 - math.exp(-1.0)
"""What greedy reaches at least of the optimum of a normalised, monotone, submodular function."""

# A ratio of two numbers of which each carries the rounding of its log-determinant; optima below this are
# rounding themselves, and greedy then has nothing to lose.
RATIO_TOLERANCE = 1e-9

Greedy: TypeAlias = Callable[[FloatArray, int], tuple[IntArray, FloatArray]]
"""From a kernel [m, m] and a count to pick order and gains."""


def released_greedy(kernel: FloatArray, keep: int) -> tuple[IntArray, FloatArray]:
    """Run the greedy of the package as OTPrune does: no eigenvalue of the kernel is below one."""
    order, gains = greedy_logdet(kernel, keep, floor=1.0)
    return np.asarray(order), np.asarray(gains)


def greedy_ratios(kernel: FloatArray, greedy: Greedy = released_greedy) -> FloatArray:
    r"""Return :math:`F(\text{greedy}) / F(\text{optimum})` for every number of items, by brute force.

    Parameters
    ----------
    kernel : ndarray [m, m]
        Eigenvalues at least one; ``m`` up to 14.
    greedy : callable
        The greedy under test.

    Returns
    -------
    ndarray [m]
        For 1 to m items; one where the optimum is zero.

    Examples
    --------
    >>> greedy_ratios(np.diag([2.0, 3.0, 1.0]))
    array([1., 1., 1.])
    """
    table = logdet_table(kernel)
    order, _ = greedy(kernel, len(kernel))
    reached = table[np.bitwise_or.accumulate(1 << order.astype(np.int64))]
    best, _ = best_by_size(table)
    nothing = best[1:] <= RATIO_TOLERANCE
    return np.asarray(np.where(nothing, 1.0, reached / np.where(nothing, 1.0, best[1:])))


@dataclass(frozen=True)
class GreedyRatio:
    r"""Greedy reaches :math:`1 - 1/e` of the optimum, for every number of items.

    See :class:`~otanalysis.theorem.instances.Kernel`.

    The guarantee of arXiv:2602.20205, after Nemhauser, Wolsey and Fisher (1978).

    Parameters
    ----------
    greedy : callable
        The greedy under test.
    """

    greedy: Greedy = released_greedy

    def __call__(self, instance: Kernel) -> Tally:
        """Return the ratios less the guarantee."""
        return Tally.of(greedy_ratios(instance.matrix, self.greedy) - GUARANTEE, RATIO_TOLERANCE)


@dataclass(frozen=True)
class GreedySteps:
    """Each pick of the recursion is the best by definition, and its gain the gain by definition.

    At every step each item left is added to the picks so far and the determinant computed afresh. Where two
    items tie up to rounding, either pick is greedy; where they do not, the indices must agree.

    Parameters
    ----------
    greedy : callable
        The greedy under test.
    """

    greedy: Greedy = released_greedy

    def __call__(self, instance: Kernel) -> Tally:
        """Return, per step, what the pick and the reported gain miss, relative to the largest gain."""
        kernel = instance.matrix
        order, gains = self.greedy(kernel, len(kernel))
        picks: list[int] = []
        value, missed = 0.0, []
        for pick, gain in zip(order.tolist(), gains.tolist(), strict=True):
            left = [item for item in range(len(kernel)) if item not in picks]
            sets = np.array([[*picks, item] for item in left])
            defined = np.linalg.slogdet(kernel[sets[:, :, None], sets[:, None, :]])[1] - value
            if pick not in left:
                return Tally.of(-math.inf, instance.rounding)
            own = float(defined[left.index(pick)])
            missed += [own - float(defined.max()), -abs(own - gain)]
            picks.append(pick)
            value += own
        return Tally.of(np.array(missed) / max(1.0, float(np.max(gains))), instance.rounding)


def describe_ratios(margins: Mapping[str, FloatArray]) -> Mapping[str, float]:
    """Return the distribution of the ratios from their margins over the guarantee, by instance."""
    ratios = np.concatenate(list(margins.values())) + GUARANTEE
    named = {"worst": 0.0, "1 %": 0.01, "5 %": 0.05, "median": 0.5}
    optimal = float(np.mean(ratios >= 1.0 - RATIO_TOLERANCE))
    return {name: float(np.quantile(ratios, at)) for name, at in named.items()} | {"share optimal": optimal}
