r"""Farthest first with the product in float32: it leaves candidates, float64 decides.

A product in float32 takes half the time of one in float64, and is wrong in the fifth digit. By how much at
most is known before: a sum of :math:`n` products, in any order, by :math:`n u / (1 - n u)` times the sum
of their sizes, :math:`u = 2^{-24}` (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section
3.1). Where the best token leads by more than the errors of two, it is the best in float64 too; where it does
not, all that could be are measured in float64, from the tokens.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from otanalysis.arrays import FloatArray, IntArray
from otanalysis.image import Image

_UNIT = 2.0**-24
_WIDTH = 512
"""Features whose products one call of BLAS adds; these sums are added after it, for a smaller error."""
_LEAST_ENTRIES = 2**18
"""Tokens of fewer numbers have their product in float64: it is not felt."""
_MOST_CANDIDATES = 2.0
"""A token, over all picks; with more the float64 product is made after all."""


def farthest_first(image: Image, keep: int) -> tuple[IntArray, FloatArray] | None:
    """Return the picks [keep] and gains [keep] of DivPrune, or None where float32 is of no use.

    Parameters
    ----------
    image : Image
        Tokens [m, d] on the host.
    keep : int
        In ``1..m``.

    Returns
    -------
    tuple of ndarray [keep], or None
        The picks and their gains in float64, equal to those of the whole float64 product but for ties closer
        than its rounding. None of few tokens, where one is zero or has a length that float32 does not hold,
        and where too many tokens are too close to the best.
    """
    if len(image) < 2 or image.host.size < _LEAST_ENTRIES:
        return None
    lengths = np.sqrt(image.square_norms)
    if not (lengths.min() > 2.0**-60 and lengths.max() < 2.0**60):
        return None
    search = _Search(image.host, lengths, keep)
    return search.result() if search.run() else None


def rounded_cosines(tokens: FloatArray, lengths: FloatArray) -> tuple[NDArray[np.float32], float]:
    """Return the cosines [m, m] of tokens of these lengths [m] in float32, and a bound of their errors.

    The tokens are rounded once, and every product of them; nothing of their size is made.
    """
    from scipy.linalg.blas import ssyrk

    m, d = tokens.shape
    total, starts = np.zeros((m, m), dtype=np.float32), range(0, d, _WIDTH)
    for start in starts:
        part = tokens[:, start : start + _WIDTH].astype(np.float32)
        total += ssyrk(1.0, part.T, trans=1, lower=1).T  # the upper triangle
    upper = np.triu(total, 1)
    over = (1.0 / lengths).astype(np.float32)
    upper *= over[:, None]
    upper *= over
    cosines = upper + upper.T
    np.fill_diagonal(cosines, 1.0)
    # Two for tokens, four for lengths; a hundredth for the squares of all this, and numbers near zero.
    return cosines, 1.01 * (min(_WIDTH, d) + len(starts) + 6) * _UNIT


class _Search:
    """A greedy run whose steps are certain, or done again in float64."""

    def __init__(self, tokens: FloatArray, lengths: FloatArray, keep: int) -> None:
        self._tokens, self._lengths = tokens, lengths
        cosines, error = rounded_cosines(tokens, lengths)
        self._distances = np.subtract(np.float32(1.0), cosines, out=cosines)
        self._apart = 2.0 * (error + 2.0 * _UNIT)  # distances are at most two, and rounded as well
        self._order = np.empty(keep, dtype=np.int64)
        self._chosen = np.empty((keep, tokens.shape[1]))
        self._allowed = _MOST_CANDIDATES * len(tokens)

    def run(self) -> bool:
        """Pick all; return whether the candidates were few enough."""
        np.fill_diagonal(self._distances, np.inf)
        nearest = self._distances.min(axis=1)
        for step in range(len(self._order)):
            candidates = np.flatnonzero(nearest >= nearest.max() - self._apart)
            if len(candidates) > 1:
                self._allowed -= len(candidates)
                if self._allowed < 0:
                    return False
                exact = self._exact(candidates, step)
                candidates = candidates[exact.argmax() :]
            pick = candidates[0]
            self._order[step] = pick
            self._chosen[step] = self._tokens[pick] / self._lengths[pick]
            row = self._distances[pick]
            nearest = row.copy() if step == 0 else np.minimum(nearest, row, out=nearest)
            nearest[self._order[: step + 1]] = -np.inf
        return True

    def _exact(self, candidates: IntArray, step: int) -> FloatArray:
        """Return the distance of candidates to the nearest token picked, or before that to any other."""
        unit = self._tokens[candidates] / self._lengths[candidates, None]
        if step > 0:
            return np.asarray((1.0 - unit @ self._chosen[:step].T).min(axis=1))
        distances = 1.0 - (unit @ self._tokens.T) / self._lengths
        distances[np.arange(len(candidates)), candidates] = np.inf
        return np.asarray(distances.min(axis=1))

    def result(self) -> tuple[IntArray, FloatArray]:
        """Return picks and gains, these in float64."""
        among = 1.0 - self._chosen @ self._chosen.T
        among[np.triu_indices(len(among))] = np.inf
        gains = among.min(axis=1)
        gains[0] = self._exact(self._order[:1], 0)[0]
        return self._order, gains
