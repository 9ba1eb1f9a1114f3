"""Results of the older lmms-eval that the released OTPrune and DivPrune codes carry along.

``<output>/<MMDD_HHMM>_<suffix>_<model>_model_args_<hash>/results.json`` has the scores under the same keys as
today's, but no number of questions. Method and ratio were environment variables and are recorded nowhere, so
that the user has to say them; a metric that failed is stored as -1000.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from otanalysis.scores.lmms_eval import model_arguments, task_scores
from otanalysis.scores.score import Choice, Score
from otanalysis.scores.settings import Settings

__all__ = ["is_vendored", "read_vendored"]


def is_vendored(document: Mapping[str, Any]) -> bool:
    """Say whether a document of lmms-eval is of the older layout, which does not count the questions."""
    return "n-samples" not in document


def read_vendored(document: Mapping[str, Any], file: Path, choice: Choice) -> list[Score]:
    """Return the headline scores of an older results file; parameters and errors as for the current one."""
    settings = Settings(model=model_arguments(document).get("pretrained"))
    return task_scores(document, file, choice, settings=settings, program="older lmms-eval")
