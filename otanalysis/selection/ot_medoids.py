"""Medoids of the exact transport plan: a descent of the exact distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from otanalysis.arrays import Array, to_numpy
from otanalysis.errors import ConvergenceError
from otanalysis.image import check_cost
from otanalysis.selection.medoids import medoids
from otanalysis.selection.selector import Selection, build_selection, prepare
from otanalysis.transport.exact import wasserstein2
from otanalysis.transport.floor.local_search import move_medoids

__all__ = ["OTMedoids"]


@dataclass(frozen=True)
class OTMedoids:
    r"""Keep tokens that locally minimise the exact distance :math:`W_2^2(P, Q_C)` with uniform weights.

    Starts from k-medoids and repeats: solve exact transport from all tokens to the kept ones (plan
    :math:`G`), then move every kept token ``c`` to the token ``j`` that serves its share best,
    :math:`\arg\min_j \sum_i G_{ic} D_{ij}`, among those not kept. No round increases the exact distance.
    Stops when no token moves. Not nested; deterministic.

    Parameters
    ----------
    max_rounds : int
        Exact solves before giving up; 4 to 10 are the rule.

    Raises
    ------
    ConvergenceError
        If tokens still move after ``max_rounds``.
    """

    max_rounds: int = 200

    name: ClassVar[str] = "ot-medoids"
    nested: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False

    def __call__(
        self,
        tokens: Array,
        keep: int,
        *,
        generator: np.random.Generator | None = None,
        cost: Array | None = None,
    ) -> Selection:
        """Keep ``keep`` of the tokens [m, d]; the generator is not used."""
        cloud, count = prepare(tokens, keep)
        array = to_numpy(cloud)
        distances = check_cost(cost, array)
        kept = medoids(distances, count, max_iter=100)
        for _ in range(self.max_rounds):
            moved = move_medoids(distances, wasserstein2(array, kept, cost=distances))
            if np.array_equal(moved, kept):
                return build_selection(self, cloud, np.sort(kept))
            kept = moved
        raise ConvergenceError(
            f"ot-medoids was to settle within {self.max_rounds} rounds, but tokens still move; "
            "raise max_rounds."
        )
