r"""Certified floors: how small the exact distance of a kept set can be at all.

For every kept set :math:`C` of ``keep`` tokens :math:`W_2^2(P, Q_C)` is at least

* the **Lagrangian bound** with capacity cuts, see :mod:`otanalysis.transport.floor.lagrangian`. It is
  evaluated at multipliers that a dual ascent found; any multipliers give a valid bound;
* the **spectral bound**: ``k`` points lie in an affine space of dimension :math:`k - 1`, and of all such
  spaces the one through the mean along the first principal axes is closest to the tokens, so
  :math:`W_2^2 \geq \frac1m \sum_{i \geq k} \sigma_i^2` with the singular values :math:`\sigma_1 \geq \sigma_2
  \geq \dots` of the centred tokens. It holds for any weights of the kept ones and costs :math:`O(m d \min(m,
  d))`; it is zero for ``k > d``.

With masses :math:`w_i` of the tokens :math:`\sqrt{m w_i}` times the tokens without their weighted mean take
the place of the centred ones; how the Lagrangian bound takes them stands at the head of its module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, gcd
from types import MappingProxyType
from typing import Any

import numpy as np

from otanalysis.arrays import Array, BoolArray, FloatArray, IntArray, Normalisation, resolve_keep
from otanalysis.image import Image, rescaled_number
from otanalysis.transport.exact import ExactTransport, solve_exact
from otanalysis.transport.floor.certified import CertifiedFloor, check_effort
from otanalysis.transport.floor.coarse_start import coarse_prices
from otanalysis.transport.floor.compiled import compile_floor
from otanalysis.transport.floor.cuts import CapacityCuts, cluster_cuts, dendrogram
from otanalysis.transport.floor.dual_ascent import ascend_dual
from otanalysis.transport.floor.lagrangian import (
    COST_ERROR,
    EPS,
    TINY,
    Prices,
    bound_at,
    evaluate,
    token_sizes,
)
from otanalysis.transport.floor.local_search import local_search, sample_systematically
from otanalysis.transport.marginals import UniformMarginals, WeightedMarginals

_ALL = float(np.inf)
_STAGES = (
    (0.2, 50, _ALL),
    (0.07, 60, _ALL),
    (0.02, 90, 5.0),
    (0.02, 90, 5.0),
    (0.007, 90, 5.0),
    (0.007, 90, 5.0),
)
"""Width of the smoothing as a share of a kept set's distance, and steps; cuts are sought between them."""
_LEAST_WIDTH = 1e-9  # for costs of about one
# Costs of which the best kept set's value is a smaller share than this drown it; see _of_any_spread.
_LEAST_SHARE = 2.0**-20
_RESTARTS = 30
_NEW_CUTS = 60  # a stage
_ROUNDINGS = 3  # for small clouds more, as long as they take no longer than three of this many tokens:
_ROUNDED = 576
_UNITS = 2**20  # of the mass of all tokens at least, in which the search weighs them
_SWAPS = 500
_NEARBY_SWAPS = 500  # exchanges with a token nearby
_TOURNAMENT = 8  # kept tokens drawn for an exchange, of which one goes
_LEAST_CHANCE = 1e-2  # a token that the fractional plan never keeps can still be tried


