"""K-medoids, of the quantisation error and of the exact distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from otanalysis.arrays import IntArray
from otanalysis.errors import ConvergenceError
from otanalysis.image import Image
from otanalysis.scalars import check_integer
from otanalysis.selection.selector import Selector
from otanalysis.transport.exact import solve_exact, wasserstein2
from otanalysis.transport.floor.local_search import move_medoids
from otanalysis.transport.medoids import medoids
from otanalysis.transport.quantisation import quantisation_error


@dataclass(frozen=True)
class KMedoids(Selector):
    r"""Keep the medoids of the tokens: a local minimum of the quantisation error.

    FasterPAM of the package kmedoids on squared Euclidean distances, started with BUILD, so that the result
    is deterministic. Medoids have no order of picking; not nested. The weights of an image are those of the
    quantisation error: a token costs its distance times its weight, which FasterPAM takes like any other
    dissimilarity of an object to a medoid, symmetric or not.

    Parameters
    ----------
    max_iter : int
        Passes over all tokens before giving up; each accepts every swap that lowers the error. A handful is
        the rule.

    Raises
    ------
    InputError
        If ``max_iter`` is no positive integer.
    ConvergenceError
        If the last allowed pass still found swaps.
    """

    max_iter: int = 100

    name: ClassVar[str] = "kmedoids"
    objective: ClassVar[str] = "coverage: smallest mean squared distance of a token to its nearest kept one"

    def __post_init__(self) -> None:
        passes = check_integer(
            self.max_iter, "max_iter", wanted="an integer from 1 to 10**6", low=1, high=10**6
        )
        object.__setattr__(self, "max_iter", passes)

    def pick(self, image: Image, keep: int, generator: np.random.Generator | None) -> IntArray:
        """Return the medoids [keep], ascending."""
        return medoids(image.unit_distances, keep, self.max_iter, image.weights)

    def worth(self, image: Image, kept: IntArray) -> float:
        """Return minus the quantisation error, in squared units of the tokens."""
        return -quantisation_error(image, kept)


@dataclass(frozen=True)
class OTMedoids(Selector):
    r"""Keep tokens that locally minimise the exact distance :math:`W_2^2(P, Q_C)` to uniform kept tokens.

    Starts from k-medoids and repeats: solve exact transport from all tokens to the kept ones (plan
    :math:`G`), then move every kept token ``c`` to the token ``j`` that serves its share best,
    :math:`\arg\min_j \sum_i G_{ic} D_{ij}`, among those not kept. No round increases the exact distance.
    Stops when no token moves. Not nested; deterministic. ``P`` has the weights of the image, if it has any.

    Parameters
    ----------
    max_rounds : int
        Exact solves before giving up; 4 to 10 are the rule.

    Raises
    ------
    InputError
        If ``max_rounds`` is no positive integer.
    ConvergenceError
        If tokens still move after ``max_rounds``.
    """

    max_rounds: int = 200

    name: ClassVar[str] = "ot-medoids"
    objective: ClassVar[str] = "matching: smallest W2 to kept tokens of one mass"

    def __post_init__(self) -> None:
        rounds = check_integer(self.max_rounds, "max_rounds", wanted="an integer from 1 on", low=1)
        object.__setattr__(self, "max_rounds", rounds)

    def pick(self, image: Image, keep: int, generator: np.random.Generator | None) -> IntArray:
        """Return the tokens [keep] that settled, ascending."""
        cost, masses = image.unit_distances, image.weights
        kept = medoids(cost, keep, max_iter=100, masses=masses)
        transport = None
        for _ in range(self.max_rounds):
            transport = solve_exact(cost, kept, masses=masses, near=transport)
            moved = move_medoids(cost, transport)
            if np.array_equal(moved, kept):
                return np.sort(kept)
            kept = moved
        raise ConvergenceError(
            f"ot-medoids was to settle within {self.max_rounds} rounds, but tokens still move; "
            "raise max_rounds."
        )

    def worth(self, image: Image, kept: IntArray) -> float:
        """Return minus the exact distance, in the unit of the tokens."""
        return -wasserstein2(image, kept).distance
