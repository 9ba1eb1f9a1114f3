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
"""Memory, in bytes, that normalised tokens of images made ready together may take; one image may take more."""


def runs_here(array: Array) -> bool:
    """Tell whether an array lies where the kernels run: torch's, on a CUDA device, and Triton is installed."""
    return is_torch_array(array) and array.device.type == "cuda" and _has_triton()


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None


def _device_of(array: Array) -> AbstractContextManager[Any]:
    """Return a context in which kernels start on the array's device: Triton's start on the current one."""
    if array.device.type == "cpu":
        return nullcontext()  # the interpreter
    from triton.runtime import driver

    return cast(AbstractContextManager[Any], driver.active.get_device_interface().device(array.device))


def _kernels() -> ModuleType:
    # Here, so that nothing but a GPU asks for it.
    from otanalysis.surrogate import launch

    return launch


def otprune_kernels(clouds: Array, *, gamma: float, normalise: Normalisation) -> tuple[Array, Array]:
    """Return the kernels [images, m, m] of tokens [images, m, d], and what :func:`unit_tokens` says is bad.

    Each is that of :func:`~otanalysis.surrogate.kernel.otprune_kernel`.
    """

    def finish(grams: Array, kernels: Array, nonzero: Array) -> None:
        kernels.baddbmm_(grams, grams.mT, beta=0.0, alpha=gamma)
        kernels.diagonal(dim1=1, dim2=2).add_(1.0)

    return _matrices(clouds, normalise, finish)


def cosine_kernels(clouds: Array) -> tuple[Array, Array]:
    """Return the cosine similarities [images, m, m] of tokens [images, m, d], and which images are bad.

    Each is that of :func:`~otanalysis.surrogate.kernel.cosine_kernel`.
    """

    def finish(grams: Array, kernels: Array, nonzero: Array) -> None:
        kernels.copy_(grams)
        kernels.diagonal(dim1=1, dim2=2).copy_(nonzero)

    return _matrices(clouds, "rows", finish)


