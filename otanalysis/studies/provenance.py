"""What every table says of how it came about, and where it keeps it."""

from __future__ import annotations

import io
import json
import platform
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from otanalysis.errors import InputError
from otanalysis.files import write_atomic

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


def to_parquet(table: pa.Table) -> bytes:
    """Return a table as the bytes of a Parquet file."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def write_table(path: Path, table: pa.Table, *, request: str, about: Mapping[str, Any]) -> None:
    """Write a Parquet table whole, with its provenance in the file.

    Parameters
    ----------
    path : Path
        The file; its folder is made if it is missing.
    table : pyarrow.Table
        The rows.
    request : str
        Digest of what was asked for, see :func:`answers`.
    about : mapping
        Settings and dumps, as JSON values; command, date, platform and versions are added.
    """
    provenance = {
        "request": request,
        "command": sys.argv,
        **environment(_PACKAGES),
        "platform": platform.platform(),
        **about,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, to_parquet(table.replace_schema_metadata({_KEY: json.dumps(provenance)})))


def answers(path: Path, request: str) -> bool:
    """Return whether the table at ``path`` is there and was written for this request."""
    try:
        return path.is_file() and read_provenance(path)["request"] == request
    except (InputError, KeyError):
        return False  # something else of that name: the caller writes its own table over it


def read_provenance(path: str | PathLike[str]) -> dict[str, Any]:
    """Read how a table came about: versions, settings, fingerprints of the dumps, command and date.

    See :func:`~otanalysis.studies.sweep.sweep`.

    Raises
    ------
    InputError
        The file is missing or is not a table of this package.
    """
    try:
        metadata = pq.read_schema(path).metadata or {}
        content: dict[str, Any] = json.loads(metadata[_KEY])
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        raise InputError(
            f"{path} is not a table that otanalysis wrote; check the path, or run the measurement."
        ) from error
    return content


def read_table(path: str | PathLike[str], columns: Iterable[str] = (), *, cure: str = "") -> pd.DataFrame:
    """Read a table of this package that has certain columns.

    Raises
    ------
    InputError
        The file is missing, is not a table of this package, or lacks a column; then ``cure`` says what to do.
    """
    read_provenance(path)
    table: pd.DataFrame = pq.read_table(path, partitioning=None).to_pandas()
    if absent := [name for name in columns if name not in table.columns]:
        raise InputError(f"{path} lacks the columns {', '.join(absent)}: {cure}.")
    return table


def write_summaries(path: str | PathLike[str], summaries: Mapping[str, pd.DataFrame], **layout: Any) -> None:
    """Write summaries of a table beside it, as CSV files by name, and its provenance, which is theirs too.

    The provenance goes to ``FIRST.provenance.json``, in the ``layout`` that :func:`json.dumps` is given.
    """
    about = json.dumps(read_provenance(path), **layout) + "\n"
    for name, frame in summaries.items():
        data = frame.to_csv(index=False, float_format="%.8g").encode()
        write_atomic(Path(path).with_name(name), data)
    first = Path(path).with_name(next(iter(summaries)))
    write_atomic(first.with_suffix(".provenance.json"), about.encode())
