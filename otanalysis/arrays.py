"""Arrays at the boundary: their types, the checks of token clouds and kept sets, and normalisation."""

from __future__ import annotations

import math
from contextlib import suppress
from numbers import Real
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace, device, is_array_api_obj

from otanalysis.errors import InputError
from otanalysis.scalars import check_choice, check_integer, check_number, shown

__all__ = [
    "Array",
    "BoolArray",
    "FloatArray",
    "IntArray",
    "Normalisation",
    "check_indices",
    "check_keep",
    "check_normalisation",
    "check_tokens",
    "check_weights",
    "dense",
    "is_finite",
    "like",
    "normalise_tokens",
    "normalised",
    "real_numbers",
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

_IN_CACHE = 2**16
_HALF_EXPONENT = np.uint16(0x7C00)
"""Bits of the exponent in float16, all of which are set where a number is not finite."""
_ROWS_NAMED_IN_MESSAGES = 5
_UNKNOWN_TO_NUMPY = ("bfloat16", "float8", "float4")
_ORDINARY = 100  # within these powers of two squares neither overflow nor vanish
_DEEPEST = 32  # lists in lists: NumPy refuses those of more dimensions itself


def check_tokens(tokens: Array, *, name: str = "tokens") -> Array:
    """Return a token cloud as a finite float64 matrix of the same array library.

    Parameters
    ----------
    tokens : array [m, d]
        One token a row. Integers and shorter floats are cast; NumPy, torch, a pandas frame, or nested lists,
        of tensors too.
    name : str
        What the error messages call the argument.

    Returns
    -------
    array [m, d]
        float64, of the library and on the device of ``tokens`` (NumPy for lists), detached from any gradient.

    Raises
    ------
    InputError
        If the input is not a real matrix with ``m >= 1`` and ``d >= 1``, holds NaN, infinite or masked
        values, is sparse or has no values (meta), or lies on a device without float64.

    Examples
    --------
    >>> check_tokens([[1, 2], [3, 4]])
    array([[1., 2.],
           [3., 4.]])
    """
    array = dense(tokens, name)
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
    double = _as_double(array, name)
    # float64 holds every float32: half the bytes are looked at.
    _check_finite(array if array.dtype == xp.float32 else double, name)
    return double


def dense(values: Array, name: str = "values") -> Array:
    """Return any array as one that holds all of its values: a plain NumPy array, or a tensor without graph.

    Parameters
    ----------
    values : array, of any shape and type
        NumPy or one of its subclasses, torch, what NumPy makes an array of (a pandas frame), or nested lists
        of any of them.
    name : str
        What the error messages call the argument.

    Returns
    -------
    array, of the same shape and type
        Of the library and on the device of ``values``; NumPy for what is of neither.

    Raises
    ------
    InputError
        If values are masked or missing (sparse, nested, quantised and meta tensors), or rows differ in
        length.

    Examples
    --------
    >>> dense(np.ma.array([1.0, 2.0]))
    array([1., 2.])
    """
    if isinstance(values, np.ndarray):
        if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
            left = "[~mask]" if values.ndim == 1 else "[~mask.any(axis=1)]"
            raise InputError(
                f"{name} must not be masked; got {int(np.sum(values.mask))} masked values: leave those "
                f"{'entries' if values.ndim == 1 else 'tokens'} out, for instance {name}{left}, or fill them."
            )
        return np.asarray(values)  # a matrix would multiply where arrays multiply entry by entry
    if is_array_api_obj(values):
        return _strided(values, name)
    if hasattr(values, "toarray"):
        raise InputError(
            f"{name} must be dense; got a sparse {type(values).__name__}: pass {name}.toarray()."
        )
    try:
        return np.asarray(_without_tensors(values, name, _DEEPEST))
    except InputError:
        raise
    except Exception as error:  # whatever stops NumPy: ragged rows, integers beyond every type, own classes
        raise InputError(
            f"{name} must be numbers, in rows that do not differ in length; got {shown(values)} ({error})."
        ) from error


def _strided(tensor: Array, name: str) -> Array:
    """Return a tensor without its graph, or raise InputError if it does not hold a value for every place."""
    for flag, advice in (
        ("is_meta", "it has no values; run the model on a device"),
        ("is_nested", "pass one tensor an image"),
        ("is_quantized", f"pass {name}.dequantize()"),
    ):
        if getattr(tensor, flag, False):
            raise InputError(
                f"{name} must be a plain tensor; got one that {flag.replace('_', ' ')}: {advice}."
            )
    layout = str(getattr(tensor, "layout", "torch.strided"))
    if layout != "torch.strided":
        raise InputError(f"{name} must be dense; got a tensor of layout {layout}: pass {name}.to_dense().")
    return tensor.detach() if hasattr(tensor, "detach") else tensor


def _without_tensors(values: Any, name: str, depth: int) -> Any:
    """Return lists with the tensors and masked arrays in them as plain NumPy arrays."""
    if not isinstance(values, list | tuple) or depth == 0:
        return (
            to_numpy(values, name=name)
            if isinstance(values, np.ndarray) or is_array_api_obj(values)
            else values
        )
    if {int, float}.issuperset(map(type, values)):
        return values
    return [_without_tensors(one, name, depth - 1) for one in values]


def _as_double(array: Array, name: str) -> Array:
    xp = array_namespace(array)
    try:
        with np.errstate(over="ignore"):  # of longer floats: reported as not finite
            return xp.astype(array, xp.float64, copy=False)
    except TypeError as error:  # torch's word for a device without double precision, such as mps
        raise InputError(
            f"{name} must be computed in float64, which the device {device(array)} does not have: "
            "pass them from the host, tokens.cpu()."
        ) from error


def is_finite(value: Array) -> bool:
    """Return whether a float, or an array of one entry, is finite; a device is waited for."""
    return bool(array_namespace(value).isfinite(value))


def all_finite(numbers: npt.NDArray[np.floating]) -> bool:
    """Tell whether all numbers are finite; those in float16 by their bits, in a seventh of the time."""
    if numbers.dtype != np.float16:
        return bool(np.isfinite(numbers).all())
    bits = np.ascontiguousarray(numbers).reshape(-1).view(np.uint16)
    blocks = (bits[start : start + _IN_CACHE] for start in range(0, len(bits), _IN_CACHE))
    return all(bool((block & _HALF_EXPONENT != _HALF_EXPONENT).all()) for block in blocks)


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


def to_numpy(array: Array, *, name: str = "values") -> npt.NDArray[Any]:
    """Return any array (NumPy, torch on any device, a list) as a NumPy array, without copying if possible.

    A tensor of a type that NumPy does not have, such as bfloat16, comes as float32, which holds all of its
    values.

    Raises
    ------
    InputError
        As for :func:`dense`.
    """
    array = dense(array, name)
    if isinstance(array, np.ndarray):
        return array
    if any(kind in str(array.dtype) for kind in _UNKNOWN_TO_NUMPY):
        array = array_namespace(array).astype(array, array_namespace(array).float32)
    if hasattr(array, "cpu"):
        array = array.cpu()
    for pending in ("resolve_conj", "resolve_neg"):
        array = getattr(array, pending)() if hasattr(array, pending) else array
    return np.asarray(array)


def real_numbers(values: Any, name: str = "values") -> FloatArray:
    """Return numbers of any shape as float64, on the host; NaN and infinite ones pass.

    Raises
    ------
    InputError
        If they are texts, booleans, complex or no numbers at all, or as for :func:`dense`.
    """
    array = to_numpy(values, name=name)
    if array.dtype == object and all(_is_real(one) for one in array.ravel()):
        with suppress(OverflowError):  # then they are refused below
            array = np.array([float(one) for one in array.ravel()]).reshape(array.shape)  # nullable columns
    if array.dtype.kind not in "fiu":
        raise InputError(f"{name} must hold real numbers; got {array.dtype}: convert to a float type first.")
    with np.errstate(over="ignore"):
        return np.asarray(array, dtype=np.float64)


def _is_real(one: Any) -> bool:
    return isinstance(one, Real) and not isinstance(one, bool)


def like(values: npt.NDArray[Any], reference: Array) -> Array:
    """Return NumPy values as an array of the library and device of ``reference`` (NumPy for lists)."""
    if not is_array_api_obj(reference) or isinstance(reference, np.ndarray):
        return values
    # torch warns of memory that it must not write to, such as that of a pandas column.
    own = values if values.flags.writeable else values.copy()
    return array_namespace(reference).asarray(own, device=device(reference))


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
    array = to_numpy(indices, name="indices")
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


def check_weights(weights: Array | None, m: int, *, name: str = "weights") -> FloatArray | None:
    r"""Return weights of ``m`` tokens as masses :math:`w_i / \sum_j w_j`; None for equal ones, the uniform.

    Parameters
    ----------
    weights : array [m] or None
        Non-negative and finite, not all zero, in any unit; None for equal ones.
    m : int
        Number of tokens that they belong to.
    name : str
        What the error messages call the argument.

    Returns
    -------
    ndarray [m] or None
        Read-only; each right to two roundings, so that their sum is one to about that.

    Raises
    ------
    InputError
        If the weights are not as described.

    Examples
    --------
    >>> check_weights([1, 0, 3], 3), check_weights([2.0, 2.0], 2)
    (array([0.25, 0.  , 0.75]), None)
    """
    if weights is None:
        return None
    given = real_numbers(weights, name)
    if given.shape != (m,):
        raise InputError(f"{name} must be {m} numbers, one a token; got shape {given.shape}.")
    finite = np.isfinite(given)
    if not finite.all() or given.min() < 0.0 or given.max() == 0.0:
        got = f"{given.min():g} to {given.max():g}" if finite.all() else f"{(~finite).sum()} NaN or infinite"
        raise InputError(
            f"{name} must be finite, not negative and not all zero; got {got}: "
            "a token without a mass has the weight 0."
        )
    if (given == given[0]).all():
        return None
    share = given / given.max()  # whose sum cannot overflow
    masses = np.asarray(share / math.fsum(share.tolist()))
    masses.flags.writeable = False
    return masses


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
        got = "neither" if ratio is None else f"ratio={shown(ratio)} and keep={shown(keep)}"
        raise InputError(
            f"Exactly one of ratio and keep is needed; got {got}: pass for instance ratio=0.098."
        )
    if keep is not None:
        return check_keep(m, keep)
    share = check_number(
        ratio,
        "ratio",
        wanted="a number in (0, 1]",
        above=0.0,
        high=1.0,
        advice="0.098 keeps 9.8 % of the tokens",
    )
    return max(1, round(share * m))


def check_keep(m: int, keep: Any, *, of: str = "tokens") -> int:
    """Return a number of ``m`` tokens to keep, or raise InputError if it is no integer in ``1..m``."""
    wanted = f"an integer in 1..{m}"
    count = check_integer(keep, "keep", wanted=wanted, low=-math.inf, advice="use ratio for a share")
    if not 1 <= count <= m:
        mend = "keep fewer, or a share by ratio" if count > m else "keep at least one"
        raise InputError(f"keep must lie in 1..{m}, the number of {of}; got {shown(count)}: {mend}.")
    return count


def check_normalisation(how: Any, *, name: str = "normalise") -> Normalisation:
    """Return the normalisation, or raise InputError if it is none; the message lists them."""
    return check_choice(how, name, get_args(Normalisation))


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
    if check_normalisation(how) == "none":
        return array
    xp = array_namespace(array)
    axis = 0 if how == "columns" else 1
    # Dividing by the largest entry first keeps the squares from overflowing or vanishing.
    largest = xp.maximum(xp.max(array, axis=axis, keepdims=True), -xp.min(array, axis=axis, keepdims=True))
    largest = xp.where(largest > 0, largest, xp.ones_like(largest))
    if isinstance(array, np.ndarray) and largest.min() > 2.0**-_ORDINARY and largest.max() < 2.0**_ORDINARY:
        # Neither happens: nothing of the size of the tokens is made but the result.
        squares = np.expand_dims(np.einsum("ij,ij->j" if axis == 0 else "ij,ij->i", array, array), axis)
        return array / np.where(squares > 0, np.sqrt(squares), 1.0)
    array = array / largest
    norms = xp.sqrt(xp.sum(array * array, axis=axis, keepdims=True))
    return array / xp.where(norms > 0, norms, xp.ones_like(norms))


def of_unit_size(values: FloatArray) -> FloatArray:
    """Return values over the power of two above the largest of them: no digit changes, and squares are safe.

    Examples
    --------
    >>> of_unit_size(np.array([[3e-170, 0.0], [0.0, 6e-170]])).max()  # 6e-170 times 2 ** 562
    np.float64(0.90575098195717)
    """
    return np.asarray(np.ldexp(values, -int(np.frexp(np.abs(values).max())[1])))
