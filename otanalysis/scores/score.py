"""One score as a results file has it, checked and brought to the scale of the table; what a reader gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from math import isclose, isnan
from pathlib import Path, PurePath
from typing import Any

from otanalysis.defaults import BASELINES, FULL
from otanalysis.errors import InputError
from otanalysis.reading import number_in, shortened
from otanalysis.scores.table import FAILED_SCORE, LARGEST_WHOLE, VARIABLE_RATIO, name_fault
from otanalysis.scores.tasks import HUNDREDFOLD_TOPS, TASKS


@dataclass(frozen=True)
class Settings:
    """Settings of one run, as far as they are known; see :class:`Score`.

    Attributes
    ----------
    model : str, optional
        Name of the model, as in the manifest of its dumps.
    method : str, optional
        Selection method; ``full`` is the unpruned model.
    ratio : float, optional
        Share of the tokens kept, in (0, 1]; 1 for ``full``, NaN where the method chooses it itself.
    gamma : float, optional
        Of the methods that have one, in the method's unit.
    seed : int, optional
        Of the methods that draw at random.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    model: str | None = None
    method: str | None = None
    ratio: float | None = None
    gamma: float | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        for name in ("ratio", "gamma", "seed"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, _as_number(name, value))
        if self.ratio is not None and not (isnan(self.ratio) or 0 < self.ratio <= 1):
            raise InputError(f"The ratio, the share of tokens kept, must lie in (0, 1], got {self.ratio:g}.")
        if self.method == FULL and self.ratio not in (None, 1):
            raise InputError(f"The method full keeps all tokens, so its ratio is 1, got {self.ratio:g}.")
        if self.gamma is not None and not self.gamma > 0:
            raise InputError(f"gamma must be positive, got {self.gamma:g}.")
        for name in ("model", "method"):
            if getattr(self, name) is not None and (fault := name_fault(getattr(self, name))):
                raise InputError(f"The {name} {fault}: leave it out, or name it.")

    def confirmed_by(self, given: Settings, where: str) -> Settings:
        """Return these recorded settings, completed by given ones that must not contradict them.

        Parameters
        ----------
        given : Settings
            What the user says. A model may be given by the last part of its recorded path.
        where : str
            The file, for the message.

        Raises
        ------
        InputError
            If one of the settings is recorded and given with two values.
        """
        settled = {}
        for name in (one.name for one in fields(self)):
            recorded, said = getattr(self, name), getattr(given, name)
            if recorded is not None and said is not None and not _same(name, recorded, said):
                raise InputError(
                    f"{where} records {name} {_shown(recorded)}, and --{name} says {_shown(said)}: "
                    f"leave --{name} out, or give the file of the run that is meant."
                )
            settled[name] = recorded if said is None else said
        return Settings(**settled)

    def complete(self, where: str) -> Settings:
        """Return the settings with the ratio of ``full`` filled in.

        Raises
        ------
        InputError
            If model, method or ratio is not known.
        """
        if self.method is None:
            raise InputError(
                f"{where} does not say which method kept the tokens: give --method "
                "(full for the model with all tokens)."
            )
        if self.method not in BASELINES and self.ratio is None:
            raise InputError(
                f"{where} does not say which share of the tokens {self.method} kept: give --ratio, for "
                f"instance 0.098 (a CSV may say {VARIABLE_RATIO} where the method chooses it itself)."
            )
        if self.model is None:
            raise InputError(f"{where} does not say which model it is: give --model, as its dumps name it.")
        if self.method == FULL:
            return Settings(self.model, self.method, 1.0, self.gamma, self.seed)
        return self


def _as_number(name: str, value: Any) -> float | int:
    """Return a setting as a number of Python's; NaN for the ratio that a method chooses itself."""
    if name == "ratio" and isinstance(value, float) and isnan(value):
        return float(value)
    number = number_or_none(value)
    if number is None:
        raise InputError(f"The {name} must be a finite number, got {shortened(value)}.")
    if name != "seed":
        return number
    if number % 1 or not 0 <= number <= LARGEST_WHOLE:
        raise InputError(
            f"The seed must be a whole number from 0 on, of at most 15 digits, got {shortened(value)}."
        )
    return int(number)


def _same(name: str, recorded: str | float, said: str | float) -> bool:
    if name == "model":
        return said in (recorded, PurePath(str(recorded)).name)
    if isinstance(recorded, str) or isinstance(said, str):
        return recorded == said
    return isclose(recorded, said, rel_tol=1e-9)