def _matrices(
    clouds: Array, how: Normalisation, finish: Callable[[Array, Array, Array], None]
) -> tuple[Array, Array]:
    """Return what ``finish`` makes of the Gram matrices of normalised tokens, a few images at a time."""
    xp = array_namespace(clouds)
    images, m, d = clouds.shape
    made = clouds.new_empty((images, m, m), dtype=xp.float64)
    bad = clouds.new_zeros((images,), dtype=xp.int32)
    most = max(1, UNIT_BYTES // (8 * m * d))
    for start in range(0, images, most):
        some = slice(start, start + most)
        unit, nonzero = unit_tokens(clouds[some], how, bad[some])
        finish(unit @ unit.mT, made[some], nonzero)
    return made, bad


def unit_tokens(clouds: Array, how: Normalisation, bad: Array) -> tuple[Array, Array]:
    """Return tokens [images, m, d] normalised, in one launch.

    Parameters
    ----------
    clouds : array [images, m, d]
        Of any float type, contiguous.
    how : {"none", "columns", "rows"}
        As for :func:`~otanalysis.arrays.normalise_tokens`.
    bad : array [images], int32
        Filled with zeros; becomes one for every image that holds NaN or infinite values, and whose result
        then means nothing.

    Returns
    -------
    unit : array [images, m, d], float64
    nonzero : array [images, lines], float64
        One for every line (column if ``how`` is "columns", else row) that has an entry besides zero, else zero.
    """
    xp = array_namespace(clouds)
    images, m, d = clouds.shape
    by_column = how == "columns"
    lines, length, across, along = (d, m, 1, d) if by_column else (m, d, d, 1)
    unit = clouds.new_empty(clouds.shape, dtype=xp.float64)
    nonzero = unit.new_empty((images, lines))
    width, step = (32, 32) if by_column else (4, 256)
    with _device_of(clouds):
        _kernels().unit[(-(-lines // width), images)](
            clouds, unit, nonzero, bad, lines, length, across, along,
            SCALED=how != "none", LINES=width, STEP=step, num_warps=4,
        )  # fmt: skip
    return unit, nonzero


def greedy_logdet(
    kernels: Array, keep: int, *, floor: float, block: int | None = None, at_once: bool = True
) -> tuple[Array, Array]:
    """Search kernels [images, m, m] as :func:`otanalysis.surrogate.logdet.greedy_logdet` does.

    Parameters
    ----------
    kernels, keep, floor
        As there, checked; float64.
    block : int, optional
        Tokens that one program searches, a power of two; what is fastest if left out.
    at_once : bool
        Whether all steps are one launch. Otherwise each is its own: programs of one image then need not run at
        the same time, which an interpreter that takes one after the other cannot do.
    """
    buffers = _Buffers(kernels, keep, block)
    images, m = buffers.images, buffers.m
    factor = kernels.new_empty((images, keep, m))
    taken = buffers.places.new_full((images, m), keep)
    begin = buffers.places.new_empty((images, keep + 1))
    least = math.log(floor) if floor > 0.0 else -math.inf
    buffers.launch(
        _kernels().logdet,
        (kernels, factor, buffers.state, taken, buffers.values, buffers.places, begin),
        (float(floor), least, m * 2.0**-52),
        at_once=at_once,
    )
    return buffers.order, buffers.gains


def farthest_first(
    distances: Array, keep: int, *, block: int | None = None, at_once: bool = True
) -> tuple[Array, Array]:
    """Search distances [images, m, m] as :func:`otanalysis.selection.divprune.farthest_first` does.

    Parameters
    ----------
    distances : array [images, m, m], float64
        Symmetric.
    keep, block, at_once
        As for :func:`greedy_logdet`.
    """
    buffers = _Buffers(distances, keep, block)
    before = (distances, buffers.state, buffers.values, buffers.places)
    buffers.launch(_kernels().farthest, before, (), at_once=at_once)
    return buffers.order, buffers.gains


class _Buffers:
    """What both searches write to, and how their work is shared among programs."""

    def __init__(self, matrices: Array, keep: int, block: int | None) -> None:
        xp = array_namespace(matrices)
        self.images, self.m = matrices.shape[:2]
        self.keep = keep
        self.block = _block(matrices, keep) if block is None else block
        self.programs = -(-self.m // self.block)
        self.order = matrices.new_empty((self.images, keep), dtype=xp.int64)
        self.gains = matrices.new_empty((self.images, keep))
        self.state = matrices.new_empty((self.images, self.m))
        self.values = matrices.new_empty((self.images, keep + 1, self.programs))
        self.places = matrices.new_empty((self.images, keep + 1, self.programs), dtype=xp.int32)
        self.arrived = matrices.new_zeros((self.images,), dtype=xp.int32)

    def launch(
        self, kernel: Any, before: tuple[Any, ...], numbers: tuple[float, ...], *, at_once: bool
    ) -> None:
        alone = at_once and self.programs == 1
        rows, warps = _tile(self.block)
        steps = [(0, self.keep)] if at_once else [(0, 0), *((step, step + 1) for step in range(self.keep))]
        with _device_of(self.gains):
            for first, last in steps:
                kernel[(self.images * self.programs,)](
                    *before, self.arrived, self.order, self.gains,
                    self.m, self.keep, first, last, *numbers,
                    PROGRAMS=self.programs, LISTENERS=1 << (self.programs - 1).bit_length(),
                    BLOCK=self.block, ROWS=rows, STARTS=at_once or last == 0, AT_ONCE=at_once, ALONE=alone,
                    num_warps=warps,
                    # The driver then refuses what does not fit at once, where programs would wait for ever.
                    launch_cooperative_grid=at_once and not alone,
                )  # fmt: skip


def _tile(block: int) -> tuple[int, int]:
    """Return how many rows of the factor a program takes at a time, and its warps."""
    warps = min(max(block // 64, 4), 16)
    return max(2, 8192 // block), warps


def _block(matrices: Array, keep: int) -> int:
    """Return how many tokens a program searches: one image alone may have many processors."""
    m = matrices.shape[1]
    whole = 1 << (m - 1).bit_length()
    return max(whole, 16)
