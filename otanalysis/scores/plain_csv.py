"""Scores in a plain CSV: one a row, with the columns of the accuracy table as far as they differ.

``benchmark``, ``metric`` and ``value`` are needed. A task of :data:`~otanalysis.scores.tasks.TASKS` is on the
table's scale where its metric is named as in the table, and on lmms-eval's where it is named by lmms-eval's
key. Other benchmarks are taken as they are. Names of columns are read in letters of any case; a row whose
``split``, ``subset`` or ``category`` is a part of its benchmark is refused, and so is a column that is not
known where it tells rows of one benchmark and method apart. Other columns that are not known are passed over
with a message.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import nan
from pathlib import Path

from otanalysis.errors import InputError
from otanalysis.reading import Lines, number_in, read_csv, shortened
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
from otanalysis.scores.tasks import PART_COLUMNS, TASKS, Measure, is_whole, measure

_NEEDED = ("benchmark", "metric", "value")
_KNOWN = {*ACCURACY_COLUMNS, *PART_COLUMNS, "source", "comment"}
_LOG = logging.getLogger(__name__)
Row = Mapping[str, str | None]


def _recognises(file: Path) -> bool:
    return (
        file.suffix == ".csv" and file.is_file() and {"benchmark", "value"} <= set(_columns(read_csv(file)))
    )


def _read(file: Path, choice: Choice) -> list[Score]:
    lines = read_csv(file)
    columns = _columns(lines)
    if missing := [name for name in _NEEDED if name not in columns]:
        raise InputError(
            f"{file} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}: add what is missing; "
            f"the columns are {', '.join(ACCURACY_COLUMNS)}."
        )
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise InputError(
            f"{file} has several columns {', '.join(twice)}, in letters of another case: keep one of each."
        )
    rows = [dict(zip(columns, row, strict=True)) for row in lines.rows]
    wanted = [
        (number, row)
        for number, row in zip(lines.numbers, rows, strict=True)
        if choice.wants(str(row["benchmark"]))
    ]
    scores = [_score(row, file, number, choice) for number, row in wanted]
    _check_strangers([row for _, row in wanted], columns, file)
    return scores


def _columns(lines: Lines) -> list[str]:
    """Return the names of the columns, of which those that are known are in small letters."""
    return [name.lower() if name.lower() in _KNOWN else name for name in lines.columns]


def _check_strangers(rows: Sequence[Row], columns: Sequence[str], file: Path) -> None:
    """Refuse columns that are not known and tell rows apart; name the others."""
    strangers = [name for name in columns if name not in _KNOWN]
    if telling := [name for name in strangers if _tells_apart(rows, name)]:
        raise InputError(
            f"{file} has rows of one benchmark and method that differ in {', '.join(telling)}, and that is "
            f"no column of the table: leave it out if it says nothing of the score, or write what it says "
            f"into the name of the benchmark; the columns are {', '.join(ACCURACY_COLUMNS)}, source, comment."
        )
    if strangers and rows:
        _LOG.warning("Columns of %s that are not known are passed over: %s.", file, ", ".join(strangers))


def _tells_apart(rows: Sequence[Row], column: str) -> bool:
    said: defaultdict[tuple[str | None, str | None], set[str | None]] = defaultdict(set)
    for row in rows:
        said[row["benchmark"], row.get("method")].add(row[column])
    return any(len(values) > 1 for values in said.values())


def _score(row: Row, file: Path, number: int, choice: Choice) -> Score:
    where = f"line {number} of {file}"
    for name in ("benchmark", "metric"):
        if row[name] is None:
            raise InputError(f"The {name} in {where} is empty: fill it in.")
    task, metric = str(row["benchmark"]), str(row["metric"])
    _check_whole(row, task, where)
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


def _check_whole(row: Row, task: str, where: str) -> None:
    for column in PART_COLUMNS:
        if not is_whole(task, row.get(column)):
            raise InputError(
                f"The score in {where} is of the {column} {row[column]} and not of all of {task}: leave it "
                "out, or give the part a benchmark name of its own."
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
