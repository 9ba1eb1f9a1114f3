"""OTPrune: greedy maximisation of the log-determinant surrogate of exact transport."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from array_api_compat import array_namespace

from otanalysis.arrays import Array, IntArray, Normalisation, check_normalisation, resolve_keep
from otanalysis.defaults import PAPER_GAMMA, RELEASED_GAMMA
from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.selection import single_logdet
from otanalysis.selection.selector import GreedySelector, Selection, Selector
from otanalysis.surrogate import one_launch, otprune_kernel
from otanalysis.surrogate.kernel import check_gamma, paper_factor
from otanalysis.surrogate.logdet import greedy_picks, logdet_value

_NEGLIGIBLE = 2.0**-40
"""Of a kernel above the identity: with less, four digits and fewer are left of what tells tokens apart."""
_ORDINARY = 1e250
"""With a smaller gamma no kernel of normalised tokens overflows."""


@dataclass(frozen=True)
class OTPrune(GreedySelector):
    r"""The selection of arXiv:2602.20205, as in its released code.

    Greedy on :math:`\log\det K_{CC}` with :math:`K = I + \gamma \tilde V \tilde V^\top`, :math:`\tilde V = V
    V^\top`; within :math:`1 - 1/e` of the best subset of that surrogate (nothing is promised for the exact
    distance). The released code fixes :math:`\gamma` at 0.01 and normalises columns; the paper's own
    :math:`\gamma` is another, that of :class:`OTPrunePaper`. Gains are those of the surrogate.

    Parameters
    ----------
    gamma : float
        Positive factor of the Gram term.
    normalise : {"none", "columns", "rows"}
        Normalisation of the tokens before the kernel.

    Raises
    ------
    InputError
        If gamma or normalise are not as described; when it selects, also if the kernel overflows, or differs
        so little from the identity that rounding would decide.
    """

    gamma: float = RELEASED_GAMMA
    normalise: Normalisation = "columns"

    name: ClassVar[str] = "otprune"
    objective: ClassVar[str] = "surrogate: largest log-determinant, the released code's gamma"

    def __post_init__(self) -> None:
        object.__setattr__(self, "gamma", check_gamma(self.gamma))
        object.__setattr__(self, "normalise", check_normalisation(self.normalise))

    def matrix(self, image: Image) -> Array:
        """Return the kernel [m, m]."""
        kernel = otprune_kernel(image, gamma=self.gamma, normalise=self.normalise)
        if self.normalise == "none" or not self._tells(len(image)):
            _check_telling(kernel, image, self.gamma)
        return kernel

    def matrices(self, clouds: Array) -> tuple[Array, Array] | None:
        """Return the kernels of images on a GPU; None where :meth:`matrix` looks at each."""
        if self.normalise == "none" or not self._tells(clouds.shape[1]) or self.gamma >= _ORDINARY:
            return None
        return one_launch.otprune_kernels(clouds, gamma=self.gamma, normalise=self.normalise)

    def _tells(self, m: int) -> bool:
        """Tell whether the kernel of m normalised tokens differs from the identity by more than rounding.

        One of its diagonal entries exceeds one by gamma / m^2 or more, unless all tokens are zero: no look at
        a device is needed.
        """
        return self.gamma >= _NEGLIGIBLE * m**2

    def search(self, matrices: Array, keep: int) -> tuple[Array, ...]:
        """Maximise the log-determinant greedily."""
        if one_launch.runs_here(matrices):
            return one_launch.greedy_logdet(matrices, keep, floor=1.0)
        # Every eigenvalue of the kernel is at least one.
        return greedy_picks(matrices, keep, floor=1.0)

    def at_once(self, image: Image, keep: int) -> tuple[Array, Array] | None:
        """Return picks and gains [keep] with a float32 product, where it decides."""
        if self.normalise != "columns" or not self._tells(len(image)) or self.gamma >= _ORDINARY:
            return None
        return single_logdet.squared_gram(image, keep, gamma=self.gamma)

    def worth(self, image: Image, kept: IntArray) -> float:
        """Return the log-determinant of the kernel of the kept tokens, in nats."""
        return logdet_value(self.matrix(image), kept)


@dataclass(frozen=True)
class OTPrunePaper(Selector):
    r"""The selection of arXiv:2602.20205 with the :math:`\gamma` of its equation 7.

    Greedy as :class:`OTPrune`, with the factor that the paper's gamma makes for :math:`k` of :math:`m` tokens
    (:func:`~otanalysis.surrogate.kernel.paper_factor`): :math:`\gamma m / k` on normalised columns. Each
    :math:`k` has its own, so that a smaller selection is not the first picks of a larger one.

    Parameters
    ----------
    gamma : float
        The paper's, positive; it tries 0.005 to 0.1.
    normalise : {"none", "columns", "rows"}
        Normalisation of the tokens before the kernel; the paper's unit variance is "columns".

    Raises
    ------
    InputError
        As :class:`OTPrune`.
    """

    gamma: float = PAPER_GAMMA
    normalise: Normalisation = "columns"

    name: ClassVar[str] = "otprune-paper"
    objective: ClassVar[str] = "surrogate: largest log-determinant, the paper's gamma"

    def __post_init__(self) -> None:
        object.__setattr__(self, "gamma", check_gamma(self.gamma))
        object.__setattr__(self, "normalise", check_normalisation(self.normalise))

    def released(self, m: int, keep: int) -> OTPrune:
        """Return the selector of the released code that keeps the same ``keep`` of ``m`` tokens."""
        return OTPrune(paper_factor(self.gamma, m, keep, self.normalise), self.normalise)

    def pick(self, image: Image, keep: int, generator: np.random.Generator | None) -> tuple[Array, Array]:
        """Return picks and gains [keep] of one image."""
        return self.released(len(image), keep).pick(image, keep, generator)

    def worth(self, image: Image, kept: IntArray) -> float:
        """Return the log-determinant with the paper's factor for so many kept tokens, in nats."""
        return self.released(len(image), len(kept)).worth(image, kept)

    def select_stack(self, clouds: Sequence[Array | Image], keep: int) -> list[Selection]:
        """Keep ``keep`` of the tokens [m, d] of each image, of the same m, and so with one factor."""
        m = max(map(len, clouds), default=keep)
        together = self.released(m, resolve_keep(m, keep=keep)).select_stack(clouds, keep)
        return [replace(one, method=self.name, provenance=repr(self)) for one in together]


def _check_telling(kernel: Array, image: Image, gamma: float) -> None:
    """Raise InputError if rounding, not the tokens, would decide; tokens that are all zero are all alike."""
    xp = array_namespace(kernel)
    largest = xp.max(xp.linalg.diagonal(kernel))
    if bool((largest - 1.0 < _NEGLIGIBLE) & xp.any(image.tokens != 0.0)):
        raise InputError(
            f"The tokens are too small for gamma={gamma:g}: the kernel is the identity up to rounding, which "
            "would choose. Rescale the tokens, raise gamma, or normalise them by columns or rows."
        )
