"""Quantisation error: the transport cost when the kept tokens may carry any mass."""

from __future__ import annotations

import numpy as np

from otanalysis.arrays import Array, FloatArray, check_indices
from otanalysis.image import Image, rescaled_number


def quantisation_error(tokens: Array | Image, indices: Array, *, weights: Array | None = None) -> float:
    r"""Return the mean squared distance of a token to its nearest kept token.

    .. math:: E(C) = \sum_i w_i \min_{c \in C} \lVert v_i - v_c \rVert^2 \leq W_2^2(P, Q_C)

    with the masses :math:`w_i`, by default :math:`1/m`. It is the smallest :math:`W_2^2` between all tokens
    and any weights on the kept ones: what :func:`~otanalysis.transport.exact.wasserstein2` returns with
    ``kept_weights="optimal"``. K-medoids minimises it.

    Parameters
    ----------
    tokens : array [m, d] or Image
        All tokens.
    indices : array [k]
        Positions of the kept tokens, distinct.
    weights : array [m], optional
        Weights of all tokens, non-negative, in any unit; by default those of the image, or uniform.

    Returns
    -------
    float
        Squared unit of the tokens.

    Raises
    ------
    InputError
        If tokens, indices or weights are not as described, or the error overflows.

    Examples
    --------
    >>> quantisation_error([[0.0], [1.0], [4.0], [5.0]], [0, 2])
    0.5
    """
    image = Image.of(tokens)
    kept = check_indices(indices, len(image))
    nearest = np.ascontiguousarray(image.unit_distances[:, kept]).min(axis=1)
    return rescaled_number(mean_over(image.masses(weights), nearest), 2 * image.exponent)


def mean_over(masses: FloatArray | None, values: FloatArray) -> float:
    """Return the mean of values [m] over masses [m], or over uniform ones."""
    return float(values.mean() if masses is None else masses @ values)
