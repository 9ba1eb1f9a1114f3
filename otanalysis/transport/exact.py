"""Exact 2-Wasserstein distance between all tokens and the kept ones, with its dual certificate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from otanalysis.arrays import (
    Array,
    FloatArray,
    IntArray,
    Normalisation,
    check_indices,
    check_weights,
    real_numbers,
    to_numpy,
)
from otanalysis.errors import InputError
from otanalysis.image import Image, rescaled, rescaled_number
from otanalysis.scalars import check_choice, shown
from otanalysis.transport.marginals import Marginals, UniformMarginals, WeightedMarginals
from otanalysis.transport.quantisation import mean_over
from otanalysis.transport.simplex import MARGINAL_TOLERANCE, Solution, solve_uniform, solve_weighted

# Pivots of the network simplex. 576 x 115 tokens need some thousands; the cap only has to be out of the way.
MAX_PIVOTS = 10_000_000


@dataclass(frozen=True, eq=False)
class ExactTransport:
    r"""What :func:`wasserstein2` returns: an optimal transport to the kept tokens, and the proof that it is.

    Attributes
    ----------
    distance : float
        :math:`W_2(P, Q_C)`, in the unit of the tokens.
    squared_distance : float
        :math:`W_2^2(P, Q_C)`: the primal value, squared unit.
    plan : ndarray [m, k]
        Optimal plan; rows sum to ``weights``, columns to ``kept_weights``. Columns in the order of
        ``indices``.
    potentials : tuple of ndarray [m] and ndarray [k]
        Dual potentials ``u`` and ``v`` (squared unit), ``u_i + v_j <= c_ij``, with ``v`` of mean zero over
        ``kept_weights``; zero where these were free, so that ``u`` alone proves that no others do better.
    duality_gap : float
        Primal minus dual value (squared unit); zero up to rounding.
    infeasibility : float
        Largest ``u_i + v_j - c_ij`` (squared unit), zero if no constraint is violated.
    indices : ndarray [k]
        The kept tokens, in the order given.
    normalise : {"none", "columns", "rows"}
        The normalisation of the tokens before the distance.
    weights : ndarray [m]
        Masses of all tokens, of sum one: ``1/m`` each unless weights were given.
    kept_weights : ndarray [k]
        Masses of the kept tokens, of sum one, in the order of ``indices``: ``1/k`` each unless others were
        asked for.
    free : bool
        Whether the masses of the kept tokens were free; the distance is then the smallest for any.
    """

    distance: float
    squared_distance: float
    plan: FloatArray
    potentials: tuple[FloatArray, FloatArray]
    duality_gap: float
    infeasibility: float
    indices: IntArray
    normalise: Normalisation
    weights: FloatArray
    kept_weights: FloatArray
    free: bool = False


def wasserstein2(
    tokens: Array | Image,
    indices: Array,
    *,
    normalise: Normalisation = "none",
    weights: Array | None = None,
    kept_weights: Literal["uniform", "optimal"] | Array = "uniform",
) -> ExactTransport:
    r"""Return the exact :math:`W_2` between all tokens and the kept ones, by default with uniform weights.

    .. math:: W_2^2(P, Q_C) = \min_{G \geq 0} \sum_{ij} G_{ij} \lVert v_i - v_{c_j} \rVert^2
              \quad \text{s.t.} \quad G \mathbf{1} = w, \; G^\top \mathbf{1} = b

    Section 3.2 of arXiv:2602.20205, and rung 0 of the ladder from there to its surrogate, with
    :math:`w_i = 1/m` and :math:`b_j = 1/k`. Other masses, and free ones of the kept tokens, are what its
    appendix C leaves open: the best free ones give every token to its nearest kept one, and the squared
    distance is the quantisation error. The solver is POT's network simplex. Its answer is not believed but
    checked: marginals, feasibility of the dual potentials and the duality gap are measured, and a violation
    raises.

    Parameters
    ----------
    tokens : array [m, d] or Image
        All tokens; NumPy or torch.
    indices : array [k]
        Positions of the kept tokens, distinct, in any order.
    normalise : {"none", "columns", "rows"}
        Normalisation of the tokens before the distance.
    weights : array [m], optional
        Weights of all tokens: non-negative, finite, not all zero, in any unit; the masses are these over
        their sum. By default those of the image, or uniform. A token of weight zero may be kept. Where
        positive weights, of these or the kept tokens, lie 1e16-fold or more apart, a distance that is owed
        to the least of them may be beyond a certificate, and raises.
    kept_weights : {"uniform", "optimal"} or array [k]
        Of the kept tokens: ``1/k`` each, the best there are, or weights as above in the order of ``indices``.

    Returns
    -------
    ExactTransport

    Raises
    ------
    InputError
        If tokens, indices, normalise or a weight are not as described.
    ConvergenceError
        If the solver stopped early or the certificate does not hold, as where weights lie very far apart, or
        leave nothing to move between duplicates but the rounding of their sums.

    Examples
    --------
    >>> tokens = [[0.0], [1.0], [4.0], [5.0]]
    >>> wasserstein2(tokens, [0, 2]).squared_distance
    0.5
    >>> free = wasserstein2(tokens, [0, 2], weights=[6, 1, 1, 0], kept_weights="optimal")
    >>> free.squared_distance, free.kept_weights
    (0.125, array([0.875, 0.125]))
    """
    image = Image.of(tokens).normalised(normalise)
    kept = check_indices(indices, len(image))
    masses = image.masses(weights)
    cost = np.ascontiguousarray(image.unit_distances[:, kept])
    if isinstance(kept_weights, str):
        free = check_choice(kept_weights, "kept_weights", ("uniform", "optimal")) == "optimal"
        wanted = None
    else:
        free, wanted = False, check_weights(kept_weights, len(kept), name="kept_weights")
    found = _to_nearest(cost, masses) if free else _between(cost, masses, wanted)
    return _transport(found, kept, image.exponent, normalise, free=free)


def solve_exact(
    cost: FloatArray, kept: IntArray, exponent: int = 0, masses: FloatArray | None = None
) -> ExactTransport:
    """Return :func:`wasserstein2` of checked positions [k] from the cost [m, m], without checks of either.

    The cost are squared distances divided by ``4**exponent``; ``masses`` [m] are those of all tokens.
    """
    return _transport(_between(np.ascontiguousarray(cost[:, kept]), masses, None), kept, exponent, "none")


_Found: TypeAlias = tuple[Solution, Marginals]


def _between(cost: FloatArray, masses: FloatArray | None, kept_masses: FloatArray | None) -> _Found:
    """Return an optimal plan for the cost [m, k], where None stands for uniform masses."""
    uniform = UniformMarginals(*cost.shape)
    if masses is None and kept_masses is None:
        return solve_uniform(cost, MAX_PIVOTS), uniform
    rows = uniform.rows if masses is None else masses
    columns = uniform.columns if kept_masses is None else kept_masses
    return solve_weighted(cost, rows, columns, MAX_PIVOTS), WeightedMarginals(rows, columns)


def _to_nearest(cost: FloatArray, masses: FloatArray | None) -> _Found:
    """Return the optimal plan for the cost [m, k] to free masses: all to the nearest, of equals the first."""
    m, k = cost.shape
    rows = np.full(m, 1.0 / m) if masses is None else masses
    nearest, u = cost.argmin(axis=1), cost.min(axis=1)
    plan = np.zeros((m, k))
    plan[np.arange(m), nearest] = rows
    value = mean_over(masses, u)  # of plan and potentials, which are these costs and zero: there is no gap
    proof = Solution(
        plan=plan,
        value=value,
        value_rounding=0.0,
        marginal=0.0,
        u=u,
        v=np.zeros(k),
        dual=value,
        dual_rounding=0.0,
        infeasibility=0.0,
    )
    received = np.asarray(np.bincount(nearest, rows, k), dtype=np.float64)
    return proof, WeightedMarginals(rows, received)


def _transport(
    found: _Found, kept: IntArray, exponent: int, normalise: Normalisation, *, free: bool = False
) -> ExactTransport:
    solution, marginals = found
    return ExactTransport(
        distance=float(np.ldexp(np.sqrt(solution.value), exponent)),
        squared_distance=rescaled_number(solution.value, 2 * exponent),
        plan=solution.plan,
        potentials=(_potential(solution.u, exponent), _potential(solution.v, exponent)),
        duality_gap=rescaled_number(solution.gap, 2 * exponent),
        infeasibility=rescaled_number(solution.infeasibility, 2 * exponent),
        indices=kept,
        normalise=normalise,
        weights=marginals.rows,
        kept_weights=marginals.columns,
        free=free,
    )


def _potential(unit: FloatArray, exponent: int) -> FloatArray:
    """Return a potential times ``4**exponent``; where float64 has no such small numbers, in long double."""
    if exponent == 0:
        return unit
    if exponent > 0:
        return rescaled(unit, 2 * exponent)
    return np.ldexp(unit.astype(np.longdouble), 2 * exponent)


LongArray: TypeAlias = npt.NDArray[np.longdouble]

_TINY = float(np.finfo(np.float64).tiny)
_SUBNORMAL = float(np.finfo(np.float64).smallest_subnormal)
_CHUNK_ENTRIES = 2**20  # of the differences at a time: they stay in the cache

# Relative to the value: the costs that the solver saw are right to 1e-9 each, and nearly all far closer.
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Verification:
    r"""What a plan and potentials prove about :math:`W_2^2(P, Q_C)`, computed anew from tokens and masses.

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
    error : float
        Width of the bracket and the claimed distance together, or the claimed gap if that is larger, relative
        to the upper end of the bracket; infinite if that is zero and the width is not, or if the claimed
        infeasibility is not that of the potentials.
    """

    lower: float
    upper: float
    infeasibility: float
    marginal_error: float
    claimed: float
    largest_cost: float
    error: float

    @property
    def sound(self) -> bool:
        """Whether claim and bracket agree as closely as float64 plans and potentials allow."""
        return self.error <= _TOLERANCE


def verify_transport(tokens: Array | Image, transport: ExactTransport) -> Verification:
    r"""Bracket the exact distance by plan and potentials, from the tokens and the masses alone.

    Costs are sums of squared differences, not the matrix product that the solver saw; plan and potentials are
    summed in extended precision.
    Any plan with the right marginals costs at least :math:`W_2^2`, any feasible potentials are worth at most
    it; errors in either are charged at the largest cost. The masses of a basic plan follow from the marginals
    (see :mod:`otanalysis.transport.marginals`): what only rounding keeps from these stands for them, without
    an error. Where the kept tokens' masses were free, every row stands for itself times what makes it right.

    Parameters
    ----------
    tokens : array [m, d] or Image
        All tokens, as they were given to :func:`~otanalysis.transport.exact.wasserstein2`.
    transport : ExactTransport
        What it returned, between the masses that it names.

    Returns
    -------
    Verification

    Raises
    ------
    InputError
        If the transport is not one of these tokens, a field has another type or shape, or its masses
        are not those of any weights.

    Examples
    --------
    >>> from otanalysis.transport import wasserstein2
    >>> tokens = [[0.0], [1.0], [4.0], [5.0]]
    >>> verify_transport(tokens, wasserstein2(tokens, [0, 2])).sound
    True
    """
    transport = _checked(transport)
    image = Image.of(tokens).normalised(transport.normalise)
    m = len(transport.plan)
    if len(image) != m:
        raise InputError(f"The transport is of {m} tokens; got {len(image)}: pass the tokens it was made of.")
    with np.errstate(all="ignore"):  # what is not finite proves nothing, and is unsound
        return _verified(image, transport)


def _checked(transport: Any) -> ExactTransport:
    """Return a transport whose fields have the types and shapes of one, or raise InputError."""
    if not isinstance(transport, ExactTransport):
        raise InputError(f"transport must be what wasserstein2 returns; got {shown(transport)}.")
    plan = real_numbers(transport.plan, "transport.plan")
    if plan.ndim != 2 or 0 in plan.shape:
        raise _misshapen("plan", "[m, k]", plan.shape)
    m, k = plan.shape
    pair: Any = transport.potentials
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise InputError(f"transport.potentials must be two vectors, u and v; got {shown(pair)}.")
    numbers: dict[str, Any] = {
        name: float(_of_shape(getattr(transport, name), name, ()))
        for name in ("distance", "squared_distance", "duality_gap", "infeasibility")
    }
    return replace(
        transport,
        plan=plan,
        potentials=(_of_shape(pair[0], "potentials[0]", (m,)), _of_shape(pair[1], "potentials[1]", (k,))),
        indices=_of_shape(check_indices(transport.indices, m), "indices", (k,)),
        weights=_of_shape(transport.weights, "weights", (m,)).astype(np.float64),
        kept_weights=_of_shape(transport.kept_weights, "kept_weights", (k,)).astype(np.float64),
        **numbers,
    )


def _of_shape(values: Any, name: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return real numbers of a shape, long double as it is, which small potentials need."""
    array = to_numpy(values, name=f"transport.{name}")
    if array.dtype.kind not in "fiu":
        raise InputError(
            f"transport.{name} must hold real numbers; got {shown(values)}: pass what wasserstein2 returned."
        )
    if array.shape != shape:
        raise _misshapen(name, str(shape), array.shape)
    return array


