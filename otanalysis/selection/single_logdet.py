r"""Greedy log-determinant with the product in float32: it proposes, float64 decides and proves.

The picks :math:`S` are those of float64 if at every step no token's residual can exceed that of the pick.
With the factor of the kernel of the picks, :math:`K_{SS} = L L^\top`, the residual of token :math:`i` before
step :math:`t` is :math:`K_{ii} - \lVert (L^{-1} K_{Si})_{1..t-1} \rVert^2`. A few candidates, among them all
picks, have their entries made in float64, from the tokens; those of all others are off by as much as the
product is at most (:mod:`~otanalysis.selection.rounded`), and so their residuals by a known width. Whoever
reaches a pick's residual with it becomes a candidate, and all is looked at again. What float64 itself leaves
open, a tie closer than its rounding, is left to the whole product in float64.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from scipy.linalg import solve_triangular

from otanalysis.arrays import FloatArray, IntArray
from otanalysis.image import Image
from otanalysis.selection.rounded import (
    Rounded,
    lengths_of,
    rounded_cosines,
    rounded_products,
)
from otanalysis.surrogate.logdet import greedy_picks, picks_by_rows

_LEAST_PRODUCTS = 2**27
"""Products that a Gram matrix adds up; where they are fewer, the steps here take longer than is saved."""
_ROUNDING = 2.0**-40
"""Residuals nearer to each other, over the largest entry of the kernel, are a tie that rounding decides."""
_INDEPENDENT = 2.0**-30
"""Residuals of picks, over the same, below which float64 itself loses digits."""
_ROUNDS = 4
"""How often candidates may be added."""
_BLOCK = 32
"""Rows of the squared Gram matrix made together: those whose tokens are likely to be picked next."""
_PART = 512
"""Rows of a Gram matrix that are brought to float64 together."""
_LARGEST = 2.0**60
"""Of entries of a kernel in float32."""
_VANISHING = 2.0**-50
"""More than what numbers and squares that vanish in float32 change in a row of a Gram matrix."""

Found = tuple[IntArray, FloatArray]


def cosines(image: Image, keep: int) -> Found | None:
    """Return picks [keep] and gains [keep] on the cosine kernel, or None where float32 is of no use.

    Parameters
    ----------
    image : Image
        Tokens [m, d] on the host.
    keep : int
        In ``1..m``.

    Returns
    -------
    tuple of ndarray [keep], or None
        The picks and their gains, equal to those of the whole float64 product. None where too little is won
        or known: of few tokens, of many kept, where one is zero or has a length that float32 does not hold,
        and where too many tokens are too close to the best, or a tie is closer than rounding.
    """
    lengths = lengths_of(image, "rows") if _pays(image, keep, _Cosines.most) else None
    return None if lengths is None else _Cosines(image, lengths).found(keep)


def squared_gram(image: Image, keep: int, *, gamma: float) -> Found | None:
    """Return the same on OTPrune's kernel of the tokens with normalised columns."""
    if gamma * image.host.shape[1] ** 2 > _LARGEST:
        return None
    lengths = lengths_of(image, "columns") if _pays(image, keep, _SquaredGram.most) else None
    return None if lengths is None else _SquaredGram(image, lengths, gamma).found(keep)


def _pays(image: Image, keep: int, most: float) -> bool:
    return len(image) * image.host.size >= _LEAST_PRODUCTS and keep <= most * len(image)


