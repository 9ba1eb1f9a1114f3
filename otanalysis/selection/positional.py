"""Evenly spaced tokens in reading order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from otanalysis.arrays import Array
from otanalysis.selection.selector import Selection, build_selection, prepare

__all__ = ["Uniform"]


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