def _misshapen(name: str, wanted: str, got: tuple[int, ...]) -> InputError:
    return InputError(
        f"transport.{name} must have shape {wanted}; got {got}: pass what wasserstein2 returned, unchanged."
    )


def _verified(image: Image, transport: ExactTransport) -> Verification:
    rows, exponent = image.host, image.exponent
    cost = _costs(rows, rows[transport.indices], exponent)
    largest = cost.max()
    potentials = (np.ldexp(one.astype(np.longdouble), -2 * exponent) for one in transport.potentials)
    sides = _Sides.of(transport)
    upper, missing = sides.cost_of_plan(cost, transport.plan)
    lower, excess = sides.value_of_potentials(cost, *potentials)
    lower_end, upper_end, violation, dearest = (
        float(np.ldexp(one, 2 * exponent)) for one in (lower, upper, excess, largest)
    )
    width = _width(lower, upper, transport, exponent)
    if not abs(transport.infeasibility - violation) <= max(_TOLERANCE * dearest, _SUBNORMAL):
        width = np.longdouble(np.inf)
    return Verification(
        lower=lower_end,
        upper=upper_end,
        infeasibility=violation,
        marginal_error=missing,
        claimed=transport.squared_distance,
        largest_cost=dearest,
        error=float(width / upper) if upper > 0.0 else (0.0 if width == 0.0 else float("inf")),
    )