class _Search(ABC):
    """A greedy run on a kernel known in float32, and of candidates in float64."""

    most: float
    """Candidates, as a share of the tokens, beyond which the whole product in float64 is as fast."""
    floor: float
    """Lower bound of the kernel's smallest eigenvalue."""
    certain: int = 0
    """First steps whose picks need no look."""
    diagonal: FloatArray
    """Of the kernel [m], as it is known in float32."""

    @abstractmethod
    def row(self, pick: int, left: FloatArray) -> FloatArray:
        """Return the row [m] of a pick as known in float32; the residuals [m] say who may be next."""

    @abstractmethod
    def width(self, residual: FloatArray, step: int) -> FloatArray:
        """Return about how much larger the residuals [m] of a step may be; it need not be proven."""

    @abstractmethod
    def among(self, tokens: IntArray) -> FloatArray:
        """Return the kernel [n, n] of some tokens in float64."""

    @abstractmethod
    def across(self, picks: IntArray) -> FloatArray:
        """Return the rows [n, m] of tokens that :meth:`among` had, as right as the rows of others."""

    @abstractmethod
    def above(self, lost: FloatArray, factor: FloatArray) -> FloatArray:
        """Return what the residuals of every step are at most [keep, m].

        ``lost`` [keep, m] is what the picks before took off the diagonal, by the rows of :meth:`across` and
        the factor [keep, keep] of the kernel of the picks.
        """

    def found(self, keep: int) -> Found | None:
        """Return the picks and gains [keep], or None where they are not certain."""
        candidates = self._proposed(keep)
        for _ in range(_ROUNDS):
            if len(candidates) > self.most * len(self.diagonal):
                return None
            exact = self.among(candidates)
            (places,), (gains,) = greedy_picks(exact[None], keep, self.floor)
            order = candidates[places]
            if np.exp(gains.min()) < _INDEPENDENT * exact.diagonal().max():
                return None
            rivals = self._rivals(order, candidates, exact[places], exact.diagonal())
            if len(rivals) == 0:
                return order, gains
            if np.isin(rivals, candidates).all():
                return None  # a tie
            candidates = np.union1d(candidates, rivals)
        return None

    def _proposed(self, keep: int) -> IntArray:
        """Return the picks in float32 and the tokens that come near to them, ascending."""
        near = np.zeros(len(self.diagonal), dtype=bool)
        step = 0

        def row_of(pick: int, left: FloatArray) -> FloatArray:
            nonlocal step
            near[pick] = True
            if step >= self.certain:
                np.logical_or(near, left + self.width(left, step) >= left[pick], out=near)
            step += 1
            return self.row(pick, left)

        picks_by_rows(self.diagonal, row_of, keep, self.floor)
        return np.flatnonzero(near)

    def _rivals(self, order: IntArray, candidates: IntArray, rows: FloatArray, own: FloatArray) -> IntArray:
        """Return the tokens that may have the largest residual at a step at which another one was picked.

        Parameters
        ----------
        order : ndarray [keep]
            The picks.
        candidates : ndarray [n]
            The tokens whose entries are known in float64.
        rows, own : ndarray [keep, n], ndarray [n]
            These entries with the picks, and with themselves.
        """
        across = self.across(order)
        across[:, candidates] = rows
        factor = np.asarray(np.linalg.cholesky(across[:, order]), dtype=np.float64)
        part = solve_triangular(factor, across, lower=True, check_finite=False)
        lost = np.zeros_like(part)
        np.cumsum(part[:-1] ** 2, axis=0, out=lost[1:])
        most = self.above(lost, factor)
        most[:, candidates] = own - lost[:, candidates]
        reached = most >= factor.diagonal()[:, None] ** 2 - _ROUNDING * self.diagonal.max()
        reached[: self.certain] = False
        reached[:, order] &= np.triu(np.ones((len(order), len(order)), dtype=bool), 1)
        return np.flatnonzero(reached.any(axis=0))


class _Cosines(_Search):
    """The cosine similarities: what is known in float32 are the entries themselves."""

    most = 0.5
    floor = 0.0
    certain = 1  # all entries of the diagonal are one: the first token

    def __init__(self, image: Image, lengths: FloatArray) -> None:
        self._tokens, self._lengths = image.host, lengths
        self._kernel, self._error = rounded_cosines(image, lengths)
        self.diagonal = np.ones(len(image))

    def row(self, pick: int, left: FloatArray) -> FloatArray:
        return np.asarray(self._kernel[pick], dtype=np.float64)

    def width(self, residual: FloatArray, step: int) -> FloatArray:
        # As if the picks were at right angles, twice.
        return 4.0 * self._error * np.sqrt(step * np.clip(1.0 - residual, 0.0, 1.0))

    def among(self, tokens: IntArray) -> FloatArray:
        unit = self._tokens[tokens] / self._lengths[tokens, None]
        similar = unit @ unit.T
        np.fill_diagonal(similar, 1.0)
        return similar

    def across(self, picks: IntArray) -> FloatArray:
        return self._kernel[picks].astype(np.float64)

    def above(self, lost: FloatArray, factor: FloatArray) -> FloatArray:
        # Errors e of a column K_Si move the length of L^-1 K_Si by at most that of L^-1 e.
        inverse = solve_triangular(factor, np.eye(len(factor)), lower=True, check_finite=False)
        squares = (self._error * np.abs(inverse).sum(axis=1)) ** 2
        moved = np.sqrt(np.cumsum(squares) - squares)
        return np.asarray(1.0 - np.maximum(np.sqrt(lost) - moved[:, None], 0.0) ** 2)


