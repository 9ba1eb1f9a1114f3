"""Theory and analysis of visual-token pruning through optimal transport.

The public names load on first use: importing the package loads neither torch nor matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otanalysis.certificates import Certificate, certify
    from otanalysis.errors import (
        ConvergenceError,
        DumpError,
        InputError,
        MissingDependencyError,
        OtAnalysisError,
    )
    from otanalysis.selection import SELECTORS, Selection, select, select_batch, select_many
    from otanalysis.surrogate import RUNGS, Ladder, LogdetBound, logdet_upper_bound
    from otanalysis.tokens import open_dump
    from otanalysis.transport import (
        DistanceFloor,
        ExactTransport,
        TokenMoments,
        bures_squared,
        gelbrich_squared,
        lagrangian_bound,
        quantisation_error,
        spectral_bound,
        squared_distances,
        trace_objective,
        wasserstein2,
        wasserstein2_floor,
    )

__version__ = "0.1.0"

__all__ = [
    "RUNGS",
    "SELECTORS",
    "Certificate",
    "ConvergenceError",
    "DistanceFloor",
    "DumpError",
    "ExactTransport",
    "InputError",
    "Ladder",
    "LogdetBound",
    "MissingDependencyError",
    "OtAnalysisError",
    "Selection",
    "TokenMoments",
    "__version__",
    "bures_squared",
    "certify",
    "gelbrich_squared",
    "lagrangian_bound",
    "logdet_upper_bound",
    "open_dump",
    "quantisation_error",
    "select",
    "select_batch",
    "select_many",
    "spectral_bound",
    "squared_distances",
    "trace_objective",
    "wasserstein2",
    "wasserstein2_floor",
]

_ROOMS = {
    "otanalysis.certificates": ("Certificate", "certify"),
    "otanalysis.errors": (
        "ConvergenceError",
        "DumpError",
        "InputError",
        "MissingDependencyError",
        "OtAnalysisError",
    ),
    "otanalysis.selection": ("SELECTORS", "Selection", "select", "select_batch", "select_many"),
    "otanalysis.surrogate": ("RUNGS", "Ladder", "LogdetBound", "logdet_upper_bound"),
    "otanalysis.tokens": ("open_dump",),
    "otanalysis.transport": (
        "DistanceFloor",
        "ExactTransport",
        "TokenMoments",
        "bures_squared",
        "gelbrich_squared",
        "lagrangian_bound",
        "quantisation_error",
        "spectral_bound",
        "squared_distances",
        "trace_objective",
        "wasserstein2",
        "wasserstein2_floor",
    ),
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'otanalysis' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
