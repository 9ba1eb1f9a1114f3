"""Methods that want a kept token near every token, one by one: the farthest point, and facility location."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from array_api_compat import array_namespace, device

from otanalysis.arrays import Array, IntArray
from otanalysis.image import Image
from otanalysis.selection.divprune import farthest_first
from otanalysis.selection.greedy import pick_greedily
from otanalysis.selection.selector import GreedySelector
from otanalysis.selection.sizes import distances_between
from otanalysis.surrogate import cosine_kernel, one_launch

_ROUNDING = 1e-12
"""Of a similarity, in a sum of them over the tokens."""


@dataclass(frozen=True)
class FarthestPoint(GreedySelector):
    r"""Keep the token that is farthest from those kept, again and again, in Euclidean distance.

    Minimises the Hausdorff radius :math:`\max_i \min_{c \in C} \lVert v_i - v_c \rVert` (k-centre): whatever
    the first pick, the radius is at most twice the smallest possible (Gonzalez, 1985). Visual tokens are
    pruned so by AgilePruner's FPSPruner and by ToDRE (arXiv:2505.18757), whose first stage is this greedy
    algorithm.

    The first pick is this package's: the token from which the farthest one is nearest, the best there is of
    one token. Ties go to the lowest index. The gain of a pick is its distance from those before it, that of
    the first is infinite. Weights of the tokens are not used: a radius knows none.
    """

    name: ClassVar[str] = "fps"
    objective: ClassVar[str] = "coverage: smallest largest distance of a token to its nearest kept one"

    def matrix(self, image: Image) -> Array:
        """Return the distances [m, m]."""
        return distances_between(image)

    def search(self, matrices: Array, keep: int) -> tuple[Array, ...]:
        """Pick the farthest first, from the centre."""
        xp = array_namespace(matrices)
        order, gains = farthest_first(matrices, keep, start=-xp.max(matrices, axis=2))
        gains[:, 0] = xp.inf
        return order, gains

    def worth(self, image: Image, kept: IntArray) -> float:
        """Return minus the radius, in the unit of the tokens."""
        return -float(np.max(np.min(self.matrix(image)[:, kept], axis=1)))


@dataclass(frozen=True)
class FacilityLocation(GreedySelector):
    r"""Keep tokens one by one so that every token has a kept one of large cosine similarity.

    Greedy maximum of :math:`f(C) = \sum_i \max_{c \in C} (1 + \cos(v_i, v_c))`, which is monotone and
    submodular with :math:`f(\emptyset) = 0`: at least :math:`1 - 1/e` of the largest possible (Nemhauser,
    Wolsey and Fisher, 1978). This is SCOPE (arXiv:2510.24214) without saliency, the vision half of MMTok
    (arXiv:2508.18264), and FLoC. SCOPE's released code starts from a similarity of zero in place of minus
    one, so that a negative similarity counts for nothing there; the two differ only where a token has none
    that is positive.

    Ties, which are the rule for two tokens that have none but each other, go to the lowest index. Gains are
    increments of :math:`f`. Weights of the tokens are not used.
    """

    name: ClassVar[str] = "facility-location"
    objective: ClassVar[str] = "coverage: largest mean cosine similarity of a token to its nearest kept one"

    def matrix(self, image: Image) -> Array:
        """Return the cosine similarities [m, m]."""
        return cosine_kernel(image)

    def matrices(self, clouds: Array) -> tuple[Array, Array]:
        """Return the cosine similarities of images on a GPU."""
        return one_launch.cosine_kernels(clouds)

    def search(self, matrices: Array, keep: int) -> tuple[Array, ...]:
        """Pick what raises the similarities to the nearest kept token the most."""
        xp = array_namespace(matrices)

        def gain(best: Array, _: int) -> Array:
            own = zip(matrices, best, strict=True)
            return xp.stack([xp.sum(xp.clip(similar - so_far, 0.0), axis=1) for similar, so_far in own])

        return pick_greedily(
            matrices,
            keep,
            xp.full(matrices.shape[:2], -1.0, dtype=xp.float64, device=device(matrices)),
            gain=gain,
            absorb=lambda best, rows, _: xp.maximum(best, rows),
            rounding=_ROUNDING * matrices.shape[1],
        )

    def worth(self, image: Image, kept: IntArray) -> float:
        """Return the mean similarity of a token to its nearest kept one, in [-1, 1]."""
        return float(np.mean(np.max(self.matrix(image)[:, kept], axis=1)))