class _SquaredGram(_Search):
    r"""The kernel :math:`I + \gamma G^2`: what is known in float32 is the Gram matrix :math:`G`.

    The residual of token :math:`i` is :math:`\min_c 1 + \lVert c \rVert^2 + \gamma \lVert G_i - G_S^\top c
    \rVert^2`, one and a quadratic form of the row :math:`G_i`, between zero and :math:`\gamma \lVert G_i
    \rVert^2`. Its root is a seminorm: an error :math:`e` of the row moves it by at most :math:`\sqrt\gamma
    \lVert e \rVert`.
    """

    most = 0.15
    floor = 1.0

    def __init__(self, image: Image, lengths: FloatArray, gamma: float) -> None:
        self._tokens, self._lengths, self._gamma = image.host, lengths, gamma
        self._gram, error = rounded_products(image, lengths)
        squares = self._gram.diagonal().astype(np.float64)
        of_row = error / (1.0 - error) * np.sqrt(squares * squares.sum()) + _VANISHING
        self._moved = np.sqrt(gamma) * of_row
        self.diagonal = 1.0 + gamma * np.einsum("ij,ij->i", self._gram, self._gram, dtype=np.float64)
        self._rows: dict[int, Rounded] = {}
        self._exact: dict[int, FloatArray] = {}

    def row(self, pick: int, left: FloatArray) -> FloatArray:
        if pick not in self._rows:
            likely = left.copy()
            likely[list(self._rows)] = -np.inf
            likely[pick] = np.inf
            number = min(_BLOCK, len(left) - len(self._rows))
            block = np.argpartition(likely, -number)[-number:]
            rows = self._gram[block] @ self._gram
            rows *= np.float32(self._gamma)
            rows[np.arange(number), block] += np.float32(1.0)
            self._rows.update(zip(block.tolist(), rows, strict=True))
        return np.asarray(self._rows[pick], dtype=np.float64)

    def width(self, residual: FloatArray, step: int) -> FloatArray:
        roots = np.sqrt(np.maximum(residual - 1.0, 0.0))
        return np.asarray((2.0 * roots + self._moved) * self._moved)

    def among(self, tokens: IntArray) -> FloatArray:
        new = [one for one in tokens.tolist() if one not in self._exact]
        rows = (self._tokens[new] / self._lengths**2) @ self._tokens.T
        self._exact.update(zip(new, rows, strict=True))
        gram = self._rows_of(tokens)
        return np.eye(len(tokens)) + self._gamma * (gram @ gram.T)

    def across(self, picks: IntArray) -> FloatArray:
        rows = self._gamma * self._rows_of(picks)
        # Symmetric, so rows for columns; in parts, as to get memory for all in float64 takes longer.
        starts = range(0, len(self._gram), _PART)
        parts = (self._gram[start : start + _PART].astype(np.float64) for start in starts)
        return np.concatenate([rows @ part.T for part in parts], axis=1)

    def _rows_of(self, tokens: IntArray) -> FloatArray:
        """Return the rows [n, m] of the Gram matrix in float64 that were asked for before."""
        return np.stack([self._exact[one] for one in tokens.tolist()])

    def above(self, lost: FloatArray, factor: FloatArray) -> FloatArray:
        roots = np.sqrt(np.maximum(self.diagonal - lost - 1.0, 0.0))
        return np.asarray(1.0 + (roots + self._moved) ** 2)
