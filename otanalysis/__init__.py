"""Theory and analysis of visual-token pruning through optimal transport.

The public names load on first use: importing the package loads neither torch nor matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otanalysis.errors import (
        ConvergenceError,
        DumpError,
        InputError,
        MissingDependencyError,
        OtAnalysisError,
    )
    from otanalysis.selection import SELECTORS, Selection, select, select_many
    from otanalysis.tokens import open_dump
    from otanalysis.transport import (
        ExactTransport,
        TokenMoments,
        bures_squared,
        gelbrich_squared,
        quantisation_error,
        squared_distances,
        trace_objective,
        wasserstein2,
    )

__version__ = "0.1.0"

__all__ = [
    "SELECTORS",
    "ConvergenceError",
    "DumpError",
    "ExactTransport",
    "InputError",
    "MissingDependencyError",
    "OtAnalysisError",
    "Selection",
    "TokenMoments",
    "__version__",
    "bures_squared",
    "gelbrich_squared",
    "open_dump",
    "quantisation_error",
    "select",
    "select_many",
    "squared_distances",
    "trace_objective",
    "wasserstein2",
]

_ROOMS = {
    "otanalysis.errors": (
        "ConvergenceError",
        "DumpError",
        "InputError",
        "MissingDependencyError",
        "OtAnalysisError",
    ),
    "otanalysis.selection": ("SELECTORS", "Selection", "select", "select_many"),
    "otanalysis.tokens": ("open_dump",),
    "otanalysis.transport": (
        "ExactTransport",
        "TokenMoments",
        "bures_squared",
        "gelbrich_squared",
        "quantisation_error",
        "squared_distances",
        "trace_objective",
        "wasserstein2",
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
