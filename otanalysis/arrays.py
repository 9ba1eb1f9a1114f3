"""Arrays at the boundary: their types, the checks of token clouds and kept sets, and normalisation."""

from __future__ import annotations

import math
import operator
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace, device, is_array_api_obj

from otanalysis.errors import InputError

__all__ = [
    "Array",
    "BoolArray",
    "FloatArray",
    "IntArray",
    "Normalisation",
    "check_indices",
    "check_tokens",
    "like",
    "normalise_tokens",
    "normalised",
    "resolve_keep",
    "to_numpy",
]

Array: TypeAlias = Any
"""An array of any library that follows the array API: NumPy or torch here."""

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

Normalisation: TypeAlias = Literal["none", "columns", "rows"]
"""How tokens are scaled before a kernel or a distance."""

_ROWS_NAMED_IN_MESSAGES = 5


def check_tokens(tokens: Array, *, name: str = "tokens") -> Array:
    """Return a token cloud as a finite float64 matrix of the same array library.

    Parameters
    ----------
    tokens : array [m, d]
        One token a row. Integers and shorter floats are cast; NumPy, torch or nested lists.
    name : str
        What the error messages call the argument.

    Returns
    -------
    array [m, d]
        float64, of the library and on the device of ``tokens`` (NumPy for lists), detached from any gradient.

    Raises
    ------
    InputError
        If the input is not a real matrix with ``m >= 1`` and ``d >= 1``, holds NaN or infinite values, or
        lies on a device without float64.

    Examples
    --------
    >>> check_tokens([[1, 2], [3, 4]])
    array([[1., 2.],
           [3., 4.]])
    """
    array = _as_array(tokens, name)
    xp = array_namespace(array)
    if array.ndim != 2 or 0 in array.shape:
        raise InputError(
            f"{name} must be a matrix [m, d] with at least one token and one feature; "
            f"got shape {tuple(array.shape)}: pass one row a token, for instance tokens.reshape(-1, d)."
        )
    if not xp.isdtype(array.dtype, ("real floating", "integral")) and "bfloat16" not in str(array.dtype):
        raise InputError(
            f"{name} must hold real numbers; got dtype {array.dtype}: convert to a float type first."
        )
    array = _as_double(array, name)
    _check_finite(array, name)
    return array


def _as_array(tokens: Array, name: str) -> Array:
    """Detach a tensor from its graph; turn lists into NumPy arrays."""
    if is_array_api_obj(tokens):
        return tokens.detach() if hasattr(tokens, "detach") else tokens
    try:
        return np.asarray(tokens)
    except ValueError as error:
        raise InputError(f"{name} must be a matrix [m, d]; the rows given differ in length.") from error


def _as_double(array: Array, name: str) -> Array:
    xp = array_namespace(array)
    try:
        return xp.astype(array, xp.float64, copy=False)
    except TypeError as error:  # torch's word for a device without double precision, such as mps
        raise InputError(
            f"{name} must be computed in float64, which the device {device(array)} does not have: "
            "pass them from the host, tokens.cpu()."
        ) from error


def _check_finite(array: Array, name: str) -> None:
    xp = array_namespace(array)
    # NaN passes through both. No array of the size of the tokens is made, which took longer than a kernel.
    if bool(xp.isfinite(xp.min(array)) & xp.isfinite(xp.max(array))):
        return
    bad = to_numpy(~xp.isfinite(array))
    rows = np.flatnonzero(bad.any(axis=1))
    shown = ", ".join(map(str, rows[:_ROWS_NAMED_IN_MESSAGES]))
    more = ", ..." if rows.size > _ROWS_NAMED_IN_MESSAGES else ""
    raise InputError(
        f"{name} must be finite; got {int(bad.sum())} NaN or infinite values in {rows.size} rows "
        f"({shown}{more}): drop those tokens, or find the overflow that made them."
    )


def to_numpy(array: Array) -> npt.NDArray[Any]:
    """Return any array (NumPy, torch on any device, a list) as a NumPy array, without copying if possible."""
    if hasattr(array, "detach"):
        array = array.detach()
    if hasattr(array, "cpu"):
        array = array.cpu()
    return np.asarray(array)


