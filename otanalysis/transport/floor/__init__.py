"""The certified floor: a lower bound of the exact distance over all kept sets of a size, and a good set.

:func:`wasserstein2_floor` raises the Lagrangian bound by dual ascent from a coarse warm start, separates
capacity cuts in between, and searches for a kept set by swaps. May import errors, arrays, image and
:mod:`otanalysis.transport.exact`. The modules ``flow``, ``swap_search``, ``cut_separation`` and
``smoothed_dual`` load numba: import them where they are used.
"""

from otanalysis.transport.floor.bound import DistanceFloor, spectral_bound, wasserstein2_floor
from otanalysis.transport.floor.cuts import CapacityCuts
from otanalysis.transport.floor.lagrangian import lagrangian_bound

__all__ = ["CapacityCuts", "DistanceFloor", "lagrangian_bound", "spectral_bound", "wasserstein2_floor"]
