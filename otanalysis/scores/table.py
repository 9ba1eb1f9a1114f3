"""Accuracy tables: what a model scored with which tokens kept, one number a row."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from otanalysis.defaults import FULL
from otanalysis.errors import InputError
from otanalysis.files import as_path, json_bytes, make_folder, write_together
from otanalysis.reading import EMPTY, number_in, read_csv, read_parquet, shortened
from otanalysis.scores.tasks import is_whole

ACCURACY_COLUMNS = (
    "model",
    "benchmark",
    "method",
    "ratio",
    "gamma",
    "seed",
    "metric",
    "value",
    "n",
    "standard_error",
)
"""Columns of a tidy accuracy table, in order; further ones (a source, a comment) may follow."""

ACCURACY_KEY = ("model", "benchmark", "method", "ratio", "gamma", "seed", "metric")
"""What tells one score from another; two rows that agree in it must agree in the value."""

FAILED_SCORE = -1000.0
"""What older copies of lmms-eval store when a metric could not be computed."""

LARGEST_WHOLE = 10**15 - 1
"""Seeds and numbers of questions up to here go through every format as they are."""

_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")  # control characters, halves of characters

_REQUIRED = ("model", "benchmark", "method", "metric", "value")
_TEXT = ("model", "benchmark", "method", "metric")
VARIABLE_RATIO = "variable"
"""What published tables write as ratio where the method chooses the number of tokens itself."""


def accuracy_path(path: str | PathLike[str]) -> Path:
    """Return the path of an accuracy table, of which the name says the format.

    Raises
    ------
    InputError
        It is no path, or ends in something else than ``.csv`` and ``.parquet``.

    Examples
    --------
    >>> accuracy_path("runs/accuracy.csv").name
    'accuracy.csv'
    """
    file = as_path(path, "an accuracy table")
    if file.suffix not in (".csv", ".parquet"):
        raise InputError(
            f"The name of an accuracy table must end in .csv or .parquet, got {str(file)!r}: rename it, or "
            "convert it to one of the two."
        )
    return file


def read_accuracy(path: str | PathLike[str]) -> pd.DataFrame:
    r"""Read an accuracy table and check it.

    Parameters
    ----------
    path : path
        A ``.csv`` or ``.parquet`` file. ``model``, ``benchmark``, ``method``, ``metric`` and ``value`` must
        be there; other columns of :data:`ACCURACY_COLUMNS` are filled with missing values.

    Returns
    -------
    DataFrame
        Columns :data:`ACCURACY_COLUMNS`, then any others. ``ratio`` (kept share of the tokens, in (0, 1])
        and ``gamma`` are missing for methods without one; ``full`` has ratio 1 and ``majority`` (the most
        frequent answer, which sees no token) has none. ``standard_error`` is in the unit of ``value``; ``n``
        counts the questions. Repeated rows are dropped.

    Raises
    ------
    InputError
        The file is missing or no table, lacks a column, holds a value out of range, or two rows disagree.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = tempfile.TemporaryDirectory()
    >>> file = pathlib.Path(folder.name, "accuracy.csv")
    >>> header = "model,benchmark,method,ratio,metric,value"
    >>> _ = file.write_text(f"{header}\ntiny,presence,full,1.0,accuracy,0.9")
    >>> read_accuracy(file)[["method", "ratio", "gamma", "value"]].to_dict("records")
    [{'method': 'full', 'ratio': 1.0, 'gamma': nan, 'value': 0.9}]
    >>> folder.cleanup()
    """
    file = accuracy_path(path)
    if not os.path.lexists(file):
        raise InputError(f"The accuracy table {file} does not exist; give the path of a CSV or Parquet file.")
    table = read_csv(file).frame() if file.suffix == ".csv" else read_parquet(file)
    return _checked(table, f"The accuracy table {file}")


def write_accuracy(
    table: pd.DataFrame, path: str | PathLike[str], *, provenance: Mapping[str, Any] | None = None
) -> None:
    """Check an accuracy table and write it in one step, CSV or Parquet by the name's ending.

    Parameters
    ----------
    table : DataFrame
        As :func:`read_accuracy` returns it.
    path : path
        Ends in ``.csv`` or ``.parquet``; its folder is created if missing.
    provenance : Mapping, optional
        JSON values that say how the numbers came about; written beside the table as
        ``<name>.provenance.json``.

    Raises
    ------
    InputError
        The table would not pass :func:`read_accuracy`, the name ends in something else, or the provenance
        holds what is no JSON value.

    Examples
    --------
    >>> import tempfile
    >>> from otanalysis.mini import bundled_accuracy_path
    >>> table = read_accuracy(bundled_accuracy_path())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_accuracy(table, f"{folder}/accuracy.parquet")
    ...     read_accuracy(f"{folder}/accuracy.parquet").equals(table)
    True
    """
    named = accuracy_path(path)
    checked = _checked(table, f"The accuracy table for {named}")
    try:
        data = _csv(checked) if named.suffix == ".csv" else _parquet(checked)
    except (ValueError, TypeError, NotImplementedError) as error:  # Arrow's are such, too
        raise InputError(
            f"The accuracy table for {named} has a column that cannot be written ({error}): leave it out, or "
            "make it one of texts or of numbers."
        ) from error
    file = Path(os.path.realpath(named))  # of a link, what it points to: others read that
    files = {file.name: data}
    if provenance is not None:
        about = json_bytes(provenance, f"The provenance of {path}", indent=1, sort_keys=True) + b"\n"
        files = {f"{file.stem}.provenance.json": about, **files}
    make_folder(file.parent)
    write_together(file.parent, files)


def _csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False, lineterminator="\n").encode()


def _parquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False, write_page_checksum=True)
    return buffer.getvalue()


def _checked(table: pd.DataFrame, name: str) -> pd.DataFrame:
    if missing := [column for column in _REQUIRED if column not in table.columns]:
        raise InputError(
            f"{name} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; wanted are "
            f"{', '.join(ACCURACY_COLUMNS)}."
        )
    if table.columns.has_duplicates:
        raise InputError(f"{name} has several columns of one name: keep one of each.")
    checked = pd.DataFrame(index=table.index)
    for column in ACCURACY_COLUMNS:
        if column in _TEXT:
            checked[column] = _text(table[column], name)
        else:
            checked[column] = _number(table, column, name)
    for column in table.columns.difference(list(ACCURACY_COLUMNS), sort=False):
        checked[column] = table[column]
    _check_splits(checked, name)
    _check_ranges(checked, name)
    return _without_repetitions(checked, name)


def name_fault(name: object) -> str | None:
    """Say what is wrong with the name of a model, method, benchmark or metric; None if nothing is.

    Examples
    --------
    >>> name_fault("llava"), name_fault("NaN")
    (None, "is 'NaN', which tables read as empty")
    """
    if not isinstance(name, str):
        return f"is {shortened(name)}, and a text is wanted"
    if name in EMPTY:
        return f"is {name!r}, which tables read as empty" if name else "must not be empty"
    return f"is {shortened(name)}, which cannot be written" if _UNWRITABLE.search(name) else None


def _text(values: pd.Series[Any], name: str) -> list[str]:
    found = []
    for row, cell in enumerate(values):
        if _missing(cell):
            raise InputError(f"{name} has an empty {values.name} in row {row} (from 0); fill it in.")
        text = str(cell) if isinstance(cell, int) and not isinstance(cell, bool) else cell
        if fault := name_fault(text):
            raise InputError(f"The {values.name} in row {row} (from 0) of {name} {fault}; name it.")
        found.append(text)
    return found


def _number(table: pd.DataFrame, column: str, name: str) -> pd.Series[Any]:
    written = table[column] if column in table.columns else [np.nan] * len(table)
    found: list[float] = []
    for row, cell in enumerate(written):
        variable = column == "ratio" and isinstance(cell, str) and cell == VARIABLE_RATIO
        number = np.nan if variable or _missing(cell) else number_in(cell)
        if number is None:
            raise InputError(
                f"{name} has {shortened(cell)} as {column} in row {row} (from 0): write a finite number with "
                "digits and a point, such as 61.9."
            )
        found.append(number)
    numbers = pd.Series(found, index=table.index, dtype=float)
    if column not in ("seed", "n"):
        return numbers
    broken = numbers.notna() & ((numbers % 1 != 0) | (numbers.abs() > LARGEST_WHOLE))
    if broken.any():
        row = _first(broken)
        raise InputError(
            f"{name} has {column} {numbers.iloc[row]} in row {row} (from 0); a whole number of at most 15 "
            "digits is wanted."
        )
    return numbers.astype("Int64")


def _check_ranges(table: pd.DataFrame, name: str) -> None:
    value, ratio, full = table["value"], table["ratio"], table["method"] == FULL
    rules = (
        (~np.isfinite(value), "value", "a finite number is wanted"),
        (value == FAILED_SCORE, "value", "that is how lmms-eval marks a failed metric: leave the row out"),
        ((ratio <= 0) | (ratio > 1), "ratio", "it must lie in (0, 1]"),
        (full & (ratio != 1), "ratio", "the method full keeps all tokens, its ratio is 1.0"),
        ((table["method"] == "majority") & ratio.notna(), "ratio", "the method majority has none"),
        (table["gamma"] <= 0, "gamma", "it must be positive"),
        ((table["seed"] < 0).fillna(False), "seed", "it must not be negative"),
        ((table["n"] < 1).fillna(False), "n", "at least one question is wanted"),
        (table["standard_error"] < 0, "standard_error", "it must not be negative"),
    )
    for broken, column, rule in rules:
        if broken.any():
            row = _first(broken)
            raise InputError(f"{name} has {column} {table[column].iloc[row]} in row {row} (from 0): {rule}.")


def _check_splits(table: pd.DataFrame, name: str) -> None:
    """Refuse the score of a part beside no other: it would be taken for the one of the benchmark."""
    for row, (benchmark, split) in enumerate(zip(table["benchmark"], table.get("split", []), strict=False)):
        if not (_missing(split) or is_whole(str(benchmark), str(split))):
            raise InputError(
                f"{name} has a score of the split {split} of {benchmark} in row {row} (from 0), not of all "
                "of it: leave it out, or give the part a benchmark name of its own."
            )


def _without_repetitions(table: pd.DataFrame, name: str) -> pd.DataFrame:
    distinct = table.drop_duplicates(subset=[*ACCURACY_KEY, "value", "n", "standard_error"])
    repeated = distinct.duplicated(subset=[*ACCURACY_KEY], keep=False)
    if repeated.any():
        rows = distinct[repeated]
        one = rows.iloc[0]
        raise InputError(
            f"{name} has rows that disagree about {one['method']} on {one['benchmark']} "
            f"({one['model']}, ratio {one['ratio']}, {one['metric']}); keep one of them."
        )
    return distinct.reset_index(drop=True)


def _first(mask: pd.Series[bool]) -> int:
    return int(np.flatnonzero(mask.to_numpy(dtype=bool))[0])


_BESIDE = ("n", "standard_error")
Row = dict[Any, Any]

_CLOSE = 1e-9  # relative: a value that went through text is the same value


def add_scores(table: pd.DataFrame | None, fresh: pd.DataFrame) -> pd.DataFrame:
    """Return a table with fresh rows added; a row that is there already is not repeated.

    Parameters
    ----------
    table : DataFrame or None
        As :func:`~otanalysis.scores.table.read_accuracy` returns it.
    fresh : DataFrame
        The same columns, and perhaps ``source``.

    Returns
    -------
    DataFrame
        The rows of ``table``, then the new ones; a number of questions or standard error that only one of
        two equal rows has is kept.

    Raises
    ------
    InputError
        If a fresh row says another value for a score that is there, or names a gamma or seed where the table
        has the same score without one (or the other way round), so that figures would average the two.

    Examples
    --------
    >>> from otanalysis.mini import bundled_accuracy_path
    >>> table = read_accuracy(bundled_accuracy_path())
    >>> len(add_scores(table[:3], table[:5]))
    5
    """
    known = fresh.iloc[:0] if table is None else table
    records: list[Row] = [dict(row) for row in known.to_dict("records")]
    place = {_key(row): number for number, row in enumerate(records)}
    holes = {hole: row for row in records for hole in _holes(row)}
    for row in fresh.to_dict("records"):
        key = _key(row)
        if key in place:
            _agree(records[place[key]], row)
            continue
        _check_neighbours(holes, row)
        place[key] = len(records)
        holes |= dict.fromkeys(_holes(row), row)
        records.append(dict(row))
    columns = list(dict.fromkeys([*known.columns, *fresh.columns]))
    added = pd.DataFrame(records, columns=columns)
    floats = ("ratio", "gamma", "value", "standard_error")
    return added.astype(dict.fromkeys(floats, float) | dict.fromkeys(("seed", "n"), "Int64"))


def _key(row: Row) -> tuple[Any, ...]:
    parts = (row[name] for name in ACCURACY_KEY)
    return tuple(None if _missing(part) else _rounded(part) for part in parts)


def _missing(value: Any) -> bool:
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def _rounded(part: Any) -> Any:
    return float(f"{part:.9g}") if isinstance(part, int | float | np.number) else part


def _agree(there: Row, row: Row) -> None:
    """Check that two rows of one key say the same; fill in what the first one lacks."""
    for name in ("value", *_BESIDE):
        known, said = there[name], row[name]
        if _missing(said):
            continue
        if _missing(known):
            there[name] = said
        elif not np.isclose(float(known), float(said), rtol=_CLOSE, atol=0):
            raise InputError(
                f"The {name} of {_name(row)} is {float(said):.9g} in {_source(row)}, and "
                f"{float(known):.9g} in {_source(there)}: keep one of them, or tell the runs apart by "
                "--seed or --gamma."
            )


def _holes(row: Row) -> list[tuple[Any, ...]]:
    """Return, for gamma and seed, the row's key without it, and whether the row has it."""
    key = dict(zip(ACCURACY_KEY, _key(row), strict=True))
    return [(name, key[name] is None, *(key | {name: None}).values()) for name in ("gamma", "seed")]


def _check_neighbours(holes: dict[tuple[Any, ...], Row], row: Row) -> None:
    """Refuse a score without gamma (or seed) beside the same with one: they would be averaged."""
    for name, lacks, *rest in _holes(row):
        other = holes.get((name, not lacks, *rest))
        if other is None:
            continue
        with_one, without = (other, row) if lacks else (row, other)
        raise InputError(
            f"{_name(row)} comes with {name} {float(with_one[name]):g} in {_source(with_one)}, and without "
            f"in {_source(without)}, so that figures would average them: give --{name} for the one without, "
            "or keep one of them."
        )


def _name(row: Row) -> str:
    ratio = "" if _missing(row["ratio"]) else f" at ratio {float(row['ratio']):g}"
    return f"{row['method']}{ratio} on {row['benchmark']} ({row['model']}, {row['metric']})"


def _source(row: Row) -> str:
    source = row.get("source")
    return "the table" if source is None or _missing(source) else f"[{source}]"
