"""Quantisation error: the transport cost when the kept tokens may carry any mass."""

from __future__ import annotations

from otanalysis.arrays import Array
from otanalysis.image import Image


def quantisation_error(tokens: Array | Image, indices: Array) -> float:
    r"""Return the mean squared distance of a token to its nearest kept token.

    .. math:: E(C) = \frac1m \sum_i \min_{c \in C} \lVert v_i - v_c \rVert^2 \leq W_2^2(P, Q_C)

    It is the smallest :math:`W_2^2` between all tokens and any weights on the kept ones; k-medoids minimises
    it.

    Parameters
    ----------
    tokens : array [m, d] or Image
        All tokens.
    indices : array [k]
        Positions of the kept tokens, distinct.

    Returns
    -------
    float
        Squared unit of the tokens.

    Raises
    ------
    InputError
        If tokens or indices are not as described.

    Examples
    --------
    >>> quantisation_error([[0.0], [1.0], [4.0], [5.0]], [0, 2])
    0.5
    """
    columns, _ = Image.of(tokens).to_kept(indices)
    return float(columns.min(axis=1).mean())
