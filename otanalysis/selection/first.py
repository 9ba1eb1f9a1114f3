"""The first tokens in reading order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from otanalysis.arrays import Array
from otanalysis.selection.selector import Selection, build_selection, prepare

__all__ = ["First"]


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
