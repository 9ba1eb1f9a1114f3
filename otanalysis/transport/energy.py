"""Energy distance: how far two distributions are apart by the mean distances of their points."""

from __future__ import annotations

import numpy as np

from otanalysis.arrays import Array, FloatArray, check_indices
from otanalysis.image import Image, rescaled_number


def energy_distance(tokens: Array | Image, indices: Array, *, weights: Array | None = None) -> float:
    r"""Return the energy distance between all tokens and the kept ones.

    .. math:: 2 \, \mathbb{E} \lVert X - Y \rVert - \mathbb{E} \lVert X - X' \rVert
              - \mathbb{E} \lVert Y - Y' \rVert \leq 2 W_2(P, Q_C)

    with independent :math:`X, X' \sim P` and :math:`Y, Y' \sim Q_C`: Szekely and Rizzo (Energy statistics,
    2013), who take no root of it. Zero for equal distributions alone; the squared maximum mean discrepancy
    with the kernel :math:`-2 \lVert x - y \rVert`, which herding lowers token by token.

    Parameters
    ----------
    tokens : array [m, d] or Image
        All tokens.
    indices : array [k]
        Positions of the kept tokens, distinct; their masses are ``1/k``.
    weights : array [m], optional
        Weights of all tokens, non-negative, in any unit; by default those of the image, or uniform.

    Returns
    -------
    float
        Non-negative, in the unit of the tokens.

    Raises
    ------
    InputError
        If tokens, indices or weights are not as described, or differences of the tokens overflow.

    Examples
    --------
    >>> energy_distance([[0.0], [1.0], [4.0], [5.0]], [0, 2])
    0.25
    """
    image = Image.of(tokens)
    m, kept = len(image), check_indices(indices, len(image))
    masses = image.masses(weights)
    # As one signed measure no large terms cancel, and equal distributions leave zeros alone.
    surplus = np.full(m, 1.0 / m) if masses is None else masses.copy()
    surplus[kept] -= 1.0 / len(kept)
    squared = -float(surplus @ image.shared(_lengths) @ surplus)
    return rescaled_number(max(squared, 0.0), image.exponent)


def _lengths(image: Image) -> FloatArray:
    """Return the distances [m, m] between tokens over ``2**exponent``."""
    return np.sqrt(image.unit_distances)
