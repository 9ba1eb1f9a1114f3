"""Distances between all tokens and the kept ones: transport, exact and bounded, and what rivals it.

Computes in float64 with NumPy, SciPy and POT, whatever array comes in.
May import errors, arrays and image.
"""

from otanalysis.image import squared_distances
from otanalysis.transport.effective_rank import effective_rank
from otanalysis.transport.energy import energy_distance
from otanalysis.transport.exact import ExactTransport, wasserstein2
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
from otanalysis.transport.hausdorff import hausdorff_radius
from otanalysis.transport.projection import projection_residual
from otanalysis.transport.quantisation import quantisation_error
from otanalysis.transport.sliced import sliced_wasserstein2
from otanalysis.transport.verification import verify_transport

__all__ = [
    "DistanceFloor",
    "ExactTransport",
    "QuantisationFloor",
    "TokenMoments",
    "bures_squared",
    "effective_rank",
    "energy_distance",
    "gelbrich_squared",
    "hausdorff_radius",
    "lagrangian_bound",
    "projection_residual",
    "quantisation_bound",
    "quantisation_error",
    "quantisation_floor",
    "sliced_wasserstein2",
    "spectral_bound",
    "squared_distances",
    "trace_objective",
    "verify_transport",
    "wasserstein2",
    "wasserstein2_floor",
]
