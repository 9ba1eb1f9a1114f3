"""Hausdorff radius: the distance within which every token has a kept one."""

from __future__ import annotations

from math import sqrt

from otanalysis.arrays import Array, check_indices
from otanalysis.image import Image, rescaled_number


def hausdorff_radius(tokens: Array | Image, indices: Array, *, weights: Array | None = None) -> float:
    r"""Return the largest distance of a token to its nearest kept token.

    .. math:: \max_{i : w_i > 0} \min_{c \in C} \lVert v_i - v_c \rVert

    The Hausdorff distance between all tokens and the kept ones, which are among them, and the objective of
    the k-centre problem (Gonzalez, 1985; farthest-point selection comes within twice its optimum). Its square
    is at least the quantisation error, which has the mean in the place of the maximum.

    Parameters
    ----------
    tokens : array [m, d] or Image
        All tokens.
    indices : array [k]
        Positions of the kept tokens, distinct.
    weights : array [m], optional
        Weights of all tokens, non-negative; by default those of the image, or uniform. How large they are
        does not matter, but tokens of weight zero are left out.

    Returns
    -------
    float
        In the unit of the tokens.

    Raises
    ------
    InputError
        If tokens, indices or weights are not as described, or differences of the tokens overflow.

    Examples
    --------
    >>> hausdorff_radius([[0.0], [1.0], [4.0], [7.0]], [0, 2])
    3.0
    """
    image = Image.of(tokens)
    nearest = image.unit_distances[:, check_indices(indices, len(image))].min(axis=1)
    masses = image.masses(weights)
    farthest = float(nearest.max() if masses is None else nearest[masses > 0.0].max())
    return rescaled_number(sqrt(farthest), image.exponent)
