"""The tokens of one image, and what all their subsets share: each made once, when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj
from numpy.typing import NDArray

from otanalysis.arrays import (
    Array,
    BoolArray,
    FloatArray,
    IntArray,
    Normalisation,
    check_indices,
    check_normalisation,
    check_tokens,
    check_weights,
    is_finite,
    normalised,
    to_numpy,
)
from otanalysis.errors import InputError
from otanalysis.scalars import check_integer, listed, shown
from otanalysis.side import check_side

if TYPE_CHECKING:
    from otanalysis.tokens.read import Sample

__all__ = ["Image", "squared_distances"]

# |a|^2 + |b|^2 - 2ab loses log10((|a|^2 + |b|^2) / |a - b|^2) digits. Pairs that would lose more than 5 of
# the 16 are computed again from their difference, which is exact for duplicates.
_CANCELLATION = 1e-5
_CHUNK_ENTRIES = 2**22
_BLOCK_ENTRIES = 2**16  # of a matrix that is worked on several times: they stay in the cache meanwhile
_CLOSE_PAIRS = 16  # a token in the mean; with more it pays to take products about another centre

# Within these powers of two no square of a difference overflows, and one vanishes only beside others that are
# 1e120 times as large: such tokens are measured as they are, others after division by a power of two.
_ORDINARY = 100
_TINY = float(np.finfo(np.float64).tiny)
_IMPRECISE = 1e-280  # sums of squares below this may have lost digits
_LARGEST = float(np.finfo(np.float64).max)

# Tokens whose Gram matrix is read off the distances: so many entries that a second product would be felt,
# and squared lengths within this factor, or short tokens would have the rounding of long ones.
_WORTH_READING = 2**18
_EVEN = 100.0

_SENT = ("tokens", "weights", "grid", "side", "squared_distances")

_T = TypeVar("_T")


class Image:
    r"""The tokens of one image, checked once, with what all their subsets share.

    Every function of the package that takes the tokens ``[m, d]`` of an image takes this in their place.
    Where many subsets of one image are measured or chosen, make one: nothing below is then computed twice,
    and distances cannot be those of other tokens.

    Parameters
    ----------
    tokens : array [m, d]
        One token a row; NumPy, torch or nested lists, any real type.
    weights : array [m], optional
        Weight of each token, non-negative, in any unit: the attention that it gets, for instance. What
        measures how well tokens stand for the image (the distances, the floor, k-medoids) takes them for the
        masses of the tokens. OTPrune's surrogate and the other methods know no weights.
    grid : tuple of int, optional
        Rows and columns of the picture's patches, where the tokens are all of them in reading order:
        grid-random picks by it.
    side : mapping from str to array [m], optional
        Other numbers of each token by their name, in any unit: what methods that look at more than the tokens
        choose by, see :attr:`~otanalysis.selection.selector.Selector.needs`.

    Attributes
    ----------
    tokens : array [m, d], float64
        The tokens, of the library and on the device that they came from. Not to be written to.
    weights : ndarray [m], float64, or None
        The weights over their sum; None where all tokens weigh the same.
    grid : tuple of int, or None
        As given.
    side : mapping from str to ndarray [m], float64
        The side information as it was given; empty where there is none.
    in_float32 : ndarray [m, d], float32, or None
        The tokens as they came, where that was in float32 and :attr:`for_one_call`: half the bytes to read.

    Raises
    ------
    InputError
        If the tokens are not a finite matrix, the weights are not one finite number a token, negative, or
        all zero, the grid has not as many patches as there are tokens, or the side information is not one
        finite number a token under plain names.

    Examples
    --------
    >>> import otanalysis as ota
    >>> image = Image([[0.0, 3.0], [4.0, 0.0], [8.0, 3.0]])
    >>> image.squared_distances
    array([[ 0., 25., 64.],
           [25.,  0., 25.],
           [64., 25.,  0.]])
    >>> ota.wasserstein2(image, ota.select(image, "kmedoids", keep=1).indices).squared_distance
    16.666666666666664
    >>> image.normalised("rows") is image.normalised("rows")
    True
    """

    _bounded = False  # whether products of tokens cannot overflow, because of how these were made

    for_one_call = False
    """Whether it was made of NumPy tokens by :meth:`of`, for a call that wants one product of them."""

    in_float32: NDArray[np.float32] | None = None

    def __init__(
        self,
        tokens: Array,
        *,
        weights: Array | None = None,
        grid: tuple[int, int] | None = None,
        side: Mapping[str, Array] | None = None,
    ) -> None:
        checked = check_tokens(tokens)
        # Lists and other types were copied already.
        if not isinstance(tokens, list | tuple) and not (
            is_array_api_obj(tokens) and tokens.dtype != checked.dtype
        ):
            # A copy of its own: the caller may fill his array anew, and what was made here would be stale.
            checked = array_namespace(checked).asarray(checked, copy=True)
        self.tokens: Array = _protected(checked)
        self.weights: FloatArray | None = check_weights(weights, len(checked))
        self.grid: tuple[int, int] | None = _checked_grid(grid, len(checked))
        self.side: Mapping[str, FloatArray] = check_side(side, len(checked))
        self._shared: dict[Hashable, Any] = {}

    @classmethod
    def of(cls, tokens: Array | Image) -> Image:
        """Return the image that was given, or make one of tokens ``[m, d]``, without a copy: for one call."""
        if isinstance(tokens, Image):
            return tokens
        made = cls.of_checked(check_tokens(tokens))
        made.for_one_call = isinstance(made.tokens, np.ndarray)
        if isinstance(tokens, np.ndarray) and tokens.dtype == np.float32:
            made.in_float32 = np.asarray(tokens)
        return made

    @classmethod
    def of_sample(cls, sample: Sample, *, weights: Array | None = None) -> Image:
        """Return the image of a dump's sample, with all that it brings; other weights replace its own."""
        own = sample.weights if weights is None else weights
        # A dump of several views of a picture may have a grid that is that of one of them.
        fills = sample.grid is not None and sample.grid[0] * sample.grid[1] == len(sample.tokens)
        return cls(sample.tokens, weights=own, grid=sample.grid if fills else None, side=sample.side)

    def __len__(self) -> int:
        """Return the number of tokens, m."""
        return int(self.tokens.shape[0])

    def __repr__(self) -> str:
        weighted = "" if self.weights is None else ", weighted"
        beside = f", with {', '.join(self.side)}" if self.side else ""
        return f"Image({len(self)} tokens of dimension {self.tokens.shape[1]}{weighted}{beside})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.host, dtype=dtype, copy=copy)

    def __getstate__(self) -> dict[str, Any]:
        # To another process go the tokens and the distances, the dearest to make; the rest is made there.
        state = dict(self.__dict__)  # at one go: another thread may be adding to it
        return {key: state[key] for key in _SENT if key in state}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _shared={})

    def normalised(self, how: Normalisation) -> Image:
        r"""Return the image of the normalised tokens, see :func:`~otanalysis.arrays.normalise_tokens`.

        Parameters
        ----------
        how : {"none", "columns", "rows"}
            "none" returns the image itself.

        Raises
        ------
        InputError
            If ``how`` is unknown.
        """
        if check_normalisation(how) == "none":
            return self
        return self._once(("normalised", how), lambda: self._normalised(how))

    def _normalised(self, how: Normalisation) -> Image:
        made = self.with_tokens(_protected(normalised(self.tokens, how)))
        made._bounded = True
        return made

    def shared(self, make: Callable[[Image], _T]) -> _T:
        """Return ``make(self)``, called once: for whatever else the subsets of an image share.

        Parameters
        ----------
        make : callable
            The key too: a function or class of a module, not one made on the spot. What it returns must not
            hold the image, which then would not be freed with its last user.
        """
        return self._once(make, lambda: make(self))

    @property
    def on_host(self) -> Image:
        """The image of the same tokens as a NumPy array: itself where they are one."""
        if isinstance(self.tokens, np.ndarray):
            return self  # not kept: an image that holds itself would outlive its last user
        return self._once("on_host", lambda: self.with_tokens(self.host))

    @cached_property
    def host(self) -> FloatArray:
        """The tokens [m, d] as a NumPy array; without a copy where they are on the host."""
        return np.asarray(to_numpy(self.tokens), dtype=np.float64)

    @cached_property
    def gram(self) -> Array:
        r"""The Gram matrix :math:`V V^\top` [m, m], of the library of the tokens.

        Where :attr:`reads_gram` it is :math:`(\lVert v_i \rVert^2 + \lVert v_j \rVert^2 - \lVert v_i - v_j
        \rVert^2) / 2`: distances and Gram matrix then are of one product.

        Raises
        ------
        InputError
            If the products overflow.
        """
        if self.reads_gram:
            return _protected(_gram_of(self.square_norms, self.squared_distances))
        return _protected(self._products_of(self.tokens))

    @cached_property
    def reads_gram(self) -> bool:
        """Whether the Gram matrix is read off the distances: of many features, and lengths that are alike."""
        m, d = self.tokens.shape
        if not isinstance(self.tokens, np.ndarray) or m > d or m * d < _WORTH_READING:
            return False
        # What is normalised is seldom measured as well.
        if self._bounded or self.for_one_call:
            return False
        if (
            self.exponent != 0
            or max(-float(self._range[0].min()), float(self._range[1].max())) > 2.0**_ORDINARY
        ):
            return False
        least, most = float(self.square_norms.min()), float(self.square_norms.max())
        return least > _IMPRECISE and most <= _EVEN * least

    @cached_property
    def square_norms(self) -> FloatArray:
        r"""The squared lengths :math:`\lVert v_i \rVert^2` [m], on the host."""
        with np.errstate(over="ignore", under="ignore"):
            return _protected(_square_norms(self.host))

    def moved(self, by: FloatArray) -> Image:
        """Return the image of the tokens plus a vector [d], which leaves distances as they are."""
        made = self.with_tokens(self.host + by)
        if self.reads_gram:
            made.__dict__.update(exponent=self.exponent, squared_distances=self.squared_distances)
        return made

    @cached_property
    def squared_gram(self) -> Array:
        r""":math:`\tilde V \tilde V^\top` [m, m] with :math:`\tilde V = V V^\top`: what gamma multiplies.

        Raises
        ------
        InputError
            If the products overflow.
        """
        return _protected(self._products_of(self.gram))

    def _products_of(self, matrix: Array) -> Array:
        """Return the products [m, m] of the rows of a matrix with each other."""
        with np.errstate(over="ignore", invalid="ignore"):
            # The same object on both sides lets NumPy use a symmetric product: half the work, and symmetric.
            products = matrix @ matrix.T
        # The largest entry is on the diagonal. Nothing is fetched from a device where none can overflow.
        if not self._bounded and not is_finite(array_namespace(products).max(products)):
            raise InputError(
                "The tokens are too large for products of them in float64: rescale them first, or normalise "
                "them by columns or rows."
            )
        return products

    @cached_property
    def squared_distances(self) -> FloatArray:
        r"""The squared distances :math:`\lVert v_i - v_j \rVert^2` [m, m], on the host.

        Raises
        ------
        InputError
            If the squares overflow.
        """
        if self.exponent == 0:
            return _protected(_squared_distances(self.host, None, 0, self._range))
        return _protected(rescaled(self.unit_distances, 2 * self.exponent))

    @cached_property
    def exponent(self) -> int:
        """Power of two that tokens are divided by where their squares would overflow or vanish; else zero."""
        return _exponent(*self._range)

    @cached_property
    def _range(self) -> tuple[FloatArray, FloatArray]:
        return _range_of(self.host)

    @property
    def unit_distances(self) -> FloatArray:
        r"""The squared distances [m, m] divided by :math:`4^e` with the :attr:`exponent` :math:`e`.

        They keep all digits where squares of the tokens' own unit do not; nearly always these are
        :attr:`squared_distances` themselves.

        Raises
        ------
        InputError
            If differences of the tokens overflow.
        """
        if self.exponent == 0:
            return self.squared_distances
        return self._once(
            "unit_distances",
            lambda: _protected(_squared_distances(self.host, None, self.exponent, self._range)),
        )

    def to_kept(self, indices: Array) -> tuple[FloatArray, IntArray]:
        """Return the squared distances [m, k] from all tokens to the kept ones, and the kept positions [k].

        Parameters
        ----------
        indices : array [k]
            Positions of the kept tokens, distinct, in any order.

        Raises
        ------
        InputError
            If the indices are not as described.
        """
        kept = check_indices(indices, len(self))
        return np.ascontiguousarray(self.squared_distances[:, kept]), kept

    def masses(self, weights: Array | None) -> FloatArray | None:
        """Return the masses [m] of the tokens: of the weights given, else the image's own; None for uniform.

        Raises
        ------
        InputError
            If the weights are not one finite number a token, negative, or all zero.
        """
        return self.weights if weights is None else check_weights(weights, len(self))

    @classmethod
    def of_checked(
        cls,
        tokens: Array,
        weights: FloatArray | None = None,
        *,
        grid: tuple[int, int] | None = None,
        side: Mapping[str, FloatArray] | None = None,
    ) -> Image:
        """Return an image of finite float64 tokens and what lies beside them, made so that all fits."""
        image = cls.__new__(cls)
        image.tokens, image.weights, image.grid, image.side = tokens, weights, grid, side or {}
        image._shared = {}
        return image

    def with_tokens(self, tokens: Array) -> Image:
        """Return an image of other tokens [m, d], finite float64, in the places of these: all else stays."""
        return Image.of_checked(tokens, self.weights, grid=self.grid, side=self.side)

    def with_weights(self, weights: Array | None) -> Image:
        """Return an image of the same tokens with these weights; itself where none are given.

        Raises
        ------
        InputError
            If the weights are not one finite number a token, negative, or all zero.
        """
        if weights is None:
            return self
        return Image.of_checked(self.tokens, self.masses(weights), grid=self.grid, side=self.side)

    def _once(self, key: Hashable, make: Callable[[], _T]) -> _T:
        if key not in self._shared:
            self._shared.setdefault(key, make())  # the first one stays, if two threads make it at once
        return cast(_T, self._shared[key])


