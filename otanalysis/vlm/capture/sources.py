"""Where pictures to capture come from: folders, lists in JSON lines, tables of Hugging Face datasets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from math import isfinite
from os import PathLike
from pathlib import Path
from typing import Final

from otanalysis.errors import InputError
from otanalysis.vlm.capture.datasets import hub_table, looks_like_table, open_table
from otanalysis.vlm.capture.pictures import OpenedPictures, PictureItem

PICTURE_SUFFIXES: Final = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".jp2", ".png", ".ppm", ".tif", ".tiff", ".webp")
)
"""Files of a folder that are taken for pictures, whatever the case of their letters."""

_LIST_SUFFIXES: Final = (".jsonl", ".ndjson")


def open_pictures(where: str | PathLike[str]) -> OpenedPictures:
    """Open a source of pictures; see :func:`~otanalysis.vlm.capture.capture.capture_tokens`.

    Parameters
    ----------
    where
        One of

        - a folder of pictures, taken with its folders but without hidden ones, sorted by path; ids are paths
          in it, with forward slashes;
        - a file of JSON lines, ``{"image": "cats/1.jpg", "id": "cat-1", "question": "..."}``: ``image`` is a
          path (relative ones start at the file's folder), ``id`` is the path as it stands if left out, and
          all other entries are kept with the sample;
        - a Hugging Face dataset on disk: a folder that ``save_to_disk`` wrote, a folder of Parquet files, or
          one Parquet or Arrow file; ``FOLDER:SPLIT`` for one split of several;
        - a dataset of the Hub, ``OWNER/NAME`` or ``OWNER/NAME:SPLIT``, through the package ``datasets``.

    Returns
    -------
    OpenedPictures
        Its pictures in a fixed order; none is read yet.

    Raises
    ------
    InputError
        There is nothing of that name, it holds no pictures, or a list has a mistake.
    MissingDependencyError
        The Hub was meant, but ``datasets`` is not installed.
    """
    text = str(where)
    path, split = Path(text), None
    if not path.exists() and ":" in text:
        path, split = Path(text.rsplit(":", 1)[0]), text.rsplit(":", 1)[1]
    if not path.exists():
        return hub_table(str(path), split)
    if looks_like_table(path):
        return open_table(path, split)
    if split is not None:
        raise InputError(f"{path} is no dataset with splits, but {text!r} asks for the split {split!r}.")
    return _open_list(path) if path.is_file() else _open_folder(path)


def _open_folder(folder: Path) -> OpenedPictures:
    found = (
        path.relative_to(folder)
        for path in folder.rglob("*")
        if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()
    )
    shown = sorted(path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts))
    if not shown:
        raise InputError(
            f"Pictures were wanted in {folder}, but it holds no file that ends in "
            f"{', '.join(sorted(PICTURE_SUFFIXES))}, and no dataset."
        )
    return OpenedPictures(
        {"kind": "folder", "name": folder.resolve().name, "pictures": len(shown)},
        lambda: (PictureItem(path, (folder / path).read_bytes) for path in shown),
    )


def _open_list(file: Path) -> OpenedPictures:
    """Read the list once, so that its mistakes are met before anything is captured."""
    if file.suffix.lower() not in _LIST_SUFFIXES:
        raise InputError(
            f"A folder of pictures, a list that ends in {' or '.join(_LIST_SUFFIXES)}, or a dataset was "
            f"wanted, but {file} is none of these."
        )
    seen: dict[str, int] = {}
    for number, item in _lines(file):
        if item.id in seen:
            raise InputError(
                f"{file}, line {number}: the id {item.id!r} is that of line {seen[item.id]} already; "
                'give every line an "id" of its own.'
            )
        seen[item.id] = number
    if not seen:
        raise InputError(f'{file} lists no picture; a line is such as {{"image": "cats/1.jpg"}}.')
    return OpenedPictures(
        {"kind": "list", "name": file.name, "pictures": len(seen)}, lambda: (item for _, item in _lines(file))
    )


def _lines(file: Path) -> Iterator[tuple[int, PictureItem]]:
    """Return number and picture of each line that is not blank."""
    try:
        with file.open(encoding="utf-8") as handle:
            for number, line in enumerate(handle, start=1):
                if line.strip():
                    yield number, _parse(line, file, number)
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is no text in UTF-8 ({error}); save it as such.") from error
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror or error}); check the file.") from error


def _parse(line: str, file: Path, number: int) -> PictureItem:
    try:
        entry = json.loads(line, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}, line {number} is not JSON: {error}.") from error
    image = entry.pop("image", None) if isinstance(entry, dict) else None
    if not isinstance(image, str) or not image:
        raise InputError(
            f'{file}, line {number}: an object with "image", the path of one picture, was wanted, got '
            f"{line.strip()[:80]}."
        )
    identifier = entry.pop("id", image)
    if isinstance(identifier, bool) or not isinstance(identifier, str | int) or identifier == "":
        raise InputError(f'{file}, line {number}: "id" must be a text or a whole number, got {identifier!r}.')
    load = partial(Path.read_bytes, (file.parent / image).absolute())
    return PictureItem(str(identifier), load, {"image": image, **entry})


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text} is too large a number")
    return number
