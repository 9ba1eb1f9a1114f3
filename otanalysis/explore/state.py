"""What the explorer shows, without any widget: from a view to selections, distances, curves and floors.

A :class:`View` is what is looked at, :class:`Measurements` what was computed of a dump for the views so far.
"""

from __future__ import annotations

import atexit
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, fields
from functools import cache
from threading import Lock
from typing import Any, TypeVar, cast

import numpy as np

from otanalysis.arrays import Normalisation, check_normalisation, resolve_keep
from otanalysis.defaults import DEFAULT_GAMMAS, RELEASED_GAMMA
from otanalysis.distances import DISTANCES, further_distances, measure_distances
from otanalysis.errors import InputError
from otanalysis.explore.overlay import Backdrop, backdrop_of
from otanalysis.explore.worker import OtherProcess
from otanalysis.image import Image
from otanalysis.scalars import check_integer, check_number, listed, shown
from otanalysis.selection import SELECTORS, Selection, Selector, select_many
from otanalysis.selection.selector import check_selector
from otanalysis.surrogate import paper_factor
from otanalysis.surrogate.logdet import GramLogdet
from otanalysis.tokens import Dump, Sample
from otanalysis.transport import (
    DistanceFloor,
    ExactTransport,
    quantisation_error,
    wasserstein2,
    wasserstein2_floor,
)

SMALLEST_RATIO, LARGEST_RATIO = 0.01, 0.4
"""Between which shares of the tokens the explorer goes; the paper goes from 0.05 to 0.2."""

GAMMAS = (-4.0, 1.0)
"""Powers of ten between which gamma goes: those of Figure 5."""

CURVE_RATIOS = (0.02, 0.05, 0.098, 0.15, 0.2, 0.3, LARGEST_RATIO)
"""Where the curve of the distance is measured."""

_IMAGES = 8  # whose tokens, selections and shared matrices (66 MB each for 2,880 tokens) are remembered
_RESULTS = 512

_T = TypeVar("_T")


@dataclass(frozen=True)
class View:
    """What is being looked at.

    Attributes
    ----------
    sample : int
        Index in the dump.
    methods : tuple of str
        The two methods side by side.
    ratio : float
        Share of the tokens that is kept.
    gamma : float
        Of both surrogates and of the methods that have one, for each in its own unit: the factor in the
        released code's kernel, or the paper's.
    kernel_normalise : {"none", "columns", "rows"}
        Normalisation of the tokens before that kernel.
    normalise : {"none", "columns", "rows"}
        Normalisation of the tokens before the distances.
    """

    sample: int = 0
    methods: tuple[str, str] = ("otprune", "ot-medoids")
    ratio: float = 0.098
    gamma: float = RELEASED_GAMMA
    kernel_normalise: Normalisation = "columns"
    normalise: Normalisation = "none"


@dataclass(frozen=True, eq=False)
class Reading:
    """What one method keeps, and what that is worth.

    Attributes
    ----------
    selection : Selection
    transport : ExactTransport
        From all tokens to the kept ones, with its plan.
    quantisation_error : float
        Mean squared distance of a token to its nearest kept one.
    further : mapping from str to float
        The rival distances, by their names in :data:`otanalysis.distances.DISTANCES`.
    surrogate, paper_surrogate : float
        The log-determinants of the kept tokens with that gamma, in nats: the one that otprune maximises, and
        the paper's of equation 7, which otprune-paper maximises.
    """

    selection: Selection
    transport: ExactTransport
    quantisation_error: float
    further: Mapping[str, float]
    surrogate: float
    paper_surrogate: float


