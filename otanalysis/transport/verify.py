"""A second look at an exact distance that trusts neither the solver nor the distance matrix it was given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from otanalysis.arrays import Array, check_indices, check_tokens, to_numpy
from otanalysis.errors import InputError
from otanalysis.image import FloatArray
from otanalysis.normalise import normalise_tokens
from otanalysis.transport.exact import ExactTransport

__all__ = ["Verification", "verify_transport"]

_CHUNK_ENTRIES = 2**20  # of the differences at a time: they stay in the cache

# Relative to the largest cost: plan and potentials are float64, solved on costs that are right to 1e-10.
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Verification:
    r"""What a plan and potentials prove about :math:`W_2^2(P, Q_C)`, computed anew from the tokens.

    Attributes
    ----------
    lower : float
        Value of the potentials after they were made feasible: :math:`W_2^2` is at least this (squared unit).
    upper : float
        Cost of the plan after the mass that it misses was moved at the largest cost: :math:`W_2^2` is at most
        this.
    infeasibility : float
        Largest :math:`u_i + v_j - c_{ij}` of the potentials as given, zero if none is positive.
    marginal_error : float
        Mass that the plan misses or has too much of, negative entries left out.
    claimed : float
        The squared distance as given.
    largest_cost : float
        Largest squared distance to a kept token.
    """

    lower: float
    upper: float
    infeasibility: float
    marginal_error: float
    claimed: float
    largest_cost: float

    @property
    def error(self) -> float:
        """Width of the bracket and the claimed distance together, relative to the largest cost."""
        width = float(np.ptp([self.lower, self.upper, self.claimed]))
        if width == 0.0:
            return 0.0
        return width / self.largest_cost if self.largest_cost > 0.0 else float("inf")

    @property
    def sound(self) -> bool:
        """Whether claim and bracket agree as closely as float64 plans and potentials allow."""
        return self.error <= _TOLERANCE


def verify_transport(tokens: Array, transport: ExactTransport) -> Verification:
    r"""Bracket the exact distance by plan and potentials, from the tokens alone.

    Costs are sums of squared differences, not the matrix product that the solver saw; plan and potentials are
    summed in extended precision.
    Any plan with the right marginals costs at least :math:`W_2^2`, any feasible potentials are worth at most
    it; errors in either are charged at the largest cost.

    Parameters
    ----------
    tokens : array [m, d]
        All tokens, as they were given to :func:`~otanalysis.transport.exact.wasserstein2`.
    transport : ExactTransport
        What it returned.

    Returns
    -------
    Verification

    Raises
    ------
    InputError
        If the transport is not one of these tokens.

    Examples
    --------
    >>> from otanalysis.transport import wasserstein2
    >>> tokens = [[0.0], [1.0], [4.0], [5.0]]
    >>> verify_transport(tokens, wasserstein2(tokens, [0, 2])).sound
    True
    """
    cloud = normalise_tokens(check_tokens(tokens), transport.normalise)  # type: ignore[arg-type]
    rows = np.asarray(to_numpy(cloud), dtype=np.float64)
    m, k = transport.plan.shape
    if len(rows) != m:
        raise InputError(f"The transport is of {m} tokens; got {len(rows)}: pass the tokens it was made of.")
    cost = _costs(rows, rows[check_indices(transport.indices, m)])
    # A repair of negative entries could cost twice their mass; without them the plan only has too much.
    plan = np.maximum(transport.plan, 0.0).astype(np.longdouble)
    u, v = (potential.astype(np.longdouble) for potential in transport.potentials)
    largest = cost.max()
    excess = max(np.longdouble(0.0), np.max(u[:, None] + v[None, :] - cost))
    missing = (
        np.abs(plan.sum(axis=1) - np.longdouble(1) / m).sum()
        + np.abs(plan.sum(axis=0) - np.longdouble(1) / k).sum()
    )
    return Verification(
        lower=float(u.mean() + v.mean() - excess),
        upper=float(np.sum(plan * cost) + missing * largest),
        infeasibility=float(excess),
        marginal_error=float(missing),
        claimed=transport.squared_distance,
        largest_cost=float(largest),
    )


def _costs(rows: FloatArray, kept: FloatArray) -> npt.NDArray[np.longdouble]:
    """Return the squared distances [m, k], summed from differences."""
    cost = np.empty((len(rows), len(kept)), dtype=np.longdouble)
    step = max(1, _CHUNK_ENTRIES // kept.size)
    for start in range(0, len(rows), step):
        difference = rows[start : start + step, None, :] - kept[None, :, :]
        cost[start : start + step] = np.einsum("ijd,ijd->ij", difference, difference)
    return cost
