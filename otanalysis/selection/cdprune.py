"""A determinantal point process conditioned on what the question asks about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from otanalysis.arrays import Array, FloatArray, like
from otanalysis.image import Image
from otanalysis.selection.by_side import BySide
from otanalysis.selection.dpp import GreedyDPP
from otanalysis.side import TEXT_RELEVANCE


@dataclass(frozen=True)
class CDPrune(BySide, GreedyDPP):
    r"""Greedy MAP of the point process of dpp, conditioned on the relevance of the tokens (CDPruner).

    The kernel of arXiv:2506.10967 is :math:`\mathrm{diag}(\tilde r)\, S\, \mathrm{diag}(\tilde r)` with the
    cosine similarities :math:`S` of the tokens and the relevance scaled to
    :math:`\tilde r_i = (r_i - \min r) / (\max r - \min r)`, so that

    .. math:: \log\det \tilde L_C = \sum_{i \in C} \log \tilde r_i^2 + \log\det S_C .

    Relevance that is the same for all tokens says nothing: then :math:`\tilde r = 1`, and the picks are those
    of dpp. The least relevant token has a relevance of zero and comes after all others that the picks do not
    span. The released code adds 1e-6 to the numerator, which lets that one token in earlier and divides by
    zero where all are equal; this is the formula of the paper.

    What relevance is stays with whoever measures it. In the released code it is, for a CLIP encoder, the
    cosine similarity of patch and words with its sign turned, averaged over the words.

    Attributes
    ----------
    by : str
        Name of the side information that is the relevance, in any unit; more is more relevant.

    Raises
    ------
    InputError
        If ``by`` is no name.
    """

    by: str = TEXT_RELEVANCE

    method: ClassVar[str] = "cdprune"
    usual: ClassVar[str] = TEXT_RELEVANCE

    def matrix(self, image: Image) -> Array:
        """Return the conditioned kernel [m, m]."""
        similarities = super().matrix(image)
        relevance = scaled_relevance(image.side[self.by])
        return similarities * like(np.outer(relevance, relevance), similarities)


def scaled_relevance(relevance: FloatArray) -> FloatArray:
    """Return relevance [m] from 0, the least relevant, to 1, the most; all ones where all are equal.

    >>> scaled_relevance(np.array([2.0, 4.0, 3.0])), scaled_relevance(np.array([3.0, 3.0]))
    (array([0. , 1. , 0.5]), array([1., 1.]))
    """
    halves = relevance / 2.0  # of which no difference overflows
    spread = halves.max() - halves.min()
    return np.ones_like(halves) if spread == 0.0 else np.asarray((halves - halves.min()) / spread)
