"""Pictures in the tables of Hugging Face datasets: Parquet and Arrow files on disk, or the Hub."""

from __future__ import annotations

import importlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from otanalysis.errors import InputError, MissingDependencyError
from otanalysis.vlm.capture.pictures import PictureItem

__all__ = ["HubTable", "TableOfPictures", "hub_table", "looks_like_table", "open_table"]

_SUFFIXES: Final = (".parquet", ".arrow")
_ROWS_AT_ONCE: Final = 32
_SPLIT: Final = re.compile(r"^(?P<split>.+?)-\d{5}-of-\d{5}$")


@dataclass(frozen=True)
class TableOfPictures:
    """Pictures in Parquet or Arrow files, read a few rows at a time.

    Attributes
    ----------
    files : tuple of Path
        In order.
    name : str
        For the manifest.
    column : str
        The column of pictures: structs with ``bytes`` (or a ``path``), or bytes.
    rows : int
        Number of rows of all files.
    own_ids : bool
        Whether ids are those of the column ``id``; otherwise they are row numbers.
    """

    files: tuple[Path, ...]
    name: str
    column: str
    rows: int
    own_ids: bool

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Name and kind of the source."""
        return {"kind": "dataset", "name": self.name, "column": self.column, "pictures": self.rows}

    def __len__(self) -> int:
        """Return the number of pictures."""
        return self.rows

    def __iter__(self) -> Iterator[PictureItem]:
        """Return the pictures, row by row."""
        number = 0
        for file in self.files:
            for batch in _batches(file):
                for row in batch.to_pylist():
                    yield _item(row, number, self.column, self.own_ids, file.parent)
                    number += 1


@dataclass(frozen=True, eq=False)
class HubTable:
    """Pictures of a dataset that the package ``datasets`` loaded.

    Attributes
    ----------
    rows : Dataset
        With the pictures not decoded.
    name, column, own_ids
        As for :class:`TableOfPictures`.
    """

    rows: Any
    name: str
    column: str
    own_ids: bool

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Name and kind of the source, and the fingerprint that ``datasets`` gives it."""
        return {
            "kind": "dataset",
            "name": self.name,
            "column": self.column,
            "pictures": len(self.rows),
            "fingerprint": str(getattr(self.rows, "_fingerprint", "")),
        }

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.rows)

    def __iter__(self) -> Iterator[PictureItem]:
        """Return the pictures, row by row."""
        for number, row in enumerate(self.rows):
            yield _item(row, number, self.column, self.own_ids, Path())


def looks_like_table(path: Path) -> bool:
    """Tell whether a path is a dataset on disk and not a folder of pictures."""
    if path.is_file():
        return path.suffix in _SUFFIXES
    saved = (path / "state.json").is_file() and (path / "dataset_info.json").is_file()
    several = (path / "dataset_dict.json").is_file()
    return saved or several or next(path.rglob("*.parquet"), None) is not None


def open_table(path: Path, split: str | None) -> TableOfPictures:
    """Open a dataset on disk.

    Parameters
    ----------
    path
        A Parquet or Arrow file, a folder of Parquet files, or what ``save_to_disk`` wrote.
    split
        Which split, if there are several.

    Raises
    ------
    InputError
        The split is missing or unknown, or the files hold no column of pictures or more than one.
    """
    files = _files(path, split)
    schema = _schema(files[0])
    column = _picture_column(schema, path)
    rows, own_ids = _count(files, "id" in schema.names)
    if not rows:
        raise InputError(f"The dataset {path} has no rows.")
    name = path.resolve().name if split is None else f"{path.resolve().name}:{split}"
    return TableOfPictures(files, name, column, rows, own_ids)


