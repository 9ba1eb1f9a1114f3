"""Normalisation of a token cloud by columns (the released OTPrune's) or by rows."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from array_api_compat import array_namespace

from otanalysis.arrays import Array, check_tokens
from otanalysis.errors import InputError

__all__ = ["Normalisation", "normalise_tokens"]

Normalisation: TypeAlias = Literal["none", "columns", "rows"]
"""How tokens are scaled before a kernel or a distance."""


def normalise_tokens(tokens: Array, how: Normalisation) -> Array:
    r"""Scale a token cloud, without removing its mean.

    ``columns`` divides every feature by its Euclidean norm over the tokens, :math:`V_{:,j} / \lVert V_{:,j}
    \rVert_2`, as the released code of arXiv:2602.20205 does: unit second moment per feature, up to the factor
    :math:`\sqrt m`. ``rows`` gives every token unit norm. A zero column or row stays zero.

    Parameters
    ----------
    tokens : array [m, d]
        NumPy or torch.
    how : {"none", "columns", "rows"}

    Returns
    -------
    array [m, d], float64
        Of the library of ``tokens``.

    Raises
    ------
    InputError
        If ``how`` is unknown or the tokens are not a finite matrix.

    Examples
    --------
    >>> normalise_tokens([[3.0, 0.0], [4.0, 0.0]], "columns")
    array([[0.6, 0. ],
           [0.8, 0. ]])
    """
    if how not in get_args(Normalisation):
        raise InputError(f"normalise must be one of {', '.join(get_args(Normalisation))}; got {how!r}.")
    array = check_tokens(tokens)
    if how == "none":
        return array
    xp = array_namespace(array)
    axis = 0 if how == "columns" else 1
    # Dividing by the largest entry first keeps the squares from overflowing or vanishing.
    largest = xp.max(xp.abs(array), axis=axis, keepdims=True)
    array = array / xp.where(largest > 0, largest, xp.ones_like(largest))
    norms = xp.sqrt(xp.sum(array * array, axis=axis, keepdims=True))
    return array / xp.where(norms > 0, norms, xp.ones_like(norms))