def like(values: npt.NDArray[Any], reference: Array) -> Array:
    """Return NumPy values as an array of the library and device of ``reference`` (NumPy for lists)."""
    if not is_array_api_obj(reference) or isinstance(reference, np.ndarray):
        return values
    return array_namespace(reference).asarray(values, device=device(reference))


def check_indices(indices: Array, m: int) -> npt.NDArray[np.int64]:
    """Return kept-token indices as a NumPy vector, in the order given.

    Parameters
    ----------
    indices : array [k] of integers
        Positions of the kept tokens.
    m : int
        Number of tokens they point into.

    Returns
    -------
    ndarray [k], int64

    Raises
    ------
    InputError
        If the vector is empty, not one-dimensional, not of integers, out of ``[0, m)``, or holds a
        repetition.
    """
    array = to_numpy(indices)
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iu":
        raise InputError(
            f"indices must be a non-empty vector of integers; got shape {array.shape} of {array.dtype}: "
            "keep at least one token and pass its position."
        )
    kept = array.astype(np.int64)
    if kept.min() < 0 or kept.max() >= m:
        raise InputError(
            f"indices must lie in 0..{m - 1}; got {kept.min()}..{kept.max()}: count tokens from 0."
        )
    if np.unique(kept).size != kept.size:
        raise InputError(
            f"indices must be distinct; got {kept.size - np.unique(kept).size} repetitions: "
            "keep each token once."
        )
    return kept


def resolve_keep(m: int, *, ratio: float | None = None, keep: int | None = None) -> int:
    r"""Return how many of ``m`` tokens to keep, from exactly one of a ratio and a count.

    A ratio keeps ``int(round(ratio * m))`` tokens, as the released OTPrune does, and at least one.

    Parameters
    ----------
    m : int
        Number of tokens.
    ratio : float, optional
        Share of tokens to keep, in ``(0, 1]``.
    keep : int, optional
        Number of tokens to keep, in ``1..m``.

    Raises
    ------
    InputError
        If both or neither are given, or the one given is out of range.

    Examples
    --------
    >>> resolve_keep(576, ratio=0.098)
    56
    """
    if (ratio is None) == (keep is None):
        got = "neither" if ratio is None else f"ratio={ratio} and keep={keep}"
        raise InputError(
            f"Exactly one of ratio and keep is needed; got {got}: pass for instance ratio=0.098."
        )
    if keep is not None:
        count = _as_count(m, keep)
        if not 1 <= count <= m:
            raise InputError(f"keep must lie in 1..{m}, the number of tokens; got {count}.")
        return count
    return _from_ratio(m, ratio)


def _as_count(m: int, keep: Any) -> int:
    try:
        if isinstance(keep, bool):
            raise TypeError
        return operator.index(keep)
    except TypeError:
        raise InputError(f"keep must be an integer in 1..{m}; got {keep!r}: use ratio for a share.") from None


def _from_ratio(m: int, ratio: Any) -> int:
    try:
        share = float(ratio)
    except (TypeError, ValueError) as error:
        raise InputError(f"ratio must be a number in (0, 1]; got {ratio!r}.") from error
    if not (math.isfinite(share) and 0.0 < share <= 1.0):
        raise InputError(f"ratio must lie in (0, 1]; got {ratio}: 0.098 keeps 9.8 % of the tokens.")
    return max(1, round(share * m))


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
    return normalised(check_tokens(tokens), how)


def normalised(array: Array, how: Normalisation) -> Array:
    """Return :func:`normalise_tokens` of tokens [m, d] that are a finite float64 matrix already."""
    check_normalisation(how)
    if how == "none":
        return array
    xp = array_namespace(array)
    axis = 0 if how == "columns" else 1
    # Dividing by the largest entry first keeps the squares from overflowing or vanishing.
    largest = xp.max(xp.abs(array), axis=axis, keepdims=True)
    array = array / xp.where(largest > 0, largest, xp.ones_like(largest))
    norms = xp.sqrt(xp.sum(array * array, axis=axis, keepdims=True))
    return array / xp.where(norms > 0, norms, xp.ones_like(norms))


def check_normalisation(how: str) -> None:
    """Raise InputError unless ``how`` names a normalisation."""
    if how not in get_args(Normalisation):
        raise InputError(f"normalise must be one of {', '.join(get_args(Normalisation))}; got {how!r}.")
