"""Experiments: dumps and models in, tidy tables out; long ones run in parallel and go on where they stopped.

May import every room but figures, explore and the command line.
"""

from otanalysis.studies.compare import random_distances, select_all
from otanalysis.studies.evaluate import evaluate
from otanalysis.studies.ladder import LadderStudy, measure_ladder, read_ladder
from otanalysis.studies.provenance import environment
from otanalysis.studies.sweep import read_sweep, sweep

__all__ = [
    "LadderStudy",
    "environment",
    "evaluate",
    "measure_ladder",
    "random_distances",
    "read_ladder",
    "read_sweep",
    "select_all",
    "sweep",
]
