"""Evenly spaced tokens in reading order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from otanalysis.arrays import Array
from otanalysis.selection.selector import Selection, build_selection, prepare, require_generator

__all__ = ["First", "Last", "Random", "Uniform"]


@dataclass(frozen=True)
class Uniform:
    r"""Keep evenly spaced tokens: the middle of each of ``keep`` equal stretches of the reading order.

    Token :math:`\lfloor (2i + 1) m / (2k) \rfloor` for :math:`i = 0, \dots, k - 1`. Not nested.
    """

    name: ClassVar[str] = "uniform"
    nested: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False

    def __call__(
        self,
        tokens: Array,
        keep: int,
        *,
        generator: np.random.Generator | None = None,
        cost: Array | None = None,
    ) -> Selection:
        """Keep ``keep`` of the tokens [m, d]; generator and cost are not used."""
        cloud, count = prepare(tokens, keep)
        m = cloud.shape[0]
        return build_selection(self, cloud, (2 * np.arange(count) + 1) * m // (2 * count))


@dataclass(frozen=True)
class First:
    r"""Keep the first tokens in reading order: the top of the image."""

    name: ClassVar[str] = "first"
    nested: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False

    def __call__(
        self,
        tokens: Array,
        keep: int,
        *,
        generator: np.random.Generator | None = None,
        cost: Array | None = None,
    ) -> Selection:
        """Keep the first ``keep`` of the tokens [m, d]; generator and cost are not used."""
        cloud, count = prepare(tokens, keep)
        return build_selection(self, cloud, np.arange(count))


@dataclass(frozen=True)
class Last:
    r"""Keep the last tokens in reading order, picked from the end: m-1, m-2, ..."""

    name: ClassVar[str] = "last"
    nested: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False

    def __call__(
        self,
        tokens: Array,
        keep: int,
        *,
        generator: np.random.Generator | None = None,
        cost: Array | None = None,
    ) -> Selection:
        """Keep the last ``keep`` of the tokens [m, d]; generator and cost are not used."""
        cloud, count = prepare(tokens, keep)
        m = cloud.shape[0]
        return build_selection(self, cloud, np.arange(m - 1, m - 1 - count, -1))


@dataclass(frozen=True)
class Random:
    r"""Keep a random subset: the start of one random permutation, so that larger subsets hold the smaller."""

    name: ClassVar[str] = "random"
    nested: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True

    def __call__(
        self,
        tokens: Array,
        keep: int,
        *,
        generator: np.random.Generator | None = None,
        cost: Array | None = None,
    ) -> Selection:
        """Keep ``keep`` of the tokens [m, d], drawn with ``generator``; cost is not used."""
        cloud, count = prepare(tokens, keep)
        order = require_generator(self, generator).permutation(cloud.shape[0])[:count]
        return build_selection(self, cloud, order)
