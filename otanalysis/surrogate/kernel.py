"""Kernels between tokens whose log-determinant the greedy selections maximise."""

from __future__ import annotations

import numpy as np
from array_api_compat import array_namespace, device

from otanalysis.arrays import Array, Normalisation
from otanalysis.defaults import RELEASED_GAMMA
from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.scalars import check_number

_LARGEST = 2.0**900
"""Of the entries of a kernel: what is made of it, such as its eigenvalues, must not overflow either."""


def otprune_kernel(
    tokens: Array | Image, *, gamma: float = RELEASED_GAMMA, normalise: Normalisation = "columns"
) -> Array:
    r"""Return the kernel of OTPrune.

    .. math:: K = I + \gamma \tilde V \tilde V^\top, \quad \tilde V = V V^\top

    Here :math:`V` are the normalised tokens. ``gamma`` is the factor that the released code of
    arXiv:2602.20205 fixes at 0.01. The paper's own :math:`\gamma` (equation 7), for features of unit variance
    and divided by :math:`mk` (equation 8), is ``gamma`` :math:`= \gamma m / k` on normalised columns. Every
    eigenvalue of :math:`K` is at least one.

    Parameters
    ----------
    tokens : array [m, d] or Image
        NumPy or torch.
    gamma : float
        Positive factor of the Gram term.
    normalise : {"none", "columns", "rows"}
        "columns" as in the released code.

    Returns
    -------
    array [m, m], float64
        Of the library and device of ``tokens``.

    Raises
    ------
    InputError
        If gamma is not positive and finite, tokens or normalise are not as described, or the kernel
        overflows, which it cannot on normalised tokens with a gamma of less than 1e250.

    Examples
    --------
    >>> otprune_kernel([[1.0, 0.0], [0.0, 2.0]], gamma=0.5)
    array([[1.5, 0. ],
           [0. , 1.5]])
    """
    factor = float(check_gamma(gamma))
    image = Image.of(tokens).normalised(normalise)
    squared = image.squared_gram
    xp = array_namespace(squared)
    with np.errstate(over="ignore"):
        scaled = factor * squared
    # Normalised by rows or columns the squares sum up to at most (m d)^2: no look at a device is needed.
    m, d = image.tokens.shape
    may_overflow = normalise == "none" or factor * float(m * d) ** 2 > _LARGEST
    if may_overflow and not bool(xp.max(scaled) <= _LARGEST):
        raise InputError(
            f"The kernel overflows with gamma={factor:g} and normalise={normalise!r}: divide gamma, or the "
            "tokens, whose fourth powers it multiplies."
        )
    return xp.eye(squared.shape[0], dtype=xp.float64, device=device(squared)) + scaled


def cosine_kernel(tokens: Array | Image) -> Array:
    r"""Return the cosine similarities :math:`K_{ij} = v_i^\top v_j / (\lVert v_i \rVert \lVert v_j \rVert)`.

    The diagonal is exactly one. The similarity of a zero token with every token, itself included, is zero.

    Parameters
    ----------
    tokens : array [m, d] or Image
        NumPy or torch.

    Returns
    -------
    array [m, m], float64
        Of the library and device of ``tokens``.

    Raises
    ------
    InputError
        If the tokens are not a finite matrix.

    Examples
    --------
    >>> cosine_kernel([[2.0, 0.0], [0.0, 3.0]])
    array([[1., 0.],
           [0., 1.]])
    """
    image = Image.of(tokens).normalised("rows")
    unit = image.tokens
    xp = array_namespace(unit)
    # Exactly one on the diagonal: an ulp there would decide the first greedy pick, and differ by machine.
    own = xp.eye(unit.shape[0], dtype=xp.bool, device=device(unit))
    ones = xp.astype(xp.any(unit != 0, axis=1, keepdims=True), xp.float64)
    return xp.where(own, ones, image.gram)


def check_gamma(gamma: float) -> float:
    """Return gamma as Python's number, or raise InputError unless it is positive and finite."""
    wanted = "a positive, finite number"
    return check_number(gamma, "gamma", wanted=wanted, above=0.0, advice="the released code uses 0.01")
