"""The longest tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from otanalysis.arrays import IntArray
from otanalysis.image import Image
from otanalysis.selection.selector import Selector
from otanalysis.selection.sizes import lengths


@dataclass(frozen=True)
class Norm(Selector):
    r"""Keep the tokens of the largest Euclidean length :math:`\lVert v_i \rVert`.

    A control: what a method leans to that lengths pull, as they do the surrogate of OTPrune. Ties go to the
    lowest index. Weights of the tokens are not used.
    """

    name: ClassVar[str] = "norm"
    nested: ClassVar[bool] = True
    objective: ClassVar[str] = "length: largest share of the squared lengths"

    def pick(self, image: Image, keep: int, generator: np.random.Generator | None) -> IntArray:
        """Return the positions [keep], the longest token first."""
        return np.argsort(-lengths(image), kind="stable")[:keep]

    def worth(self, image: Image, kept: IntArray) -> float:
        """Return the share of the tokens' squared lengths that is kept, in [0, 1]; zero if all are zero."""
        found = lengths(image)
        if not found.any():
            return 0.0
        squares = (found / found.max()) ** 2
        return float(squares[kept].sum() / squares.sum())
