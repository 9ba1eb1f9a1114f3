"""What a table that is read back must be: the columns, types and values that its study writes."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

_MAY_LACK = ("gamma", "seed", "best_known", "bound")
"""Settings that only some of the methods have, and what the first block of a trial of Table 2 has for all."""


def fault_of(
    table: pa.Table, schema: pa.Schema, *, rows: bool = True, may_lack: Collection[str] = ()
) -> str | None:
    """Say in which way a table is not what a study writes; None if it is, and can be cast to the schema.

    Parameters
    ----------
    table : pyarrow.Table
        As it was read; it may have further columns.
    schema : pyarrow.Schema
        Columns that must be there, of these types and with a value in every row, numbers with a finite one;
        only a setting that not all methods have, and what is known of a whole trial, may be without.
    rows : bool
        Whether there must be rows; without, only the columns are looked at.
    may_lack : collection of str
        Further columns in which rows may be without a value.

    Returns
    -------
    str or None
        Words that go after the name of the file.
    """
    if absent := [name for name in schema.names if name not in table.column_names]:
        return f"lacks the columns {', '.join(absent)}"
    if odd := [one.name for one in schema if not _is_of(table.schema.field(one.name), one)]:
        return f"has {', '.join(odd)} of another type than was written"
    if not rows:
        return None
    if not table.num_rows:
        return "has no rows"
    whole = [name for name in schema.names if name not in (*_MAY_LACK, *may_lack)]
    if bare := [name for name in whole if not _whole(table[name])]:
        return f"has rows without {', '.join(bare)}, or with what is no finite number there"
    return None


def _is_of(found: pa.Field, wanted: pa.Field) -> bool:
    """Say whether a column has its type, as older versions wrote it, too: long texts, settings of no type."""
    if pa.types.is_large_string(found.type):
        return bool(pa.types.is_string(wanted.type))
    same = bool(found.type == wanted.type)
    return same or (bool(pa.types.is_null(found.type)) and wanted.name in _MAY_LACK)


def _whole(column: pa.ChunkedArray) -> bool:
    """Say whether every row has a value, and a finite one where it is a number."""
    numbers = pa.types.is_floating(column.type)
    return not column.null_count and (not numbers or bool(pc.all(pc.is_finite(column)).as_py()))
