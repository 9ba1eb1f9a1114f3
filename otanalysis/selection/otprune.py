"""OTPrune: greedy maximisation of the log-determinant surrogate of exact transport."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from otanalysis.arrays import Array, Normalisation, check_normalisation
from otanalysis.defaults import RELEASED_GAMMA
from otanalysis.image import Image
from otanalysis.selection.selector import GreedySelector
from otanalysis.surrogate import greedy_logdet, one_launch, otprune_kernel
from otanalysis.surrogate.kernel import check_gamma


@dataclass(frozen=True)
class OTPrune(GreedySelector):
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

    def matrix(self, image: Image) -> Array:
        """Return the kernel [m, m]."""
        return otprune_kernel(image, gamma=self.gamma, normalise=self.normalise)

    def matrices(self, clouds: Array) -> tuple[Array, Array]:
        """Return the kernels of images on a GPU."""
        check_gamma(self.gamma)
        check_normalisation(self.normalise)
        return one_launch.otprune_kernels(clouds, gamma=self.gamma, normalise=self.normalise)

    def search(self, matrices: Array, keep: int) -> tuple[Array, ...]:
        """Maximise the log-determinant greedily."""
        if one_launch.runs_here(matrices):
            return one_launch.greedy_logdet(matrices, keep, floor=1.0)
        # Every eigenvalue of the kernel is at least one.
        return greedy_logdet(matrices, keep, floor=1.0)
