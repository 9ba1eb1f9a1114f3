"""Sliced distance: the mean of exact distances along many directions."""

from __future__ import annotations

import numpy as np

from otanalysis.arrays import Array, FloatArray, check_indices
from otanalysis.image import Image, rescaled_number

DIRECTIONS = 64
"""Directions that a sliced distance is the mean of."""

DIRECTIONS_SEED = 0
"""Seed of the directions: tokens of one dimension are always looked at along the same ones."""


def sliced_wasserstein2(tokens: Array | Image, indices: Array, *, weights: Array | None = None) -> float:
    r"""Return the sliced 2-Wasserstein distance between all tokens and the kept ones.

    .. math:: \Bigl(\frac{1}{L} \sum_{l=1}^{L} W_2^2(\theta_l P, \theta_l Q_C) \Bigr)^{1/2} \leq W_2(P, Q_C)

    along :math:`L = 64` (:data:`DIRECTIONS`) directions :math:`\theta_l` on the unit sphere, drawn once from
    a seed that is fixed: Bonneel, Rabin, Peyre and Pfister (Sliced and Radon Wasserstein barycenters of
    measures, 2015), as POT computes it. In place of the mean over all directions stands that over these, so
    that equal tokens give equal numbers, kept sets are compared along the same directions, and a rotation of
    the tokens changes the value a little.

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
        In the unit of the tokens; typically about :math:`W_2 / \sqrt d`, since a direction sees one of d
        coordinates.

    Raises
    ------
    InputError
        If tokens, indices or weights are not as described, or differences of the tokens overflow.

    Examples
    --------
    >>> import numpy as np
    >>> import otanalysis as ota
    >>> tokens = np.random.default_rng(0).standard_normal((40, 3))
    >>> 0.0 < sliced_wasserstein2(tokens, [1, 5, 8]) < ota.wasserstein2(tokens, [1, 5, 8]).distance
    True
    """
    from ot import wasserstein_1d  # it loads torch where that is installed; importing otanalysis must not

    image = Image.of(tokens)
    seen, kept = image.shared(_projected), check_indices(indices, len(image))
    squared = wasserstein_1d(seen, seen[kept], image.masses(weights), p=2)
    return rescaled_number(float(np.sqrt(np.mean(squared))), image.exponent)


def _projected(image: Image) -> FloatArray:
    """Return where the tokens over ``2**exponent`` lie along every direction [m, directions]."""
    d = image.host.shape[1]
    directions = np.random.default_rng(DIRECTIONS_SEED).standard_normal((d, DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    # Differences from one of the tokens: tokens far from zero lose no digits, and equal ones stay equal.
    return np.asarray(np.ldexp(image.host - image.host[0], -image.exponent) @ directions)
