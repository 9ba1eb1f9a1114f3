"""How many and which instances the claims run on: drawn from a seed, or cut out of dumps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from otanalysis.arrays import Normalisation, resolve_keep
from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.theorem.greedy import released_greedy
from otanalysis.theorem.instances import CLOUDS, MATRICES, Cloud, KeptSet, Kernel
from otanalysis.theorem.relations import root_bound
from otanalysis.tokens import open_dump
from otanalysis.transport import trace_objective

_NORMALISATIONS: tuple[Normalisation, ...] = ("none", "columns", "rows")
_GAMMAS = (0.01, 1.0, 100.0)
_RATIOS = (0.05, 0.2)
_FEWEST_TOKENS = 4
_FEW_TOKENS = 64


@dataclass(frozen=True)
class Effort:
    """How much is checked.

    Attributes
    ----------
    draws : int
        Matrices or clouds of each family and size.
    most_kept : int
        Largest number of items in the search for greedy's worst case.
    starts : int
        Starts of that search, for each number of items.
    images : int
        Images read from each dump.
    """

    draws: int
    most_kept: int
    starts: int
    images: int


DEFAULT = Effort(draws=2, most_kept=6, starts=6, images=2)
THOROUGH = Effort(draws=12, most_kept=7, starts=40, images=12)


def matrix_kernels(
    sizes: Sequence[int], draws: int, seed: int, families: Sequence[str] = tuple(MATRICES)
) -> list[Kernel]:
    """Draw positive definite matrices of every family and size."""
    generator = np.random.default_rng([seed, 1])
    return [
        Kernel(f"{family} {m} x {m}, draw {draw}", MATRICES[family](m, generator))
        for family in families
        for m in sizes
        for draw in range(draws)
    ]


def cloud_images(shapes: Sequence[tuple[int, int]], draws: int, seed: int) -> list[Cloud]:
    """Draw token clouds of every family and shape."""
    generator = np.random.default_rng([seed, 2])
    return [
        Cloud(f"{family} {m} x {d}, draw {draw}", Image(CLOUDS[family](m, d, generator)))
        for family in CLOUDS
        for m, d in shapes
        for draw in range(draws)
    ]


def dump_images(dumps: Sequence[Path], images: int) -> list[Cloud]:
    """Read images spread over every dump.

    Raises
    ------
    DumpError
        If a dump cannot be read.
    InputError
        If a dump is empty, or an image has weights, or fewer tokens than the checks need.
    """
    found = []
    for path in dumps:
        dump = open_dump(path)
        if not len(dump):
            raise InputError(f"The dump {path} holds no sample; capture at least one image.")
        for at in np.unique(np.linspace(0, len(dump) - 1, num=images).round().astype(int)).tolist():
            sample = dump[at]
            if len(sample.tokens) < _FEWEST_TOKENS:
                raise InputError(
                    f"The checks need images of at least {_FEWEST_TOKENS} tokens; "
                    f"{sample.id!r} in {path} has {len(sample.tokens)}."
                )
            if sample.weights is not None:
                raise InputError(
                    f"The theorem is of tokens of one weight each; {sample.id!r} in {path} has weights: "
                    "check it on a dump of the same tokens without them."
                )
            found.append(Cloud(f"{path.name}/{sample.id}", Image(sample.tokens)))
    return found


def cut_images(images: Sequence[Cloud], size: int, seed: int) -> list[Cloud]:
    """Draw ``size`` tokens (all, if there are fewer) of every image, for what small instances only allow."""
    generator = np.random.default_rng([seed, 3])
    return [
        Cloud(
            f"{image.label}, {min(size, len(image.tokens))} tokens",
            Image(image.tokens[generator.permutation(len(image.tokens))[:size]]),
        )
        for image in images
    ]


def image_kernels(images: Sequence[Cloud], gammas: Sequence[float] = _GAMMAS) -> list[Kernel]:
    """Return the paper's kernels of images: by columns for every gamma, otherwise for the first."""
    return [
        Kernel.of_tokens(f"{image.label}, {how}", image.image.normalised(how), gamma)
        for image in images
        for how in _NORMALISATIONS
        for gamma in (gammas if how == "columns" else gammas[:1])
    ]


def kept_sets(images: Sequence[Cloud], seed: int) -> list[KeptSet]:
    """Return kept sets of images under every normalisation: one token, few, more; by chance and by greedy.

    All tokens too where the image is small: every rung is then zero.
    """
    generator = np.random.default_rng([seed, 4])
    return [
        KeptSet(cloud, kept)
        for image in images
        for how in _NORMALISATIONS
        for cloud in (image.normalised(how),)
        for kept in _choices(cloud, generator)
    ]


def with_gammas(sets: Sequence[KeptSet]) -> list[KeptSet]:
    r"""Return every set with gamma one and with one that brings the square-root bound closest.

    That takes all eigenvalues to be :math:`t^* / \gamma`; for a single kept token it is an equality.
    """
    peak, _ = root_bound()
    chosen = []
    for one in sets:
        rank = min(len(one.kept), one.cloud.tokens.shape[1])
        root = trace_objective(one.cloud.image, one.kept) / rank
        chosen += [one, replace(one, gamma=peak / root**2)] if root > 0 else [one]
    return chosen


def _choices(cloud: Cloud, generator: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
    m = len(cloud.tokens)
    sizes = sorted({1, *(resolve_keep(m, ratio=ratio) for ratio in _RATIOS)})
    for size in sizes:
        yield generator.permutation(m)[:size]
    order, _ = released_greedy(Kernel.of_tokens(cloud.label, cloud.image, _GAMMAS[0]).matrix, sizes[-1])
    yield order
    if m <= _FEW_TOKENS:
        yield np.arange(m)
