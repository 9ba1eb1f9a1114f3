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

    def pick(self, image: Image, keep: int, generator: _Generator) -> IntArray:
        """Return the middles [keep], ascending."""
        return (2 * np.arange(keep) + 1) * len(image) // (2 * keep)


@dataclass(frozen=True)
class First(Selector):
    r"""Keep the first tokens in reading order: the top of the image."""

    name: ClassVar[str] = "first"
    nested: ClassVar[bool] = True

    def pick(self, image: Image, keep: int, generator: _Generator) -> IntArray:
        """Return 0, 1, ... [keep]."""
        return np.arange(keep)


@dataclass(frozen=True)
class Last(Selector):
    r"""Keep the last tokens in reading order, picked from the end: m-1, m-2, ..."""

    name: ClassVar[str] = "last"
    nested: ClassVar[bool] = True

    def pick(self, image: Image, keep: int, generator: _Generator) -> IntArray:
        """Return m-1, m-2, ... [keep]."""
        return np.arange(len(image) - 1, len(image) - 1 - keep, -1)


@dataclass(frozen=True)
class Random(Selector):
    r"""Keep a random subset: the start of one random permutation, so that larger subsets hold the smaller."""

    name: ClassVar[str] = "random"
    nested: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True

    def pick(self, image: Image, keep: int, generator: _Generator) -> IntArray:
        """Return the start [keep] of a permutation drawn with the generator."""
        return cast(np.random.Generator, generator).permutation(len(image))[:keep]
