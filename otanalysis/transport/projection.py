"""Projection residual: the share of the tokens that no combination of the kept ones makes."""

from __future__ import annotations

import numpy as np
from scipy.linalg import qr

from otanalysis.arrays import Array, FloatArray, check_indices, normalised, of_unit_size
from otanalysis.image import Image
from otanalysis.transport.quantisation import mean_over

_EPS = float(np.finfo(np.float64).eps)


def projection_residual(tokens: Array | Image, indices: Array, *, weights: Array | None = None) -> float:
    r"""Return the share of the tokens' second moment that lies outside of the span of the kept tokens.

    .. math:: \frac{\sum_i w_i \lVert v_i - \Pi_C v_i \rVert^2}{\sum_i w_i \lVert v_i \rVert^2}
              \geq \frac{\sum_{j > k} \sigma_j^2}{\sum_j \sigma_j^2}

    with the orthogonal projection :math:`\Pi_C` on the span of the kept tokens and the singular values
    :math:`\sigma_j` of the tokens times :math:`\sqrt{w_i}`: the objective of column subset selection, which
    SPARE (arXiv:2606.18681) minimises. Directions count and lengths do not: as many kept tokens as the tokens
    have dimensions can leave nothing, however far they are from the others.

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
        In [0, 1], without a unit; zero where all tokens are zero.

    Raises
    ------
    InputError
        If tokens, indices or weights are not as described.

    Examples
    --------
    >>> round(projection_residual([[3.0, 0.0], [6.0, 0.0], [0.0, 2.0]], [0]), 12)  # 4 / (9 + 36 + 4)
    0.081632653061
    """
    image = Image.of(tokens)
    kept, masses = check_indices(indices, len(image)), image.masses(weights)
    rows = image.shared(_of_unit_size)
    basis = _span(rows[kept])
    outside = rows - (rows @ basis) @ basis.T
    outside[kept] = 0.0
    whole = mean_over(masses, np.sum(rows**2, axis=1))
    return min(mean_over(masses, np.sum(outside**2, axis=1)) / whole, 1.0) if whole else 0.0


def _of_unit_size(image: Image) -> FloatArray:
    return of_unit_size(image.host)


def _span(rows: FloatArray) -> FloatArray:
    """Return an orthonormal basis [d, r] of the span of rows [k, d], r up to rounding their rank."""
    # Of one length, or long rows would hide the directions of short ones behind their rounding.
    basis, triangle, _ = qr(normalised(rows, "rows").T, mode="economic", pivoting=True)
    return np.asarray(basis[:, np.abs(np.diag(triangle)) > max(rows.shape) * _EPS])
