"""One score as a results file has it, checked and brought to the scale of the table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from otanalysis.errors import InputError
from otanalysis.scores.settings import Settings
from otanalysis.scores.table import FAILED_SCORE
from otanalysis.scores.tasks import TASKS

__all__ = ["Choice", "Score", "checked_value", "number_or_none", "scaled", "unknown_task"]


@dataclass(frozen=True)
class Score:
    """One row to be: the score of one task in one run.

    Attributes
    ----------
    task, metric : str
        Benchmark and metric of the row.
    value : float
        On the scale of the table.
    standard_error : float or None
        In the unit of ``value``.
    n : int or None
        Number of questions.
    settings : Settings
        What the file records of the run.
    source : str
        Program, file and key.
    """

    task: str
    metric: str
    value: float
    standard_error: float | None
    n: int | None
    settings: Settings
    source: str


@dataclass(frozen=True)
class Choice:
    """Which scores of a file are wanted.

    Attributes
    ----------
    tasks : tuple of str
        Only these tasks; all if empty.
    metrics : mapping
        From a task to the key of its headline metric, for tasks that are not in
        :data:`~otanalysis.scores.tasks.TASKS` or to read another metric of one that is. Its values
        are stored as they are, under this key.
    """

    tasks: tuple[str, ...] = ()
    metrics: Mapping[str, str] = field(default_factory=dict)

    def wants(self, task: str) -> bool:
        """Say whether a task is among the wanted ones."""
        return not self.tasks or task in self.tasks


def checked_value(value: Any, *, top: float | None, where: str) -> float:
    """Return a raw score as a number.

    Parameters
    ----------
    value : object
        As the file has it.
    top : float, optional
        Largest value that the metric can take; None if it is not known.
    where : str
        Task, key and file, for the message.

    Raises
    ------
    InputError
        If it is no finite number, marks a failed metric, or lies off the metric's scale.
    """
    number = number_or_none(value)
    if number is None:
        raise InputError(
            f"{where} is {value!r}, and a finite number is wanted: let the evaluation finish, or leave the "
            "task out with --tasks."
        )
    if number == FAILED_SCORE:
        raise InputError(
            f"{where} is {FAILED_SCORE:g}, which is how the older lmms-eval marks a metric that failed: "
            "evaluate the task again, or leave it out with --tasks."
        )
    if top is not None and not 0 <= number <= top:
        raise InputError(
            f"{where} is {number:g}, and this metric lies between 0 and {top:g}: check that the file is as "
            "the evaluation wrote it."
        )
    return number


def scaled(value: float, factor: float) -> float:
    """Return ``factor * value``; a change of scale leaves 56.62, not 56.620000000000005.

    Examples
    --------
    >>> scaled(0.5662, 100.0)
    56.62
    """
    return value if factor == 1 else float(f"{factor * value:.12g}")


def number_or_none(value: Any) -> float | None:
    """Return a finite number as float, anything else (a text such as ``N/A``, NaN, a list) as None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if isfinite(value) else None


def unknown_task(task: str, where: str, found: Iterable[str]) -> InputError:
    """Return the error for a task whose headline metric is not known or not there."""
    listed = ", ".join(found) or "none"
    if task in TASKS:
        wanted = " or ".join(TASKS[task].keys)
        return InputError(
            f"{where} has no {wanted} for {task}; it has: {listed}. Name one of them with "
            f"--metric {task}=KEY, or leave the task out with --tasks."
        )
    return InputError(
        f"{where} has the task {task}, whose headline metric is not known; it has: {listed}. Name one of "
        f"them with --metric {task}=KEY, or leave the task out with --tasks."
    )
