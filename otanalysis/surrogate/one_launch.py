"""Stacks of images on a GPU: tokens made ready, and greedy searches of all of them, each in one launch.

All is in float64, as on the host. Nothing is copied to the host, and no step waits for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any, cast

from array_api_compat import array_namespace, is_torch_array

from otanalysis.arrays import Array, Normalisation

__all__ = ["cosine_kernels", "farthest_first", "greedy_logdet", "otprune_kernels", "runs_here", "unit_tokens"]

UNIT_BYTES = 2**28
"""Bytes that normalised tokens of images made ready together may take; one image may take more."""


def runs_here(array: Array) -> bool:
    """Tell whether an array lies where the kernels run: torch's, on a CUDA device, with Triton there."""
    return is_torch_array(array) and array.device.type == "cuda" and _has_triton()


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None


def _device_of(array: Array) -> AbstractContextManager[Any]:
    """Return a context in which kernels start on the array's device: Triton's start on the current one."""
    if array.device.type == "cpu":
        return nullcontext()  # the interpreter
    from triton.runtime import driver

    if driver.active.get_current_device() == array.device.index:
        return nullcontext()
    return cast(AbstractContextManager[Any], driver.active.get_device_interface().device(array.device))


def _kernels() -> ModuleType:
    # Here, so that nothing but a GPU asks for it.
    from otanalysis.surrogate import launch

    return launch


def otprune_kernels(clouds: Array, *, gamma: float, normalise: Normalisation) -> tuple[Array, Array]:
    """Return the kernels [images, m, m] of tokens [images, m, d], and what :func:`unit_tokens` says is bad.

    Each is that of :func:`~otanalysis.surrogate.kernel.otprune_kernel`.
    """

    def finish(grams: Array, _: Array) -> Array:
        kernels = grams.baddbmm(grams, grams.mT, beta=0.0, alpha=gamma)
        kernels.diagonal(dim1=1, dim2=2).add_(1.0)
        return kernels

    return _matrices(clouds, normalise, finish)


def cosine_kernels(clouds: Array) -> tuple[Array, Array]:
    """Return the cosine similarities [images, m, m] of tokens [images, m, d], and which images are bad.

    Each is that of :func:`~otanalysis.surrogate.kernel.cosine_kernel`.
    """

    def finish(grams: Array, nonzero: Array) -> Array:
        grams.diagonal(dim1=1, dim2=2).copy_(nonzero)
        return grams

    return _matrices(clouds, "rows", finish)


