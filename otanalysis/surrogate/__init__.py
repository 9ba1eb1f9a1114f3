"""The log-determinant surrogate: normalisation, kernels, its value and its greedy maximisation.

Array-API code: NumPy or torch in, the same kind out. May import errors, tokens and transport.
"""

from otanalysis.arrays import normalise_tokens
from otanalysis.surrogate.kernel import cosine_kernel, otprune_kernel, paper_factor, released_factor
from otanalysis.surrogate.ladder import RUNGS, Ladder, Rung
from otanalysis.surrogate.logdet import greedy_logdet, logdet_value, paper_objective
from otanalysis.surrogate.upper_bound import LogdetBound, kernel_upper_bound, logdet_upper_bound

__all__ = [
    "RUNGS",
    "Ladder",
    "LogdetBound",
    "Rung",
    "cosine_kernel",
    "greedy_logdet",
    "kernel_upper_bound",
    "logdet_upper_bound",
    "logdet_value",
    "normalise_tokens",
    "otprune_kernel",
    "paper_factor",
    "paper_objective",
    "released_factor",
]
