"""Table 2 of arXiv:2602.20205 on every rung: token laws, trials, and the best subset of a rung.

May import what ``otanalysis.studies`` may.
"""

from otanalysis.studies.table2.study import (
    LAWS,
    SIZES,
    Size,
    SyntheticSummary,
    SyntheticTrial,
    TokenLaw,
    summarise_synthetic,
    synthetic,
)
from otanalysis.studies.table2.tables import SIZE, WIN_RATE, published_synthetic

__all__ = [
    "LAWS",
    "SIZE",
    "SIZES",
    "WIN_RATE",
    "Size",
    "SyntheticSummary",
    "SyntheticTrial",
    "TokenLaw",
    "published_synthetic",
    "summarise_synthetic",
    "synthetic",
]
