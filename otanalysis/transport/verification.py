"""What a plan and potentials prove about the exact distance, computed anew from the tokens alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from otanalysis.arrays import Array, FloatArray, check_indices, check_weights, real_numbers, to_numpy
from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.scalars import shown
from otanalysis.transport.exact import ExactTransport
from otanalysis.transport.marginals import Marginals, UniformMarginals, WeightedMarginals
from otanalysis.transport.simplex import MARGINAL_TOLERANCE

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
