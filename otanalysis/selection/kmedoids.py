"""K-medoids by FasterPAM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from otanalysis.selection.base import Selection, build_selection, prepare
from otanalysis.tokens.validate import Array, to_numpy
from otanalysis.transport.cost import FloatArray, check_cost

__all__ = ["KMedoids", "medoids"]


@dataclass(frozen=True)
class KMedoids:
    r"""Keep the medoids of the tokens: a local minimum of the quantisation error.

    FasterPAM of the package kmedoids on squared Euclidean distances, started with BUILD, so that the result
    is deterministic. Medoids have no order of picking; not nested.

    Parameters
    ----------
    max_iter : int
        Passes over all tokens; each accepts every swap that lowers the error. A handful is the rule.
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
    """Return the ``keep`` medoids, ascending, of the dissimilarities [m, m]."""
    if keep == len(cost):
        return np.arange(keep)
    # The package loads scikit-learn where it is installed; importing otanalysis must not.
    import kmedoids

    found = kmedoids.fasterpam(cost, keep, max_iter=max_iter, init="build", n_cpu=1)
    return np.sort(np.asarray(found.medoids, dtype=np.int64))
