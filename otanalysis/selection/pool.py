"""A pool of kept sets of one image: those of the methods, random ones, and those in between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from otanalysis.arrays import IntArray, check_indices
from otanalysis.errors import InputError

METHOD = "method:"
"""Start of the origin of a subset that a method chose; the method's name follows."""

RANDOM = "random"
"""Origin of a subset drawn uniformly from all of its size."""

MIXTURE = "mixture"
"""Origin of a subset with a part of one method's picks; another method's or random ones fill it up."""

SWAP = "swap"
"""Origin of a method's subset in which a few tokens were exchanged for random others."""

LEAST = 4
"""Fewest drawn subsets: two random ones, so each has something to win against, and one of each other kind."""

_LARGEST_EXCHANGE = 0.25  # of the kept tokens: beyond, a swap is hardly nearer to its method than a mixture


@dataclass(frozen=True, eq=False)
class Subset:
    """A kept set of one image.

    Attributes
    ----------
    origin : str
        :data:`RANDOM`, :data:`MIXTURE`, :data:`SWAP`, or :data:`METHOD` with a name behind it.
    indices : ndarray [keep], int64
        Kept positions, ascending.
    """

    origin: str
    indices: IntArray


def draw_pool(
    chosen: Mapping[str, IntArray], m: int, *, drawn: int, generator: np.random.Generator
) -> tuple[Subset, ...]:
    """Return the subsets of the methods and drawn ones of the same size, so that good and bad ones occur.

    A quarter of the drawn ones (rounded down) are mixtures, as many are swaps, the rest is random. A mixture
    keeps a random part of the picks of a random method; the rest comes, with equal chances, from another
    method's picks or from all tokens. A swap exchanges at least one and at most a quarter of a method's
    tokens. Subsets are drawn independently: on few tokens some may be equal.

    Parameters
    ----------
    chosen : mapping from str to ndarray [keep], int64
        What every method keeps, by its name; at least one, all of one size.
    m : int
        Number of tokens.
    drawn : int
        Number of subsets besides those of the methods, at least 4.
    generator : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    tuple of Subset
        The methods' in the order given, then the random ones, the mixtures and the swaps.

    Raises
    ------
    InputError
        If ``drawn`` is too small, or the methods' subsets are missing, malformed or of different sizes.

    Examples
    --------
    >>> pool = draw_pool({"first": np.arange(3)}, 9, drawn=4, generator=np.random.default_rng(0))
    >>> [subset.origin for subset in pool]
    ['method:first', 'random', 'random', 'mixture', 'swap']
    """
    picks = [np.sort(check_indices(indices, m)) for indices in chosen.values()]
    sizes = {len(indices) for indices in picks}
    if len(sizes) != 1:
        raise InputError(
            f"A pool needs subsets of one size from at least one method, got sizes {sorted(sizes) or 'none'}."
        )
    check_drawn(drawn)
    quarter = drawn // 4
    pool = [Subset(METHOD + name, own) for name, own in zip(chosen, picks, strict=True)]
    keep = sizes.pop()
    for _ in range(drawn - 2 * quarter):
        pool.append(Subset(RANDOM, np.sort(generator.choice(m, keep, replace=False)).astype(np.int64)))
    pool += [Subset(MIXTURE, _mixture(picks, m, generator)) for _ in range(quarter)]
    pool += [Subset(SWAP, _swap(picks, m, generator)) for _ in range(quarter)]
    return tuple(pool)


def check_drawn(drawn: int) -> None:
    """Raise InputError if so few subsets are drawn that a kind of them is missing."""
    if drawn < LEAST:
        raise InputError(
            f"At least {LEAST} subsets must be drawn besides those of the methods, for one of each kind; "
            f"got {drawn}: ask for {LEAST} or more, 50 tell correlations apart."
        )


def _mixture(picks: list[IntArray], m: int, generator: np.random.Generator) -> IntArray:
    first = int(generator.integers(len(picks)))
    own = generator.permutation(picks[first])
    part = own[: generator.integers(1, max(2, len(own)))]
    others = [picks[number] for number in range(len(picks)) if number != first]
    rest = generator.permutation(m)
    if others and generator.random() < 0.5:
        # All tokens stand behind the other method's picks, which may not be enough where the two overlap.
        rest = np.concatenate([generator.permutation(others[generator.integers(len(others))]), rest])
    both = np.concatenate([part, rest])
    _, places = np.unique(both, return_index=True)
    return np.sort(both[np.sort(places)][: len(own)]).astype(np.int64)


def _swap(picks: list[IntArray], m: int, generator: np.random.Generator) -> IntArray:
    own = generator.permutation(picks[generator.integers(len(picks))])
    outside = generator.permutation(np.setdiff1d(np.arange(m), own))
    most = max(1, int(_LARGEST_EXCHANGE * len(own)))
    count = min(int(generator.integers(1, most + 1)), len(outside))
    return np.sort(np.concatenate([own[count:], outside[:count]])).astype(np.int64)
