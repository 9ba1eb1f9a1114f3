"""The last tokens in reading order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from otanalysis.arrays import Array
from otanalysis.selection.selector import Selection, build_selection, prepare

__all__ = ["Last"]


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
