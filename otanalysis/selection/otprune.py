"""OTPrune: greedy maximisation of the log-determinant surrogate of exact transport."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from otanalysis.arrays import Array, Normalisation
from otanalysis.defaults import RELEASED_GAMMA
from otanalysis.selection.selector import Selection, build_selections, prepare, prepare_stack, stack
from otanalysis.surrogate.kernel import otprune_kernel
from otanalysis.surrogate.logdet import greedy_logdet

__all__ = ["OTPrune"]


@dataclass(frozen=True)
class OTPrune:
    r"""The selection of arXiv:2602.20205, as in its released code.

    Greedy on :math:`\log\det K_{CC}` with :math:`K = I + \gamma \tilde V \tilde V^\top`, :math:`\tilde V = V
    V^\top`; within :math:`1 - 1/e` of the best subset of that surrogate (nothing is promised for the exact
    distance). The released code fixes :math:`\gamma` at 0.01 and normalises columns. Gains are those of the
    surrogate.

    Parameters
    ----------
    gamma : float
        Positive factor of the Gram term.
    normalise : {"none", "columns", "rows"}
        Normalisation of the tokens before the kernel.
    """

    gamma: float = RELEASED_GAMMA
    normalise: Normalisation = "columns"

    name: ClassVar[str] = "otprune"
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
        kernel_of = partial(otprune_kernel, gamma=self.gamma, normalise=self.normalise)
        kernels = stack(map(kernel_of, clouds), len(clouds))
        # Every eigenvalue of the kernel is at least one.
        return build_selections(self, m, *greedy_logdet(kernels, count, floor=1.0))
