"""Where pictures to capture come from: folders, lists in JSON lines, tables of Hugging Face datasets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, Final

from otanalysis.errors import InputError
from otanalysis.vlm.capture.datasets import hub_table, looks_like_table, open_table
from otanalysis.vlm.capture.pictures import PictureItem, PictureSource

__all__ = ["PICTURE_SUFFIXES", "FolderOfPictures", "ListOfPictures", "open_pictures"]

PICTURE_SUFFIXES: Final = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".jp2", ".png", ".ppm", ".tif", ".tiff", ".webp")
)
"""Files of a folder that are taken for pictures, whatever the case of their letters."""

_LIST_SUFFIXES: Final = (".jsonl", ".ndjson")


@dataclass(frozen=True)
class FolderOfPictures:
    """All pictures in a folder and its folders, by their path.

    Attributes
    ----------
    folder : Path
        The folder; ids are paths in it, with forward slashes.
    paths : tuple of str
        The pictures, sorted.
    """

    folder: Path
    paths: tuple[str, ...]

    @classmethod
    def find(cls, folder: Path) -> FolderOfPictures:
        """Look for the pictures; hidden files and folders are left out."""
        found = (path.relative_to(folder) for path in folder.rglob("*") if _is_picture(path))
        shown = (path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts))
        return cls(folder, tuple(sorted(shown)))

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Name and kind of the source."""
        return {"kind": "folder", "name": self.folder.resolve().name, "pictures": len(self.paths)}

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.paths)

    def __iter__(self) -> Iterator[PictureItem]:
        """Return the pictures, sorted by their path."""
        return (PictureItem(path, (self.folder / path).read_bytes) for path in self.paths)


@dataclass(frozen=True)
class ListOfPictures:
    """Pictures listed in a file of JSON lines.

    Attributes
    ----------
    file : Path
        Each line is an object with ``image``, a path (relative ones start at the file's folder), and perhaps
        ``id`` (by default the path as it stands); all other entries are kept with the sample.
    count : int
        Number of pictures.
    """

    file: Path
    count: int

    @classmethod
    def check(cls, file: Path) -> ListOfPictures:
        """Read the list once, so that its mistakes are met before anything is captured.

        Raises
        ------
        InputError
            A line is no such object, or two have the same id.
        """
        seen: dict[str, int] = {}
        for number, item in _lines(file):
            if item.id in seen:
                raise InputError(
                    f"{file}, line {number}: the id {item.id!r} is that of line {seen[item.id]} already; "
                    'give every line an "id" of its own.'
                )
            seen[item.id] = number
        return cls(file, len(seen))

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Name and kind of the source."""
        return {"kind": "list", "name": self.file.name, "pictures": self.count}

    def __len__(self) -> int:
        """Return the number of pictures."""
        return self.count

    def __iter__(self) -> Iterator[PictureItem]:
        """Return the pictures in the order of the lines."""
        return (item for _, item in _lines(self.file))


def open_pictures(where: str | PathLike[str]) -> PictureSource:
    """Open a source of pictures.

    Parameters
    ----------
    where
        One of

        - a folder of pictures, taken with its folders, ids are paths in it;
        - a file of JSON lines, ``{"image": "cats/1.jpg", "id": "cat-1", "question": "..."}``;
        - a Hugging Face dataset on disk: a folder that ``save_to_disk`` wrote, a folder of Parquet files, or
          one Parquet or Arrow file; ``FOLDER:SPLIT`` for one split of several;
        - a dataset of the Hub, ``OWNER/NAME`` or ``OWNER/NAME:SPLIT``, through the package ``datasets``.

    Returns
    -------
    PictureSource
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
    if path.is_file():
        return _open_file(path)
    found = FolderOfPictures.find(path)
    if not found.paths:
        raise InputError(
            f"Pictures were wanted in {path}, but it holds no file that ends in "
            f"{', '.join(sorted(PICTURE_SUFFIXES))}, and no dataset."
        )
    return found


def _open_file(path: Path) -> ListOfPictures:
    if path.suffix.lower() not in _LIST_SUFFIXES:
        raise InputError(
            f"A folder of pictures, a list that ends in {' or '.join(_LIST_SUFFIXES)}, or a dataset was "
            f"wanted, but {path} is none of these."
        )
    found = ListOfPictures.check(path)
    if not found.count:
        raise InputError(f'{path} lists no picture; a line is such as {{"image": "cats/1.jpg"}}.')
    return found


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()


def _lines(file: Path) -> Iterator[tuple[int, PictureItem]]:
    """Return number and picture of each line that is not blank."""
    with file.open(encoding="utf-8") as handle:
        for number, line in enumerate(handle, start=1):
            if line.strip():
                yield number, _parse(line, file, number)


def _parse(line: str, file: Path, number: int) -> PictureItem:
    try:
        entry = json.loads(line, parse_constant=_refuse_constant)
    except ValueError as error:
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
    load = partial(Path.read_bytes, file.parent / image)
    return PictureItem(str(identifier), load, {"image": image, **entry})


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")
