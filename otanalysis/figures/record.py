"""What the files in a folder of figures were made of, so that nothing is made only to come out the same.

Tables, pictures and captions take most of the time of a run that measures nothing. So a folder records of
everything in it, as one digest, what it was made of: the numbers that went in, all code of this package, the
libraries' versions and matplotlib's settings. Where these are what they were, and the files are those that
were written, they stay.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, is_dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any, Final

import joblib
import matplotlib as mpl
import numpy as np
import pandas as pd

from otanalysis.errors import InputError
from otanalysis.figures.captions import sections
from otanalysis.files import sha256_of_json
from otanalysis.reading import read_json
from otanalysis.studies.provenance import environment

Files = dict[str, bytes]

CAPTIONS: Final = "captions.md"
"""File beside the figures with the captions of all that were drawn."""

DRAWN: Final = "drawn.json"
"""File beside the figures that says of what each was made."""

_LIBRARIES = (
    *("matplotlib", "seaborn", "pillow", "fonttools", "pyparsing"),  # what draws
    *("numpy", "scipy", "pandas", "pyarrow", "POT", "kmedoids", "numba", "joblib"),  # what computes
    "python-flint",
)


@dataclass(frozen=True)
class Made:
    """What is made at once.

    Attributes
    ----------
    files : dict
        From name to content.
    caption : str
        Of the figure that they are; empty for what has none.
    """

    files: Files
    caption: str = ""


class Record:
    """What is in one folder, and of what it was made.

    Parameters
    ----------
    folder : Path
        Of the figures; need not be there. Nothing is written into it here.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known = _read(folder / DRAWN)

    def get(self, name: str, key: str, make: Callable[[], Made]) -> Made:
        """Return what is there under a name if it was made of the same, or what is made now.

        Parameters
        ----------
        name : str
            Of the work, such as that of its files.
        key : str
            From :func:`key_of`, of all that the work depends on.
        make : callable
            Does the work.
        """
        found = self._there(name)
        if found is None or self._known[name] != _entry(key, found):
            found = make()
            self._known[name] = _entry(key, found)
        return found

    def file(self) -> Files:
        """Return the file that says of what everything was made; none where nothing was."""
        text = json.dumps(self._known, indent=1) + "\n"
        return {DRAWN: text.encode()} if self._known else {}

    def _there(self, name: str) -> Made | None:
        """Return the files of a work as they are now, and its caption; None for work that is not known."""
        entry = self._known.get(name)
        if not isinstance(entry, dict) or not isinstance(entry.get("files"), dict):
            return None
        found = {file: content(self._folder / file) for file in entry["files"]}
        captions = sections((content(self._folder / CAPTIONS) or b"").decode(errors="replace")).values()
        caption = next((text for text in captions if _digest(text.encode()) == entry.get("caption")), "")
        return Made({file: data for file, data in found.items() if data is not None}, caption)


def content(path: Path) -> bytes | None:
    """Return the content of a file; None where it is missing or cannot be read."""
    try:
        return path.read_bytes()
    except (OSError, ValueError):  # the latter for a name that no file can have
        return None


def key_of(made_of: object, *code: Callable[..., Any]) -> str:
    """Return the digest of all that some work depends on.

    Parameters
    ----------
    made_of : object
        What went into it: tables, numbers, texts, and lists, mappings and dataclasses of them.
    *code : callable
        Functions that do the work, which may lie outside of this package.

    Returns
    -------
    str
        64 hexadecimal digits, others after any change of a number, of code, of a library or of a setting.
    """
    settings = mpl.rcParams.copy()  # in which no backend is chosen when it is looked at
    about = [
        joblib.hash(_plain(made_of), hash_name="sha1"),
        _code(sorted({Path(inspect.getfile(one)) for one in code})),
        _code_here(),
        _versions(),
        sorted((name, repr(value)) for name, value in settings.items() if "backend" not in name),
    ]
    return sha256_of_json(about)


def _plain(value: Any) -> Any:
    """Return tables as names, types and values; pickles of pandas' objects change when these are used."""
    if isinstance(value, pd.DataFrame):
        parts = (value.index.to_frame(index=False), value)
        return [[(name, str(one.dtype), _values(one)) for name, one in part.items()] for part in parts]
    if is_dataclass(value) and not isinstance(value, type):
        return type(value).__name__, _plain(vars(value))
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def _values(column: pd.Series) -> Any:
    if isinstance(column.dtype, np.dtype):
        return column.to_list() if column.dtype == object else np.ascontiguousarray(column.to_numpy())
    codes, values = column.factorize()
    return codes, list(values)


def _entry(key: str, made: Made) -> dict[str, Any]:
    return {
        "made_of": key,
        "files": {name: _digest(data) for name, data in made.files.items()},
        "caption": _digest(made.caption.encode()),
    }


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read(path: Path) -> dict[str, Any]:
    """Return what a folder records; nothing where that is missing or damaged, so that all is made."""
    try:
        known = read_json(path) if path.is_file() else {}
    except InputError:
        return {}
    return known if isinstance(known, dict) else {}


@cache
def _code_here() -> str:
    """Return the digest of all code of this package."""
    return _code(sorted(Path(__file__).parents[1].rglob("*.py")))


def _code(files: Iterable[Path]) -> str:
    return _digest(b"\0".join(path.read_bytes() for path in files))


@cache
def _versions() -> dict[str, str]:
    """Return the versions of Python and of those of the libraries that are installed."""
    known: dict[str, str] = {}
    for name in _LIBRARIES:
        try:
            known |= environment([name])["versions"]
        except PackageNotFoundError:  # of an extra
            continue
    return known
