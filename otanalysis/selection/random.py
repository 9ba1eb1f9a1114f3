"""Tokens drawn at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from otanalysis.arrays import Array
from otanalysis.selection.selector import Selection, build_selection, prepare, require_generator

__all__ = ["Random"]


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
