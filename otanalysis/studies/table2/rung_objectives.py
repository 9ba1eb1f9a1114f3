"""Rungs 1 to 5 of the ladder as spectral objectives, whose subsets can be scored in bulk and bounded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from otanalysis.arrays import FloatArray, IntArray, normalise_tokens
from otanalysis.studies.table2.nuclear_norms import NuclearNorms
from otanalysis.studies.table2.spectral_relaxation import SpectralObjective
from otanalysis.surrogate import RUNGS, Ladder, Rung
from otanalysis.transport import wasserstein2


@dataclass(frozen=True, eq=False)
class RungObjective:
    r"""A rung as a score to be maximised, and its bound.

    Attributes
    ----------
    objective : SpectralObjective
        At least the score of every subset.
    constant : float
        The rung is ``constant - score`` where it is minimised; ignored where it is maximised.
    maximised : bool
        Whether the rung itself is the score.
    centred : bool
        Whether the score takes the spectrum of the kept rows without their mean (rung 1). Their covariance is
        below their second moment around any point, so the objective, which does not remove the mean, is a
        bound.
    """

    objective: SpectralObjective
    constant: float
    maximised: bool
    centred: bool

    def score(self, kept: IntArray) -> float:
        """Return the score of one subset [k]."""
        return float(self.scores(kept[None, :])[0])

    def scores(self, subsets: IntArray) -> FloatArray:
        """Return the scores [n] of subsets [n, k]."""
        rows = self.objective.vectors[subsets]
        if self.centred:
            rows = rows - rows.mean(axis=1, keepdims=True)
        return self.objective.values(rows, subsets)

    def rung_value(self, score: FloatArray | float) -> FloatArray:
        """Return the value of the rung that belongs to a score; a distance is never negative."""
        return np.asarray(score if self.maximised else np.maximum(0.0, self.constant - score))


def rung_objective(ladder: Ladder, keep: int, number: int) -> RungObjective:
    r"""Return the objective of one of the rungs 1 to 5.

    With :math:`V = U \, \mathrm{diag}(\sigma) \, W^\top` and :math:`X_C = \Sigma^{1/2} \Sigma_C
    \Sigma^{1/2}`, the rows :math:`a_c = u_c \sigma^2 / \sqrt{mk}` give :math:`\sum_{c \in C} a_c a_c^\top`
    the spectrum of :math:`X_C`. For rung 1 the tokens lose their mean first, and :math:`|\mu_C|^2 +
    \mathrm{tr} S_C` is the mean squared norm of the kept ones. Rungs 4 and 5 have the factor
    :math:`\sqrt\gamma` in place of :math:`1 / \sqrt{mk}`.

    Parameters
    ----------
    ladder : Ladder
        The tokens.
    keep : int
        Size of the subsets.
    number : int
        Of the rung.

    Returns
    -------
    RungObjective
    """
    tokens = ladder.tokens
    m, d = tokens.shape
    rung = RUNGS[number]
    if number == 5:
        tokens = np.asarray(normalise_tokens(tokens, "columns"))
    elif number == 4:
        tokens = tokens * (np.sqrt(d) / (float(np.linalg.norm(tokens)) or 1.0))
    elif number == 1:
        tokens = tokens - tokens.mean(axis=0)
    left, singular, _ = np.linalg.svd(tokens, full_matrices=False)
    factor = np.sqrt(ladder.factor(keep)) if number >= 4 else 1.0 / np.sqrt(m * keep)
    norms = np.sum(tokens**2, axis=1)
    objective = SpectralObjective(
        vectors=left * (factor * singular**2),
        offsets=np.zeros(m) if rung.maximised else -norms / keep,
        scale=1.0 if rung.maximised else 2.0,
        transform="log1p" if number >= 4 else "sqrt",
        keep=keep,
    )
    return RungObjective(objective, float(norms.mean()), rung.maximised, centred=number == 1)


def rung_measure(ladder: Ladder, keep: int, rung: Rung) -> Callable[[IntArray], FloatArray]:
    """Return what says a rung of many subsets: the same as ``ladder.values`` says of each, in less time.

    Parameters
    ----------
    ladder : Ladder
        The tokens.
    keep : int
        Size of the subsets.
    rung : Rung
        Of which.

    Returns
    -------
    callable
        Takes subsets [n, keep], distinct positions in each row, and returns the rung's values [n]. Raises
        ConvergenceError if an exact distance could not be certified.
    """
    if rung.number == 0:
        return lambda subsets: np.array([wasserstein2(ladder.image, one).squared_distance for one in subsets])
    objective = rung_objective(ladder, keep, rung.number)
    if rung.number == 3:
        return NuclearNorms(objective.objective.vectors).of
    return lambda subsets: objective.rung_value(objective.scores(subsets))