def _checked_grid(grid: Any, m: int) -> tuple[int, int] | None:
    if grid is None:
        return None
    wanted = "rows and columns, whole numbers from 1 on"
    sides = [check_integer(one, "grid", wanted=wanted, low=1) for one in listed(grid, "grid")]
    if len(sides) != 2 or sides[0] * sides[1] != m:
        raise InputError(
            f"grid must be rows and columns of {m} tokens; got {shown(grid)}: leave it out where the tokens "
            "are not the patches of one picture, row by row."
        )
    return sides[0], sides[1]


def _protected(made: _T) -> _T:
    """Return an array that many share, so that nobody can write to it; torch has no such flag."""
    if isinstance(made, np.ndarray):
        made.flags.writeable = False
    return made


def squared_distances(a: Array | Image, b: Array | None = None) -> FloatArray:
    r"""Return the squared Euclidean distances :math:`D_{ij} = \lVert a_i - b_j \rVert^2`.

    One such matrix serves every subset of an image: an :class:`Image` keeps it.

    Parameters
    ----------
    a : array [m, d] or Image
        Tokens.
    b : array [n, d], optional
        Other points of the same dimension; ``a`` itself if left out.

    Returns
    -------
    ndarray [m, n], float64
        Squared distances: non-negative, exactly zero for duplicates; symmetric with a zero diagonal when
        ``b`` is left out. Relative error about 1e-9 or better for every entry, whatever the others are; of
        tokens so close that the square is below 1e-307, the nearest number.

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
    if isinstance(a, Image) and b is None:
        return a.squared_distances
    left = a.host if isinstance(a, Image) else np.asarray(to_numpy(check_tokens(a, name="a")))
    right = None if b is None else np.asarray(to_numpy(check_tokens(b, name="b")))
    if right is not None and left.shape[1] != right.shape[1]:
        raise InputError(f"a and b must have the same dimension; got {left.shape[1]} and {right.shape[1]}.")
    low, high = _range_of(left)
    if right is not None:
        other_low, other_high = _range_of(right)
        low, high = np.minimum(low, other_low), np.maximum(high, other_high)
    exponent = _exponent(low, high)
    return rescaled(_squared_distances(left, right, exponent), 2 * exponent)


def rescaled(unit: FloatArray, exponent: int) -> FloatArray:
    """Return values times a power of two.

    Raises
    ------
    InputError
        If one of them overflows.
    """
    with np.errstate(over="ignore", under="ignore"):
        result = np.ldexp(unit, exponent)
    if not np.isfinite(result).all():
        raise _too_large()
    return np.asarray(result)


def rescaled_number(unit: float, exponent: int) -> float:
    """Return a value times a power of two; raise as :func:`rescaled` where it overflows."""
    return float(unit) if exponent == 0 else float(rescaled(np.array(unit), exponent))


def _too_large() -> InputError:
    return InputError("The tokens are too large for squared distances in float64: rescale them first.")


def _range_of(tokens: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the least and the largest entry [d] of every feature."""
    return tokens.min(axis=0), tokens.max(axis=0)


