"""Accuracy tables, and the results of other programs read into them: one file a format, one registry.

May import errors, defaults and files.

Scales: a value is stored on the scale on which papers print it and ``data/published/accuracy.csv`` holds it.
Accuracies, exact match and F1 are in per cent, CIDEr as it is (1.1, not 110), the perception score of MME as
its sum (0 to 2000); a standard error is in the unit of its value. :mod:`otanalysis.scores.tasks` has
the table.
"""

from __future__ import annotations

from otanalysis.scores.importing import READERS, import_results
from otanalysis.scores.lmms_eval import PLUGIN, PLUGIN_DEFAULTS
from otanalysis.scores.score import Choice, Reader, Score, Settings
from otanalysis.scores.table import ACCURACY_COLUMNS, ACCURACY_KEY, add_scores, read_accuracy, write_accuracy
from otanalysis.scores.tasks import TASKS, Task

__all__ = [
    "ACCURACY_COLUMNS",
    "ACCURACY_KEY",
    "PLUGIN",
    "PLUGIN_DEFAULTS",
    "READERS",
    "TASKS",
    "Choice",
    "Reader",
    "Score",
    "Settings",
    "Task",
    "add_scores",
    "import_results",
    "read_accuracy",
    "write_accuracy",
]