class Measurements:
    """What is measured of a dump, each thing once and when it is asked for.

    Parameters
    ----------
    dump : Dump
        Opened for reading. Weights in it are the masses of the tokens in distances, floors and k-medoids.
        Methods that need side information are there where all samples have it.
    selectors : sequence of Selector
        Selectors of one's own, beside those of the package.

    Raises
    ------
    InputError
        If one of them has the name of another, or is no selector.
    """

    def __init__(self, dump: Dump, selectors: Sequence[Selector] = ()) -> None:
        self.dump = dump
        held = dump.manifest.common_side
        self.methods: dict[str, Selector] = {
            name: method for name, method in SELECTORS.items() if held.issuperset(method.needs)
        }
        for selector in map(check_selector, listed(selectors, "selectors")):
            if selector.name in self.methods:
                raise InputError(f"There is a method {selector.name!r} already: give yours another name.")
            self.methods[selector.name] = selector
        self._images: _LruCache = _LruCache(_IMAGES)
        self._asked: tuple[Hashable, Future[DistanceFloor]] = (None, Future())

    def checked(self, view: View, **state: Any) -> View:
        """Return the view with some fields changed, or raise InputError if there is no such view."""
        names = [field.name for field in fields(View)]
        if unknown := sorted(state.keys() - set(names)):
            raise InputError(f"A view has no {', '.join(unknown)}; its fields are {', '.join(names)}.")
        # A pair, not the letters of a name.
        methods = tuple(listed(state.get("methods", view.methods), "methods"))
        if len(methods) != 2:
            raise InputError(f"methods must be two, side by side; got {methods!r}.")
        given = {**vars(view), **state}
        return View(
            sample=self._checked_sample(given["sample"]),
            methods=(self._checked(methods[0]), self._checked(methods[1])),
            ratio=_checked_between(given["ratio"], "ratio", SMALLEST_RATIO, LARGEST_RATIO),
            gamma=_checked_between(given["gamma"], "gamma", 10 ** GAMMAS[0], 10 ** GAMMAS[1]),
            kernel_normalise=check_normalisation(given["kernel_normalise"], name="kernel_normalise"),
            normalise=check_normalisation(given["normalise"]),
        )

    def _checked_sample(self, sample: Any) -> int:
        number = check_integer(sample, "sample", wanted="an integer", low=-np.inf)
        if not 0 <= number < len(self.dump):
            raise InputError(f"sample must lie in 0..{len(self.dump) - 1}; got {shown(number)}.")
        return number

    def sample(self, view: View) -> Sample:
        """Return the sample that a view looks at."""
        return self._image(view).sample

    def backdrop(self, view: View) -> Backdrop:
        """Return the picture behind its patches."""
        return self._image(view).backdrop()

    def keep(self, view: View) -> int:
        """Return how many tokens are kept."""
        return resolve_keep(len(self._image(view).tokens), ratio=view.ratio)

    def readings(self, view: View) -> tuple[Reading, Reading]:
        """Return what both methods keep, measured."""
        keep = self.keep(view)
        first, second = (self._image(view).reading(self._checked(name), keep, view) for name in view.methods)
        return first, second

    def floor(self, view: View) -> DistanceFloor:
        """Return the certified floor for the number of kept tokens; it takes about half a second."""
        return self._image(view).floor(self.keep(view), view.normalise)

    def floor_apart(self, view: View) -> Iterator[None]:
        """Have the floor computed in another process, and yield until it is known, or why there is none.

        A floor that was asked for here before is left if it is still being computed: nobody waits for it.
        """
        image, place = self._image(view), (self.keep(view), view.normalise)
        while image.floors.peek(place) is None and image.errors.peek(place) is None:
            before, work = self._asked
            if before != (image, place) or work.done():
                other_process().leave(work)
                self._asked = (image, place), image.floor_apart(*place)
            yield

    def known_floor(self, view: View) -> DistanceFloor | None:
        """Return the floor if it was computed before."""
        return self._image(view).floors.peek((self.keep(view), view.normalise))

    def floor_error(self, view: View) -> Exception | None:
        """Return why there is no floor, if its computation failed."""
        if self.known_floor(view) is not None:
            return None
        return self._image(view).errors.peek((self.keep(view), view.normalise))

    def curve(self, view: View, method: str) -> Iterator[tuple[float, float]]:
        """Yield ratio and distance along :data:`CURVE_RATIOS`, each point as it is measured."""
        image = self._image(view)
        for ratio in CURVE_RATIOS:
            keep = resolve_keep(len(image.tokens), ratio=ratio)
            try:
                transport = image.transport(self._checked(method), keep, view)
            except Exception as error:
                image.errors.put(image.curve_key(method, view), error)
                raise
            yield ratio, transport.distance

    def curve_error(self, view: View, method: str) -> Exception | None:
        """Return why the curve of a method is not whole, if its computation failed."""
        image = self._image(view)
        return image.errors.peek(image.curve_key(method, view))

    def known_curve(self, view: View, method: str) -> list[tuple[float, float]]:
        """Return the points of the curve that were measured before."""
        image, found = self._image(view), []
        for ratio in CURVE_RATIOS:
            keep = resolve_keep(len(image.tokens), ratio=ratio)
            transport = image.transports.peek(image.transport_key(self._checked(method), keep, view))
            if transport is not None:
                found.append((ratio, transport.distance))
        return found

    def errors(self, view: View) -> list[Exception]:
        """Return why curves or floor are missing, as far as they are known to fail."""
        found = [*(self.curve_error(view, name) for name in view.methods), self.floor_error(view)]
        return [error for error in found if error is not None]

    def _checked(self, name: str) -> str:
        if not isinstance(name, str) or name not in self.methods:
            raise InputError(f"Unknown method {shown(name)}; known are {', '.join(self.methods)}.")
        return name

    def _image(self, view: View) -> _ImageMeasurements:
        return self._images.get(view.sample, lambda: _ImageMeasurements(self.dump[view.sample], self.methods))


def _checked_between(value: Any, name: str, low: float, high: float) -> float:
    number = check_number(value, name, wanted="a number")
    if not low <= number <= high:
        raise InputError(f"{name} must lie in {low:g}..{high:g}; got {shown(number)}.")
    return number


