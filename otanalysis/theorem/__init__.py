"""Numeric checks of the theorem, each with a control that it must reject; certified where python-flint is.

:func:`build_claims` and :func:`build_certified_claims` list what is claimed, :func:`run_claim` checks it, and
:func:`tabulate` writes a set function out over all subsets, for a look by hand. May import errors, files,
arrays, image, tokens, transport and surrogate.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otanalysis.theorem import negative_controls
    from otanalysis.theorem.certified_claims import build_certified_claims
    from otanalysis.theorem.check import Claim, Outcome, run_claim
    from otanalysis.theorem.claims import build_claims
    from otanalysis.theorem.greedy import GUARANTEE, GreedyRatio
    from otanalysis.theorem.instance_sets import DEFAULT, THOROUGH, Effort
    from otanalysis.theorem.instances import Kernel
    from otanalysis.theorem.report import as_values, print_outcomes
    from otanalysis.theorem.setfunctions import tabulate, worst_addition, worst_nesting
    from otanalysis.theorem.submodularity import MonotoneEverywhere, SubmodularEverywhere
    from otanalysis.theorem.worst_case import (
        GreedyWorstCase,
        WorstCaseSearch,
        replay_worst_case,
        save_worst_case,
    )

__all__ = [
    "DEFAULT",
    "GUARANTEE",
    "THOROUGH",
    "Claim",
    "Effort",
    "GreedyRatio",
    "GreedyWorstCase",
    "Kernel",
    "MonotoneEverywhere",
    "Outcome",
    "SubmodularEverywhere",
    "WorstCaseSearch",
    "as_values",
    "build_certified_claims",
    "build_claims",
    "negative_controls",
    "print_outcomes",
    "replay_worst_case",
    "run_claim",
    "save_worst_case",
    "tabulate",
    "worst_addition",
    "worst_nesting",
]

_MODULES = (
    "setfunctions",
    "check",
    "report",
    "instances",
    "submodularity",
    "greedy",
    "worst_case",
    "instance_sets",
    "negative_controls",
    "claims",
    "certified_claims",
)


def __getattr__(name: str) -> object:
    # On first use: the help of ``python -m otanalysis.theorem`` waits for no NumPy.
    if name in _MODULES:
        return import_module(f"otanalysis.theorem.{name}")
    for one in _MODULES if name in __all__ else ():
        module = import_module(f"otanalysis.theorem.{one}")
        if name in module.__all__:
            return getattr(module, name)
    raise AttributeError(f"module 'otanalysis.theorem' has no attribute {name!r}")
