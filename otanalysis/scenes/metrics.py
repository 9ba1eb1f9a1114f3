"""Scores of answers, between 0 and 1, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np


def exact_match(answer: str, truth: str) -> float:
    """Return 1 if the words agree, else 0."""
    return float(answer.split() == truth.split())


def count_score(answer: str, truth: str) -> float:
    r"""Return :math:`\max(0, 1 - |a - t| / \max(t, 1))` for counts, 0 for an answer that is no count.

    >>> count_score("3", "4")
    0.75
    """
    if not answer.strip().isdigit():
        return 0.0
    return max(0.0, 1.0 - abs(int(answer) - int(truth)) / max(int(truth), 1))


def edit_similarity(answer: str, truth: str) -> float:
    """Return 1 minus the Levenshtein distance between the words, divided by the longer length.

    >>> edit_similarity("1 2 4", "1 2 3 4")
    0.75
    """
    a, b = answer.split(), truth.split()
    distances = np.arange(len(b) + 1)
    for row, word in enumerate(a, start=1):
        previous, distances = distances, np.empty_like(distances)
        distances[0] = row
        for column, other in enumerate(b, start=1):
            distances[column] = min(
                previous[column] + 1, distances[column - 1] + 1, previous[column - 1] + (word != other)
            )
    return 1.0 - float(distances[-1]) / max(len(a), len(b), 1)


METRICS: Final[dict[str, Callable[[str, str], float]]] = {
    "exact_match": exact_match,
    "count_score": count_score,
    "edit_similarity": edit_similarity,
}
"""Metric name -> function of an answer and the truth."""