class _ImageMeasurements:
    """The tokens of one image with what was computed of them."""

    def __init__(self, sample: Sample, methods: Mapping[str, Selector]) -> None:
        self.sample, self._methods = sample, methods
        self.tokens = Image.of_sample(sample)
        self.transports, self.floors, self.errors = _LruCache(), _LruCache(), _LruCache()
        self._selections, self._further, self._backdrop = _LruCache(), _LruCache(), _LruCache(1)

    def backdrop(self) -> Backdrop:
        return self._backdrop.get(None, lambda: backdrop_of(self.sample))

    def selection(self, method: str, keep: int, view: View) -> Selection:
        """Return the first picks of one long run where the method picks one by one."""
        selector = self._methods[method]
        largest = max(keep, resolve_keep(len(self.tokens), ratio=LARGEST_RATIO))
        count = largest if selector.nested else keep
        # A name lets select_many set its parameters; a selector of one's own is used as it is.
        asked = method if method in SELECTORS else selector
        options: dict[str, Any] = {"gamma": view.gamma, "normalise": view.kernel_normalise}
        made = self._selections.get(
            (method, count, self._kernel_of(method, view)),
            lambda: select_many(self.tokens, asked, (count,), **options)[count],
        )
        return made.prefix(keep) if selector.nested else made

    def transport_key(self, method: str, keep: int, view: View) -> Hashable:
        return method, keep, view.normalise, self._kernel_of(method, view)

    def curve_key(self, method: str, view: View) -> Hashable:
        return method, view.normalise, self._kernel_of(method, view)

    def _kernel_of(self, method: str, view: View) -> Hashable:
        """Return what of the kernel's settings the method depends on."""
        return (view.gamma, view.kernel_normalise) if method in DEFAULT_GAMMAS else ()

    def transport(self, method: str, keep: int, view: View) -> ExactTransport:
        def make() -> ExactTransport:
            kept = self.selection(method, keep, view).indices
            return wasserstein2(self.tokens.normalised(view.normalise), kept)

        return self.transports.get(self.transport_key(method, keep, view), make)

    def further(self, method: str, keep: int, view: View) -> Mapping[str, float]:
        def make() -> Mapping[str, float]:
            kept = np.asarray(self.selection(method, keep, view).indices)
            image = self.tokens.normalised(view.normalise)
            return measure_distances(image, kept, further_distances(DISTANCES))

        return self._further.get(self.transport_key(method, keep, view), make)

    def reading(self, method: str, keep: int, view: View) -> Reading:
        selection = self.selection(method, keep, view)
        logdet = GramLogdet(self.tokens.normalised(view.kernel_normalise))
        factor = paper_factor(view.gamma, len(self.tokens), keep, view.kernel_normalise)
        return Reading(
            selection=selection,
            transport=self.transport(method, keep, view),
            quantisation_error=quantisation_error(self.tokens.normalised(view.normalise), selection.indices),
            further=self.further(method, keep, view),
            surrogate=logdet.value(selection.indices, view.gamma),
            paper_surrogate=logdet.value(selection.indices, factor),
        )

    def floor(self, keep: int, normalise: Normalisation) -> DistanceFloor:
        return self.floors.get(
            (keep, normalise), lambda: wasserstein2_floor(self.tokens.normalised(normalise), keep)
        )

    def floor_apart(self, keep: int, normalise: Normalisation) -> Future[DistanceFloor]:
        """Begin to compute the floor in another process, and remember what comes of it."""

        def remember(work: Future[DistanceFloor]) -> None:
            try:
                self.floors.put((keep, normalise), work.result())
            except CancelledError:
                pass  # it was left
            except Exception as error:
                self.errors.put((keep, normalise), error)

        work = other_process().submit(wasserstein2_floor, self.tokens.normalised(normalise), keep)
        work.add_done_callback(remember)
        return work


class _LruCache:
    """The latest results by key; two threads may compute the same one, but never lose another."""

    def __init__(self, size: int = _RESULTS) -> None:
        self._size = size
        self._held: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = Lock()

    def peek(self, key: Hashable) -> Any | None:
        with self._lock:
            return self._held.get(key)

    def get(self, key: Hashable, make: Callable[[], _T]) -> _T:
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return cast(_T, self._held[key])
        made = make()
        self.put(key, made)
        return made

    def put(self, key: Hashable, made: Any) -> None:
        with self._lock:
            self._held[key] = made
            while len(self._held) > self._size:
                self._held.popitem(last=False)


@cache
def other_process() -> OtherProcess:
    """Return the process where floors are computed: one for all explorers, started here, ended at the end."""
    made = OtherProcess()
    atexit.register(made.close)
    # Loading the solvers takes a second or two: meanwhile nobody waits for a floor.
    made.submit(wasserstein2_floor, np.arange(12.0)[:, None] ** 2, 3)
    return made
