r"""Products of tokens in float32, and how wrong they are at most.

A product in float32 takes half the time of one in float64, and is wrong in the fifth digit. By how much at
most is known before: a sum of :math:`n` products, in any order, by :math:`n u / (1 - n u)` times the sum
of their sizes, :math:`u = 2^{-24}` (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section
3.1).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from otanalysis.arrays import FloatArray
from otanalysis.image import Image

Rounded = NDArray[np.float32]

UNIT = 2.0**-24
"""The largest relative error of a number rounded to float32."""
_WIDTH = 512
"""Features whose products one call of BLAS adds; these sums are added after it, for a smaller error."""
_LEAST_ENTRIES = 2**18
"""Tokens of fewer numbers have their product in float64: it is not felt."""
_ORDINARY = 2.0**40
"""Lengths within it and its reciprocal: no product overflows float32, and none that vanishes is felt."""


def lengths_of(image: Image, axis: Literal["rows", "columns"]) -> FloatArray | None:
    """Return the lengths of the rows [m] or columns [d] of the tokens, where a float32 product is of use.

    None for few tokens, and where a row is zero or a length so small or large that float32 does not hold the
    products. Of columns of zeros, which nothing need be divided by, it is one.
    """
    if len(image) < 2 or image.host.size < _LEAST_ENTRIES:
        return None
    with np.errstate(over="ignore", under="ignore"):
        squares = np.einsum("ij,ij->i" if axis == "rows" else "ij,ij->j", image.host, image.host)
    if axis == "columns":
        squares[squares == 0.0] = 1.0
    lengths = np.sqrt(squares)
    return lengths if lengths.min() > 1.0 / _ORDINARY and lengths.max() < _ORDINARY else None


def rounded_products(image: Image, over: FloatArray | None = None) -> tuple[Rounded, float]:
    r"""Return the products of tokens with each other in float32; nothing of the size of the tokens is made.

    Parameters
    ----------
    image : Image
        Tokens [m, d] on the host.
    over : ndarray [d], optional
        What their features are divided by before.

    Returns
    -------
    products : ndarray [m, m], float32
        Symmetric.
    error : float
        No product differs by more from that of the tokens :math:`v`, over the product of their lengths
        :math:`\lVert v_i \rVert \lVert v_j \rVert`, but for numbers that vanish in float32.
    """
    given: Rounded | FloatArray = image.host if image.in_float32 is None else image.in_float32
    m, d = given.shape
    total, starts = np.zeros((m, m), dtype=np.float32), range(0, d, _WIDTH)
    # Once: to get memory takes a tenth of the product.
    products, part = np.empty_like(total), np.empty((m, min(_WIDTH, d)), dtype=np.float32)
    for start in starts:
        columns = slice(start, start + _WIDTH)
        if over is None:
            factor = given[:, columns].astype(np.float32, copy=False)
        else:
            times = (1.0 / over[columns]).astype(np.float32)
            factor = np.multiply(given[:, columns], times, out=part[:, : len(times)], casting="same_kind")
        # The same object on both sides: a symmetric product.
        total += np.matmul(factor, factor.T, out=products)
    # Every token is rounded, what it is multiplied by, and the product: three for each of two. A hundredth
    # is for the squares of all this.
    return total, 1.01 * (min(_WIDTH, d) + len(starts) + 6) * UNIT


def rounded_cosines(image: Image, lengths: FloatArray) -> tuple[Rounded, float]:
    """Return the cosines [m, m] of tokens of these lengths [m] in float32, and a bound of their errors."""
    cosines, error = rounded_products(image)
    over = (1.0 / lengths).astype(np.float32)
    cosines *= np.outer(over, over)
    np.fill_diagonal(cosines, 1.0)
    return cosines, error  # four of the six that it allows for features are for the lengths here
