r"""Instances on which greedy does badly, as kernels and as tokens.

Every kernel with eigenvalues of at least one is :math:`I + P` with :math:`P \succeq 0`, so no kernel of the
theorem is out of reach of the paper's form; :func:`tokens_of` writes down the tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from otanalysis.image import FloatArray
from otanalysis.surrogate.kernel import otprune_kernel
from otanalysis.theorem.check import Tally
from otanalysis.theorem.greedy import GUARANTEE, RATIO_TOLERANCE, Greedy, greedy_ratios, released_greedy
from otanalysis.theorem.search import Comparisons, greedy_comparisons, worst_factor

__all__ = ["RELEASED_GAMMA", "Arena", "GreedyUnderAttack", "kernel_of", "tokens_of"]

RELEASED_GAMMA = 0.01

# Some instances stay about as bad while their scale grows without end; real tokens have a few thousand
# columns.
_MOST_COLUMNS = 1024


@dataclass(frozen=True)
class Arena:
    """Where and how long to search.

    Attributes
    ----------
    form : {"factor", "tokens"}
        ``factor``: any kernel ``I + A A'``, given by ``A``. ``tokens``: what the released code makes of
        tokens, with its gamma and its columns normalised.
    keep : int
        Number of items that greedy takes, of twice as many; from 2 on, since it takes the best single item.
    starts : int
        Random starts of the search.
    seed : int
    """

    form: str
    keep: int
    starts: int
    seed: int

    @property
    def label(self) -> str:
        """Form and size."""
        return f"{self.form}, {self.keep} of {2 * self.keep} kept"


@dataclass(frozen=True)
class GreedyUnderAttack:
    """Greedy keeps its guarantee on the worst instances that a search finds.

    Parameters
    ----------
    comparisons : callable
        What the greedy under test compares: what the search works against.
    greedy : callable
        The greedy under test, run on what was found.
    """

    comparisons: Comparisons = greedy_comparisons
    greedy: Greedy = released_greedy

    def __call__(self, instance: Arena) -> Tally:
        """Return one margin a start; the witness is the worst matrix [m, d], a factor or tokens."""
        generator = np.random.default_rng([instance.seed, instance.keep])
        found, ratios = [], []
        for _ in range(instance.starts):
            factor = worst_factor(2 * instance.keep, instance.keep, generator, comparisons=self.comparisons)
            matrix = factor if instance.form == "factor" else self._as_tokens(factor, generator)
            found.append(matrix)
            ratios.append(float(greedy_ratios(kernel_of(instance.form, matrix), self.greedy).min()))
        witness = (instance, found[int(np.argmin(ratios))])
        return Tally.of(np.array(ratios) - GUARANTEE, RATIO_TOLERANCE, witness=witness)

    def _as_tokens(self, factor: FloatArray, generator: np.random.Generator) -> FloatArray:
        """Search on from a factor to one of the size that a whole number of columns gives."""
        m, keep = factor.shape
        columns = columns_for(factor)
        norm = columns * np.sqrt(RELEASED_GAMMA)
        sized = worst_factor(
            m, keep, generator, comparisons=self.comparisons, nuclear_norm=norm, start=factor
        )
        return tokens_of(sized)


def kernel_of(form: str, matrix: FloatArray) -> FloatArray:
    """Return the kernel [m, m] of what a search found.

    Parameters
    ----------
    form : {"factor", "tokens"}
        As in :class:`Arena`.
    matrix : ndarray [m, d]
        The factor, or the tokens.
    """
    if form == "tokens":
        return np.asarray(otprune_kernel(matrix, gamma=RELEASED_GAMMA, normalise="columns"))
    return np.asarray(np.eye(len(matrix)) + matrix @ matrix.T)


def columns_for(factor: FloatArray) -> int:
    """Return how many columns tokens need whose released kernel is close to ``I + A A'``."""
    total = float(np.linalg.svd(factor, compute_uv=False).sum())
    wanted = round(total / math.sqrt(RELEASED_GAMMA))
    return min(max(wanted, int(factor.shape[1])), _MOST_COLUMNS)


def tokens_of(factor: FloatArray) -> FloatArray:
    r"""Return tokens with unit columns whose released kernel is :math:`I + A A^\top`.

    The Gram matrix of the tokens must be :math:`G = (A A^\top / \gamma)^{1/2}`; its trace is the number of
    columns, since each has norm one. Any :math:`V` with :math:`V V^\top = G` may be turned by rotations of
    pairs of columns until all have norm one (Schur and Horn), which does not change the Gram matrix. So
    column normalisation and a fixed gamma rule out no kernel, up to the size of the trace.

    Parameters
    ----------
    factor : ndarray [m, r]
        Scaled to the nearest admissible size first: singular values that add up to :math:`\sqrt\gamma` times
        a whole number.

    Returns
    -------
    ndarray [m, d]
    """
    columns = columns_for(factor)
    left, singular, _ = np.linalg.svd(factor, full_matrices=False)
    tokens = np.zeros((len(factor), columns))
    tokens[:, : len(singular)] = left * np.sqrt(singular * (columns / singular.sum()))
    for _ in range(columns - 1):
        squares = np.sum(tokens**2, axis=0)
        short, long = int(np.argmin(squares)), int(np.argmax(squares))
        a, b = tokens[:, short].copy(), tokens[:, long].copy()
        # Rotated by the angle t, column a has the squared norm |a|^2 cos^2 + |b|^2 sin^2 + 2 a.b sin cos:
        # one where (|b|^2 - 1) tan^2 + 2 a.b tan + |a|^2 - 1 = 0. The signs of the ends give a real root.
        rise, cross, fall = squares[long] - 1.0, float(a @ b), squares[short] - 1.0
        if rise <= 0.0:
            break
        tangent = (-cross + np.sqrt(max(cross**2 - rise * fall, 0.0))) / rise
        cosine = 1.0 / np.sqrt(1.0 + tangent**2)
        tokens[:, short] = cosine * (a + tangent * b)
        tokens[:, long] = cosine * (b - tangent * a)
    return tokens
