"""Statistics: tables in, tables out; reads and writes no files, and draws nothing.

May import errors, defaults, arrays, the names of the rungs from surrogate, those of the distances, and those
of the pools of kept sets from selection.
"""

from otanalysis.stats.cells import MEAN
from otanalysis.stats.figure_tables import figure4_table
from otanalysis.stats.ladder_tables import ladder_table, scatter_table
from otanalysis.stats.predictors import PredictorTables, predictor_tables
from otanalysis.stats.rank_tables import figure2_tables
from otanalysis.stats.statistics import spearman_test
from otanalysis.stats.within_tables import swaps_table, with_between, within_table

__all__ = [
    "MEAN",
    "PredictorTables",
    "figure2_tables",
    "figure4_table",
    "ladder_table",
    "predictor_tables",
    "scatter_table",
    "spearman_test",
    "swaps_table",
    "with_between",
    "within_table",
]
