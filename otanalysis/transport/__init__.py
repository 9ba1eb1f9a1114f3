"""Optimal transport between all tokens and the kept ones: exact, free weights, Gaussian, certified floors.

Computes in float64 with NumPy, SciPy and POT, whatever array comes in.
May import errors, arrays and image.
"""

from otanalysis.image import squared_distances
from otanalysis.transport.exact import ExactTransport, verify_transport, wasserstein2
from otanalysis.transport.floor import (
    DistanceFloor,
    QuantisationFloor,
    lagrangian_bound,
    quantisation_bound,
    quantisation_floor,
    spectral_bound,
    wasserstein2_floor,
)
from otanalysis.transport.gaussian import TokenMoments, bures_squared, gelbrich_squared, trace_objective
from otanalysis.transport.quantisation import quantisation_error

__all__ = [
    "DistanceFloor",
    "ExactTransport",
    "QuantisationFloor",
    "TokenMoments",
    "bures_squared",
    "gelbrich_squared",
    "lagrangian_bound",
    "quantisation_bound",
    "quantisation_error",
    "quantisation_floor",
    "spectral_bound",
    "squared_distances",
    "trace_objective",
    "verify_transport",
    "wasserstein2",
    "wasserstein2_floor",
]