@dataclass(frozen=True, eq=False)
class _Sides:
    """The masses of a transport, in extended precision and of sum one in it, and as its solver had them.

    Where those of the kept tokens were free, a plan may bring them any that are nearly the ones named.
    """

    rows: LongArray
    columns: LongArray
    marginals: Marginals
    free: bool

    @classmethod
    def of(cls, transport: ExactTransport) -> _Sides:
        """Return the masses, checked: whoever made the transport may have written there what he liked."""
        m, k = transport.plan.shape
        rows = check_weights(transport.weights, m)
        columns = check_weights(transport.kept_weights, k, name="kept_weights")
        if rows is None and columns is None:
            return cls(_shares(np.ones(m)), _shares(np.ones(k)), UniformMarginals(m, k), transport.free)
        given = WeightedMarginals(transport.weights, transport.kept_weights)
        return cls(_shares(given.rows), _shares(given.columns), given, transport.free)

    def cost_of_plan(self, cost: LongArray, plan: FloatArray) -> tuple[np.longdouble, float]:
        """Return what the plan costs at most once its marginals are mended, and the mass that it misses."""
        # A repair of negative entries could cost twice their mass; without them the plan only has too much.
        positive = np.maximum(plan, 0.0).astype(np.longdouble)
        missing = (
            np.abs(positive.sum(axis=1) - self.rows).sum() + np.abs(positive.sum(axis=0) - self.columns).sum()
        )
        if self.free and missing <= MARGINAL_TOLERANCE:
            sums = positive.sum(axis=1)
            factors = np.divide(self.rows, sums, out=np.zeros_like(sums), where=sums > 0.0)
            lost = self.rows[sums == 0.0].sum()
            return factors @ np.sum(positive * cost, axis=1) + lost * cost.max(), float(missing)
        rows, columns, given, whole, units = self.marginals.masses(plan)
        if whole is not None and np.abs(given - whole / units).sum() <= MARGINAL_TOLERANCE:
            # The exact plan that this one is the rounding of: nothing is missing.
            return np.sum(whole.astype(np.longdouble) * cost[rows, columns]) / units, float(missing)
        return np.sum(positive * cost) + missing * cost.max(), float(missing)

    def value_of_potentials(
        self, cost: LongArray, u: LongArray, v: LongArray
    ) -> tuple[np.longdouble, np.longdouble]:
        """Return what potentials prove after they were made feasible, and by how much they were not."""
        # Against free masses all of v but its least is nothing: they would all go there.
        uniform = isinstance(self.marginals, UniformMarginals)
        of_columns = v.min() if self.free else v.mean() if uniform else self.columns @ v
        value = (u.mean() if uniform else self.rows @ u) + of_columns
        over = u[:, None] + v[None, :] - cost
        violation = max(np.longdouble(0.0), np.max(over))
        # A price that nothing is bought at can be lowered for nothing.
        over[self.rows == 0.0] = -np.inf
        if not self.free:
            over[:, self.columns == 0.0] = -np.inf
        excess = max(np.longdouble(0.0), np.max(over))
        violated = over > 0.0
        # Made smaller by a factor they are feasible too. That is the better way where the solver's costs were
        # rounded: what a violation is then small against is its own cost, which may be far above the value.
        if violated.any() and (over[violated] <= _TOLERANCE * cost[violated]).all():
            return max(value - excess, value / (1 + np.max(over[violated] / cost[violated]))), violation
        return value - excess, violation


