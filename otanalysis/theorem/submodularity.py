"""Lemma 1 and the properties of the surrogate: normalised, monotone, submodular."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from otanalysis.arrays import Array, FloatArray, IntArray
from otanalysis.surrogate import logdet_value
from otanalysis.theorem.check import Tally
from otanalysis.theorem.instances import Kernel
from otanalysis.theorem.setfunctions import logdet_table, nested_triples

_CHAINS = 2
_EXTRA_ITEMS = 3


@dataclass(frozen=True)
class SubmodularEverywhere:
    r"""Diminishing gains over **all** pairs :math:`A \subset B` and items :math:`x \notin B`.

    See :class:`~otanalysis.theorem.instances.Kernel`.

    .. math:: f(A \cup x) - f(A) \geq f(B \cup x) - f(B)

    Lemma 1 of arXiv:2602.20205 says so of :math:`f(S) = \log\det A_{SS}` for positive definite :math:`A`.

    Parameters
    ----------
    table : callable
        From a matrix [m, m] to the values [2**m] of the set function under test.
    """

    table: Callable[[FloatArray], FloatArray] = logdet_table

    def __call__(self, instance: Kernel) -> Tally:
        """Return the margins of all pairs and items, relative to the largest value of the table."""
        values = self.table(instance.matrix)
        small, large, item = nested_triples(len(instance.matrix))
        gain_small = values[small | item] - values[small]
        gain_large = values[large | item] - values[large]
        return Tally.of((gain_small - gain_large) / _scale(values), instance.rounding)


@dataclass(frozen=True)
class MonotoneEverywhere:
    r"""No item ever lowers the value: :math:`f(S \cup x) \geq f(S)` for all :math:`S` and :math:`x \notin S`.

    Needs all eigenvalues of the :class:`~otanalysis.theorem.instances.Kernel` to be at least one, as those of
    the kernel of arXiv:2602.20205 are, whose text says so without proof.

    Parameters
    ----------
    table : callable
        From a matrix [m, m] to the values [2**m] of the set function under test.
    """

    table: Callable[[FloatArray], FloatArray] = logdet_table

    def __call__(self, instance: Kernel) -> Tally:
        """Return the margins of all sets and items, relative to the largest value of the table."""
        values = self.table(instance.matrix)
        every = np.arange(len(values))
        gains = [
            values[without | item] - values[without]
            for item in 1 << np.arange(len(instance.matrix))
            for without in (every[(every & item) == 0],)
        ]
        return Tally.of(np.concatenate(gains) / _scale(values), instance.rounding)


@dataclass(frozen=True)
class SubmodularChains:
    """Diminishing gains along random growing chains, for matrices too large for all pairs.

    Every value is a determinant of its own: a Cholesky factor that grows with the chain would give gains that
    fall by construction.

    Parameters
    ----------
    value : callable
        From a matrix [m, m] and indices [k] to the value of the set function under test.
    """

    value: Callable[[Array, Array], float] = logdet_value

    def __call__(self, instance: Kernel) -> Tally:
        """Return the drop of every item's gain from one link of a chain to the next."""
        drops, largest = [], 1.0
        for prefixes, items in _chains(instance.matrix):
            values = np.array([self.value(instance.matrix, prefix) for prefix in prefixes])
            largest = max(largest, float(np.abs(values).max()))
            for item in items:
                longer = [self.value(instance.matrix, np.append(prefix, item)) for prefix in prefixes]
                drops.append(-np.diff(np.array(longer) - values))
        return Tally.of(np.concatenate(drops) / largest, instance.rounding)


@dataclass(frozen=True)
class MonotoneChains:
    """Values that never fall along random growing chains, from the empty set on.

    Parameters
    ----------
    value : callable
        From a matrix [m, m] and indices [k] to the value of the set function under test.
    """

    value: Callable[[Array, Array], float] = logdet_value

    def __call__(self, instance: Kernel) -> Tally:
        """Return the rise from one link of a chain to the next."""
        rises, largest = [], 1.0
        for prefixes, _ in _chains(instance.matrix):
            values = np.array([0.0, *(self.value(instance.matrix, prefix) for prefix in prefixes)])
            largest = max(largest, float(np.abs(values).max()))
            rises.append(np.diff(values))
        return Tally.of(np.concatenate(rises) / largest, instance.rounding)


def weighted_surrogate(tokens: FloatArray, gamma: float, weights: FloatArray) -> float:
    r"""Return the surrogate with a weight on every token, in the form that has one shape for all sets.

    .. math:: \log\det (I + \gamma \tilde V^\top \mathrm{diag}(w) \tilde V), \quad \tilde V = V V^\top

    By Sylvester's identity this is :math:`F(S)` where the weights [m] are one on ``S`` and zero elsewhere;
    unlike the kept block of the kernel it is there for the empty set too.
    """
    cross = tokens @ tokens.T
    matrix = np.eye(len(tokens)) + gamma * (cross.T * weights) @ cross
    return float(np.linalg.slogdet(matrix)[1])


@dataclass(frozen=True)
class Normalised:
    r""":math:`F(\emptyset) = 0`, in a form of :math:`F` that agrees with the kept block on all other sets.

    Parameters
    ----------
    value : callable
        From tokens [m, d], gamma and weights [m] to the value under test.
    """

    value: Callable[[FloatArray, float, FloatArray], float] = weighted_surrogate

    def __call__(self, instance: Kernel) -> Tally:
        """Return minus the value of the empty set, and minus the disagreement on one, half and all items."""
        if instance.tokens is None or instance.gamma is None:
            return Tally.of([], instance.rounding)
        m = len(instance.matrix)
        margins = []
        for size in (0, 1, (m + 1) // 2, m):
            weights = np.where(np.arange(m) < size, 1.0, 0.0)
            expected = logdet_value(instance.matrix, np.arange(size)) if size else 0.0
            found = self.value(instance.tokens, instance.gamma, weights)
            margins.append(-abs(found - expected) / max(1.0, abs(expected)))
        return Tally.of(margins, instance.rounding)


def _scale(values: FloatArray) -> float:
    """Return the size of the values compared, one at least: the error of a log-determinant is absolute."""
    return max(1.0, float(np.abs(values).max()))


def _chains(matrix: FloatArray) -> list[tuple[list[IntArray], IntArray]]:
    """Return chains of index sets, each with items outside of its last link.

    The order follows from the matrix alone, so that a check has no state and its control walks the same way.
    """
    m = len(matrix)
    seed = int(np.frombuffer(np.float64(matrix.sum()).tobytes(), dtype=np.uint64)[0])
    generator = np.random.default_rng(seed)
    extra = min(_EXTRA_ITEMS, m - 1)
    chains = []
    for _ in range(_CHAINS):
        order = generator.permutation(m)
        lengths = np.unique(np.geomspace(1, m - extra, num=10).astype(int))
        chains.append(([order[:length] for length in lengths.tolist()], order[m - extra :]))
    return chains
