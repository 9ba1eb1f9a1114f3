"""Pictures in the tables of Hugging Face datasets: Parquet and Arrow files on disk, or the Hub.

The package ``datasets`` is needed, and loaded, for the Hub alone. Files on disk are read by pyarrow, which is
always there, a few rows at a time; ``datasets`` would copy Parquet files into its cache first.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from otanalysis.errors import InputError, MissingDependencyError, OtAnalysisError
from otanalysis.vlm.capture.pictures import OpenedPictures, PictureItem

_SUFFIXES: Final = (".parquet", ".arrow")
_ROWS_AT_ONCE: Final = 32
_SPLIT: Final = re.compile(r"^(?P<split>.+?)-\d{5}-of-\d{5}$")


def looks_like_table(path: Path) -> bool:
    """Tell whether a path is a dataset on disk and not a folder of pictures."""
    if path.is_file():
        return path.suffix in _SUFFIXES
    saved = (path / "state.json").is_file() and (path / "dataset_info.json").is_file()
    several = (path / "dataset_dict.json").is_file()
    return saved or several or next(path.rglob("*.parquet"), None) is not None


def open_table(path: Path, split: str | None) -> OpenedPictures:
    """Open a dataset on disk, which is read a few rows at a time.

    Parameters
    ----------
    path
        A Parquet or Arrow file, a folder of Parquet files, or what ``save_to_disk`` wrote.
    split
        Which split, if there are several.

    Returns
    -------
    OpenedPictures
        Ids are those of the column ``id`` where they are distinct, row numbers otherwise; a picture is a
        struct with ``bytes`` or a ``path``, or bytes.

    Raises
    ------
    InputError
        The split is missing or unknown, the files hold no column of pictures or more than one, or one of them
        is damaged.
    """
    with _reading(path):
        files = _files(path, split)
        schema = _schema(files[0])
        column = _picture_column(schema, path)
        rows, own_ids = _count(files, "id" in schema.names)
    if not rows:
        raise InputError(f"The dataset {path} has no rows.")

    def pictures() -> Iterator[PictureItem]:
        placed = (
            (row, file.parent) for file in files for batch in _batches(file) for row in batch.to_pylist()
        )
        with _reading(path):
            for number, (row, folder) in enumerate(placed):
                yield _item(row, number, column, own_ids, folder)

    return OpenedPictures(_provenance(path.resolve().name, split, column, rows), pictures)


def hub_table(name: str, split: str | None) -> OpenedPictures:
    """Load a dataset by its name on the Hub, from the network or the cache of ``datasets``.

    Its provenance has the fingerprint that ``datasets`` gives it.

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
        loaded = _split_of(loaded, None, name)
    columns = [key for key, kind in loaded.features.items() if isinstance(kind, datasets.Image)]
    column = _the_one(columns, name, list(loaded.features))
    own_ids = "id" in loaded.features and len(set(loaded["id"])) == len(loaded)
    rows = loaded.cast_column(column, datasets.Image(decode=False))

    def pictures() -> Iterator[PictureItem]:
        return (_item(row, number, column, own_ids, Path()) for number, row in enumerate(rows))

    fingerprint = str(getattr(rows, "_fingerprint", ""))
    return OpenedPictures(
        {**_provenance(name, split, column, len(rows)), "fingerprint": fingerprint}, pictures
    )


def _provenance(name: str, split: str | None, column: str, rows: int) -> dict[str, Any]:
    named = name if split is None else f"{name}:{split}"
    return {"kind": "dataset", "name": named, "column": column, "pictures": rows}


def _split_of(splits: Mapping[str, Any], split: str | None, name: object) -> Any:
    """Return what belongs to a split, or to the only one."""
    if split is None and len(splits) == 1:
        return next(iter(splits.values()))
    if split is not None and split in splits:
        return splits[split]
    wrong = f"; give one: {name}:{next(iter(splits))}." if split is None else f", not {split!r}."
    raise InputError(f"{name} has the splits {', '.join(splits)}{wrong}")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn whatever a reader of files raises into an error of ours."""
    try:
        yield
    except OtAnalysisError:
        raise
    except Exception as error:  # of pyarrow, of JSON, of the system, and of entries that are not there
        reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise InputError(
            f"The dataset {path} cannot be read ({reason[0]}); it is damaged, or no dataset."
        ) from error


def _files(path: Path, split: str | None) -> tuple[Path, ...]:
    """Return the files of a dataset in order."""
    if path.is_file():
        return (path,)
    if (path / "dataset_dict.json").is_file():
        splits = json.loads((path / "dataset_dict.json").read_text())["splits"]
        return _files(path / _split_of({one: one for one in splits}, split, path), None)
    if (path / "state.json").is_file():
        listed = json.loads((path / "state.json").read_text())["_data_files"]
        names = [str(entry["filename"]) for entry in listed]
        if odd := [name for name in names if Path(name).name != name]:
            raise InputError(f"The dataset {path} names {odd[0]!r}, which is no file of its folder.")
        return tuple(path / name for name in names)
    grouped: dict[str, list[Path]] = {}
    for file in sorted(path.rglob("*.parquet")):
        match = _SPLIT.match(file.stem)
        grouped.setdefault(match["split"] if match else file.stem, []).append(file)
    return tuple(_split_of(grouped, split, path))


def _schema(file: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if file.suffix == ".parquet":
        return pq.read_schema(file)
    with pa.memory_map(str(file)) as source:
        return pa.ipc.open_stream(source).schema


def _batches(file: Path, columns: list[str] | None = None) -> Iterator[Any]:
    """Read a file a few rows at a time, and check them: offsets of damaged ones lead out of memory."""
    for batch in _unchecked_batches(file, columns):
        batch.validate(full=True)
        yield batch


def _unchecked_batches(file: Path, columns: list[str] | None) -> Iterator[Any]:
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
    rows, ids = 0, []
    for file in files:
        for batch in _batches(file, ["id"] if has_ids else []):
            rows += batch.num_rows
            found = batch.column(0).to_pylist() if has_ids else []
            ids += [str(one) for one in found if one not in (None, "")]
    return rows, has_ids and len(ids) == len(set(ids)) == rows


def _picture_column(schema: Any, path: Path) -> str:
    import pyarrow as pa

    def holds(kind: Any) -> bool:
        return pa.types.is_struct(kind) and {field.name for field in kind} >= {"bytes"}

    if twice := sorted({name for name in schema.names if schema.names.count(name) > 1}):
        raise InputError(f"{path} has several columns {', '.join(twice)}: keep one of each.")
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
    kept: dict[str, Any] = {}
    for name in row:
        if name != column:
            with suppress(TypeError):  # pictures and other bytes, which the manifest cannot hold
                kept[name] = _as_json(row[name])
    identifier = str(kept.pop("id")) if own_ids else f"row-{number:06d}"

    def load() -> bytes:
        content = cell if isinstance(cell, bytes) else (cell or {}).get("bytes")
        if isinstance(content, bytes):
            return content
        path = (cell or {}).get("path")
        if content is not None or not isinstance(path, str):
            raise FileNotFoundError("the row holds no picture")
        return Path(folder, path).read_bytes()

    return PictureItem(identifier, load, kept)


def _as_json(value: Any) -> Any:
    """Turn a value of a table into one of JSON: not-a-number into null, dates and the like into text."""
    return json.loads(json.dumps(value, default=_as_text), parse_constant=lambda _: None)


def _as_text(value: Any) -> str:
    if isinstance(value, bytes):
        raise TypeError("Bytes are no text.")
    return str(value)
