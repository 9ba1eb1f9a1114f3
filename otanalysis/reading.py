"""Files that others wrote, read whole: text, JSON, CSV, Parquet. One that is damaged is an InputError.

The one place where the errors of decoders and parsers become the package's own. What the content must be,
beyond its format, the caller checks; :func:`member` does it for the parts of a JSON document.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from otanalysis.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "EMPTY",
    "Document",
    "Lines",
    "member",
    "number_in",
    "parquet_in",
    "read_csv",
    "read_json",
    "read_parquet",
    "read_text",
    "shortened",
]

Document = Mapping[str, Any]
T = TypeVar("T")

EMPTY = frozenset(
    {"", "NA", "N/A", "n/a", "<NA>", "#N/A", "#NA", "#N/A N/A", "null", "NULL", "None"}
    | {"NaN", "nan", "-NaN", "-nan", "-1.#IND", "-1.#QNAN", "1.#IND", "1.#QNAN"}
)
"""What stands in a cell of a CSV that has no value: what pandas and spreadsheets write there."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_KINDS: dict[type[Any], str] = {dict: "an object", list: "a list", str: "a text"}


@dataclass(frozen=True)
class Lines:
    """The cells of a CSV.

    Attributes
    ----------
    columns : tuple of str
        The names in the first line; an empty one has no name.
    rows : tuple of tuple
        One a row, as many cells as there are columns: text without the blanks around it, None where a cell
        is in :data:`EMPTY`.
    numbers : tuple of int
        Of the lines of the file in which the rows end, from 1, for messages.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    numbers: tuple[int, ...]

    def records(self) -> list[dict[str, str | None]]:
        """Return every row as a mapping from the names of the columns."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def frame(self) -> pd.DataFrame:
        """Return the rows as a table of texts."""
        return pd.DataFrame(self.rows, columns=pd.Index(self.columns), dtype=object)


