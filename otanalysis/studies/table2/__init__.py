"""Table 2 of arXiv:2602.20205: token laws, trials, wins over other subsets, and the best subset of a rung.

May import what ``otanalysis.studies`` may.
"""

from otanalysis.studies.table2.laws import LAWS, SIZES, Size, TokenLaw
from otanalysis.studies.table2.nuclear_norms import NuclearNorms
from otanalysis.studies.table2.study import (
    METHODS,
    SyntheticSummary,
    summarise_synthetic,
    synthetic,
)
from otanalysis.studies.table2.subsets import random_subsets
from otanalysis.studies.table2.tables import RATIO, SIZE, WIN_RATE, published_synthetic

__all__ = [
    "LAWS",
    "METHODS",
    "RATIO",
    "SIZE",
    "SIZES",
    "WIN_RATE",
    "NuclearNorms",
    "Size",
    "SyntheticSummary",
    "TokenLaw",
    "published_synthetic",
    "random_subsets",
    "summarise_synthetic",
    "synthetic",
]
