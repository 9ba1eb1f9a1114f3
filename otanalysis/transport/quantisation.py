"""Quantisation error: the transport cost when the kept tokens may carry any mass."""

from __future__ import annotations

import numpy as np

from otanalysis.arrays import Array, check_indices
from otanalysis.image import Image, rescaled_number


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
        If tokens or indices are not as described, or the error overflows.

    Examples
    --------
    >>> quantisation_error([[0.0], [1.0], [4.0], [5.0]], [0, 2])
    0.5
    """
    image = Image.of(tokens)
    kept = check_indices(indices, len(image))
    unit = np.ascontiguousarray(image.unit_distances[:, kept]).min(axis=1).mean()
    return rescaled_number(unit, 2 * image.exponent)
