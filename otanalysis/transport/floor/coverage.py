r"""Certified floors of the quantisation error: how well kept tokens of any masses can cover an image at all.

The floor is the Lagrangian bound of :mod:`otanalysis.transport.floor.coverage_bound` at prices that an ascent
found. It starts where the medoids' own prices are: were they the best set, and the relaxation whole, these
would prove it. The kept sets that the ascent would like to keep in part are rounded, and settle as medoids.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from otanalysis.arrays import Array, FloatArray, IntArray, Normalisation, resolve_keep
from otanalysis.image import Image, rescaled_number
from otanalysis.transport.exact import wasserstein2
from otanalysis.transport.floor.certified import CertifiedFloor, check_effort
from otanalysis.transport.floor.compiled import compiling_told
from otanalysis.transport.floor.coverage_bound import bound_at, evaluate
from otanalysis.transport.floor.lagrangian import TINY
from otanalysis.transport.medoids import medoids, settle_medoids
from otanalysis.transport.quantisation import mean_over

_STEPS = 1000
_ROUNDINGS = 24
_LEAST_CHANCE = 1e-3  # a token that is never kept in part can still be drawn
_CLOSED = 1e-8  # share of the bound that no search is worth
_PASSES = 1000  # of FasterPAM; a handful is the rule


@dataclass(frozen=True, eq=False)
class QuantisationFloor(CertifiedFloor):
    r"""A certified lower bound of the quantisation error over all kept sets of a size, and the best set met.

    See :func:`quantisation_floor`.

    Attributes
    ----------
    squared_distance : float
        The bound: :math:`E(C)`, the smallest squared distance for any masses of the kept tokens, is at least
        this for every ``C`` of ``keep`` tokens (squared unit).
    distance : float
        Its square root; it has all digits where the square vanishes.
    multipliers : ndarray [m]
        Prices of the tokens in the Lagrangian bound (squared unit). Give them to
        :func:`~otanalysis.transport.floor.coverage_bound.quantisation_bound` to check the bound.
    kind : {"lagrangian", "trivial"}
        Which bound that is; "trivial" is an error of zero.
    best : ExactTransport
        To the kept set with the smallest quantisation error that the search met, which is its squared
        distance, with the best masses of the kept tokens.
    keep : int
        Number of kept tokens.
    """


def quantisation_floor(
    tokens: Array | Image,
    keep: int,
    *,
    normalise: Normalisation = "none",
    effort: float = 1.0,
    weights: Array | None = None,
) -> QuantisationFloor:
    r"""Bound the quantisation error from below over **all** sets of ``keep`` tokens, and seek the best set.

    What :func:`~otanalysis.transport.floor.bound.wasserstein2_floor` is for uniform masses of the kept
    tokens, for free ones: how far k-medoids, or any other method, is at most from the best coverage. On the
    tokens of the bundled model (56 of 576 kept) about 0.4 % are left open in the median, 1 % at most.
    Deterministic. The first call after an installation compiles for some seconds, and says so.

    Parameters
    ----------
    tokens : array [m, d] or Image
        All tokens; NumPy or torch.
    keep : int
        Number of kept tokens, in ``1..m``.
    normalise : {"none", "columns", "rows"}
        Normalisation of the tokens before the distances.
    effort : float
        Factor of the number of steps and of the sets that are tried; 1 takes about a fifth of a second for 56
        of 576 tokens on one core. The bound is valid at any effort.
    weights : array [m], optional
        Weights of all tokens, non-negative, in any unit; by default those of the image, or uniform.

    Returns
    -------
    QuantisationFloor

    Raises
    ------
    InputError
        If an argument is not as described, or the error overflows.
    ConvergenceError
        If medoids did not settle.

    Examples
    --------
    >>> floor = quantisation_floor([[0.0], [1.0], [4.0], [5.0]], 2)
    >>> 0.49 < floor.squared_distance <= 0.5, floor.best.squared_distance, floor.best.indices
    (True, 0.5, array([1, 2]))
    """
    effort = check_effort(effort)
    image = Image.of(tokens).normalised(normalise)
    matrix, masses = image.unit_distances, image.masses(weights)
    count = resolve_keep(len(matrix), keep=keep)
    # A power of two that changes no digit: the ascent is for costs of about one.
    exponent = int(np.frexp(matrix.max())[1])
    prices, best = _bracket(np.ldexp(matrix, -exponent), count, effort, masses)
    unit = max(bound_at(matrix, count, np.ldexp(prices, exponent), masses), 0.0)
    # Squares that have lost digits claim nothing; the distance has not lost them.
    lost = TINY if image.exponent else 0.0
    squared = max(rescaled_number(unit, 2 * image.exponent) - lost, 0.0)
    with np.errstate(over="ignore"):
        in_own_unit = np.nan_to_num(np.ldexp(prices, exponent + 2 * image.exponent))
    return QuantisationFloor(
        squared_distance=squared,
        distance=float(np.ldexp(np.sqrt(unit), image.exponent)),
        multipliers=in_own_unit,
        kind="lagrangian" if squared > 0.0 else "trivial",
        best=wasserstein2(image, best, weights=weights, kept_weights="optimal"),
        keep=count,
    )


def _bracket(
    cost: FloatArray, keep: int, effort: float, masses: FloatArray | None
) -> tuple[FloatArray, IntArray]:
    """Return prices [m] of a good bound, and a good kept set [keep]; for costs of about one."""
    # numba takes half a second to load.
    from otanalysis.transport.floor.price_ascent import ascend_prices

    best = medoids(cost, keep, _PASSES, masses)
    error = _error(cost, best, masses)
    if error == 0.0:
        return np.zeros(len(cost)), best
    m = len(cost)
    shares = np.full(m, 1.0 / m) if masses is None else masses
    near = np.argsort(cost, axis=1)
    with compiling_told(
        "Compiling the floor of the quantisation error, once after an installation: seconds."
    ):
        prices, often = ascend_prices(
            *(near, np.take_along_axis(cost, near, axis=1), shares, keep),
            *(_medoid_prices(cost, best, shares), error, max(10, round(effort * _STEPS))),
        )
    bound, generator = evaluate(cost, keep, prices, masses), np.random.default_rng(0)
    chance = (often + _LEAST_CHANCE) / (often + _LEAST_CHANCE).sum()
    for _ in range(max(1, round(effort * _ROUNDINGS))):
        if error <= (1.0 + _CLOSED) * bound:
            break
        start = generator.choice(m, keep, replace=False, p=chance)
        settled = settle_medoids(cost, start, keep, _PASSES, masses)
        if (reached := _error(cost, settled, masses)) < error:
            best, error = settled, reached
    return prices, best


def _error(cost: FloatArray, kept: IntArray, masses: FloatArray | None) -> float:
    return mean_over(masses, cost[:, kept].min(axis=1))


def _medoid_prices(cost: FloatArray, kept: IntArray, masses: FloatArray) -> FloatArray:
    """Return prices [m] at which keeping any of the kept tokens gains the same.

    Every token pays what the nearest kept one costs and a part of what the second would cost more, which is
    what its absence would add: of every kept one the part that makes their sum the least of all.
    """
    sorted_costs = np.sort(cost[:, kept], axis=1)
    nearest = sorted_costs[:, 0]
    # One kept token has no second: another that costs the error more will do, where the farthest may be huge.
    second = sorted_costs[:, 1] if len(kept) > 1 else nearest + masses @ nearest
    own = cost[:, kept].argmin(axis=1)
    absence = np.bincount(own, masses * (second - nearest), minlength=len(kept))
    least = absence[absence > 0.0].min(initial=np.inf)
    part = np.divide(least, absence, out=np.ones(len(kept)), where=absence > 0.0)
    return np.asarray(nearest + part[own] * (second - nearest))
