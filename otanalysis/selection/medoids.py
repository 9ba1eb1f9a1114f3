"""K-medoids by FasterPAM."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heapreplace
from typing import ClassVar

import numpy as np

from otanalysis.arrays import FloatArray, IntArray
from otanalysis.errors import ConvergenceError
from otanalysis.image import Image
from otanalysis.scalars import check_integer
from otanalysis.selection.selector import Selector
from otanalysis.transport.exact import solve_exact, wasserstein2
from otanalysis.transport.floor.local_search import move_medoids
from otanalysis.transport.quantisation import quantisation_error


def build_medoids(cost: FloatArray, keep: int) -> IntArray:
    r"""Return medoids picked one by one, each the token that lowers the quantisation error most.

    BUILD of Kaufman and Rousseeuw (1987), pick by pick that of ``kmedoids.pam_build``, which looks at every
    token before every pick. What a token would lower the error by never grows as others are picked, so one
    that would not win with its value of earlier is not looked at again (Minoux, 1978). Rounding keeps the
    order of sums whose terms are ordered: even ties end alike.

    Parameters
    ----------
    cost : ndarray [m, m]
        In row ``j`` what every token costs if ``j`` is its medoid: squared distances, times the tokens'
        weights if they have any.
    keep : int
        Number of medoids.

    Returns
    -------
    ndarray [keep]
        In the order picked, distinct; fewer once every token has a duplicate among them.

    Examples
    --------
    >>> from otanalysis.transport import squared_distances
    >>> build_medoids(squared_distances([[0.0], [1.0], [2.0], [8.0]]), 2)
    array([2, 3])
    """
    medoids = [int(np.argmin(np.add.accumulate(cost, axis=1)[:, -1]))]
    nearest = cost[medoids[0]]
    # Change of the error, token, and the number of medoids that it was computed for; ties go by the token.
    changes = [(_change(cost, nearest, token), token, 1) for token in range(len(cost))]
    heapify(changes)
    while len(medoids) < keep:
        change, token, count = changes[0]
        if count < len(medoids):
            heapreplace(changes, (_change(cost, nearest, token), token, len(medoids)))
        elif change < 0.0:
            medoids.append(token)
            nearest = np.minimum(nearest, cost[token])
        else:
            break
    return np.array(medoids, dtype=np.int64)


def _change(cost: FloatArray, nearest: FloatArray, token: int) -> float:
    """Return the change of the error by one more medoid: its own part first, then the others' in order."""
    terms = np.empty(len(cost) + 1)
    terms[0] = -nearest[token]
    np.minimum(cost[token] - nearest, 0.0, out=terms[1:])
    terms[token + 1] = 0.0
    return float(np.add.accumulate(terms)[-1])


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


def medoids(cost: FloatArray, keep: int, max_iter: int, masses: FloatArray | None = None) -> IntArray:
    """Return the ``keep`` medoids, ascending and distinct, of the squared distances [m, m] and masses [m].

    Raises
    ------
    ConvergenceError
        If FasterPAM still swaps after ``max_iter`` passes.
    """
    # The package loads scikit-learn where it is installed; importing otanalysis must not.
    import kmedoids

    # FasterPAM has objects in rows and medoids in columns, BUILD the other way round.
    by_medoid, by_token = (cost, cost) if masses is None else (cost * masses, cost * masses[:, None])
    start = build_medoids(by_medoid, keep)
    if keep == 1 and masses is not None:
        return start  # the best there is; the package takes rows for columns where it looks for one medoid
    found = kmedoids.fasterpam(by_token, start, max_iter=max_iter, n_cpu=1)
    if found.n_iter >= max_iter:
        raise ConvergenceError(
            f"FasterPAM was to settle within {max_iter} passes, but medoids still move: raise max_iter."
        )
    is_kept = np.zeros(len(cost), dtype=bool)
    is_kept[found.medoids] = True
    # BUILD stops once every token has a duplicate among the medoids: the lowest others make up the count.
    is_kept[np.flatnonzero(~is_kept)[: keep - int(is_kept.sum())]] = True
    return np.flatnonzero(is_kept)


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
        for _ in range(self.max_rounds):
            moved = move_medoids(cost, solve_exact(cost, kept, masses=masses))
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
