"""Squared Euclidean distances between the tokens of one image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from otanalysis.arrays import (
    Array,
    FloatArray,
    Normalisation,
    check_indices,
    check_tokens,
    normalise_tokens,
    to_numpy,
)
from otanalysis.errors import InputError

__all__ = [
    "check_cost",
    "check_distances",
    "kept_columns",
    "normalised_once",
    "squared_distances",
]


# |a|^2 + |b|^2 - 2ab loses log10((|a|^2 + |b|^2) / |a - b|^2) digits. Pairs that would lose more than 5 of
# the 16 are computed again from their difference, which is exact for duplicates.
_CANCELLATION = 1e-5
_CHUNK_ENTRIES = 2**22


def squared_distances(a: Array, b: Array | None = None) -> FloatArray:
    r"""Return the squared Euclidean distances :math:`D_{ij} = \lVert a_i - b_j \rVert^2`.

    One such matrix serves every subset of an image: pass it as ``cost`` to the distances and the selectors.

    Parameters
    ----------
    a : array [m, d]
        Tokens.
    b : array [n, d], optional
        Other points of the same dimension; ``a`` itself if left out.

    Returns
    -------
    ndarray [m, n], float64
        Squared distances: non-negative, exactly zero for duplicates; symmetric with a zero diagonal when
        ``b`` is left out. Relative error about 1e-9 or better for every entry.

    Raises
    ------
    InputError
        If an argument is not a finite matrix, the dimensions differ, or the squares overflow.

    Examples
    --------
    >>> squared_distances([[0.0, 0.0], [3.0, 4.0]])
    array([[ 0., 25.],
           [25.,  0.]])
    """
    left = to_numpy(check_tokens(a, name="a"))
    right = left if b is None else to_numpy(check_tokens(b, name="b"))
    if left.shape[1] != right.shape[1]:
        raise InputError(f"a and b must have the same dimension; got {left.shape[1]} and {right.shape[1]}.")
    with np.errstate(over="ignore", invalid="ignore"):
        centre = left.mean(axis=0)
        left = left - centre
        # The same object on both sides lets NumPy use a symmetric product: half the work, a symmetric result.
        right = left if b is None else right - centre
        sums = np.sum(left**2, axis=1)[:, None] + np.sum(right**2, axis=1)[None, :]
        result = sums - 2.0 * (left @ right.T)
        if not np.isfinite(result).all():
            raise InputError("The tokens are too large for squared distances in float64: rescale them first.")
    _recompute_close_pairs(result, left, right, result <= _CANCELLATION * sums)
    return np.asarray(result)


def _recompute_close_pairs(
    result: FloatArray, left: FloatArray, right: FloatArray, close: npt.NDArray[np.bool_]
) -> None:
    """Overwrite the entries marked ``close`` in place with sums of squared differences, chunk by chunk."""
    rows, columns = np.nonzero(close)
    step = max(1, _CHUNK_ENTRIES // left.shape[1])
    for start in range(0, rows.size, step):
        i, j = rows[start : start + step], columns[start : start + step]
        result[i, j] = np.sum((left[i] - right[j]) ** 2, axis=1)


def check_cost(cost: Array | None, tokens: Array) -> FloatArray:
    """Return the shared cost matrix of an image, computed from the tokens if it was not given.

    Parameters
    ----------
    cost : array [m, m], optional
        What :func:`squared_distances` returned for these tokens.
    tokens : array [m, d]
        The tokens. With ``cost`` given only their number is looked at.

    Returns
    -------
    ndarray [m, m], float64
        Squared distances.

    Raises
    ------
    InputError
        If ``cost`` does not have one row and one column a token.
    """
    if cost is None:
        return squared_distances(tokens)
    matrix = np.asarray(to_numpy(cost), dtype=np.float64)
    m = len(tokens)
    if matrix.shape != (m, m):
        raise InputError(
            f"cost must be [m, m] for the m = {m} tokens; got shape {matrix.shape}: "
            "pass what squared_distances(tokens) returned."
        )
    return matrix


def check_distances(values: FloatArray) -> FloatArray:
    """Return the squared distances unless one of them is negative or not finite.

    Raises
    ------
    InputError
        If one is.
    """
    # Also false for NaN.
    if not (values.min() >= 0.0 and values.max() < np.inf):
        raise InputError(
            f"cost must hold finite, non-negative squared distances; got values from {values.min()} to "
            f"{values.max()}: pass what squared_distances(tokens) returned."
        )
    return values


def normalised_once(tokens: Array, cost: Array | None, normalise: Normalisation) -> Array:
    """Return the normalised tokens; a given cost has its normalisation in it already.

    Raises
    ------
    InputError
        If a cost comes together with a normalisation, or the tokens or its name are not as described.
    """
    if cost is not None and normalise != "none":
        raise InputError(
            f"cost was given together with normalise={normalise!r}: compute cost from the normalised tokens "
            'and leave normalise at "none".'
        )
    return tokens if normalise == "none" else normalise_tokens(tokens, normalise)


def kept_columns(
    tokens: Array, indices: Array, cost: Array | None
) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Return the squared distances [m, k] from all tokens to the kept ones, and the kept positions [k].

    Raises
    ------
    InputError
        If tokens, indices or cost are not as described, or a given cost is negative or not finite there.
    """
    matrix = check_cost(cost, tokens)
    kept = check_indices(indices, matrix.shape[0])
    return check_distances(np.ascontiguousarray(matrix[:, kept])), kept
