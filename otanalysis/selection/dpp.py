"""Greedy MAP inference of a determinantal point process on cosine similarities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from otanalysis.arrays import Array
from otanalysis.selection.selector import Selection, build_selections, prepare, prepare_stack, stack
from otanalysis.surrogate.kernel import cosine_kernel
from otanalysis.surrogate.logdet import greedy_logdet

__all__ = ["GreedyDPP"]


@dataclass(frozen=True)
class GreedyDPP:
    r"""Greedy MAP of the determinantal point process whose kernel are the cosine similarities.

    The first pick is the first token that is not zero, since all of them tie. The kernel is singular: beyond
    its rank every determinant vanishes. From there on gains are minus infinity and the picks start a new
    greedy run over the tokens left (:func:`~otanalysis.surrogate.logdet.greedy_logdet`). Gains are increments
    of the log-determinant, never positive.
    """

    name: ClassVar[str] = "dpp"
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
        """Keep ``keep`` of the tokens [m, d]; generator and cost are not used."""
        cloud, count = prepare(tokens, keep)
        return self.select_stack([cloud], count)[0]

    def select_stack(self, clouds: Sequence[Array], keep: int) -> list[Selection]:
        """Keep ``keep`` of the tokens [m, d] of each image, of the same m; one greedy run for all."""
        m, count = prepare_stack(clouds, keep)
        kernels = stack(map(cosine_kernel, clouds), len(clouds))
        return build_selections(self, m, *greedy_logdet(kernels, count))
