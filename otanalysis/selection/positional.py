"""Tokens kept by their place alone, or by chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np

from otanalysis.arrays import IntArray
from otanalysis.image import Image
from otanalysis.selection.selector import Selector

_Generator = np.random.Generator | None


@dataclass(frozen=True)
class Uniform(Selector):
    r"""Keep evenly spaced tokens: the middle of each of ``keep`` equal stretches of the reading order.

    Token :math:`\lfloor (2i + 1) m / (2k) \rfloor` for :math:`i = 0, \dots, k - 1`. Not nested.
    """

    name: ClassVar[str] = "uniform"
    objective: ClassVar[str] = "control: evenly spaced in reading order"

    def pick(self, image: Image, keep: int, generator: _Generator) -> IntArray:
        """Return the middles [keep], ascending."""
        return (2 * np.arange(keep) + 1) * len(image) // (2 * keep)


@dataclass(frozen=True)
class First(Selector):
    r"""Keep the first tokens in reading order: the top of the image."""

    name: ClassVar[str] = "first"
    nested: ClassVar[bool] = True
    objective: ClassVar[str] = "control: the top of the image"

    def pick(self, image: Image, keep: int, generator: _Generator) -> IntArray:
        """Return 0, 1, ... [keep]."""
        return np.arange(keep)


@dataclass(frozen=True)
class Last(Selector):
    r"""Keep the last tokens in reading order, picked from the end: m-1, m-2, ..."""

    name: ClassVar[str] = "last"
    nested: ClassVar[bool] = True
    objective: ClassVar[str] = "control: the bottom of the image"

    def pick(self, image: Image, keep: int, generator: _Generator) -> IntArray:
        """Return m-1, m-2, ... [keep]."""
        return np.arange(len(image) - 1, len(image) - 1 - keep, -1)


@dataclass(frozen=True)
class Random(Selector):
    r"""Keep a random subset: the start of one random permutation, so that larger subsets hold the smaller."""

    name: ClassVar[str] = "random"
    nested: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True
    objective: ClassVar[str] = "control: by chance"

    def pick(self, image: Image, keep: int, generator: _Generator) -> IntArray:
        """Return the start [keep] of a permutation drawn with the generator."""
        return cast(np.random.Generator, generator).permutation(len(image))[:keep]


@dataclass(frozen=True)
class GridRandom(Selector):
    r"""Keep one token at random in every cell of a grid of ``keep`` cells over the picture.

    A control: it covers the plane and knows nothing else. The picture is cut along its longer side, the cells
    are shared out by area, and so on until each part has one cell: rectangles of whole patches, whose areas
    differ by little. An image without a grid (:attr:`Image.grid <otanalysis.image.Image>`) is one row, its
    cells are stretches of the reading order. Not nested.
    """

    name: ClassVar[str] = "grid-random"
    stochastic: ClassVar[bool] = True
    objective: ClassVar[str] = "control: by chance, one in every cell of the plane"

    def pick(self, image: Image, keep: int, generator: _Generator) -> IntArray:
        """Return a position drawn from each cell [keep]."""
        rows, columns = image.grid or (1, len(image))
        places = np.arange(rows * columns).reshape(rows, columns)
        draw = cast(np.random.Generator, generator).choice
        return np.array([draw(cell.ravel()) for cell in cells_of(places, keep)])


def cells_of(places: IntArray, count: int) -> list[IntArray]:
    """Return ``count`` rectangles [rows, columns] that share out a rectangle of at least as many entries.

    Examples
    --------
    >>> [cell.tolist() for cell in cells_of(np.arange(6).reshape(2, 3), 3)]
    [[[0], [3]], [[1], [4]], [[2], [5]]]
    """
    if count == 1:
        return [places]
    along = int(places.shape[1] >= places.shape[0])
    length, across = places.shape[along], places.shape[1 - along]
    cut = round(length * (count // 2) / count)
    first = min(max(count // 2, count - across * (length - cut)), across * cut)
    one, other = np.split(places, [cut], axis=along)
    return [*cells_of(one, first), *cells_of(other, count - first)]
