"""All selection methods by name, and the two functions that run them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any, cast

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj

from otanalysis.arrays import Array, Normalisation, check_tokens, dense, resolve_keep
from otanalysis.defaults import RELEASED_GAMMA, GammaOf, method_by_gamma
from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.scalars import check_gamma_of, check_seed, listed, shown
from otanalysis.selection.attention import ByAttention
from otanalysis.selection.cdprune import CDPrune
from otanalysis.selection.coverage import FacilityLocation, FarthestPoint
from otanalysis.selection.diversity import DART, MaxSum
from otanalysis.selection.divprune import DivPrune
from otanalysis.selection.dpp import GreedyDPP
from otanalysis.selection.herding import Herding
from otanalysis.selection.length import Norm
from otanalysis.selection.medoids import KMedoids, OTMedoids
from otanalysis.selection.otprune import OTPrune, OTPrunePaper
from otanalysis.selection.positional import First, GridRandom, Last, Random, Uniform
from otanalysis.selection.residual import Leverage, PCAResidual, PivotedQR
from otanalysis.selection.selector import (
    Selection,
    Selector,
    StackSelector,
    check_kept,
    check_selector,
    is_own,
    lie_on_gpu,
    takes_images,
)
from otanalysis.side import RECEIVED_ATTENTION

_METHODS: tuple[Selector, ...] = (
    OTPrune(),
    OTPrunePaper(),
    DivPrune(),
    GreedyDPP(),
    MaxSum(),
    DART(),
    CDPrune(),
    Norm(),
    PivotedQR(),
    Leverage(),
    PCAResidual(),
    ByAttention(),
    ByAttention(RECEIVED_ATTENTION),
    Random(),
    First(),
    Last(),
    Uniform(),
    GridRandom(),
    KMedoids(),
    FacilityLocation(),
    FarthestPoint(),
    OTMedoids(),
    Herding(),
    ByAttention(),
    ByAttention(RECEIVED_ATTENTION),
    CDPrune(),
)

SELECTORS: Mapping[str, Selector] = MappingProxyType({method.name: method for method in _METHODS})
"""Immutable mapping from name to a selector with its default parameters, ready to be called.

