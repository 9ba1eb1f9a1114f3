"""Herding: greedy picks whose distribution follows that of all tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
from array_api_compat import array_namespace, device

from otanalysis.arrays import Array, IntArray
from otanalysis.image import Image
from otanalysis.scalars import check_choice, check_number
from otanalysis.selection.greedy import of_each_image, pick_greedily
from otanalysis.selection.selector import GreedySelector
from otanalysis.selection.sizes import distances_between

Kernel = Literal["energy", "gaussian"]
"""Of the maximum mean discrepancy: minus the distance, or a Gaussian of it."""


@dataclass(frozen=True)
class Herding(GreedySelector):
    r"""Keep tokens one by one so that their distribution stays near that of all tokens.

    Greedy minimum of the squared maximum mean discrepancy between the uniform distributions of the kept and
    of all tokens,

    .. math:: \frac{1}{k^2} \sum_{c, c' \in C} K_{cc'} - \frac{2}{k m} \sum_{c \in C} \sum_i K_{ci}
              + \frac{1}{m^2} \sum_{ij} K_{ij},

    with :math:`K_{ij} = -\lVert v_i - v_j \rVert`: the energy distance (Székely and Rizzo, 2013). Since
    :math:`K_{ii}` is the same for all tokens, this is kernel herding (Chen, Welling and Smola, 2010) on the
    tokens: pick :math:`t + 1` maximises :math:`\frac{1}{m} \sum_i K_{ji} - \frac{1}{t + 1} \sum_{c \in C}
    K_{jc}`. No pruner of visual tokens is known to use it: it is here since it matches the distribution, as
    W2 does, at the cost of a greedy method.

    Ties go to the lowest index. Gains are that criterion at the time of the pick. Weights of the tokens are
    not used.

    Parameters
    ----------
    kernel : {"energy", "gaussian"}
        "gaussian" is :math:`\exp(-\lVert v_i - v_j \rVert^2 / (2 h^2))`.
    bandwidth : float
        :math:`h` of the Gaussian kernel, in units of the mean distance between two tokens, positive.

    Raises
    ------
    InputError
        If the kernel is unknown or the bandwidth is not a positive number.
    """

    kernel: Kernel = "energy"
    bandwidth: float = 1.0

    name: ClassVar[str] = "herding"
    objective: ClassVar[str] = "matching: smallest energy distance to all tokens"

    def __post_init__(self) -> None:
        wanted = "a positive, finite number"
        object.__setattr__(self, "kernel", check_choice(self.kernel, "kernel", get_args(Kernel)))
        object.__setattr__(
            self, "bandwidth", check_number(self.bandwidth, "bandwidth", wanted=wanted, above=0.0)
        )

    def matrix(self, image: Image) -> Array:
        """Return the kernel [m, m]."""
        distances = distances_between(image)
        if self.kernel == "energy":
            return -distances
        xp = array_namespace(distances)
        mean = xp.mean(distances)
        with np.errstate(over="ignore", under="ignore"):  # of tokens far apart, whose likeness is zero
            scaled = distances / xp.where(mean > 0.0, mean, xp.ones_like(mean)) / self.bandwidth
            return xp.exp(-(scaled * scaled) / 2.0)

    def search(self, matrices: Array, keep: int) -> tuple[Array, ...]:
        """Pick what is like all tokens and unlike those picked."""
        xp = array_namespace(matrices)
        likeness = of_each_image(lambda one: xp.mean(one, axis=1), matrices)
        return pick_greedily(
            matrices,
            keep,
            xp.zeros(matrices.shape[:2], dtype=xp.float64, device=device(matrices)),
            gain=lambda sums, step: likeness - sums / (step + 1),
            absorb=lambda sums, rows, _: sums + rows,
        )

    def worth(self, image: Image, kept: IntArray) -> float:
        """Return minus the squared discrepancy: of the energy kernel, minus the energy distance."""
        kernel = self.matrix(image)
        among = np.mean(kernel[np.ix_(kept, kept)])
        return float(2.0 * np.mean(kernel[kept]) - among - np.mean(kernel))
