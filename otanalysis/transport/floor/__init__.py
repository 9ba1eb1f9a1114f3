"""Certified floors: lower bounds of a distance over all kept sets of a size, and a good set.

:func:`wasserstein2_floor` raises the Lagrangian bound by dual ascent from a coarse warm start, separates
capacity cuts in between, and searches for a kept set by swaps. :func:`quantisation_floor` is for kept tokens
of any masses: without capacities the ascent is shorter, and medoids are the sets. May import errors, arrays,
image, :mod:`otanalysis.transport.exact` and :mod:`otanalysis.transport.medoids`. The modules ``flow``,
``swap_search``, ``cut_separation``, ``smoothed_dual`` and ``price_ascent`` load numba: import them where they
are used.
"""

from otanalysis.transport.floor.bound import DistanceFloor, spectral_bound, wasserstein2_floor
from otanalysis.transport.floor.coverage import QuantisationFloor, quantisation_floor
from otanalysis.transport.floor.coverage_bound import quantisation_bound
from otanalysis.transport.floor.cuts import CapacityCuts
from otanalysis.transport.floor.lagrangian import lagrangian_bound

__all__ = [
    "CapacityCuts",
    "DistanceFloor",
    "QuantisationFloor",
    "lagrangian_bound",
    "quantisation_bound",
    "quantisation_floor",
    "spectral_bound",
    "wasserstein2_floor",
]