def read_text(file: Path) -> str:
    """Return the text of a file in UTF-8, without the mark that some programs put before it.

    Raises
    ------
    InputError
        If it cannot be read, is in another encoding, or holds zero bytes, which no text does.
    """
    try:
        text = _bytes_of(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is no text in UTF-8 ({error}): save it in that encoding.") from error
    if "\0" in text:
        raise InputError(f"{file} holds zero bytes, so it is damaged or no text: copy or save it again.")
    return text


def read_json(file: Path) -> Any:
    """Return the content of a JSON file.

    Raises
    ------
    InputError
        If it cannot be read, is cut off or no JSON, says one name twice in an object, or is nested too deep.
    """
    text = read_text(file)
    try:
        content = json.loads(text, object_pairs_hook=_without_repetition)
        json.dumps(content, ensure_ascii=False).encode()  # halves of a character, which no file can hold
    except (ValueError, RecursionError) as error:
        what = "it is empty" if not text.strip() else error
        raise InputError(f"{file} cannot be read as JSON ({what}): let it be written again.") from error
    return content


def member(document: Document, name: str, kind: type[T], where: object) -> T | None:
    """Return a part of a JSON object that must be of one kind; None where it is missing or null.

    Parameters
    ----------
    document : mapping
        The object.
    name : str
        Of the part.
    kind : type
        ``dict``, ``list`` or ``str``.
    where : object
        The file, for the message.

    Raises
    ------
    InputError
        If the part is of another kind.
    """
    value = document.get(name)
    if value is None or isinstance(value, kind):
        return value
    raise InputError(
        f"{where} has {shortened(value)} as {name}, and {_KINDS[kind]} is wanted: check that the "
        "file is as it was written."
    )


def read_csv(file: Path) -> Lines:
    """Return the cells of a CSV, of which every row has as many as there are columns.

    A column without a name, which a comma at the end of the lines makes, must be empty; the first one may
    number the rows. Empty lines do not count.

    Raises
    ------
    InputError
        If it cannot be read, a quotation mark has no end, a row has more or fewer cells than there are
        columns, or two columns have one name.
    """
    text = read_text(file)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    numbered: list[tuple[int, list[str]]] = []
    try:
        numbered.extend((reader.line_num, [cell.strip() for cell in cells]) for cells in reader if cells)
    except csv.Error as error:
        raise InputError(
            f"{file} cannot be read as CSV (line {reader.line_num}: {error}); mend it."
        ) from error
    if not numbered:
        raise InputError(f"{file} is empty: a line with the names of the columns is wanted, then the rows.")
    (_, columns), *lines = numbered
    _check_columns(columns, file)
    unnamed = [place for place, name in enumerate(columns) if not name and place > 0]
    for line, cells in lines:
        if len(cells) != len(columns) or any(cells[place] for place in unnamed):
            raise InputError(
                f"Line {line} of {file} has {len(cells)} cells, and {len(columns) - len(unnamed)} columns "
                "have a name: take out a comma too much, fill in what is missing, or put quotation marks "
                "around what has a comma in it."
            )
    named = [place for place, name in enumerate(columns) if name]
    rows = (tuple(_cell(cells[place]) for place in named) for _, cells in lines)
    return Lines(tuple(columns[place] for place in named), tuple(rows), tuple(number for number, _ in lines))


def read_parquet(file: Path) -> pd.DataFrame:
    """Return the table of a Parquet file; its checksums, where it has some, are compared.

    Raises
    ------
    InputError
        If it cannot be read, is damaged, or two columns have one name.
    """
    data = _bytes_of(file)  # so that an error leaves no file open
    try:
        read = parquet_in(data, page_checksum_verification=True)
        table: pd.DataFrame = read.to_pandas(ignore_metadata=True, use_threads=False)
    except Exception as error:  # Arrow's own, and whatever its conversion stumbles over: no list is whole
        said = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(f"{file} cannot be read as Parquet ({said}): export it again.") from error
    _check_columns(map(str, table.columns), file)
    return table


def parquet_in(data: bytes, **options: Any) -> pa.Table:
    """Return the table that the bytes of a Parquet file hold, read in this thread alone.

    A reading thread of Arrow that still holds memory of Python's when the interpreter ends aborts the process
    with "terminate called without an active exception" (apache/arrow#34314).

    Parameters
    ----------
    data : bytes
        The whole file.
    **options
        Of `pyarrow.parquet.ParquetFile`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    read: pa.Table = pq.ParquetFile(pa.BufferReader(data), **options).read(use_threads=False)
    return read


def number_in(cell: object) -> float | None:
    """Return the finite number that a cell holds, or that its text writes; None for anything else.

    Examples
    --------
    >>> [number_in(cell) for cell in (" 61.9", 3, "-", True, "1e999", "61,9", "6_1", 10**400)]
    [61.9, 3.0, None, None, None, None, None, None]
    """
    if isinstance(cell, str):
        if not _NUMBER.fullmatch(cell.strip()):
            return None
    elif isinstance(cell, bool) or not isinstance(cell, int | float | np.integer | np.floating | Decimal):
        return None
    try:
        number = float(cell)
    except (OverflowError, ValueError):  # an integer of 400 digits; a signalling NaN
        return None
    return number if isfinite(number) else None


def shortened(value: object) -> str:
    """Return how a value is written in Python, cut where it is long, for a message."""
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python writes
        return "a number of thousands of digits"
    return text if len(text) <= 40 else f"{text[:37]}..."


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror or error}): check the path.") from error


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        name = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"{shortened(name)} stands twice in one object")
    return content


def _check_columns(columns: Iterable[str], file: Path) -> None:
    if twice := [name for name, count in Counter(columns).items() if name and count > 1]:
        raise InputError(f"{file} has several columns {', '.join(twice)}: keep one of each.")


def _cell(text: str) -> str | None:
    return None if text in EMPTY else text