Those of one kind of :attr:`objective <otanalysis.selection.selector.Selector.objective>` are neighbours; the
example of :mod:`otanalysis.selection` lists them.
"""

TOKEN_METHODS = tuple(method.name for method in _METHODS if not method.needs)
"""Names of the methods that choose by the tokens alone; the others need side information of them."""


def select(
    tokens: Array | Image,
    method: str | Selector = "otprune",
    *,
    ratio: float | None = None,
    keep: int | None = None,
    gamma: float = RELEASED_GAMMA,
    gamma_of: GammaOf = "released",
    normalise: Normalisation = "columns",
    seed: int = 0,
) -> Selection:
    """Choose which tokens of one image to keep.

    Parameters
    ----------
    tokens : array [m, d] or Image
        All visual tokens of one image; NumPy, or torch: then the selection holds torch tensors on the same
        device. otprune, otprune-paper, dpp, divprune and facility-location run there; fps, herding, max-sum
        and pivoted-qr search there what the host has measured; the others run on the host.
    method : str or Selector
        A name in :data:`SELECTORS`, or a selector with its own parameters, which is used as it is: one of
        the package, or a user's (see :class:`~otanalysis.selection.selector.Selector`).
    ratio : float, optional
        Share to keep in ``(0, 1]``: ``int(round(ratio * m))`` tokens, at least one.
    keep : int, optional
        Number of tokens to keep. Exactly one of ``ratio`` and ``keep`` is needed.
    gamma, normalise
        Parameters of otprune and otprune-paper; methods that do not have them ignore them.
    gamma_of : {"released", "paper"}
        Whose gamma that of otprune is, see :func:`~otanalysis.surrogate.kernel.paper_factor`: with the
        paper's, otprune is otprune-paper. The other methods ignore it, otprune-paper too.
    seed : int
        Seed, from 0 on, of the generator of stochastic methods; deterministic ones ignore it.

    Returns
    -------
    Selection

    Raises
    ------
    InputError
        If the method is unknown, the tokens are not a finite matrix, a parameter is out of range, the image
        lacks side information that the method needs, or a user's selector is not whole or does not keep what
        was asked.

    Examples
    --------
    >>> import numpy as np
    >>> tokens = np.random.default_rng(0).standard_normal((64, 8))
    >>> select(tokens, "uniform", keep=4).indices
    array([ 8, 24, 40, 56])
    """
    if not isinstance(tokens, Image) and lie_on_gpu([tokens]):
        selector = configured(method, gamma=gamma, gamma_of=gamma_of, normalise=normalise)
        if isinstance(selector, StackSelector) and not is_own(selector):
            return selector.select_stack([tokens], resolve_keep(len(tokens), ratio=ratio, keep=keep))[0]
    image = Image.of(tokens)
    count = resolve_keep(len(image), ratio=ratio, keep=keep)
    return select_many(
        image, method, (count,), gamma=gamma, gamma_of=gamma_of, normalise=normalise, seed=seed
    )[count]


def select_many(
    tokens: Array | Image,
    method: str | Selector,
    keeps: Iterable[int],
    *,
    gamma: float = RELEASED_GAMMA,
    gamma_of: GammaOf = "released",
    normalise: Normalisation = "columns",
    seed: int = 0,
) -> dict[int, Selection]:
    """Choose tokens for several counts at once; a nested method runs once, at the largest.

    Parameters
    ----------
    tokens, method, gamma, gamma_of, normalise, seed
        As for :func:`select`.
    keeps : iterable of int
        Numbers of tokens to keep.

    Returns
    -------
    dict from int to Selection
        Each equal to what :func:`select` returns for that count; ascending in the count.

    Raises
    ------
    InputError
        As for :func:`select`, or if ``keeps`` is empty.

    Examples
    --------
    >>> chosen = select_many([[0.0, 1.0], [2.0, 0.0], [1.0, 1.0]], "otprune", [2, 1])
    >>> {keep: selection.pick_order.tolist() for keep, selection in chosen.items()}
    {1: [2], 2: [2, 1]}
    """
    image = Image.of(tokens)
    selector = configured(method, gamma=gamma, gamma_of=gamma_of, normalise=normalise)
    wanted = listed(keeps, "keeps")
    counts = sorted({resolve_keep(len(image), keep=keep) for keep in wanted})
    own_seed = check_seed(seed)
    if not counts:
        raise InputError("keeps must name at least one number of tokens; got none.")
    # One that only looks like a selector takes the plain tokens.
    given = image if takes_images(selector) else image.tokens

    def run(count: int) -> Selection:
        selection = selector(given, count, generator=np.random.default_rng(own_seed))
        if is_own(selector):
            check_kept(selector, selection, keep=count, m=len(image))
        return replace(selection, seed=own_seed) if selector.stochastic else selection

    if selector.nested:
        largest = run(counts[-1])
        return {count: largest.prefix(count) for count in counts}
    return {count: run(count) for count in counts}


def configured(method: str | Selector, *, gamma_of: GammaOf = "released", **options: Any) -> Selector:
    """Return the selector of that name with those of the options that it has; otprune by whose gamma."""
    if not isinstance(method, str) and callable(method):
        return check_selector(method)
    if not isinstance(method, str) or method not in SELECTORS:
        raise InputError(f"Unknown method {shown(method)}; known are {', '.join(SELECTORS)}.")
    selector: Any = SELECTORS[method_by_gamma(method, check_gamma_of(gamma_of))]
    own = {field.name: options[field.name] for field in fields(selector) if field.name in options}
    return cast(Selector, replace(selector, **own))


STACK_BYTES = 2**30
"""Memory, in bytes, that the matrices of images run together may take; a single image may take more."""


def select_batch(
    clouds: Sequence[Array | Image] | Array,
    method: str | Selector = "otprune",
    *,
    ratio: float | None = None,
    keep: int | None = None,
    gamma: float = RELEASED_GAMMA,
    gamma_of: GammaOf = "released",
    normalise: Normalisation = "columns",
    seeds: int | Sequence[int] = 0,
) -> list[Selection]:
    """Choose which tokens of each of several images to keep.

    The methods that pick greedily on a matrix of the tokens run images with the same number of tokens
    together, one greedy run whose steps take all of them at once: otprune, otprune-paper, dpp, divprune and
    facility-location with nothing copied to the host but one verdict an image that its tokens are finite
    (and, without normalisation, that its kernel is); fps, herding and max-sum on distances, which the host
    measures, and pivoted-qr, whose unit the host looks up. On a CUDA device with Triton, which torch brings
    there, the whole run of the first four is one launch and the verdict one for all images. Images run
    together up to 1 GiB of matrices (:data:`STACK_BYTES`): 184 images of 576 tokens with 56 kept, 7 of 2,880
    with 282 kept. The other methods run image by image; those that work on the host copy each image there
    once.

    Parameters
    ----------
    clouds : sequence of arrays [m, d] or Images, or array [images, m, d]
        All visual tokens of each image; NumPy or torch. m may differ between the images of a sequence. Any
        real type, half precision too: all is computed in float64.
    method, gamma, gamma_of, normalise
        As for :func:`~otanalysis.selection.registry.select`. A selector of one's own runs image by image, or
        together with others of its size if it is a :class:`~otanalysis.selection.selector.StackSelector`.
    ratio : float, optional
        Share to keep of each image in ``(0, 1]``.
    keep : int, optional
        Number of tokens to keep of each image. Exactly one of ``ratio`` and ``keep`` is needed.
    seeds : int or sequence of int
        Seed for stochastic methods: one for all images, or one each.

    Returns
    -------
    list of Selection
        One an image, in the order given, each equal to what ``select`` returns for that image alone: on the
        host always; on an accelerator, where a library may add in another order, up to ties closer than
        rounding. Arrays are of the kind and on the device of the image's tokens.

    Raises
    ------
    InputError
        As ``select`` raises it, with the number of the image; if there are not as many seeds as images.

    Examples
    --------
    >>> import numpy as np
    >>> generator = np.random.default_rng(0)
    >>> small, large = generator.standard_normal((64, 8)), generator.standard_normal((100, 8))
    >>> [chosen.keep for chosen in select_batch([small, large, small], "otprune", ratio=0.1)]
    [6, 10, 6]
    """
    selector = configured(method, gamma=gamma, gamma_of=gamma_of, normalise=normalise)
    images = _as_images(clouds)
    own_seeds = _one_each(seeds, len(images))
    counts = [_count(place, image, ratio, keep) for place, image in enumerate(images)]
    chosen: dict[int, Selection] = {}
    if not isinstance(selector, StackSelector) or selector.stochastic:
        for place, image in enumerate(images):
            with _named(images, [place]):
                chosen[place] = select(image, selector, keep=counts[place], seed=own_seeds[place])
    else:
        for places in _stacks(images, counts):
            with _named(images, places):
                together = selector.select_stack(
                    [_tokens(images[place], selector) for place in places], counts[places[0]]
                )
                if is_own(cast(Selector, selector)):
                    together = _checked_stack(selector, together, counts[places[0]], images, places)
            chosen.update(zip(places, together, strict=True))
    return [chosen[place] for place in range(len(images))]


def _checked_stack(
    selector: Any, together: Any, keep: int, images: Sequence[Array], places: Sequence[int]
) -> list[Selection]:
    """Return what an own selector returned for a stack; raise InputError unless it is one whole an image."""
    chosen = listed(together, f"What the selector {selector.name!r} returns for a stack")
    if len(chosen) != len(places):
        raise InputError(
            f"The selector {selector.name!r} must return a Selection for each of {len(places)} images; got "
            f"{len(chosen)}."
        )
    return [
        check_kept(selector, one, keep=keep, m=len(images[place]))
        for one, place in zip(chosen, places, strict=True)
    ]


def _tokens(image: Array | Image, selector: StackSelector) -> Array | Image:
    """Return what a selector takes of an image: the plain tokens, unless it knows images."""
    return image.tokens if isinstance(image, Image) and not takes_images(selector) else image


def _as_images(clouds: Sequence[Array] | Array) -> list[Array]:
    """Return the matrices one by one, lists of rows as NumPy arrays."""
    if is_array_api_obj(clouds):
        clouds = dense(clouds, "clouds")  # a nested tensor has no shape to be asked for
    shape = clouds.tokens.shape if isinstance(clouds, Image) else getattr(clouds, "shape", None)
    if shape is not None and len(shape) != 3:
        raise InputError(
            "clouds must be a sequence of matrices [m, d] or one array [images, m, d]; "
            f"got shape {tuple(shape)}: pass one image as [tokens]."
        )
    whole = clouds if shape is None else dense(clouds, "clouds")
    return [
        image
        if isinstance(image, Image) or _is_matrix(image)
        else check_tokens(image, name=f"clouds[{place}]")
        for place, image in enumerate(listed(whole, "clouds"))
    ]


def _is_matrix(image: Any) -> bool:
    if not is_array_api_obj(image) or getattr(image, "is_nested", False):
        return False
    return bool(image.ndim == 2 and 0 not in image.shape)


def _one_each(seeds: int | Sequence[int], images: int) -> list[int]:
    asked: Any = seeds
    if isinstance(asked, str) or not isinstance(asked, Iterable) or getattr(asked, "ndim", 1) == 0:
        return [check_seed(asked, name="seeds")] * images
    given = listed(asked, "seeds")
    if len(given) != images:
        raise InputError(f"One seed for all images or one each was wanted; got {len(given)} for {images}.")
    return [check_seed(seed, name="seeds") for seed in given]


def _count(place: int, image: Array, ratio: float | None, keep: int | None) -> int:
    try:
        return resolve_keep(len(image), ratio=ratio, keep=keep)
    except InputError as error:
        raise InputError(f"clouds[{place}]: {error}") from error


@contextmanager
def _named(images: Sequence[Array], places: Sequence[int]) -> Iterator[None]:
    """Let an error that a token cloud caused name the image; others pass as they are."""
    try:
        yield
    except InputError:
        for place in places:
            check_tokens(images[place], name=f"clouds[{place}]")
        raise


def _stacks(images: Sequence[Array], counts: Sequence[int]) -> Iterator[list[int]]:
    """Yield the places of images that run together: same size, library and device, within STACK_BYTES."""
    groups: dict[Any, list[int]] = {}
    for place, image in enumerate(images):
        tokens = image.tokens if isinstance(image, Image) else image
        kind = (len(image), array_namespace(tokens), str(device(tokens)))
        groups.setdefault(kind, []).append(place)
    for places in groups.values():
        m, keep = len(images[places[0]]), counts[places[0]]
        # Two float64 matrices [m, m] and two [keep, m] at the widest point, eight bytes each.
        most = max(1, STACK_BYTES // (16 * m * (m + keep)))
        for start in range(0, len(places), most):
            yield places[start : start + most]
