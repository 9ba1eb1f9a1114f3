"""The certified floor: a lower bound of the exact distance over all kept sets of a size.

:mod:`~otanalysis.transport.floor.swap_search` and :mod:`~otanalysis.transport.floor.cut_separation` load
numba: import them where they are used.
"""
