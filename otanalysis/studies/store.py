"""Where parts are kept and found again, each with its checksum and the versions that measured it."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from otanalysis.errors import InputError, StorageError
from otanalysis.files import make_folder, remove_strays, sha256_of_json, write_atomic
from otanalysis.studies.chunks import Record
from otanalysis.studies.fault import fault_of
from otanalysis.studies.sealed import is_sealed, sealed, unsealed

NUMERIC = ("numpy", "scipy", "POT", "kmedoids")
"""Libraries that decide the numbers of every study."""

_KEY = "key"  # the column that tells apart the rows of several keys in one file
_KEYS = b"otanalysis.keys"  # and where a file says which keys it holds
_PLACE = b"otanalysis.place"  # and of which place they are, for equal keys of two dumps have other rows
_VERSIONS = b"otanalysis.versions"  # of the libraries that decided its numbers


@dataclass(frozen=True)
class Part:
    """What one process measures in one go: the unit of work and of progress.

    Attributes
    ----------
    keys : tuple of str
        Of what is measured, in the order of the table; equal keys, equal rows.
    measure : callable
        Picklable. Takes those of the keys that are not found, and yields keys and their rows, a file at a
        time.
    place : str
        Folder of files that hold several keys each, so that finding those of one part stays fast. Such rows
        have a column ``key``, which the table leaves out, and there is one row a key and sample. Without it,
        a key is the name of its file.
    columns : mapping of str to str
        What stands before the other columns of the table in every row, but in no file.
    holds : mapping of str to frozenset of str
        By column, the values that its rows have: by them a file is known that does not say whose it is.
    whose : str
        What decides the rows and is in no key, such as the model; without it, the place.
    work : int
        Parts with much work are started first, or one process would end with them alone.
    """

    keys: tuple[str, ...]
    measure: Callable[[Sequence[str]], Iterable[tuple[Sequence[str], list[Record]]]]
    place: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    holds: Mapping[str, frozenset[str]] = field(default_factory=dict)
    whose: str = ""
    work: int = 0


@dataclass(frozen=True)
class Kept:
    """A file of a store that is whole: which keys it holds, and the versions it was measured with, as JSON.

    ``versions`` is empty for files of version 0.1.0, which have no checksum either.
    """

    path: Path
    keys: frozenset[str]
    versions: str


@dataclass(frozen=True)
class Store:
    """The folder of a study's parts; its files are read only where they have the columns of the schema."""

    folder: Path
    schema: pa.Schema
    packages: tuple[str, ...] = NUMERIC

    def missing(self, part: Part) -> tuple[str, ...]:
        """Return those of the part's keys that no whole file holds."""
        held = {key for file in self._files(part) for key in file.keys}
        return tuple(key for key in part.keys if key not in held)

    def clean(self, parts: Iterable[Part]) -> None:
        """Remove damaged files, those of another part too, and say so, and what killed processes left.

        Only for who holds the folder.
        """
        damaged, parts = 0, list(parts)
        placed = {self.folder / part.place: part for part in parts if part.place}
        named = {key: part for part in parts if not part.place for key in part.keys}
        for place in sorted({self.folder / part.place for part in parts}):
            if not place.is_dir():
                continue
            remove_strays(place)
            for path in place.glob("*.parquet"):
                try:
                    self._schema_in(path, placed.get(place) or named.get(path.stem))
                except (ValueError, TypeError, RecursionError):  # InputError is a ValueError
                    path.unlink(missing_ok=True)
                    damaged += 1
                except OSError as error:
                    raise StorageError(
                        f"{path} should be a file of a part and cannot be read ({error.strerror or error}): "
                        "move or remove it, or choose another folder."
                    ) from error
        if damaged:
            print(
                f"Damaged files of parts in {self.folder}: {damaged}; what is missing is measured again.",
                file=sys.stderr,
            )

    def measure(self, part: Part, missing: Sequence[str]) -> None:
        """Measure the missing keys of a part; every file is written as soon as its rows are there."""
        names = set(self.schema.names)
        for keys, rows in part.measure(missing):
            if odd := {name for row in rows for name in row.keys() ^ names}:
                raise TypeError(f"Rows and their schema differ in the columns {', '.join(sorted(odd))}.")
            table = pa.Table.from_pylist(rows, schema=self.schema)
            told: dict[bytes | str, bytes | str] = {
                _KEYS: json.dumps(keys),
                _VERSIONS: versions_now(self.packages),
            }
            if whose := part.whose or part.place:
                told[_PLACE] = whose
            path = self.folder / f"{keys[0]}.parquet"
            if part.place:
                path = self.folder / part.place / f"{sha256_of_json(keys)[:24]}.parquet"
            make_folder(path.parent)
            write_atomic(path, sealed(table.replace_schema_metadata(told)))

    def read(self, part: Part) -> tuple[pa.Table, Counter[str]]:
        """Return the rows of a part in the order of its keys, and how many files are of which versions.

        With several keys a file, rows are sample by sample.
        """
        left, pieces, versions = set(part.keys), [], Counter[str]()
        for file in self._files(part):
            if take := left & file.keys:
                rows = unsealed(file.path.read_bytes(), file.path).cast(self.schema)
                if part.place:
                    rows = rows.filter(pc.is_in(rows[_KEY], pa.array(sorted(take))))
                pieces.append(rows.replace_schema_metadata(None))
                versions[file.versions] += 1
                left -= take
        if left:
            raise InputError(
                f"A part in {self.folder} is gone or damaged since it was measured: start again."
            )
        table = pa.concat_tables(pieces)
        if part.place:
            table = _by_sample(table, part.keys).drop_columns([_KEY])
        for place, (name, value) in enumerate(part.columns.items()):
            table = table.add_column(place, name, pa.array([value] * table.num_rows, type=pa.string()))
        return table, versions

    def _files(self, part: Part) -> Iterator[Kept]:
        """Yield the files of a part that are there and whole."""
        named = [self.folder / f"{key}.parquet" for key in part.keys]
        for path in sorted((self.folder / part.place).glob("*.parquet")) if part.place else named:
            try:
                schema = self._schema_in(path, part)
                metadata = schema.metadata or {}
                keys = frozenset(json.loads(metadata.get(_KEYS, b"[]")))
            except (OSError, ValueError, TypeError, RecursionError):
                continue  # missing, or damaged after it was written: measured again, and then replaced
            if not part.place:
                keys = frozenset([path.stem])
            if schema.names == self.schema.names:
                yield Kept(path, keys, metadata.get(_VERSIONS, b"").decode())

    def _schema_in(self, path: Path, part: Part | None) -> pa.Schema:
        """Return the schema of a file that is whole and the part's; an older one is looked through."""
        data = path.read_bytes()
        table = unsealed(data, path, schema_only=True)
        if table.schema.names == self.schema.names:
            fault = fault_of(table, self.schema, rows=not is_sealed(data))
            if fault := fault or (_strange(data, path, part) if part else None):
                raise InputError(f"{path} {fault}.")
        return table.schema


