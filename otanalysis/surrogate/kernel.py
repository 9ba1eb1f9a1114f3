"""Kernels between tokens whose log-determinant the greedy selections maximise."""

from __future__ import annotations

import math

import numpy as np
from array_api_compat import array_namespace, device

from otanalysis.arrays import Array, Normalisation, check_normalisation
from otanalysis.defaults import RELEASED_GAMMA, GammaOf
from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.scalars import check_gamma_of, check_integer, check_number

_LARGEST = 2.0**900
"""Of the entries of a kernel: what is made of it, such as its eigenvalues, must not overflow either."""


def otprune_kernel(
    tokens: Array | Image, *, gamma: float = RELEASED_GAMMA, normalise: Normalisation = "columns"
) -> Array:
    r"""Return the kernel of OTPrune.

    .. math:: K = I + \gamma \tilde V \tilde V^\top, \quad \tilde V = V V^\top

    Here :math:`V` are the normalised tokens. ``gamma`` is the factor that the released code of
    arXiv:2602.20205 fixes at 0.01; :func:`paper_factor` makes it of the paper's own. Every eigenvalue of
    :math:`K` is at least one.

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
    diagonal = xp.arange(m, device=device(squared))
    scaled[diagonal, diagonal] += 1.0  # its own array: no identity of its size is made
    return scaled


def paper_factor(gamma: float, m: int, keep: int, normalise: Normalisation = "columns") -> float:
    r"""Return the factor in the released code's kernel that stands for a gamma of the paper.

    Equations 7 and 8 of arXiv:2602.20205 maximise :math:`\log\det (I_k + \tfrac{\gamma}{mk} \tilde V_C \tilde
    V_C^\top)`, :math:`\tilde V = V V^\top`, on features of unit variance: columns of norm :math:`\sqrt m`.
    Those of the released code have norm one, so that the same kernel has the factor :math:`\gamma m / k` on
    them. Tokens normalised by rows or not at all are taken as they are, with :math:`\gamma / (mk)`. The
    factor depends on the number of kept tokens, so that selections are not nested.

    Parameters
    ----------
    gamma : float
        The paper's, positive.
    m, keep : int
        Number of tokens, and of kept ones.
    normalise : {"none", "columns", "rows"}
        Normalisation of the tokens.

    Returns
    -------
    float
        ``gamma`` of :func:`otprune_kernel` with the same ``normalise``.

    Raises
    ------
    InputError
        If gamma or the factor is not positive and finite, ``keep`` is not in ``1..m``, or m or normalise are
        not as described.

    Examples
    --------
    For 56 of 576 tokens the paper's 0.01 is ten times the released factor, which is its 0.00097:

    >>> round(paper_factor(0.01, 576, 56), 4), round(paper_factor(0.01 * 56 / 576, 576, 56), 12)
    (0.1029, 0.01)
    """
    own, how = check_gamma(gamma), check_normalisation(normalise)
    tokens = check_integer(m, "m", wanted="an integer from 1 on", low=1)
    kept = check_integer(keep, "keep", wanted=f"an integer in 1..{tokens}", low=1, high=tokens)
    factor = own * tokens / kept if how == "columns" else own / (tokens * kept)
    if not 0.0 < factor < math.inf:
        raise InputError(
            f"The paper's gamma={own:g} leaves the range of numbers as a factor for {kept} of {tokens} "
            f"tokens ({factor:g}): give one nearer to 0.01."
        )
    return factor


def released_factor(
    gamma: float, m: int, keep: int, normalise: Normalisation = "columns", *, gamma_of: GammaOf
) -> float:
    """Return the factor in the released code's kernel that a gamma stands for, whosever it is.

    Parameters
    ----------
    gamma, m, keep, normalise
        As for :func:`paper_factor`.
    gamma_of : {"released", "paper"}
        Whose gamma it is: that of the released code is the factor itself.

    Raises
    ------
    InputError
        As for :func:`paper_factor`, or if ``gamma_of`` is something else.

    Examples
    --------
    >>> [released_factor(0.01, 100, 20, gamma_of=whose) for whose in ("released", "paper")]
    [0.01, 0.05]
    """
    if check_gamma_of(gamma_of) == "paper":
        return paper_factor(gamma, m, keep, normalise)
    return check_gamma(gamma)


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
    given = Image.of(tokens)
    if given.reads_gram:  # no token is zero then
        lengths = np.sqrt(given.square_norms)
        similar = np.asarray(given.gram / lengths[:, None] / lengths)
        np.fill_diagonal(similar, 1.0)
        return similar
    image = given.normalised("rows")
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