def _exponent(low: FloatArray, high: FloatArray) -> int:
    """Return the power of two of the largest difference in a coordinate; zero where squares do no harm."""
    with np.errstate(over="ignore"):
        spread = high - low
    largest = float(spread.max())
    if largest > _LARGEST:
        raise _too_large()
    exponent = int(np.frexp(largest)[1])
    return 0 if abs(exponent) <= _ORDINARY else exponent


def _divided(values: FloatArray, exponent: int) -> FloatArray:
    """Return values over a power of two, without a copy if it is one."""
    return np.ldexp(values, -exponent) if exponent else values


def _gram_of(square_norms: FloatArray, squared_distances: FloatArray) -> FloatArray:
    """Return the Gram matrix [m, m] of points with these squared lengths [m] and distances."""
    gram = np.empty_like(squared_distances)
    for rows in _blocks_of_rows(gram):
        np.add(square_norms[rows, None], square_norms, out=gram[rows])
        gram[rows] -= squared_distances[rows]
        gram[rows] *= 0.5
    return gram


def _blocks_of_rows(matrix: FloatArray) -> Iterator[slice]:
    """Yield slices of a matrix whose rows stay in the cache together."""
    step = max(1, _BLOCK_ENTRIES // matrix.shape[1])
    return (slice(start, start + step) for start in range(0, len(matrix), step))


def _square_norms(matrix: FloatArray) -> FloatArray:
    """Return the squared lengths [m] of the rows; no array of the size of the tokens is made."""
    return np.concatenate([np.sum(matrix[rows] ** 2, axis=1) for rows in _blocks_of_rows(matrix)])


def _squared_distances(
    left: FloatArray,
    right: FloatArray | None,
    exponent: int = 0,
    extent: tuple[FloatArray, FloatArray] | None = None,
) -> FloatArray:
    """Return the squared distances of checked matrices, or of the rows of ``left`` where there is no other.

    They are divided by ``4**exponent``, with that of :func:`_exponent`; ``extent`` is what :func:`_range_of`
    says of ``left``, where it is known.
    """
    with np.errstate(under="ignore"):
        return _by_products(left, right, exponent, extent or _range_of(left))


def _by_products(
    left: FloatArray, right: FloatArray | None, exponent: int, extent: tuple[FloatArray, FloatArray]
) -> FloatArray:
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.nan_to_num(left.mean(axis=0))
    # Within the column's own range: the rounded mean of equal numbers may be another number.
    centre = np.clip(mean, *extent)
    a = _divided(left - centre, exponent)
    # The same object on both sides: a symmetric product, as in Image.gram.
    b = a if right is None else _divided(right - centre, exponent)
    own = _square_norms(a)
    others = own if right is None else _square_norms(b)
    result = np.asarray(a @ b.T)
    close = np.empty(result.shape, dtype=bool)
    for rows in _blocks_of_rows(result):
        sums = own[rows, None] + others
        result[rows] *= -2.0
        result[rows] += sums
        close[rows] = result[rows] <= np.maximum(_CANCELLATION * sums, _IMPRECISE)
    if right is None:
        _regroup_close_pairs(result, left, close, exponent)
    _recompute_close_pairs(result, left, right, close, exponent)
    return result


def _regroup_close_pairs(result: FloatArray, left: FloatArray, close: BoolArray, exponent: int) -> None:
    """Overwrite large groups of ``close`` entries in place, by products about a centre of their own.

    A few tokens far away move the centre from all the others, whose pairs then are all close.
    """
    while np.count_nonzero(close) > _CLOSE_PAIRS * len(close):
        group = np.flatnonzero(close[np.argmax(np.count_nonzero(close, axis=1))])
        if group.size == len(close):
            break
        members = left[group]
        result[np.ix_(group, group)] = _by_products(members, None, exponent, _range_of(members))
        close[np.ix_(group, group)] = False


def _recompute_close_pairs(
    result: FloatArray, left: FloatArray, right: FloatArray | None, close: BoolArray, exponent: int
) -> None:
    """Overwrite the entries marked ``close`` in place with sums of squared differences, chunk by chunk.

    The differences are those of the tokens as given: their distance from the centre would round them.
    """
    if right is None:
        np.fill_diagonal(result, 0.0)
        np.fill_diagonal(close, False)
    if not close.any():
        return
    rows, columns = np.nonzero(close if right is not None else np.triu(close))
    other = left if right is None else right
    step = max(1, _CHUNK_ENTRIES // left.shape[1])
    for start in range(0, rows.size, step):
        i, j = rows[start : start + step], columns[start : start + step]
        difference = left[i] - other[j]
        squares = np.sum(_divided(difference, exponent) ** 2, axis=1)
        # Zero is said of duplicates alone.
        squares = np.where((squares < _TINY) & difference.any(axis=1), _TINY, squares)
        result[i, j] = squares
        if right is None:
            result[j, i] = squares