def _strange(data: bytes, path: Path, part: Part) -> str | None:
    """Say in which way a file is another part's, by what it says in its seal or by what its rows hold."""
    metadata = pq.read_schema(pa.BufferReader(data)).metadata or {}
    keys = json.loads(metadata.get(_KEYS, b"[]"))
    if not part.place and keys and path.stem not in keys:
        return "is a part of another key"
    if _PLACE in metadata:
        same = metadata[_PLACE].decode() == (part.whose or part.place)
        return None if same else "is a part of another dump or model"
    if not part.place and keys:
        return None
    wanted = dict(part.holds)
    if part.place:
        wanted[_KEY] = frozenset(keys)
    rows = unsealed(data, path).select(list(wanted))
    odd = [name for name, values in wanted.items() if set(rows[name].unique().to_pylist()) != values]
    return f"has rows of another {', '.join(odd)} than was asked for" if odd else None


@cache
def versions_now(packages: tuple[str, ...]) -> str:
    """Return the versions of installed packages, as JSON.

    >>> versions_now(("numpy",)) == json.dumps({"numpy": version("numpy")})
    True
    """
    return json.dumps({name: version(name) for name in packages})


def counted(versions: Counter[str]) -> list[dict[str, Any]]:
    """Return how many files were measured with which versions, as JSON values.

    Returns
    -------
    list of dict
        ``files`` and ``versions``, which is None for files of version 0.1.0: those record none.
    """
    return [
        {"files": files, "versions": json.loads(text) if text else None}
        for text, files in sorted(versions.items())
    ]


def say_moved(measured_with: Iterable[Mapping[str, Any]], packages: tuple[str, ...], place: Path) -> None:
    """Say on stderr which files of parts were measured with other versions than those of now.

    Parameters
    ----------
    measured_with : iterable of mapping
        What :func:`counted` returns.
    packages : tuple of str
        Libraries that decide the numbers.
    place : Path
        The folder of the parts, or the table that was made of them.
    """
    now = json.loads(versions_now(packages))
    for one in measured_with:
        if one["versions"] is None:
            words = "an otanalysis that recorded neither checksums nor versions"
        else:
            moved = {name: was for name, was in one["versions"].items() if was != now.get(name)}
            words = ", ".join(f"{name} {was} (now {now.get(name)})" for name, was in moved.items())
        if words:
            print(
                f"Files of parts in {place} that are taken as they were measured, with {words}: "
                f"{one['files']}. Another --out measures them again.",
                file=sys.stderr,
            )


def _by_sample(rows: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Sort rows by sample, then by key; those of one key are in the order of the samples."""
    rank, seen = {key: place for place, key in enumerate(keys)}, Counter[str]()
    places = []
    for key in rows[_KEY].to_pylist():
        places.append(seen[key] * len(keys) + rank[key])
        seen[key] += 1
    return rows.take(pc.sort_indices(pa.array(places)))
