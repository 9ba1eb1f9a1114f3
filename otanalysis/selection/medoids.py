"""K-medoids by FasterPAM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from otanalysis.arrays import Array, to_numpy
from otanalysis.errors import ConvergenceError
from otanalysis.image import FloatArray, check_cost
from otanalysis.selection.build import build_medoids
from otanalysis.selection.selector import Selection, build_selection, prepare

__all__ = ["KMedoids", "medoids"]


@dataclass(frozen=True)
class KMedoids:
    r"""Keep the medoids of the tokens: a local minimum of the quantisation error.

    FasterPAM of the package kmedoids on squared Euclidean distances, started with BUILD, so that the result
    is deterministic. Medoids have no order of picking; not nested.

    Parameters
    ----------
    max_iter : int
        Passes over all tokens before giving up; each accepts every swap that lowers the error. A handful is
        the rule.

    Raises
    ------
    ConvergenceError
        If the last allowed pass still found swaps.
    """

    max_iter: int = 100

    name: ClassVar[str] = "kmedoids"
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
        return build_selection(self, cloud, medoids(check_cost(cost, to_numpy(cloud)), count, self.max_iter))


def medoids(cost: FloatArray, keep: int, max_iter: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the ``keep`` medoids, ascending and distinct, of the squared distances [m, m].

    Raises
    ------
    ConvergenceError
        If FasterPAM still swaps after ``max_iter`` passes.
    """
    # The package loads scikit-learn where it is installed; importing otanalysis must not.
    import kmedoids

    found = kmedoids.fasterpam(cost, build_medoids(cost, keep), max_iter=max_iter, n_cpu=1)
    if found.n_iter >= max_iter:
        raise ConvergenceError(
            f"FasterPAM was to settle within {max_iter} passes, but medoids still move: raise max_iter."
        )
    is_kept = np.zeros(len(cost), dtype=bool)
    is_kept[found.medoids] = True
    # BUILD stops once every token has a duplicate among the medoids: the lowest others make up the count.
    is_kept[np.flatnonzero(~is_kept)[: keep - int(is_kept.sum())]] = True
    return np.flatnonzero(is_kept)
