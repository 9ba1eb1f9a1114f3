"""Scores that other programs measured: read what they wrote, one file a format, into the accuracy table.

Like the room that it stands in, this imports nothing of the package but :mod:`otanalysis.errors` and its
neighbours in :mod:`otanalysis.tokens`.

Scales: a value is stored on the scale on which papers print it and ``data/published/accuracy.csv`` holds it.
Accuracies, exact match and F1 are in per cent, CIDEr as it is (1.1, not 110), the perception score of MME as
its sum (0 to 2000); a standard error is in the unit of its value. :mod:`otanalysis.scores.tasks` has
the table.
"""

from __future__ import annotations

from otanalysis.scores.importing import import_results
from otanalysis.scores.score import Settings
from otanalysis.scores.table import add_scores, read_accuracy
from otanalysis.scores.tasks import TASKS, Task

__all__ = ["TASKS", "Settings", "Task", "add_scores", "import_results", "read_accuracy"]
