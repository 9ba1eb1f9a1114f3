"""Kept sets of one size that differ from a uniform draw in one respect each.

Methods differ in everything at once. These sets of one image differ in where their tokens lie, in how long
they are, or in one objective alone, so that what a model makes of them can be laid to that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

import numpy as np

from otanalysis.arrays import FloatArray, IntArray
from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.selection.pool import RANDOM, Subset
from otanalysis.transport import wasserstein2

PLACE: Final = "place"
"""Origin of a subset whose tokens lie near a place of the picture."""

STRETCH: Final = "stretch"
"""Origin of a subset whose tokens lie near each other in reading order."""

LENGTH: Final = "length"
"""Origin of a subset that leans to long tokens, or to short ones."""

W2_SWAPS: Final = "w2-swaps"
"""Origin of a random subset after swaps that each lower its exact distance."""

QUANTISATION_SWAPS: Final = "quantisation-swaps"
"""Origin of a random subset after swaps that each lower its quantisation error."""

SWAPS: Mapping[str, Literal["uniform", "optimal"]] = MappingProxyType(
    {W2_SWAPS: "uniform", QUANTISATION_SWAPS: "optimal"}
)
"""The two kinds of swaps, and the masses of the kept tokens for which each lowers the transport cost."""

STAGES: Final = (1 / 8, 1 / 4, 1 / 2)
"""Number of swaps after which a set is taken, as shares of the kept tokens."""

FEWEST: Final = 7
"""Fewest subsets: three random ones, and one of each other kind (of places or stretches)."""

_WIDTHS: Final = (1 / 6, 1 / 4, 3 / 8)  # of a place, as shares of the picture
_ELSEWHERE: Final = 1e-3  # chance of the tokens far from a place, relative to those in its middle
_BIASES: Final = (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0)  # of the log-chance per standard deviation of the length
_LEAST_GAIN: Final = 1e-9  # of a swap, relative to what the token costs: less may be rounding


@dataclass(frozen=True, eq=False)
class SteeredSubset(Subset):
    """A kept set of one image, and from which other one it was made.

    Attributes
    ----------
    start : int
        Number of the random subset that its swaps began with; its own number if there are none.
    swaps : int
        How many tokens were swapped.
    """

    start: int
    swaps: int


def draw_steered(
    image: Image,
    keep: int,
    *,
    subsets: int,
    generator: np.random.Generator,
    places: FloatArray | None = None,
) -> tuple[SteeredSubset, ...]:
    """Return subsets of one size: uniformly random ones, and others steered by place, length and objective.

    Three twentieths of them (rounded down) lean to a place, as many to a length, and as many come from each
    kind of swaps; the rest is uniformly random. Swaps of both kinds begin with the same random subsets, and
    go on to the same numbers of swaps, :data:`STAGES`, as far as there is one that lowers the objective.

    Parameters
    ----------
    image : Image
        The tokens.
    keep : int
        Size of the subsets, less than the number of tokens.
    subsets : int
        How many, at least :data:`FEWEST`.
    generator : numpy.random.Generator
        Source of the draws.
    places : ndarray [m, 2], optional
        Where the tokens lie, in shares of the picture. Half of those by place then lie near a place and half
        in a stretch of the reading order; else all of them in a stretch.

    Returns
    -------
    tuple of SteeredSubset
        Random ones first, then by place, by length, and by swaps, which stand in the order of their starts.

    Raises
    ------
    InputError
        If there are too few subsets, or all tokens are kept.
    ConvergenceError
        If an exact distance could not be certified.

    Notes
    -----
    A mixture draws without replacement with unequal chances: the ``keep`` largest of log-chance plus Gumbel
    noise. A swap takes the plan of the present set (to uniform masses, or to the nearest kept token) and
    moves its column to the token that serves its share best: the cost of the old plan at the new place is at
    least the new cost, so that the objective falls.

    Examples
    --------
    >>> image = Image(np.random.default_rng(0).standard_normal((30, 4)))
    >>> drawn = draw_steered(image, 8, subsets=20, generator=np.random.default_rng(0))
    >>> [sum(one.origin == kind for one in drawn) for kind in (RANDOM, STRETCH, LENGTH, W2_SWAPS)]
    [8, 3, 3, 3]
    >>> [one.swaps for one in drawn if one.origin == QUANTISATION_SWAPS]
    [1, 2, 4]
    """
    if subsets < FEWEST:
        raise InputError(
            f"At least {FEWEST} subsets must be drawn, one of each kind; got {subsets}: ask for {FEWEST} "
            "or more, 40 tell correlations apart."
        )
    if not 1 <= keep < len(image):
        raise InputError(
            f"Subsets must keep some of the {len(image)} tokens and leave some out, and {keep} are to be "
            "kept: choose another share of the tokens."
        )
    share = 3 * subsets // 20
    alike = np.zeros(len(image))
    drawn = [(RANDOM, _weighted(alike, keep, generator)) for _ in range(subsets - 4 * share)]
    drawn += [_placed(len(image), keep, places, number, generator) for number in range(share)]
    lengths = np.linalg.norm(image.host, axis=1)
    leaning = (lengths - lengths.mean()) / (lengths.std() or 1.0)
    for number in range(share):
        drawn.append((LENGTH, _weighted(_BIASES[number % len(_BIASES)] * leaning, keep, generator)))
    pool = [SteeredSubset(origin, kept, number, 0) for number, (origin, kept) in enumerate(drawn)]
    return (*pool, *(one for origin in SWAPS for one in _swapped(image, pool, origin, share)))


def _weighted(log_chances: FloatArray, keep: int, generator: np.random.Generator) -> IntArray:
    """Draw ``keep`` tokens without replacement, ascending; chances [m] are given by their logarithms."""
    keys = log_chances + generator.gumbel(size=len(log_chances))
    return np.sort(np.argpartition(-keys, keep - 1)[:keep]).astype(np.int64)


def _placed(
    m: int, keep: int, places: FloatArray | None, number: int, generator: np.random.Generator
) -> tuple[str, IntArray]:
    """Draw a subset near a place, or in a stretch of the reading order."""
    near = places is not None and number % 2 == 0
    where = places if places is not None and near else np.arange(m)[:, None] / m
    width = float(generator.choice(_WIDTHS))
    squared = np.sum((where - where[generator.integers(m)]) ** 2, axis=1)
    chances = np.log(np.exp(-squared / (2 * width**2)) + _ELSEWHERE)
    return (PLACE if near else STRETCH), _weighted(chances, keep, generator)


def _swapped(image: Image, pool: list[SteeredSubset], origin: str, count: int) -> Iterator[SteeredSubset]:
    """Yield so many subsets that swaps make of the first ones of the pool, stage by stage."""
    for start in range(-(-count // len(STAGES))):
        kept, swaps = pool[start].indices, 0
        for stage in STAGES[: count - start * len(STAGES)]:
            wanted = max(1, round(stage * len(kept)))
            while swaps < wanted:
                moved = _improved(image, kept, SWAPS[origin], wanted - swaps)
                if np.array_equal(moved, kept):
                    break
                swaps += int(np.sum(moved != kept))
                kept = moved
            yield SteeredSubset(origin, np.sort(kept), start, swaps)


def _improved(image: Image, kept: IntArray, masses: Literal["uniform", "optimal"], most: int) -> IntArray:
    """Return kept tokens after at most so many swaps, each token at its place; the best swaps go first.

    A token goes at most once and one that has gone does not come back: plan and gains stay as they are.
    """
    plan = wasserstein2(image, kept, kept_weights=masses).plan
    served = image.unit_distances @ plan
    gains = (1.0 - _LEAST_GAIN) * served[kept, np.arange(len(kept))] - served
    gains[kept] = -np.inf
    moved = kept.copy()
    for _ in range(most):
        token, column = np.unravel_index(np.argmax(gains), gains.shape)
        if gains[token, column] <= 0.0:
            break
        moved[column] = token
        gains[token], gains[:, column] = -np.inf, -np.inf
    return moved
