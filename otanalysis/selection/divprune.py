"""DivPrune: greedy max-min diversity in cosine distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from array_api_compat import array_namespace, device

from otanalysis.arrays import Array
from otanalysis.selection.selector import Selection, build_selections, prepare, prepare_stack, stack
from otanalysis.surrogate.kernel import cosine_kernel

__all__ = ["DivPrune"]


@dataclass(frozen=True)
class DivPrune:
    r"""Greedy max-min selection in cosine distance, as in DivPrune's released code.

    The first pick is the token that is farthest from its nearest other token; each further one is farthest
    from the nearest token picked so far. Ties go to the lowest index, and a token is never picked twice.
    Gains are that distance, :math:`1 - \cos`, at the time of the pick.
    """

    name: ClassVar[str] = "divprune"
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
        distances = stack((1.0 - cosine_kernel(cloud) for cloud in clouds), len(clouds))
        return build_selections(self, m, *_farthest_first(distances, count))


def _farthest_first(distances: Array, keep: int) -> tuple[Array, Array]:
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
