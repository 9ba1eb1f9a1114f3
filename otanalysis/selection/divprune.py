"""DivPrune: greedy max-min diversity in cosine distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from array_api_compat import array_namespace, device

from otanalysis.arrays import Array, IntArray
from otanalysis.image import Image
from otanalysis.selection import single
from otanalysis.selection.greedy import pick_greedily
from otanalysis.selection.selector import GreedySelector
from otanalysis.surrogate import cosine_kernel, one_launch


@dataclass(frozen=True)
class DivPrune(GreedySelector):
    r"""Greedy max-min selection in cosine distance, as in DivPrune's released code.

    The first pick is the token that is farthest from its nearest other token; each further one is farthest
    from the nearest token picked so far. Ties go to the lowest index, and a token is never picked twice.
    Gains are that distance, :math:`1 - \cos`, at the time of the pick.
    """

    name: ClassVar[str] = "divprune"
    objective: ClassVar[str] = "diversity: largest smallest cosine distance between two kept tokens"

    def matrix(self, image: Image) -> Array:
        """Return the cosine distances [m, m]."""
        return 1.0 - cosine_kernel(image)

    def matrices(self, clouds: Array) -> tuple[Array, Array]:
        """Return the cosine distances of images on a GPU."""
        similar, bad = one_launch.cosine_kernels(clouds)
        return 1.0 - similar, bad

    def search(self, matrices: Array, keep: int) -> tuple[Array, ...]:
        """Pick the farthest first."""
        if one_launch.runs_here(matrices):
            return one_launch.farthest_first(matrices, keep)
        return farthest_first(matrices, keep)

    def at_once(self, image: Image, keep: int) -> tuple[Array, Array] | None:
        """Return picks and gains [keep] with a float32 product, where it decides."""
        return single.farthest_first(image, keep)

    def worth(self, image: Image, kept: IntArray) -> float:
        """Return the smallest distance between two kept tokens; infinite for one."""
        among = self.matrix(image)[np.ix_(kept, kept)]
        return float(np.min(np.where(np.eye(len(kept), dtype=bool), np.inf, among)))


def farthest_first(distances: Array, keep: int, start: Array | None = None) -> tuple[Array, Array]:
    """Return picks and their distances [images, keep]: greedy max-min on symmetric [images, m, m].

    The first pick is the token of the largest ``start`` [images, m], which is its gain too: without it, of
    the distance to the nearest other token.
    """
    xp = array_namespace(distances)
    return pick_greedily(
        distances,
        keep,
        _nearest_other(distances) if start is None else start,
        gain=lambda nearest, _: nearest,
        absorb=lambda nearest, rows, step: rows if step == 0 else xp.minimum(nearest, rows),
    )


def _nearest_other(distances: Array) -> Array:
    """Return the distance [images, m] from every token to its nearest other; zero for one alone."""
    xp, where = array_namespace(distances), device(distances)
    images, m = distances.shape[:2]
    if m == 1:
        return xp.zeros((images, 1), dtype=xp.float64, device=where)
    own = xp.eye(m, dtype=xp.bool, device=where)
    never = xp.full((1, 1), xp.inf, dtype=xp.float64, device=where)
    return xp.min(xp.where(own, never, distances), axis=1)
