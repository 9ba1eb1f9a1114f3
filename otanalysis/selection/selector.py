"""What every selection method takes and returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, is_dataclass, replace
from typing import Any, ClassVar, Protocol, cast, runtime_checkable

import numpy as np
from array_api_compat import array_namespace, device

from otanalysis.arrays import (
    Array,
    IntArray,
    check_indices,
    check_tokens,
    dense,
    like,
    resolve_keep,
    to_numpy,
)
from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.scalars import shown
from otanalysis.side import require_side
from otanalysis.surrogate import one_launch


@dataclass(frozen=True, eq=False)
class Selection:
    """The tokens that a method keeps; see :func:`~otanalysis.selection.registry.select`.

    Attributes
    ----------
    indices : array [keep], int64
        Kept positions, ascending: the order in which the model gets them. NumPy, or torch on the device of
        the tokens if these were a torch tensor.
    pick_order : array [keep], int64
        The same positions in the order picked; ascending for methods that do not pick one by one.
    gains : array [keep], float64, or None
        Marginal gain of every pick in the method's own objective, where the method has one.
    method : str
        Name of the method.
    keep : int
        Number of kept tokens.
    m : int
        Number of tokens.
    seed : int or None
        Seed of the generator; None for deterministic methods, and where the caller passed a generator.
    provenance : str
        ``repr`` of the selector: the method with all its parameters.
    """

    indices: Array
    pick_order: Array
    gains: Array | None
    method: str
    keep: int
    m: int
    seed: int | None
    provenance: str

    def prefix(self, keep: int) -> Selection:
        """Return the selection of the first ``keep`` picks: what a nested method returns for that count."""
        count = resolve_keep(self.keep, keep=keep)
        order = self.pick_order[:count]
        return replace(
            self,
            indices=array_namespace(order).sort(order),
            pick_order=order,
            gains=None if self.gains is None else self.gains[:count],
            keep=count,
        )


class Selector:
    """A selection method: a frozen dataclass whose fields are its parameters, and how it picks.

    ``nested`` methods pick one by one, so that a run for a larger count holds all smaller ones.
    ``stochastic`` ones draw from the generator and refuse to run without it; the others ignore it.

    Examples
    --------
    A method of one's own is a few lines, and goes wherever a method's name goes:

    >>> from dataclasses import dataclass
    >>> from otanalysis.selection import Selector, select
    >>> @dataclass(frozen=True)
    ... class Longest(Selector):
    ...     name, nested = "longest", True
    ...     def pick(self, image, keep, generator):
    ...         return np.argsort(-np.linalg.norm(image.tokens, axis=1), kind="stable")[:keep]
    >>> select([[1.0], [3.0], [2.0]], Longest(), keep=2).indices
    array([1, 2])
    """

    name: ClassVar[str]
    """Name in the registry and in tables."""
    nested: ClassVar[bool] = False
    """Whether the first picks of a larger selection are the smaller selection."""
    stochastic: ClassVar[bool] = False
    """Whether the result depends on the generator."""
    objective: ClassVar[str] = "own"
    """What it works for, in a few words: a kind of objective, a colon, and the objective."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the side information that it chooses by, ``image.side[name]`` [m]; most need none.

        A class attribute, ``needs = ("cls_attention",)``, does as well.
        """
        return ()

    def __call__(
        self, tokens: Array | Image, keep: int, *, generator: np.random.Generator | None = None
    ) -> Selection:
        """Keep ``keep`` of the tokens [m, d].

        Raises
        ------
        InputError
            If the tokens are not a finite matrix, ``keep`` is out of range, the image lacks side information
            that the method needs, a stochastic method was called without a generator, or a method of one's
            own did not pick ``keep`` of the tokens.
        """
        image = self._image(tokens)
        count = resolve_keep(len(image), keep=keep)
        if self.stochastic and not isinstance(generator, np.random.Generator):
            raise InputError(
                f"The method {self.name!r} needs generator=numpy.random.default_rng(seed); got {generator!r}."
            )
        order, gains = _parts_of(self.pick(image, count, generator))
        if not is_own(self):
            return _beside(image.tokens, self, order, gains)  # nothing is read back from a device
        return check_kept(self, build_selection(self, image, order, gains), keep=count, m=len(image))

    def _image(self, tokens: Array | Image) -> Image:
        """Return the image of what was given, which has all that the method needs."""
        image = Image.of(tokens)
        if self.needs:
            require_side(self.needs, image.side, method=self.name)
        return image

    def pick(
        self, image: Image, keep: int, generator: np.random.Generator | None
    ) -> Array | tuple[Array, Array]:
        """Return ``keep`` positions in the order picked [keep]; or these and their gains [keep].

        Parameters
        ----------
        image : Image
            The checked tokens ``image.tokens`` [m, d], and what all selections of them share.
        keep : int
            In ``1..m``.
        generator : numpy.random.Generator or None
            There for stochastic methods.
        """
        raise NotImplementedError(f"{type(self).__name__} must say what it picks: write pick or __call__.")

    def objective_value(self, tokens: Array | Image, indices: Array) -> float | None:
        """Return what the method works for, of any kept set, whoever chose it: the larger the better.

        Parameters
        ----------
        tokens : array [m, d] or Image
            All tokens.
        indices : array [k]
            Positions of the kept tokens, distinct, in any order.

        Returns
        -------
        float or None
            In the unit of the objective, with a minus sign where the method wants it small; None where no
            function of the kept set is optimised. A greedy method need not find the best.

        Raises
        ------
        InputError
            If tokens or indices are not as described, or as the method itself would refuse the tokens.

        Examples
        --------
        >>> from otanalysis.selection import SELECTORS
        >>> SELECTORS["fps"].objective
        'coverage: smallest largest distance of a token to its nearest kept one'
        >>> SELECTORS["fps"].objective_value([[0.0], [1.0], [5.0]], [0, 2])
        -1.0
        """
        image = self._image(tokens).on_host
        return self.worth(image, check_indices(indices, len(image)))

    def worth(self, image: Image, kept: IntArray) -> float | None:
        """Return the objective of the positions ``kept`` [k], the larger the better, on the host."""
        return None


class GreedySelector(Selector, ABC):
    """A deterministic method that picks greedily on a matrix [m, m]; images of one size can run together.

    Examples
    --------
    >>> from otanalysis.selection import SELECTORS
    >>> isinstance(SELECTORS["otprune"], GreedySelector), isinstance(SELECTORS["kmedoids"], GreedySelector)
    (True, False)
    >>> stacked = SELECTORS["dpp"].select_stack([np.eye(4), np.eye(4)[::-1]], keep=2)
    >>> [one.indices.tolist() for one in stacked]
    [[0, 1], [0, 1]]
    """

    nested: ClassVar[bool] = True

    @abstractmethod
    def matrix(self, image: Image) -> Array:
        """Return the matrix [m, m] of one image."""

    def matrices(self, clouds: Array) -> tuple[Array, Array] | None:
        """Return the matrices [images, m, m] of images on a GPU, made together; None for one by one.

        Parameters
        ----------
        clouds : array [images, m, d]
            Their tokens, of any float type, not checked.

        Returns
        -------
        matrices : array [images, m, m], float64
        bad : array [images]
            Not zero where the tokens are not finite; the matrix may then be anything.
        """
        return None

    @abstractmethod
    def search(self, matrices: Array, keep: int) -> tuple[Array, ...]:
        """Return picks and gains [images, keep] on the matrices [images, m, m]; picks ascending, if known."""

    def at_once(self, image: Image, keep: int) -> tuple[Array, Array] | None:
        """Return what :meth:`search` finds on the :meth:`matrix` of an image, without making it.

        Asked for images on the host, of which nothing is shared; None where that is not quicker or not sure.
        """
        return None

    def pick(self, image: Image, keep: int, generator: np.random.Generator | None) -> tuple[Array, Array]:
        """Return picks and gains [keep] of one image; where nothing of it is shared, perhaps at once."""
        own = image.for_one_call and self._is_of_one_mind("matrix", "search", "at_once")
        found = self.at_once(image, keep) if own else None
        if found is not None:
            return found
        order, gains, *_ = self.search(self.matrix(image)[None, ...], keep)
        return order[0, ...], gains[0, ...]

    def _is_of_one_mind(self, *names: str) -> bool:
        """Tell whether one class defines all these methods: none speaks of another that was replaced."""
        said = {next(one for one in type(self).__mro__ if name in vars(one)) for name in names}
        return len(said) == 1

    def select_stack(self, clouds: Sequence[Array | Image], keep: int) -> list[Selection]:
        """Keep ``keep`` of the tokens [m, d] of each image, of the same m; one greedy run for all."""
        kinds = {_kind_of(cloud) for cloud in clouds}
        sizes = sorted({m for m, *_ in kinds})
        if len(kinds) != 1:
            got = sizes if len(sizes) != 1 else "more than one library or device"
            raise InputError(
                f"Images with one number of tokens were wanted together; got {got or 'no images'}: "
                "select_batch takes images of any kind."
            )
        count = resolve_keep(sizes[0], keep=keep)
        made = (
            self.matrices(_on_gpu(clouds))
            if lie_on_gpu(clouds) and self._is_of_one_mind("matrix", "matrices")
            else None
        )
        if made is None:
            # Image by image: what those made here keep is freed before the next one.
            matrices, bad = _stack((self.matrix(self._image(cloud)) for cloud in clouds), len(clouds)), None
        else:
            matrices, bad = made
        orders, gains, *ascending = self.search(matrices, count)
        indices = ascending[0] if ascending else array_namespace(orders).sort(orders, axis=1)
        # Asked last: the GPU has all its work by then, and the host waits for it once.
        if bad is not None and to_numpy(bad).any():
            for cloud in clouds:
                check_tokens(cloud)
        return [
            _selection(self, sizes[0], indices[place, :], orders[place, :], gains[place, :])
            for place in range(len(clouds))
        ]


@runtime_checkable
class StackSelector(Protocol):
    """A deterministic selector that can also take images of one size together.

    A selector need not have this: :func:`~otanalysis.selection.registry.select_batch` calls the others once
    an image.

    Examples
    --------
    >>> from otanalysis.selection import SELECTORS
    >>> together = [name for name, selector in SELECTORS.items() if isinstance(selector, StackSelector)]
    >>> together[:4]
    ['otprune', 'otprune-paper', 'divprune', 'dpp']
    >>> together[4:]
    ['max-sum', 'cdprune', 'pivoted-qr', 'facility-location', 'fps', 'herding']
    """

    def select_stack(self, clouds: Sequence[Array], keep: int) -> list[Selection]:
        """Return what the selector returns for each of the clouds, all of them [m, d] with the same m."""


def build_selection(
    selector: Selector, tokens: Array | Image, pick_order: Array, gains: Array | None = None
) -> Selection:
    """Return the selection of a method from its picks, as arrays of the kind of ``tokens``.

    Parameters
    ----------
    selector : Selector
        The method; its name and its ``repr`` go into the selection.
    tokens : array [m, d] or Image
        What it selected from.
    pick_order : array [keep]
        Positions in the order picked (any order for methods that do not pick one by one); NumPy, torch or a
        list.
    gains : array [keep], optional
        Marginal gains of the picks.

    Raises
    ------
    InputError
        If the picks are not distinct positions of tokens, or there is not one gain a pick.

    Examples
    --------
    >>> from otanalysis.selection import SELECTORS
    >>> selection = build_selection(SELECTORS["first"], np.eye(4), np.array([3, 1]))
    >>> selection.indices, selection.pick_order, selection.method
    (array([1, 3]), array([3, 1]), 'first')
    """
    check_selector(selector)
    reference = tokens.tokens if isinstance(tokens, Image) else dense(tokens, "tokens")
    if reference.ndim != 2:
        raise InputError(f"tokens must be a matrix [m, d]; got shape {tuple(reference.shape)}.")
    order = dense(pick_order, "pick_order")
    check_indices(order, len(reference))
    if gains is not None:
        gains = dense(gains, "gains")
        values = to_numpy(gains)
        if values.shape != tuple(order.shape) or values.dtype.kind not in "fiu" or np.isnan(values).any():
            raise InputError(
                f"gains must be a number for each of the {len(order)} picks, and none of them NaN; got shape "
                f"{values.shape} of {values.dtype}."
            )
    return _beside(reference, selector, order, gains)


def _parts_of(picked: Any) -> tuple[Array, Array | None]:
    """Return picks and gains of what a method picked: a pair of them, or picks alone, be they a tuple."""
    if isinstance(picked, tuple) and len(picked) == 2 and hasattr(picked[0], "__len__"):
        return picked
    return picked, None


def _beside(reference: Array, selector: Selector, pick_order: Array, gains: Array | None) -> Selection:
    """Return a selection whose arrays are of the library and on the device of the tokens."""
    order = _placed(reference, pick_order)
    return _selection(
        selector,
        len(reference),
        array_namespace(order).sort(order),
        order,
        None if gains is None else _placed(reference, gains),
    )


def _placed(reference: Array, values: Array) -> Array:
    """Return integers as int64 and other numbers as float64, of the library and device of a reference."""
    if array_namespace(values) is not array_namespace(reference) or device(values) != device(reference):
        values = like(to_numpy(values), reference)
    xp = array_namespace(values)
    kind = xp.int64 if xp.isdtype(values.dtype, "integral") else xp.float64
    return xp.astype(values, kind, copy=False)


def _selection(
    selector: Selector, m: int, indices: Array, pick_order: Array, gains: Array | None
) -> Selection:
    return Selection(
        indices=indices,
        pick_order=pick_order,
        gains=gains,
        method=selector.name,
        keep=len(pick_order),
        m=m,
        seed=None,
        provenance=repr(selector),
    )


def lie_on_gpu(clouds: Sequence[Array | Image]) -> bool:
    """Tell whether clouds are plain tokens of one shape and float type where the kernels run."""
    first = clouds[0]
    if isinstance(first, Image) or not one_launch.runs_here(first):
        return False
    kind = (first.shape, first.dtype, first.device)
    return (
        first.ndim == 2
        and 0 not in first.shape
        and bool(first.dtype.is_floating_point)
        and all(
            (getattr(one, "shape", 0), getattr(one, "dtype", 0), getattr(one, "device", 0)) == kind
            for one in clouds
        )
    )


def _on_gpu(clouds: Sequence[Array]) -> Array:
    """Return such clouds as one array [images, m, d], detached from any gradient."""
    if len(clouds) == 1:
        return clouds[0].detach()[None, ...].contiguous()
    return array_namespace(clouds[0]).stack([cloud.detach() for cloud in clouds])


def _stack(matrices: Iterable[Array], images: int) -> Array:
    """Return matrices [m, m] as one array [images, m, m], filled one by one: no second copy of all of them.

    Each matrix is made as for its image alone. A batched product would round differently than a single one
    (seen with two threads of MKL), and ties that rounding decides would go another way.
    """
    filled: Array = None
    for image, matrix in enumerate(matrices):
        if filled is None:
            shape = (images, *matrix.shape)
            filled = array_namespace(matrix).empty(shape, dtype=matrix.dtype, device=device(matrix))
        filled[image, ...] = matrix
    return filled


def _kind_of(cloud: Array | Image) -> tuple[int, str, str]:
    """Return what images that run together have in common: number of tokens, library, device."""
    tokens = cloud.tokens if isinstance(cloud, Image) else dense(cloud, "tokens")
    if tokens.ndim != 2:
        check_tokens(tokens)  # which says what is wrong
    return len(tokens), array_namespace(tokens).__name__, str(device(tokens))


_PARTS = ("name", "nested", "stochastic")


def needs_of(selector: Any) -> tuple[str, ...]:
    """Return the names of the side information that a selector, or what looks like one, chooses by."""
    return tuple(getattr(selector, "needs", ()))


def takes_images(selector: Any) -> bool:
    """Return whether a selector is called with an image; one with a ``__call__`` of its own takes tokens."""
    return isinstance(selector, Selector) and type(selector).__call__ is Selector.__call__


def is_own(selector: Selector) -> bool:
    """Return whether the selector's class is a user's, not one of this package."""
    return not type(selector).__module__.startswith("otanalysis.")


def check_selector(selector: Any) -> Selector:
    """Return the selector; raise InputError unless it is one."""
    if isinstance(selector, type):
        raise InputError(
            f"A selector is wanted, got the class {selector.__name__}: make one, {selector.__name__}()."
        )
    absent = [part for part in _PARTS if not hasattr(selector, part)]
    if absent or not callable(selector) or not isinstance(selector.name, str):
        lacks = ", ".join(absent) or ("a name that is text" if callable(selector) else "a __call__")
        raise InputError(
            f"{shown(selector)} is no selector, it lacks {lacks}: write a frozen dataclass with name, "
            "nested, stochastic and pick(image, keep, generator), derived from otanalysis.selection.Selector."
        )
    return cast(Selector, selector)


def check_recorded(selector: Any) -> Selector:
    """Return the selector; raise InputError unless its ``repr`` can stand for it in a table."""
    check_selector(selector)
    if not is_dataclass(selector) or type(selector).__hash__ is None:
        raise InputError(
            f"The selector {selector.name!r} must be a frozen dataclass, so that its repr says all that it "
            "was run with; put @dataclass(frozen=True) above its class."
        )
    return cast(Selector, selector)


def check_kept(selector: Selector, selection: Any, *, keep: int, m: int) -> Selection:
    """Return what an own selector returned; raise InputError unless it is ``keep`` of the ``m`` tokens."""
    if not isinstance(selection, Selection):
        raise InputError(
            f"The selector {selector.name!r} must return a Selection, got {type(selection).__name__}: "
            "end it with return build_selection(self, tokens, order)."
        )
    kept = check_indices(selection.indices, m)
    if len(kept) != keep:
        raise InputError(f"The selector {selector.name!r} was asked for {keep} tokens and kept {len(kept)}.")
    if not np.array_equal(kept, np.sort(check_indices(selection.pick_order, m))):
        raise InputError(
            f"The indices of the selector {selector.name!r} must be its picks in ascending order: end it "
            "with return build_selection(self, tokens, order)."
        )
    return selection
