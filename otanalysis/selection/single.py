r"""Farthest first with the product in float32: it leaves candidates, float64 decides.

Where the best token leads by more than the errors of two, it is the best in float64 too; where it does not,
all that could be are measured in float64, from the tokens.
"""

from __future__ import annotations

import numpy as np

from otanalysis.arrays import FloatArray, IntArray
from otanalysis.image import Image
from otanalysis.selection.rounded import UNIT, lengths_of, rounded_cosines

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
    lengths = lengths_of(image, "rows")
    if lengths is None:
        return None
    search = _Search(image, lengths, keep)
    return search.result() if search.run() else None


class _Search:
    """A greedy run whose steps are certain, or done again in float64."""

    def __init__(self, image: Image, lengths: FloatArray, keep: int) -> None:
        tokens = image.host
        self._tokens, self._lengths = tokens, lengths
        cosines, error = rounded_cosines(image, lengths)
        self._distances = np.subtract(np.float32(1.0), cosines, out=cosines)
        self._apart = 2.0 * (error + 2.0 * UNIT)  # distances are at most two, and rounded as well
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
                best = candidates[self._exact(candidates, step).argmax()]
                # A product may round rows that are equal in different ways: the first of them it is.
                equal = (self._tokens[candidates] == self._tokens[best]).all(axis=1)
                candidates = candidates[equal.argmax() :]
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
