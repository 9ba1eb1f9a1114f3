"""Studies: tokens and models in, tidy tables out. The room measures; it draws nothing.

Long studies run in parallel and go on where they stopped. A reader finds in

* ``engine``: how what was measured is kept, found again and put into one table,
* ``runs``: what a sweep asks for, and the keys of the answers,
* ``sweep``, ``ladder``, ``certify``, ``evaluate``: what each study measures,
* ``table2``: the study of synthetic tokens, a room of its own,
* ``compare``: methods side by side on one image, without a table on disk,
* ``chunks``, ``provenance``: which samples are measured together, and what a table says of how it came about.

May import every room but figures, explore and the command line.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otanalysis.studies.certify import BEST, CertifyStudy, read_certificates, summarise_certificates
    from otanalysis.studies.compare import compare, random_distances, select_all
    from otanalysis.studies.engine import measure_samples
    from otanalysis.studies.evaluate import MAJORITY, evaluate
    from otanalysis.studies.ladder import LadderStudy, measure_ladder, read_ladder, summarise_ladder
    from otanalysis.studies.provenance import environment, read_provenance
    from otanalysis.studies.sweep import read_sweep, sweep

__all__ = [
    "BEST",
    "MAJORITY",
    "CertifyStudy",
    "LadderStudy",
    "compare",
    "environment",
    "evaluate",
    "measure_ladder",
    "measure_samples",
    "random_distances",
    "read_certificates",
    "read_ladder",
    "read_provenance",
    "read_sweep",
    "select_all",
    "summarise_certificates",
    "summarise_ladder",
    "sweep",
]

_MODULES = {
    "certify": ("BEST", "CertifyStudy", "read_certificates", "summarise_certificates"),
    "compare": ("compare", "random_distances", "select_all"),
    "engine": ("measure_samples",),
    "evaluate": ("MAJORITY", "evaluate"),
    "ladder": ("LadderStudy", "measure_ladder", "read_ladder", "summarise_ladder"),
    "provenance": ("environment", "read_provenance"),
    "sweep": ("read_sweep", "sweep"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    # Most need one study only, and each loads much.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


class _Front(ModuleType):
    """The type of this module: its public names are what they are called here, whatever is imported first."""

    def __setattr__(self, name: str, value: object) -> None:
        # The import of a module puts it into its package, where ``sweep`` is to be the function.
        if name in _HOME and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Front
