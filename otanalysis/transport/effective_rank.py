"""Effective rank: how many directions the kept tokens fill."""

from __future__ import annotations

import numpy as np
from scipy.special import entr

from otanalysis.arrays import Array, check_indices, of_unit_size
from otanalysis.image import Image


def effective_rank(tokens: Array | Image, indices: Array) -> float:
    r"""Return the effective rank of the kept tokens: the exponential of their spectral entropy.

    .. math:: \exp \Bigl(-\sum_j p_j \log p_j\Bigr), \quad p_j = \sigma_j / \sum_l \sigma_l

    with the singular values :math:`\sigma_j` of the kept tokens as they are, their mean not removed (Roy and
    Vetterli, The effective rank: a measure of effective dimensionality, 2007). The field's measure of how
    diverse kept tokens are. It looks at nothing but these: neither the other tokens nor their weights enter.

    Parameters
    ----------
    tokens : array [m, d] or Image
        All tokens.
    indices : array [k]
        Positions of the kept tokens, distinct.

    Returns
    -------
    float
        From 1, where all kept tokens are multiples of one, to their rank, where all directions are equally
        long; without a unit. Zero where all kept tokens are zero.

    Raises
    ------
    InputError
        If tokens or indices are not as described.

    Examples
    --------
    >>> tokens = [[1.0, 0.0], [0.0, 1.0], [0.0, 3.0]]
    >>> round(effective_rank(tokens, [0, 1]), 12), round(effective_rank(tokens, [1, 2]), 12)
    (2.0, 1.0)
    """
    image = Image.of(tokens)
    kept = of_unit_size(image.host[check_indices(indices, len(image))])
    sizes = np.linalg.svd(kept, compute_uv=False)
    return float(np.exp(entr(sizes / sizes.sum()).sum())) if sizes[0] else 0.0