def hub_table(name: str, split: str | None) -> HubTable:
    """Load a dataset by its name on the Hub, from the network or the cache of ``datasets``.

    Raises
    ------
    InputError
        There is no such dataset or split, or it has no column of pictures or more than one.
    MissingDependencyError
        The package ``datasets`` is not installed.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise InputError(
            f"There is no file or folder {name}, and it is no OWNER/NAME of a dataset on the Hub."
        )
    try:
        datasets: Any = importlib.import_module("datasets")
    except ImportError as error:
        raise MissingDependencyError(
            f"There is no file or folder {name}; to load it as a dataset of the Hub, the package datasets is "
            "needed: pip install datasets"
        ) from error
    try:
        loaded: Any = datasets.load_dataset(name, split=split)
    except Exception as error:  # of network, names, splits and formats: many kinds
        raise InputError(
            f"There is no file or folder {name}, and the Hub gave no dataset of that name: "
            f"{str(error).strip().splitlines()[0]}"
        ) from error
    if isinstance(loaded, Mapping):
        loaded = _only_split(name, dict(loaded))
    pictures = [key for key, kind in loaded.features.items() if isinstance(kind, datasets.Image)]
    column = _the_one(pictures, name, list(loaded.features))
    own_ids = "id" in loaded.features and len(set(loaded["id"])) == len(loaded)
    rows = loaded.cast_column(column, datasets.Image(decode=False))
    return HubTable(rows, name if split is None else f"{name}:{split}", column, own_ids)


def _only_split(name: str, splits: dict[str, Any]) -> Any:
    if len(splits) != 1:
        raise InputError(f"{name} has the splits {', '.join(splits)}; give one: {name}:{next(iter(splits))}.")
    return next(iter(splits.values()))


def _files(path: Path, split: str | None) -> tuple[Path, ...]:
    """Return the files of a dataset in order."""
    if path.is_file():
        return (path,)
    if (path / "dataset_dict.json").is_file():
        splits = json.loads((path / "dataset_dict.json").read_text())["splits"]
        return _files(path / _only_split(str(path), _chosen({one: one for one in splits}, split, path)), None)
    if (path / "state.json").is_file():
        listed = json.loads((path / "state.json").read_text())["_data_files"]
        return tuple(path / entry["filename"] for entry in listed)
    grouped: dict[str, list[Path]] = {}
    for file in sorted(path.rglob("*.parquet")):
        match = _SPLIT.match(file.stem)
        grouped.setdefault(match["split"] if match else file.stem, []).append(file)
    return tuple(_only_split(str(path), _chosen(grouped, split, path)))


def _chosen(splits: dict[str, Any], split: str | None, path: Path) -> dict[str, Any]:
    if split is None:
        return splits
    if split not in splits:
        raise InputError(f"{path} has the splits {', '.join(splits)}, not {split!r}.")
    return {split: splits[split]}


def _schema(file: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if file.suffix == ".parquet":
        return pq.read_schema(file)
    with pa.memory_map(str(file)) as source:
        return pa.ipc.open_stream(source).schema


def _batches(file: Path, columns: list[str] | None = None) -> Iterator[Any]:
    """Read a file a few rows at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if file.suffix == ".parquet":
        with pq.ParquetFile(file) as table:
            yield from table.iter_batches(batch_size=_ROWS_AT_ONCE, columns=columns)
        return
    with pa.memory_map(str(file)) as source:
        for batch in pa.ipc.open_stream(source):
            chosen = batch if columns is None else batch.select(columns)
            yield from (chosen.slice(start, _ROWS_AT_ONCE) for start in range(0, len(batch), _ROWS_AT_ONCE))


def _count(files: tuple[Path, ...], has_ids: bool) -> tuple[int, bool]:
    """Return the number of rows, and whether there are ids that are distinct."""
    seen: set[str] = set()
    rows, distinct = 0, has_ids
    for file in files:
        for batch in _batches(file, ["id"] if has_ids else []):
            rows += batch.num_rows
            if distinct:
                values = [str(value) for value in batch.column(0).to_pylist() if value not in (None, "")]
                distinct = len(values) == batch.num_rows and len(set(values)) == len(values)
                distinct = distinct and seen.isdisjoint(values)
                seen.update(values)
    return rows, distinct


def _picture_column(schema: Any, path: Path) -> str:
    import pyarrow as pa

    def holds(kind: Any) -> bool:
        return pa.types.is_struct(kind) and {field.name for field in kind} >= {"bytes"}

    structs = [entry.name for entry in schema if holds(entry.type)]
    plain = [entry.name for entry in schema if pa.types.is_binary(entry.type) and entry.name == "image"]
    return _the_one(structs or plain, str(path), schema.names)


def _the_one(pictures: list[str], name: str, columns: list[str]) -> str:
    if "image" in pictures:
        return "image"
    if len(pictures) != 1:
        kind = "no column of pictures" if not pictures else f"several of pictures ({', '.join(pictures)})"
        raise InputError(
            f"{name} must have one column of pictures, or one that is called image; among "
            f"{', '.join(columns)} there is {kind}."
        )
    return pictures[0]


def _item(row: dict[str, Any], number: int, column: str, own_ids: bool, folder: Path) -> PictureItem:
    cell = row[column]
    kept = {name: _as_json(value) for name, value in row.items() if name != column and _is_plain(value)}
    identifier = str(kept.pop("id")) if own_ids else f"row-{number:06d}"

    def load() -> bytes:
        content = cell if isinstance(cell, bytes) else (cell or {}).get("bytes")
        if content is not None:
            return bytes(content)
        path = (cell or {}).get("path")
        if path is None:
            raise FileNotFoundError("the row holds no picture")
        return Path(folder, path).read_bytes()

    return PictureItem(identifier, load, kept)


def _is_plain(value: Any) -> bool:
    """Tell whether the manifest can hold a value; pictures and other bytes it cannot."""
    if isinstance(value, Mapping):
        return all(map(_is_plain, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return not isinstance(value, bytes)


def _as_json(value: Any) -> Any:
    """Turn a value of a table into one of JSON: not-a-number into null, dates and the like into text."""
    if isinstance(value, Mapping):
        return {str(key): _as_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