def _shares(masses: FloatArray) -> LongArray:
    long = masses.astype(np.longdouble)
    shares: LongArray = long / long.sum()
    return shares


def _width(
    lower: np.longdouble, upper: np.longdouble, transport: ExactTransport, exponent: int
) -> np.longdouble:
    """Return how far apart bracket, distance and squared distance are, over ``4**exponent``."""
    root = np.ldexp(np.longdouble(transport.distance), -exponent)
    from_distance = root * abs(root)  # a negative distance is none
    squared, gap, least = (
        np.ldexp(np.longdouble(one), -2 * exponent)
        for one in (transport.squared_distance, transport.duality_gap, _SUBNORMAL)
    )
    # A square that float64 has no digits for is as close as it can be.
    off = np.max(np.abs(np.array([squared - lower, squared - upper, gap]))) - least
    width: np.longdouble = np.max(
        np.array([np.ptp(np.array([lower, upper, from_distance])), off]), initial=0.0
    )
    return width


def _costs(rows: FloatArray, kept: FloatArray, exponent: int) -> LongArray:
    """Return the squared distances [m, k] over ``4**exponent``, summed from differences."""
    cost = np.empty((len(rows), len(kept)))
    step = max(1, _CHUNK_ENTRIES // kept.size)
    for start in range(0, len(rows), step):
        difference = rows[start : start + step, None, :] - kept[None, :, :]
        if exponent:
            difference = np.ldexp(difference, -exponent)
        cost[start : start + step] = np.einsum("ijd,ijd->ij", difference, difference)
    i, j = np.nonzero(cost < _TINY)
    cost[i, j] = np.where((rows[i] != kept[j]).any(axis=1), np.maximum(cost[i, j], _TINY), 0.0)
    return cost.astype(np.longdouble)
