"""Adding scores to a table: what is there already may be said again, never otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from otanalysis.errors import InputError
from otanalysis.scores.table import ACCURACY_KEY

__all__ = ["add_scores"]

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
    return bool(pd.isna(value))


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
