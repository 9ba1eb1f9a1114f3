"""Scores in a plain CSV: one a row, with the columns of the accuracy table as far as they differ.

``benchmark``, ``metric`` and ``value`` are needed. A task of :data:`~otanalysis.scores.tasks.TASKS` is on the
table's scale where its metric is named as in the table, and on lmms-eval's where it is named by lmms-eval's
key. Other benchmarks are taken as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from pathlib import Path

from otanalysis.errors import InputError
from otanalysis.reading import number_in, read_csv, shortened
from otanalysis.scores.score import (
    Choice,
    Reader,
    Score,
    Settings,
    checked_value,
    place_of,
    scaled,
    unknown_task,
)
from otanalysis.scores.table import ACCURACY_COLUMNS, VARIABLE_RATIO
from otanalysis.scores.tasks import TASKS, Measure, is_whole, measure

_NEEDED = ("benchmark", "metric", "value")
Row = Mapping[str, str | None]


def _recognises(file: Path) -> bool:
    return file.suffix == ".csv" and file.is_file() and {"benchmark", "value"} <= set(read_csv(file).columns)


def _read(file: Path, choice: Choice) -> list[Score]:
    lines = read_csv(file)
    if missing := [name for name in _NEEDED if name not in lines.columns]:
        raise InputError(
            f"{file} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}: add what is missing; "
            f"the columns are {', '.join(ACCURACY_COLUMNS)}."
        )
    return [
        _score(row, file, number, choice)
        for number, row in zip(lines.numbers, lines.records(), strict=True)
        if choice.wants(str(row["benchmark"]))
    ]


def _score(row: Row, file: Path, number: int, choice: Choice) -> Score:
    where = f"line {number} of {file}"
    for name in ("benchmark", "metric"):
        if row[name] is None:
            raise InputError(f"The {name} in {where} is empty: fill it in.")
    task, metric, split = str(row["benchmark"]), str(row["metric"]), row.get("split")
    if not is_whole(task, split):
        raise InputError(
            f"The score in {where} is of the split {split} and not of all of {task}: leave it out, or give "
            "the part a benchmark name of its own."
        )
    if (value := _optional(row, "value", where)) is None:
        raise InputError(f"The value in {where} is empty: fill it in, or leave the line out.")
    described = _measure(task, metric, choice, file)
    _check_share(task, metric, value, where)
    error, count = _optional(row, "standard_error", where), _optional(row, "n", where)
    return Score(
        task=task,
        metric=described.metric,
        value=checked_value(value, top=described.top, factor=described.factor, where=f"The value in {where}"),
        standard_error=None if error is None else scaled(error, described.factor),
        n=None if count is None else _whole(count, "n", where),
        settings=_settings(row, where),
        source=row.get("source") or place_of(file),
    )


def _check_share(task: str, metric: str, value: float, where: str) -> None:
    """Refuse a share where the metric is in per cent: 0.619 would be taken for less than one per cent."""
    known = TASKS.get(task)
    if known is not None and known.factor > 1 and metric.partition(",")[0] == known.metric and 0 < value <= 1:
        raise InputError(
            f"The value in {where} is {value:g}, and {known.metric} of {task} is in per cent: write it so, "
            f"or name the metric {known.keys[0]}, which is a share."
        )


def _measure(task: str, metric: str, choice: Choice, file: Path) -> Measure:
    """Return how a value is stored: on the table's scale already, on lmms-eval's, or as it is."""
    known = TASKS.get(task)
    name, comma, said = metric.partition(",")
    if known is not None and name == known.metric:
        key = f"{known.keys[0]}{comma}{said}"
        return Measure(measure(task, key).metric, known.top * known.factor)
    if known is not None and name not in known.keys and choice.metrics.get(task) != metric:
        raise unknown_task(task, str(file), [metric])
    return measure(task, metric)


def _settings(row: Row, where: str) -> Settings:
    ratio, seed = row.get("ratio"), _optional(row, "seed", where)
    try:
        return Settings(
            model=row.get("model"),
            method=row.get("method"),
            ratio=nan if ratio == VARIABLE_RATIO else _optional(row, "ratio", where),
            gamma=_optional(row, "gamma", where),
            seed=None if seed is None else _whole(seed, "seed", where),
        )
    except InputError as error:
        raise InputError(f"In {where}: {error}") from error


def _optional(row: Row, column: str, where: str) -> float | None:
    written = row.get(column)
    if written is None:
        return None
    number = number_in(written)
    if number is None:
        raise InputError(
            f"The {column} in {where} is {shortened(written)}, and a finite number is wanted: write it with "
            "digits and a point, such as 61.9."
        )
    return number


def _whole(number: float, column: str, where: str) -> int:
    if number % 1:
        raise InputError(f"The {column} in {where} is {number:g}, and a whole number is wanted.")
    return int(number)


READER = Reader("plain_csv", f"a CSV with the columns {', '.join(ACCURACY_COLUMNS)}", _recognises, _read)
