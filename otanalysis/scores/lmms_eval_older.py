"""Results of the older lmms-eval that the released OTPrune and DivPrune codes carry along.

``<output>/<MMDD_HHMM>_<suffix>_<model>_model_args_<hash>/results.json`` has the scores under the same keys as
today's, but no number of questions. Method and ratio were environment variables and are recorded nowhere, so
that the user has to say them; a metric that failed is stored as -1000.
"""

from __future__ import annotations

from pathlib import Path

from otanalysis.scores.lmms_eval import read_document, recorded, task_scores
from otanalysis.scores.score import Choice, Reader, Score


def _recognises(file: Path) -> bool:
    document = read_document(file)
    return bool(document) and "n-samples" not in document


def _read(file: Path, choice: Choice) -> list[Score]:
    document = read_document(file)
    return task_scores(document, file, choice, settings=recorded(document, file), program="older lmms-eval")


READER = Reader(
    "lmms_eval_older",
    "its older copy in the released codes (results.json)",
    _recognises,
    _read,
    ("*results.json",),
)
