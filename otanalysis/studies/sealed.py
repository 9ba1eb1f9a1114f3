"""Parquet files that carry the checksum of their own bytes, so that no flipped bit becomes a number."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from otanalysis.errors import InputError
from otanalysis.files import replacing
from otanalysis.reading import parquet_in

_SEAL = b"otanalysis.sha256"  # the key of the checksum in the metadata of the file
_MARK = b"otanalysis.sealed"  # a second key: a file with it and without a whole seal is damaged, not older
_PLACE = re.compile(
    re.escape(_SEAL) + rb".{2}([0-9a-f]{64})", re.DOTALL
)  # .{2}: type and length of the value
_EMPTY = b"0" * 64
_UNSEALED = {_MARK: b"1", _SEAL: _EMPTY}  # last of the metadata, as the file is without its checksum
_UNKNOWN = "pyarrow wrote the metadata of a file in a way that is not known here."

_GROUP_BYTES = 2**22  # of rows that are encoded together
_TAIL = 8  # bytes behind the metadata: their length, and PAR1
_BLOCK = 2**20


def sealed(table: pa.Table) -> bytes:
    """Return a table as the bytes of a Parquet file that has its own SHA-256 in its metadata.

    The checksum is that of all bytes, with zeros where it stands; any reader of Parquet reads the file.
    Columns of float32, numbers that seldom repeat, are split into their bytes, which packs them best.
    """
    metadata = {**(table.schema.metadata or {}), **_UNSEALED}
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), buffer, **_packed(table.schema))
    data = buffer.getvalue()
    place = _place(data)
    if place is None or place[1] != _EMPTY:
        raise RuntimeError(_UNKNOWN)
    return data[: place.start(1)] + hashlib.sha256(data).hexdigest().encode() + data[place.end(1) :]


def write_sealed(
    path: Path,
    tables: Iterable[pa.Table],
    metadata: Callable[[], Mapping[bytes, bytes | str]],
) -> None:
    """Write tables as one sealed file, see :func:`sealed`, with few of them in memory at a time.

    Parameters
    ----------
    path : Path
        The file, replaced when all is written; its folder must exist.
    tables : iterable of pyarrow.Table
        The rows, in order: at least one table, and all of one schema.
    metadata : callable
        Returns the metadata of the file, and is called after the last table.

    Raises
    ------
    StorageError
        The file cannot be written; what was there stays.
    """
    rest = iter(tables)
    first = next(rest)
    with replacing(path) as handle:
        with pq.ParquetWriter(handle, first.schema.remove_metadata(), **_packed(first.schema)) as writer:
            for rows in _grouped(chain([first], rest)):
                writer.write_table(rows)
            writer.add_key_value_metadata({**metadata(), **_UNSEALED})
        _seal(handle)


def _packed(schema: pa.Schema) -> dict[str, Any]:
    """Return how pyarrow is to encode the columns of a schema."""
    packed: dict[str, Any] = {"compression": "zstd"}
    if split := [one.name for one in schema if one.type == pa.float32()]:
        packed["use_dictionary"] = [name for name in schema.names if name not in split]
        packed["column_encoding"] = dict.fromkeys(split, "BYTE_STREAM_SPLIT")
    return packed


def _grouped(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield tables put together until they are worth a row group."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(one.nbytes for one in waiting) >= _GROUP_BYTES:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _seal(handle: IO[bytes]) -> None:
    """Write into a file the checksum of its bytes."""
    handle.seek(0)
    digest = hashlib.sha256()
    while block := handle.read(_BLOCK):
        digest.update(block)
    size = handle.tell()
    handle.seek(size - _TAIL)
    start = size - _TAIL - int.from_bytes(handle.read(4), "little")
    handle.seek(start)
    place = _place(handle.read())
    if place is None or place[1] != _EMPTY:
        raise RuntimeError(_UNKNOWN)
    handle.seek(start + place.start(1))
    handle.write(digest.hexdigest().encode())


def unsealed(data: bytes, path: Path, *, schema_only: bool = False) -> pa.Table:
    """Return the table of the bytes of a file, after a look at their checksum.

    Files of version 0.1.0 have none and are read as they are.

    Parameters
    ----------
    data : bytes
        The whole file.
    path : Path
        Where it came from, for the message.
    schema_only : bool
        Where the checksum holds, return a table without rows: enough to see what is in it.

    Raises
    ------
    InputError
        The bytes are not those that were written, or are no Parquet file.
    """
    checked = is_sealed(data)
    if checked and not _holds(data):
        raise InputError(f"{path} is damaged: its bytes are not those that were written.")
    try:
        if checked and schema_only:
            return _without_rows(pq.ParquetFile(pa.BufferReader(data)))
        table = parquet_in(data)
        if len(set(table.column_names)) < table.num_columns:
            raise ValueError("two columns have one name")
        table.validate(full=not checked)
    except Exception as error:  # what a reader of Parquet raises on bytes that are none is of many kinds
        raise InputError(
            f"{path} is damaged, or no Parquet file ({type(error).__name__}: {error})."
        ) from error
    return table


def _without_rows(file: pq.ParquetFile) -> pa.Table:
    """Return the table that a file would be read as, with its metadata, but none of its rows."""
    metadata = {name: value for name, value in file.metadata.metadata.items() if name != b"ARROW:schema"}
    return file.schema_arrow.with_metadata(metadata).empty_table()


def is_sealed(data: bytes) -> bool:
    """Tell whether the bytes of a file were written with a checksum, whole or not."""
    return _MARK in data or _place(data) is not None


def _holds(data: bytes) -> bool:
    place = _place(data)
    if place is None:
        return False
    bare = data[: place.start(1)] + _EMPTY + data[place.end(1) :]
    return hashlib.sha256(bare).hexdigest().encode() == place[1]


def _place(data: bytes) -> re.Match[bytes] | None:
    """Return where the checksum stands: the last place of its key, for the metadata are at the end."""
    start = data.rfind(_SEAL)
    return _PLACE.match(data, start) if start >= 0 else None
