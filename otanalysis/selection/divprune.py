"""DivPrune: greedy max-min diversity in cosine distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from array_api_compat import array_namespace, device

from otanalysis.arrays import Array
from otanalysis.image import Image
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


def farthest_first(distances: Array, keep: int) -> tuple[Array, Array]:
    """Return picks and their distances [images, keep]: greedy max-min on symmetric [images, m, m]."""
    xp, where = array_namespace(distances), device(distances)
    images, m = distances.shape[:2]
    every = xp.arange(images, device=where)
    order = xp.zeros((images, keep), dtype=xp.int64, device=where)
    gains = xp.zeros((images, keep), dtype=xp.float64, device=where)
    taken = xp.zeros((images, m), dtype=xp.float64, device=where)
    own = xp.eye(m, dtype=xp.bool, device=where)
    never = xp.full((1, 1), xp.inf, dtype=xp.float64, device=where)
    others = xp.where(own, never, distances)
    nearest = xp.min(others, axis=1) if m > 1 else xp.zeros_like(taken)
    for step in range(keep):
        pick = xp.argmax(nearest + taken, axis=1)
        order[:, step] = pick
        gains[:, step] = nearest[every, pick]
        row = distances[every, pick, :]
        nearest = row if step == 0 else xp.minimum(nearest, row)
        taken[every, pick] = -xp.inf
    return order, gains
