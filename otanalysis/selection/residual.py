"""Methods of linear algebra: which tokens span the others, or stick out of what all have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from otanalysis.arrays import Array, FloatArray, IntArray
from otanalysis.image import Image
from otanalysis.scalars import check_integer, check_number
from otanalysis.selection.dpp import GreedyDPP
from otanalysis.selection.selector import Selector
from otanalysis.selection.sizes import ordinary_size
from otanalysis.transport import projection_residual


@dataclass(frozen=True)
class PivotedQR(GreedyDPP):
    r"""Keep the token that lies farthest outside the span of those kept, again and again.

    Column subset selection by QR with column pivoting (Businger and Golub, 1965) of the matrix whose columns
    are the tokens: it lowers :math:`\sum_i \lVert v_i - P_C v_i \rVert^2`, with :math:`P_C` the projection to
    the span of the kept tokens. SPARE (arXiv:2606.18681) picks the largest residuals in turn, so; it adds
    relevance to the text, which tokens alone do not have.

    The pivots are those of the Cholesky factorisation of the Gram matrix, the greedy search of
    :class:`~otanalysis.selection.dpp.GreedyDPP` with the tokens as they are in place of unit ones. So a
    residual of less than about 4e-7 of the longest token is not told from zero, and beyond the rank the picks
    start a new greedy run over the tokens left. Gains are logarithms of squared residuals, in the unit of the
    tokens, or a power of two of it where their squares leave the range of numbers. Weights of the tokens are
    not used.
    """

    name: ClassVar[str] = "pivoted-qr"
    objective: ClassVar[str] = "span: smallest share of the squared lengths outside the span of the kept"

    def matrix(self, image: Image) -> Array:
        """Return the products of tokens with each other [m, m]."""
        return ordinary_size(image).gram

    def worth(self, image: Image, kept: IntArray) -> float:
        """Return minus the share of the squared lengths outside the span, in [-1, 0]."""
        return -projection_residual(image, kept, weights=np.ones(len(image)))


@dataclass(frozen=True)
class Leverage(Selector):
    r"""Keep the tokens of the largest statistical leverage.

    The leverage of token :math:`i` is :math:`\sum_{j \le r} U_{ij}^2` with the singular value decomposition
    :math:`V = U S W^\top` of the tokens, not centred: how much of the best subspace of :math:`r` dimensions
    hangs on that token (Drineas, Mahoney and Muthukrishnan, 2008). SVD-Prune (arXiv:2604.11530) keeps visual
    tokens so. How many directions it takes is not in its abstract: as many as tokens are kept, as in CUR
    decompositions, is this package's reading. With all directions every one of independent tokens has
    leverage one.

    Ties, which twelve digits do not tell apart, go to the lowest index. Directions without any token in them
    are left out. Weights of the tokens are not used.

    Parameters
    ----------
    rank : int, optional
        Number of leading directions; the number of kept tokens if left out.

    Raises
    ------
    InputError
        If ``rank`` is no positive integer.
    """

    rank: int | None = None

    name: ClassVar[str] = "leverage"
    objective: ClassVar[str] = "span: largest mean leverage in the leading directions"

    def __post_init__(self) -> None:
        if self.rank is not None:
            rank = check_integer(self.rank, "rank", wanted="an integer from 1 on, or None", low=1)
            object.__setattr__(self, "rank", rank)

    def scores(self, image: Image, keep: int) -> FloatArray:
        """Return the leverage of every token [m], where ``keep`` are kept."""
        _, directions = image.shared(_directions)
        return np.asarray(np.sum(directions[:, : self.rank or keep] ** 2, axis=1))

    def pick(self, image: Image, keep: int, generator: np.random.Generator | None) -> IntArray:
        """Return the positions [keep], the largest leverage first."""
        return _largest(self.scores(image, keep), keep)

    def worth(self, image: Image, kept: IntArray) -> float:
        """Return the mean leverage of the kept tokens, in [0, 1]."""
        return float(np.mean(self.scores(image, len(kept))[kept]))


@dataclass(frozen=True)
class PCAResidual(Selector):
    r"""Keep the tokens that the principal directions of all tokens explain worst.

    The background are the mean and the fewest leading principal directions that hold at least ``share`` of
    the variance; a token's score is its squared distance from it. LRCP (arXiv:2605.15621) estimates the
    dominant subspace of visual tokens by PCA and keeps those of the largest projection residual. How many
    directions are dominant is not in its abstract: a share of the variance, one half unless told otherwise,
    is this package's reading.

    Ties, which twelve digits do not tell apart, go to the lowest index. Weights of the tokens are not used.

    Parameters
    ----------
    share : float
        Of the variance, in the background; more than zero and less than one.

    Raises
    ------
    InputError
        If ``share`` is out of range.
    """

    share: float = 0.5

    name: ClassVar[str] = "pca-residual"
    nested: ClassVar[bool] = True
    objective: ClassVar[str] = "span: largest share of what the principal directions leave"

    def __post_init__(self) -> None:
        share = check_number(self.share, "share", wanted="a number in (0, 1)", above=0.0, high=1.0 - 1e-9)
        object.__setattr__(self, "share", share)

    def scores(self, image: Image) -> FloatArray:
        """Return the squared residual of every token [m], as shares of the variance."""
        values, directions = image.shared(_principal_directions)
        shares = values / max(float(np.sum(values)), np.finfo(np.float64).tiny)
        background = int(np.searchsorted(np.cumsum(shares), self.share)) + 1
        return np.asarray(directions[:, background:] ** 2 @ shares[background:])

    def pick(self, image: Image, keep: int, generator: np.random.Generator | None) -> IntArray:
        """Return the positions [keep], the largest residual first."""
        return _largest(self.scores(image), keep)

    def worth(self, image: Image, kept: IntArray) -> float:
        """Return the share of all squared residuals that the kept tokens have, in [0, 1]; zero of none."""
        scores = self.scores(image)
        return float(scores[kept].sum() / max(float(scores.sum()), np.finfo(np.float64).tiny))


def _largest(scores: FloatArray, keep: int) -> IntArray:
    """Return the positions of the largest scores [keep], the largest first; rounding does not break ties."""
    relative = scores / max(float(np.max(scores)), np.finfo(np.float64).tiny)
    return np.argsort(-np.round(relative, 12), kind="stable")[:keep]


def _directions(image: Image) -> tuple[FloatArray, FloatArray]:
    """Return the squared singular values [r] of the tokens, the largest first, and left vectors [m, r]."""
    return _decomposed(ordinary_size(image.on_host).gram)


def _principal_directions(image: Image) -> tuple[FloatArray, FloatArray]:
    """Return the same of the tokens about their mean."""
    tokens = ordinary_size(image.on_host).host
    # Within the column's own range: the rounded mean of equal numbers may be another number.
    centred = tokens - np.clip(tokens.mean(axis=0), tokens.min(axis=0), tokens.max(axis=0))
    return _decomposed(centred @ centred.T)


def _decomposed(gram: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the eigenvalues of a Gram matrix that are not rounding, the largest first, and their vectors."""
    values, vectors = np.linalg.eigh(gram)
    real = values > len(gram) * np.finfo(np.float64).eps * max(float(values[-1]), 0.0)
    return values[real][::-1], vectors[:, real][:, ::-1]
