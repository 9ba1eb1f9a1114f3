"""Pictures of tables, drawn again only where another one could come out than the one that is there.

To draw and to render takes most of the time of a run that measures nothing. So a folder of figures records
of every picture what it was drawn of: the whole table, all code of this package, the libraries' versions and
matplotlib's settings. Where these are what they were, and the files are those that were written, they stay.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

import joblib
import matplotlib as mpl
from matplotlib.figure import Figure

from otanalysis.errors import InputError
from otanalysis.figures.style import figure_bytes
from otanalysis.files import sha256_of_json
from otanalysis.reading import read_json
from otanalysis.studies.provenance import environment

Files = dict[str, bytes]
Tables = TypeVar("Tables")

DRAWN: Final = "drawn.json"
"""File beside the pictures that says of what each was drawn."""

KINDS: Final = ("pdf", "png")
"""Formats of every picture."""

_LIBRARIES = (
    "matplotlib",
    "seaborn",
    "numpy",
    "scipy",
    "pandas",
    "pillow",
    "fonttools",
    "pyparsing",
    "joblib",
)


class Pictures:
    """The pictures in one folder, and of what each was drawn.

    Parameters
    ----------
    folder : Path
        Of the figures; need not be there. Nothing is written into it here.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._drawn_of = _read(folder / DRAWN)

    def of(self, name: str, table: Tables, draw: Callable[[Tables], Figure]) -> Files:
        """Return a picture in all formats, by file name: the one that is there, or drawn now.

        Parameters
        ----------
        name : str
            Of the files, without suffix.
        table : object
            The numbers that are drawn.
        draw : callable
            From these numbers, and nothing else, to a matplotlib ``Figure``.
        """
        key = _key(table, draw)
        files = self._there(name)
        if not files or self._drawn_of.get(name) != _record(key, files):
            files = drawn(name, table, draw)
            self._drawn_of[name] = _record(key, files)
        return files

    def record(self) -> Files:
        """Return the file that says of what these pictures were drawn; none without pictures."""
        text = json.dumps(self._drawn_of, indent=1, sort_keys=True) + "\n"
        return {DRAWN: text.encode()} if self._drawn_of else {}

    def _there(self, name: str) -> Files:
        """Return a picture that is there in all formats; else nothing."""
        found = {f"{name}.{kind}": content(self._folder / f"{name}.{kind}") for kind in KINDS}
        files = {file: data for file, data in found.items() if data is not None}
        return files if files.keys() == found.keys() else {}


def content(path: Path) -> bytes | None:
    """Return the content of a file; None where it is missing or cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def drawn(name: str, table: Tables, draw: Callable[[Tables], Figure]) -> Files:
    """Draw a picture and return it as :meth:`Pictures.of` does."""
    picture = draw(table)
    return {f"{name}.{kind}": figure_bytes(picture, kind) for kind in KINDS}


def _read(path: Path) -> dict[str, Any]:
    """Return what a folder records; nothing where that is missing or damaged, so that all is drawn."""
    try:
        known = read_json(path) if path.is_file() else {}
    except InputError:
        return {}
    return known if isinstance(known, dict) else {}


def _record(key: str, files: Files) -> dict[str, str]:
    return {"drawn_of": key} | {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


def _key(table: object, draw: Callable[..., Figure]) -> str:
    """Return the digest of all that a picture depends on."""
    settings = mpl.rcParams.copy()  # in which no backend is chosen when it is looked at
    about = [
        joblib.hash(table, hash_name="sha1"),
        _digest([Path(inspect.getfile(draw))]),
        _code(),
        environment(_LIBRARIES)["versions"],
        sorted((name, repr(value)) for name, value in settings.items() if "backend" not in name),
    ]
    return sha256_of_json(about)


@cache
def _code() -> str:
    """Return the digest of all code of this package."""
    return _digest(sorted(Path(__file__).parents[1].rglob("*.py")))


def _digest(files: Iterable[Path]) -> str:
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()
