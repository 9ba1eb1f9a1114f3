"""Optimal transport between all tokens and the kept ones: exact, with free weights, and Gaussian.

Computes in float64 with NumPy, SciPy and POT, whatever array comes in. May import errors and tokens.
"""

from otanalysis.transport.cost import squared_distances
from otanalysis.transport.exact import ExactTransport, wasserstein2
from otanalysis.transport.gaussian import TokenMoments, bures_squared, gelbrich_squared, trace_objective
from otanalysis.transport.quantisation import quantisation_error

__all__ = [
    "ExactTransport",
    "TokenMoments",
    "bures_squared",
    "gelbrich_squared",
    "quantisation_error",
    "squared_distances",
    "trace_objective",
    "wasserstein2",
]