def _shown(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return VARIABLE_RATIO if isnan(value) else f"{value:g}"


PART = "part of the questions"
"""Words in the source of a score that an evaluation gave on the first few questions of a task alone."""


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
        Program, file and key, and :data:`PART` where it is the score of a part.

    Raises
    ------
    InputError
        If a name is empty or cannot be written into a table, or a number is out of range.

    Examples
    --------
    >>> score = Score("gqa", "EM", 56.62, 0.4, 12578, Settings(method="otprune", ratio=0.098), "lmms-eval")
    >>> score.value, score.settings.ratio
    (56.62, 0.098)
    """

    task: str
    metric: str
    value: float
    standard_error: float | None
    n: int | None
    settings: Settings
    source: str

    def __post_init__(self) -> None:
        for name in ("task", "metric"):
            if fault := name_fault(getattr(self, name)):
                raise InputError(f"The {name} in [{self.source}] {fault}: name it.")
        if number_in(self.value) is None:
            raise InputError(
                f"The value in [{self.source}] is {shortened(self.value)}; a finite number is wanted."
            )
        error = 0.0 if self.standard_error is None else number_in(self.standard_error)
        if error is None or error < 0:
            raise InputError(
                f"The standard error in [{self.source}] is {shortened(self.standard_error)}; a number from 0 "
                "on is wanted."
            )
        if self.n is not None and not 1 <= self.n <= LARGEST_WHOLE:
            raise InputError(
                f"The number of questions in [{self.source}] is {shortened(self.n)}; at least one is wanted, "
                "and at most 15 digits."
            )


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

    Examples
    --------
    >>> Choice(tasks=("gqa",)).wants("pope")
    False
    """

    tasks: tuple[str, ...] = ()
    metrics: Mapping[str, str] = field(default_factory=dict)

    def wants(self, task: str) -> bool:
        """Say whether a task is among the wanted ones."""
        return not self.tasks or task in self.tasks


@dataclass(frozen=True)
class Reader:
    """How the results files of one program are told from others and read.

    Attributes
    ----------
    name : str
        Its key in :data:`~otanalysis.scores.importing.READERS`: the name of its module.
    files : str
        What its files are and are called, as messages list it.
    recognises : callable
        Say of a path whether it is such a file, or raise :class:`~otanalysis.errors.InputError` where it is
        named like one and damaged: such a file is never passed over.
    read : callable
        Return the wanted scores of such a file, or raise :class:`~otanalysis.errors.InputError`.
    searched : tuple of str
        Patterns of the file names that are looked for in folders; with none, a file is read only where it is
        given by itself.

    Examples
    --------
    >>> from otanalysis.scores import READERS
    >>> READERS["lmms_eval"].searches(Path("20260101_120000_results.json"))
    True
    """

    name: str
    files: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, Choice], list[Score]]
    searched: tuple[str, ...] = ()

    def searches(self, file: Path) -> bool:
        """Say whether a file in a folder is named like one of this program's."""
        return any(file.match(pattern) for pattern in self.searched)


def checked_value(value: Any, *, top: float | None, factor: float, where: str) -> float:
    """Return a raw score as a number on the scale of the table.

    Parameters
    ----------
    value : object
        As the file has it.
    top : float, optional
        Largest value that the metric can take on its own scale; None if it is not known.
    factor : float
        From its own scale to the one of the table.
    where : str
        Task, key and file, for the message.

    Raises
    ------
    InputError
        If it is no finite number, marks a failed metric, lies off the metric's scale, or is so small on a
        scale of hundredths that it may be meant on the plain one.
    """
    number = number_or_none(value)
    if number is None:
        raise InputError(
            f"{where} is {shortened(value)}, and a finite number is wanted: let the evaluation finish, or "
            "leave the task out with --tasks."
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
    if top in HUNDREDFOLD_TOPS:
        _check_hundredfold(number, top, where)
    return scaled(number, factor)


def _check_hundredfold(number: float, top: float, where: str) -> None:
    """Refuse what may be a share where per cent are wanted: 0.842 would be taken for less than one."""
    if 0 < number <= top / 100:
        raise InputError(
            f"{where} is {number:g}, and this metric is printed a hundredfold, from 0 to {top:g}: write "
            f"{scaled(number, 100.0):g} if that is meant. If it is so small, write it into a plain CSV "
            "under lmms-eval's key and on its scale, or leave the task out with --tasks."
        )


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
    return None if isinstance(value, str) else number_in(value)


def place_of(file: Path) -> str:
    """Return ``<folder>/<file>`` for a source, the same however the path was given.

    Examples
    --------
    >>> place_of(Path("/runs/first/results.json"))
    'first/results.json'
    """
    place = "/".join(one for one in (file.absolute().parent.name, file.name) if one)
    return place.encode("utf-8", "replace").decode()  # names of files are bytes, and need not be text


def unknown_task(task: str, where: str, found: Iterable[str], *, asked: str | None = None) -> InputError:
    """Return the error for a task whose headline metric, or the one asked for, is not known or not there."""
    listed = ", ".join(found) or "none"
    if task in TASKS or asked:
        wanted = asked or " or ".join(TASKS[task].keys)
        return InputError(
            f"{where} has no {wanted} for {task}; it has: {listed}. Name one of them with "
            f"--metric {task}=KEY, or leave the task out with --tasks."
        )
    return InputError(
        f"{where} has the task {task}, whose headline metric is not known; it has: {listed}. Name one of "
        f"them with --metric {task}=KEY, or leave the task out with --tasks."
    )
