"""Scores in a plain CSV: one a row, with the columns of the accuracy table as far as they differ.

``benchmark``, ``metric`` and ``value`` are needed. A task of :data:`~otanalysis.scores.tasks.TASKS` is on the
table's scale where its metric is named as in the table, and on lmms-eval's where it is named by lmms-eval's
key. Other benchmarks are taken as they are.
"""

from __future__ import annotations

from math import nan
from pathlib import Path
from typing import Any

import pandas as pd

from otanalysis.errors import InputError
from otanalysis.scores.score import (
    Choice,
    Reader,
    Score,
    Settings,
    checked_value,
    number_or_none,
    scaled,
    unknown_task,
)
from otanalysis.scores.table import ACCURACY_COLUMNS, VARIABLE_RATIO
from otanalysis.scores.tasks import TASKS

_NEEDED = ("benchmark", "metric", "value")


def _recognises(file: Path) -> bool:
    if file.suffix != ".csv":
        return False
    try:
        columns = set(pd.read_csv(file, nrows=0).columns)
    except (OSError, ValueError):
        return False
    return {"benchmark", "value"} <= columns


def _read(file: Path, choice: Choice) -> list[Score]:
    try:
        table = pd.read_csv(file)
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read ({error}); save it as CSV again.") from error
    if missing := [name for name in _NEEDED if name not in table.columns]:
        raise InputError(
            f"{file} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; the columns are "
            f"{', '.join(ACCURACY_COLUMNS)}."
        )
    records: list[dict[str, Any]] = [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in table.to_dict("records")
    ]
    return [
        _score(row, file, number, choice)
        for number, row in enumerate(records)
        if choice.wants(str(row["benchmark"]))
    ]


def _score(row: dict[str, Any], file: Path, number: int, choice: Choice) -> Score:
    where = f"row {number} of {file}"
    for name in ("benchmark", "metric"):
        if row[name] is None:
            raise InputError(f"The {name} in {where} is empty: fill it in.")
    task, metric = str(row["benchmark"]), str(row["metric"])
    known, top, factor = TASKS.get(task), None, 1.0
    if known is not None and metric in known.keys:
        metric, top, factor = known.metric, known.top, known.factor
    elif known is not None and metric == known.metric:
        top = known.top * known.factor
    elif known is not None and choice.metrics.get(task) != metric:
        raise unknown_task(task, str(file), [metric])
    error = _optional(row, "standard_error", where)
    count = _optional(row, "n", where)
    return Score(
        task=task,
        metric=metric,
        value=checked_value(row["value"], top=top, factor=factor, where=f"The value in {where}"),
        standard_error=None if error is None else scaled(error, factor),
        n=None if count is None else _whole(count, "n", where),
        settings=_settings(row, where),
        source=str(row.get("source") or f"{file.parent.name}/{file.name}"),
    )


def _settings(row: dict[str, Any], where: str) -> Settings:
    ratio, seed = row.get("ratio"), _optional(row, "seed", where)
    try:
        return Settings(
            model=None if row.get("model") is None else str(row["model"]),
            method=None if row.get("method") is None else str(row["method"]),
            ratio=nan if ratio == VARIABLE_RATIO else _optional(row, "ratio", where),
            gamma=_optional(row, "gamma", where),
            seed=None if seed is None else _whole(seed, "seed", where),
        )
    except InputError as error:
        raise InputError(f"In {where}: {error}") from error


def _optional(row: dict[str, Any], column: str, where: str) -> float | None:
    written = row.get(column)
    if written is None:
        return None
    number = number_or_none(pd.to_numeric(written, errors="coerce"))
    if number is None:
        raise InputError(f"The {column} in {where} is {written!r}: write a number, or leave it empty.")
    return number


def _whole(number: float, column: str, where: str) -> int:
    if number % 1:
        raise InputError(f"The {column} in {where} is {number:g}, and a whole number is wanted.")
    return int(number)


READER = Reader("plain_csv", f"a CSV with the columns {', '.join(ACCURACY_COLUMNS)}", _recognises, _read)
