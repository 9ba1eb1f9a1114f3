"""DivPrune: greedy max-min diversity in cosine distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from array_api_compat import array_namespace, device

from otanalysis.selection.base import Selection, build_selection, prepare
from otanalysis.surrogate.kernel import cosine_kernel
from otanalysis.tokens.validate import Array

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
        order, gains = _farthest_first(1.0 - cosine_kernel(cloud), count)
        return build_selection(self, cloud, order, gains)


def _farthest_first(distances: Array, keep: int) -> tuple[Array, Array]:
    """Return picks [keep] and their distances [keep]: greedy max-min on a symmetric matrix [m, m]."""
    xp = array_namespace(distances)
    m, where = distances.shape[0], device(distances)
    own = xp.eye(m, dtype=xp.bool, device=where)
    order = xp.zeros((keep,), dtype=xp.int64, device=where)
    gains = xp.zeros((keep,), dtype=xp.float64, device=where)
    taken = xp.zeros((m,), dtype=xp.float64, device=where)
    others = xp.where(own, xp.full_like(distances, xp.inf), distances)
    nearest = xp.min(others, axis=0) if m > 1 else xp.zeros((m,), dtype=xp.float64, device=where)
    for step in range(keep):
        pick = xp.reshape(xp.argmax(nearest + taken), (1,))
        order[step : step + 1] = pick
        gains[step : step + 1] = xp.take(nearest, pick)
        row = xp.reshape(xp.take(distances, pick, axis=0), (m,))
        nearest = row if step == 0 else xp.minimum(nearest, row)
        taken[pick] = -xp.inf
    return order, gains
