"""What every table says of how it came about, and where it keeps it."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from otanalysis.errors import InputError
from otanalysis.files import as_path, make_folder, write_together
from otanalysis.reading import read_csv
from otanalysis.studies.fault import fault_of
from otanalysis.studies.sealed import is_sealed, unsealed, write_sealed

_KEY = b"otanalysis.provenance"
_PACKAGES = ("otanalysis", "numpy", "scipy", "POT", "kmedoids", "pyarrow", "joblib")


def environment(packages: Iterable[str]) -> dict[str, Any]:
    """Return the date (UTC) and the versions of Python and of installed packages, as JSON values.

    >>> sorted(environment(["numpy"])["versions"])
    ['numpy', 'python']
    """
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
    }


def write_table(path: Path, table: pa.Table, *, request: str, about: Mapping[str, Any]) -> None:
    """Write a Parquet table whole, with its provenance in the file, as :func:`write_tables` does."""
    write_tables(path, [table], request=request, about=lambda: about)


def write_tables(
    path: Path, tables: Iterable[pa.Table], *, request: str, about: Callable[[], Mapping[str, Any]]
) -> None:
    """Write tables as one Parquet table whole, with its provenance in the file.

    Parameters
    ----------
    path : Path
        The file; its folder is made if it is missing.
    tables : iterable of pyarrow.Table
        The rows, in order: at least one table, and all of one schema; few are in memory at a time.
    request : str
        Digest of what was asked for, see :func:`answering`.
    about : callable
        Returns settings and dumps, as JSON values, after the last table; command, date, platform and versions
        are added.
    """

    def provenance() -> dict[bytes, str]:
        made = {"command": sys.argv, **environment(_PACKAGES), "platform": platform.platform()}
        return {_KEY: json.dumps({"request": request, **made, **about()})}

    make_folder(path.parent)
    write_sealed(path, tables, provenance)


def answering(path: Path, request: str, *, say: bool = False) -> dict[str, Any] | None:
    """Return the provenance of the table at ``path`` if it is whole and was written for this request.

    With ``say``, one that is damaged is told of on stderr: the caller then writes it anew.
    """
    try:
        data = path.read_bytes()
        provenance = _provenance(unsealed(data, path, schema_only=True), path)
        return provenance if provenance["request"] == request else None
    except OSError:
        return None
    except (InputError, KeyError) as error:
        # Something else of that name, and a damaged table: the caller writes its own over it.
        if say and is_sealed(data):
            print(f"{error} It is put together again.", file=sys.stderr)
        return None


def read_provenance(path: str | PathLike[str]) -> dict[str, Any]:
    """Read how a table came about: versions, settings, fingerprints of the dumps, command and date.

    See :func:`~otanalysis.studies.sweep.sweep`.

    Raises
    ------
    InputError
        The file is missing, is not a table of this package, or is damaged.
    """
    file = as_path(path, "a table")
    return _provenance(_opened(file, schema_only=True), file)


def read_table(
    path: str | PathLike[str],
    schema: pa.Schema,
    *,
    cure: str,
    may_have: pa.Schema | None = None,
    may_lack: Collection[str] = (),
) -> pd.DataFrame:
    """Read a table of this package, which must be what a study writes, after a look at its checksum.

    Parameters
    ----------
    path : path
        The Parquet file.
    schema : pyarrow.Schema
        What must be there, see :func:`~otanalysis.studies.fault.fault_of`.
    cure : str
        What to do where the table is another one.
    may_have : pyarrow.Schema, optional
        Columns that are read as well if they are there.
    may_lack : collection of str
        Columns in which rows may be without a value.

    Returns
    -------
    DataFrame
        The columns of the schema, then those of the others that are there; at least one row.

    Raises
    ------
    InputError
        The file is missing, is not a table of this package, is damaged, or is not as the schema wants it.
    """
    file = as_path(path, "a table")
    table = _opened(file)
    _provenance(table, file)
    further = [one for one in may_have or () if one.name in table.column_names]
    schema = pa.schema([*schema, *further])
    if fault := fault_of(table, schema, may_lack=may_lack):
        raise InputError(f"{file} {fault}: {cure}.")
    chosen = table.select(schema.names).cast(schema)
    frame: pd.DataFrame = chosen.to_pandas(ignore_metadata=True, use_threads=False)
    return frame


def _opened(path: Path, *, schema_only: bool = False) -> pa.Table:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _not_ours(path) from error
    try:
        return unsealed(data, path, schema_only=schema_only)
    except InputError as error:
        if is_sealed(data):
            raise InputError(f"{error} Remove it and run the measurement again.") from error
        raise _not_ours(path) from error


def _provenance(table: pa.Table, path: Path) -> dict[str, Any]:
    try:
        content = json.loads((table.schema.metadata or {})[_KEY])
    except (KeyError, ValueError, RecursionError) as error:
        raise _not_ours(path) from error
    if not isinstance(content, dict):
        raise _not_ours(path)
    return content


def _not_ours(path: Path) -> InputError:
    return InputError(f"{path} is not a table that otanalysis wrote; check the path, or run the measurement.")


def write_summaries(path: str | PathLike[str], summaries: Mapping[str, pd.DataFrame], **layout: Any) -> None:
    """Write summaries of a table beside it, as CSV files by name, and its provenance, which is theirs too.

    The provenance goes to ``FIRST.provenance.json``, in the ``layout`` that :func:`json.dumps` is given.
    """
    about = json.dumps(read_provenance(path), **layout) + "\n"
    files = {
        name: frame.to_csv(index=False, float_format="%.8g").encode() for name, frame in summaries.items()
    }
    first = Path(next(iter(summaries))).with_suffix(".provenance.json")
    write_together(Path(path).parent, {**files, first.name: about.encode()})


def read_csv_summary(
    path: str | PathLike[str], words: Sequence[str], numbers: Sequence[str], *, cure: str
) -> pd.DataFrame:
    """Read a summary that :func:`write_summaries` wrote.

    Parameters
    ----------
    path : path
        The CSV file.
    words, numbers : sequence of str
        Columns that must be there, the numbers with numbers or nothing in every row.
    cure : str
        What to do where they are not.

    Raises
    ------
    InputError
        The file is missing or damaged, or is another table.
    """
    table = read_csv(as_path(path, "a table")).frame()
    if absent := [name for name in (*words, *numbers) if name not in table.columns]:
        raise InputError(f"{path} lacks the columns {', '.join(absent)}: {cure}.")
    try:
        table[list(numbers)] = table[list(numbers)].apply(pd.to_numeric)
    except (TypeError, ValueError) as error:
        raise InputError(f"{path} has no number ({error}): {cure}.") from error
    return table