@dataclass(frozen=True, eq=False)
class DistanceFloor(CertifiedFloor):
    r"""A certified lower bound of the exact distance over all kept sets of one size, and the best set met.

    See :func:`wasserstein2_floor`.

    Attributes
    ----------
    squared_distance : float
        The bound: :math:`W_2^2(P, Q_C)` is at least this for every ``C`` of ``keep`` tokens (squared unit).
    distance : float
        Its square root, a bound of :math:`W_2`; it has all digits where the square vanishes.
    multipliers : ndarray [m]
        Prices of the tokens in the Lagrangian bound. Give them, with ``cuts`` and ``cut_prices``, to
        :func:`~otanalysis.transport.floor.lagrangian.lagrangian_bound` to check the bound.
    kind : {"lagrangian", "spectral", "trivial"}
        Which bound is the largest; "trivial" is a squared distance of zero.
    best : ExactTransport
        The kept set with the smallest distance that the search met.
    keep : int
        Number of kept tokens.
    cuts : CapacityCuts
        The capacity cuts in the Lagrangian bound.
    cut_prices : ndarray [c]
        Their prices.
    parts : mapping
        The value of each bound, each valid alone.
    """

    cuts: CapacityCuts = field(repr=False)
    cut_prices: FloatArray
    parts: Mapping[str, float]

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: a read-only view of a mapping cannot be."""
        return {**self.__dict__, "parts": dict(self.parts)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, parts=MappingProxyType(state["parts"]))


def spectral_bound(tokens: Array | Image, keep: int, *, weights: Array | None = None) -> float:
    r"""Return :math:`\frac1m \sum_{i \geq k} \sigma_i^2` of the centred tokens, with rounding allowed for.

    Parameters
    ----------
    tokens : array [m, d] or Image
        All tokens.
    keep : int
        Number of kept tokens, in ``1..m``.
    weights : array [m], optional
        Weights of all tokens, non-negative, in any unit; by default those of the image, or uniform.

    Returns
    -------
    float
        At most :math:`W_2^2(P, Q_C)` for every kept set, whatever its weights (squared unit).

    Raises
    ------
    InputError
        If the tokens are not a finite matrix, ``keep`` is out of range, or the weights are not as described.

    Examples
    --------
    >>> spectral_bound([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]], 1) <= 2.5
    True
    """
    image = Image.of(tokens)
    cloud, masses = image.host, image.masses(weights)
    m, d = cloud.shape
    count = resolve_keep(m, keep=keep)
    # Powers of two change no digit, and no square of what is left overflows.
    exponent = int(np.frexp(np.abs(cloud).max())[1])
    cloud = np.ldexp(cloud, -exponent)
    if masses is None:
        centred = cloud - cloud.mean(axis=0)
    else:
        centred = np.sqrt(m * masses)[:, None] * (cloud - masses @ cloud)
    values = np.linalg.svd(centred, compute_uv=False)
    # A singular value is off by a few ulps of the largest one times the size (Golub and Van Loan, 8.6).
    error = 8.0 * max(m, d) * EPS * float(np.sqrt(m * d))
    tail = np.maximum(values[count - 1 :] - error, 0.0)
    bound = float(np.sum(tail**2) / m * (1.0 - 8.0 * max(m, d) * EPS))
    with np.errstate(over="ignore"):
        scaled = float(np.ldexp(bound, 2 * exponent))
    return min(max(scaled - TINY, 0.0), float(np.finfo(np.float64).max))


def _spectral_bound_of(cost: FloatArray, keep: int, masses: FloatArray | None) -> float:
    """Return the spectral bound from squared distances of about one, which are all that a caller may give.

    Centred on both sides, minus half of them is the Gram matrix of the centred tokens; its eigenvalues are
    the squared singular values (Weyl: off by no more than the norm of the error). With masses the roots of
    ``m`` times them stand on both sides, and their direction takes the place of the constant one's.
    """
    m = len(cost)
    if masses is None:
        centred = cost - cost.mean(axis=0)
        centred -= centred.mean(axis=1)[:, None]
    else:
        root = np.sqrt(masses)
        centred = m * (root[:, None] * cost * root)
        centred -= np.outer(root, root @ centred)
        centred -= np.outer(centred @ root, root)
    values = np.linalg.eigvalsh(-0.5 * centred)
    error = 0.5 * m * float(cost.max()) * (COST_ERROR + 16.0 * (m + 16) * EPS)
    tail = np.maximum(values[: m - keep + 1] - error, 0.0)
    return float(tail.sum() / m * (1.0 - 8.0 * m * EPS))


def wasserstein2_floor(
    tokens: Array | Image,
    keep: int,
    *,
    normalise: Normalisation = "none",
    effort: float = 1.0,
    weights: Array | None = None,
) -> DistanceFloor:
    r"""Bound :math:`W_2^2(P, Q_C)` from below over **all** sets of ``keep`` tokens, and seek the best set.

    The dual ascent maximises smooth forms of the bound, from wide to narrow, and between them adds the cuts
    that its fractional plan violates; the plan then says where to search for the set. On the tokens of the
    bundled model (56 of 576 kept) about 2.6 % are left open in the median, of which the search is about 0.2;
    on unstructured clouds less than 1 %. Deterministic. The first call after an installation compiles for
    some ten seconds, and says so.

    Parameters
    ----------
    tokens : array [m, d] or Image
        All tokens; NumPy or torch.
    keep : int
        Number of kept tokens, in ``1..m``.
    normalise : {"none", "columns", "rows"}
        Normalisation of the tokens before the distance.
    effort : float
        Factor of the number of steps; 1 takes about half a second for 56 of 576 tokens on one core, a second
        with weights. The bound is valid at any effort.
    weights : array [m], optional
        Weights of all tokens, non-negative, in any unit; by default those of the image, or uniform. The kept
        ones remain uniform: with the best weights they would be as close as k-medoids makes them.

    Returns
    -------
    DistanceFloor

    Raises
    ------
    InputError
        If an argument is not as described.
    ConvergenceError
        If an exact distance could not be certified.

    Examples
    --------
    >>> floor = wasserstein2_floor([[0.0], [1.0], [4.0], [5.0]], 2)
    >>> 0.49 < floor.squared_distance <= 0.5, floor.best.squared_distance
    (True, 0.5)
    """
    effort = check_effort(effort)
    image = Image.of(tokens).normalised(normalise)
    matrix = image.unit_distances
    count = resolve_keep(len(matrix), keep=keep)
    masses = image.masses(weights)
    compile_floor()
    prices, best = _of_any_spread(matrix, count, effort, masses)
    exponent = int(np.frexp(matrix.max())[1])
    spectral_unit = _spectral_bound_of(np.ldexp(matrix, -exponent), count, masses)
    spectral = float(np.ldexp(spectral_unit, exponent)) - TINY
    units = {"lagrangian": bound_at(matrix, count, prices), "spectral": spectral}
    # Squares that have lost digits claim nothing; the distance has not lost them.
    lost = TINY if image.exponent else 0.0
    parts = {name: rescaled_number(unit, 2 * image.exponent) - lost for name, unit in units.items()}
    kind = max(units, key=lambda name: units[name])
    unit = max(units[kind], 0.0)
    in_own_unit = prices.scaled(2 * image.exponent)
    return DistanceFloor(
        squared_distance=max(parts[kind], 0.0),
        distance=float(np.ldexp(np.sqrt(unit), image.exponent)),
        multipliers=in_own_unit.tokens,
        cuts=prices.cuts,
        cut_prices=in_own_unit.cut_prices,
        kind=kind if parts[kind] > 0.0 else "trivial",
        parts=MappingProxyType(parts),
        best=solve_exact(matrix, best, image.exponent, masses),
        keep=count,
    )


def _of_any_spread(
    matrix: FloatArray, keep: int, effort: float, masses: FloatArray | None
) -> tuple[Prices, IntArray]:
    r"""Return good prices and a good kept set, whatever the share of the value in the largest cost.

    Bounds and searches are right to some share of the largest cost. Where the best set found is far below
    that, entries that cost more than :math:`\mathrm{lcm}(m, k)` times as much (or so many times, of other
    weights) carry no mass in its optimal plan nor in that of a better set; they are lowered to twice that,
    and all is sought again on that scale. A bound of lowered costs is one of the costs.
    """
    lowered = matrix
    uniform = UniformMarginals(len(matrix), keep)
    given = uniform if masses is None else WeightedMarginals(masses[masses > 0.0], uniform.columns)
    for _ in range(_RESTARTS):
        # The solvers' tolerances are absolute: they want costs of about one. Powers of two change no digit.
        exponent = int(np.frexp(lowered.max())[1])
        prices, best = bracket(np.ldexp(lowered, -exponent), keep, effort, masses)
        value = solve_exact(matrix, best.indices, masses=masses).squared_distance
        limit = 2.0 * given.shares * value
        if value == 0.0 or value > _LEAST_SHARE * lowered.max() or limit > 0.5 * lowered.max():
            break
        lowered = np.minimum(matrix, limit)
    return prices.scaled(exponent), best.indices


def bracket(
    cost: FloatArray, keep: int, effort: float, masses: FloatArray | None
) -> tuple[Prices, ExactTransport]:
    """Return prices of a good bound, and a good kept set; for costs of about one."""
    m, sizes = len(cost), token_sizes(masses)
    if keep == m or float(cost.max()) == 0.0:
        # The one set that there is, or one of many at distance zero: its own potentials are the best prices.
        only = local_search(cost, np.arange(keep), 0, masses)
        return Prices(only.potentials[0], CapacityCuts.none(m, keep, sizes), np.zeros(0)), only
    clusters = dendrogram(cost)
    order = _leaves(clusters[2])
    chance = np.ones(m) if masses is None else masses
    drawn = sample_systematically(order, chance, keep, np.random.default_rng(0))
    value = local_search(cost, drawn, 2, masses).squared_distance
    prices, fractional = ascend(cost, keep, clusters, value, effort, masses)
    kept = search(cost, keep, fractional, order, effort, masses)
    return prices, local_search(cost, kept, 0, masses)


def ascend(
    cost: FloatArray,
    keep: int,
    clusters: tuple[BoolArray, FloatArray, FloatArray],
    value: float,
    effort: float,
    masses: FloatArray | None,
) -> tuple[Prices, FloatArray]:
    """Return prices of a good bound, and the share [m] to which their fractional plan keeps every token.

    Parameters
    ----------
    cost : ndarray [m, m]
        Squared distances, of about one.
    keep : int
        Number of kept tokens, below ``m``.
    clusters
        What :func:`~otanalysis.transport.floor.cuts.dendrogram` finds for the cost.
    value : float
        Squared distance of some kept set: how wide to begin.
    effort : float
        Factor of the number of steps.
    masses : ndarray [m], optional
        Of the tokens; uniform if left out.
    """
    # numba takes half a second to load.
    from otanalysis.transport.floor.cut_separation import cluster_graph, separate_union_cuts

    (groups, persistence, linkage), sizes = clusters, token_sizes(masses)
    graph = cluster_graph(cost, groups, persistence)
    start = coarse_prices(cost, linkage, cluster_cuts(groups, persistence, keep, sizes), keep)
    best, prices, breadth = evaluate(cost, keep, start), start, 1.0
    for number, (share, steps, choice) in enumerate(_STAGES):
        width, most = max(share * value, _LEAST_WIDTH), max(10, round(effort * steps))
        found = ascend_dual(cost, keep, start, width=width, steps=most, choice=choice, breadth=breadth)
        bound = evaluate(cost, keep, found.prices)
        if bound > best:
            best, prices = bound, found.prices
        if bound >= best - share * value:
            start = found.prices
        else:
            # The short lists promised what does not hold on all entries: back, with longer ones.
            start, breadth = prices, 2.0 * breadth
        if number + 1 < len(_STAGES):
            new = separate_union_cuts(graph, found.shares, found.kept, _NEW_CUTS, sizes)
            start = _with_new_cuts(start, new)
    return prices, found.kept


def _with_new_cuts(prices: Prices, new: CapacityCuts) -> Prices:
    """Drop the cuts without a price and add new ones at the price zero."""
    priced = np.flatnonzero(prices.cut_prices > 0.0)
    return Prices(
        prices.tokens,
        prices.cuts.take(priced).join(new),
        np.concatenate([prices.cut_prices[priced], np.zeros(len(new))]),
    )


def search(
    cost: FloatArray,
    keep: int,
    fractional: FloatArray,
    order: IntArray,
    effort: float,
    masses: FloatArray | None,
) -> IntArray:
    """Return a good kept set [keep], ascending: the best of some roundings, and of exchanges from there.

    Parameters
    ----------
    cost, keep, effort, masses
        As for :func:`ascend`.
    fractional : ndarray [m]
        The share to which every token is kept.
    order : ndarray [m]
        The tokens, neighbours close to each other.
    """
    from otanalysis.transport.floor.swap_search import improve_by_moves, improve_by_swaps

    m, generator = len(cost), np.random.default_rng(0)
    units, capacity = _whole_units(m, keep, masses)
    starts = [
        improve_by_moves(cost, sample_systematically(order, fractional, keep, generator), units, capacity)
        for _ in range(_ROUNDINGS * max(1, _ROUNDED // m))
    ]
    kept, _ = min(starts, key=lambda one: float(one[1]))
    swaps = round(effort * _SWAPS)
    chance = fractional + _LEAST_CHANCE
    tokens = generator.choice(m, size=swaps, p=chance / chance.sum())
    columns = generator.integers(keep, size=(swaps, _TOURNAMENT))
    kept, _ = improve_by_swaps(cost, kept, units, capacity, columns, tokens, round(effort * _NEARBY_SWAPS))
    return np.sort(kept)


def _whole_units(m: int, keep: int, masses: FloatArray | None) -> tuple[IntArray, int]:
    """Return units that tokens weigh [m] and that a kept one has room for; rounded if not uniform."""
    if masses is None:
        common = gcd(m, keep)
        return np.full(m, keep // common), m // common
    capacity = ceil(_UNITS / keep)
    exact = masses * (capacity * keep)
    units = np.floor(exact).astype(np.int64)
    missing = capacity * keep - int(units.sum())
    units[np.argsort(units - exact, kind="stable")[:missing]] += 1
    return units, capacity


def _leaves(linkage: FloatArray) -> IntArray:
    """Return the tokens in the order of the dendrogram's leaves."""
    from scipy.cluster.hierarchy import leaves_list

    return np.asarray(leaves_list(linkage), dtype=np.int64)