def _matrices(
    clouds: Array, how: Normalisation, finish: Callable[[Array, Array], Array]
) -> tuple[Array, Array]:
    """Return what ``finish`` makes of the Gram matrices of normalised tokens, and which images are bad."""
    xp = array_namespace(clouds)
    images, m, d = clouds.shape
    most = max(1, UNIT_BYTES // (8 * m * d))
    if images <= most:
        unit, nonzero, bad = unit_tokens(clouds, how)
        return finish(unit.bmm(unit.mT), nonzero), bad
    made, verdicts = clouds.new_empty((images, m, m), dtype=xp.float64), []
    for start in range(0, images, most):
        made[start : start + most], bad = _matrices(clouds[start : start + most], how, finish)
        verdicts.append(bad)
    return made, xp.concat(verdicts)


def unit_tokens(clouds: Array, how: Normalisation) -> tuple[Array, Array, Array]:
    """Return tokens [images, m, d] normalised, in one launch.

    Parameters
    ----------
    clouds : array [images, m, d]
        Of any float type, contiguous.
    how : {"none", "columns", "rows"}
        As for :func:`~otanalysis.arrays.normalise_tokens`.

    Returns
    -------
    unit : array [images, m, d], float64
    nonzero : array [images, lines], float64
        One for every line (column if ``how`` is "columns", else row) with an entry besides zero, else zero.
    bad : array [images, parts], int32
        Zero but for some parts of images that hold NaN or infinite values, whose result then means nothing.
    """
    xp = array_namespace(clouds)
    images, m, d = clouds.shape
    by_column = how == "columns"
    lines, length, across, along = (d, m, 1, d) if by_column else (m, d, d, 1)
    width, step = (32, 64) if by_column else (4, 512)
    parts = -(-lines // width)
    unit = clouds.new_empty(clouds.shape, dtype=xp.float64)
    nonzero = unit.new_empty((images, lines))
    bad = unit.new_empty((images, parts), dtype=xp.int32)
    with _device_of(clouds):
        _kernels().unit[(parts, images)](
            clouds, unit, nonzero, bad, lines, length, across, along,
            SCALED=how != "none", WIDE=clouds.dtype == xp.float64, LINES=width, STEP=step, num_warps=4,
        )  # fmt: skip
    return unit, nonzero, bad


def greedy_logdet(
    kernels: Array, keep: int, *, floor: float, block: int | None = None, at_once: bool = True
) -> tuple[Array, Array, Array]:
    """Search kernels [images, m, m] as :func:`otanalysis.surrogate.logdet.greedy_logdet` does.

    Parameters
    ----------
    kernels : array [images, m, m], float64
    keep, floor
        As there; checked.
    block : int, optional
        Tokens that one program searches, a power of two; what is fastest if left out.
    at_once : bool
        Whether all steps are one launch. Otherwise each is its own: the programs of an image then need not
        run at the same time, which an interpreter that takes one after the other cannot do.

    Returns
    -------
    order : array [images, keep], int64
    gains : array [images, keep], float64
    indices : array [images, keep], int64
        The picks ascending.
    """
    m = kernels.shape[1]
    least = math.log(floor) if floor > 0.0 else -math.inf
    return _search(
        _kernels().logdet, kernels, keep, (float(floor), least, m * 2.0**-52), block=block, at_once=at_once
    )


def farthest_first(
    distances: Array, keep: int, *, block: int | None = None, at_once: bool = True
) -> tuple[Array, Array, Array]:
    """Search distances [images, m, m] as :func:`otanalysis.selection.divprune.farthest_first` does.

    Parameters
    ----------
    distances : array [images, m, m], float64
        Symmetric.
    keep, block, at_once
        As for :func:`greedy_logdet`.

    Returns
    -------
    order, gains, indices
        As of :func:`greedy_logdet`.
    """
    return _search(_kernels().farthest, distances, keep, (), block=block, at_once=at_once)


def _search(
    kernel: Any,
    matrices: Array,
    keep: int,
    numbers: tuple[float, ...],
    *,
    block: int | None,
    at_once: bool,
) -> tuple[Array, Array, Array]:
    """Run a search on contiguous matrices, its work shared among programs."""
    xp = array_namespace(matrices)
    images, m = matrices.shape[:2]
    if block is None:
        block = _fastest_block(images, m, _processors(matrices.device))
    programs = -(-m // block)
    rows, warps = _TILES.get(block, _LARGEST_TILE)
    # Everything of one type in one buffer: what the host does for each costs as much as several steps.
    places = matrices.new_empty((2, images, keep), dtype=xp.int64)
    gains = matrices.new_empty((images, keep))
    state = matrices.new_empty((images, (keep + 1) * (programs + m)))
    counts = matrices.new_zeros((images, (keep + 1) * (programs + 1) + 1 + m), dtype=xp.int32)
    alone = at_once and programs == 1
    steps = [(0, keep)] if at_once else [(0, 0), *((step, step + 1) for step in range(keep))]
    with _device_of(matrices):
        for first, last in steps:
            kernel[(images * programs,)](
                matrices, state, counts, places, gains, images, m, keep, first, last, *numbers,
                PROGRAMS=programs, LISTENERS=1 << (programs - 1).bit_length(), BLOCK=block, ROWS=rows,
                STARTS=at_once or last == 0, AT_ONCE=at_once, ALONE=alone, num_warps=warps,
                # The driver then refuses what does not fit at once, where programs would wait for ever.
                launch_cooperative_grid=at_once and not alone,
            )  # fmt: skip
    return places[0], gains, places[1]


_TILES = {32: (32, 4), 64: (32, 4), 128: (32, 8), 256: (16, 8), 512: (16, 16), 1024: (8, 16)}
"""Rows of the factor that a program takes at a time, and its warps, by the tokens it searches; measured."""

_LARGEST_TILE = (2, 32)


def _fastest_block(images: int, m: int, processors: int) -> int:
    """Return how many tokens a program searches: few, if all programs of all images run at once."""
    for block in _TILES:
        if block >= m or images * -(-m // block) <= processors:
            return block
    return 1 << (m - 1).bit_length()


@cache
def _processors(device: Any) -> int:
    if device.type == "cpu":
        return 1
    from triton.runtime import driver

    return int(driver.active.utils.get_device_properties(device.index)["multiprocessor_count"])
