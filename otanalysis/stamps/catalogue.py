"""What the photographs of a folder of stamps show: from the bundled catalogue, or from the folder's texts.

The catalogue names 190 of Tux Paint's photographs in one or two plain words: those of which a model can learn
the names. A folder without any of them is read as Tux Paint reads it: beside ``animals/cats/lion.png`` lies
``lion.txt``, whose first line is ``A lion.``, and the topmost folder tells the kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from otanalysis.errors import InputError
from otanalysis.reading import read_csv, read_text

PLURALS: Final = MappingProxyType(
    {
        "animal": "animals",
        "food": "foods",
        "plant": "plants",
        "vehicle": "vehicles",
        "garment": "garments",
        "tool": "tools",
        "instrument": "instruments",
        "ball": "balls",
        "sign": "signs",
        "planet": "planets",
    }
)
"""The kinds of the catalogue, in its order, and how many of them are called."""

_CATALOGUE = Path(__file__).parent / "catalogue.csv"
_ARTICLE = re.compile(r"^(an?|the|some)\b\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Entry:
    """A photograph: its file in the folder of stamps, the name of the object, and the kind of thing it is."""

    kind: str
    name: str
    file: str


@cache
def catalogue() -> tuple[Entry, ...]:
    """Return the bundled entries, kind by kind.

    >>> catalogue()[0], len(catalogue())
    (Entry(kind='animal', name='frog', file='animals/amphibians/frog-1.png'), 190)
    """
    rows = read_csv(_CATALOGUE).records()
    return tuple(Entry(str(row["kind"]), str(row["name"]), str(row["file"])) for row in rows)


def plural(kind: str) -> str:
    """Return what several of a kind are called: ``foods`` for ``food``; of other kinds, with an s."""
    return PLURALS.get(kind, f"{kind}s")


def entries_of(folder: Path) -> tuple[Entry, ...]:
    """Return what a folder of stamps holds.

    Parameters
    ----------
    folder : Path
        With the photographs, in folders of kinds.

    Returns
    -------
    tuple of Entry
        Those of the catalogue if it holds them all; if it holds none, those of its own texts.

    Raises
    ------
    InputError
        If it holds a part of the catalogue alone, or no photograph with a text beside it.
    """
    lacking = [entry.file for entry in catalogue() if not (folder / entry.file).is_file()]
    if not lacking:
        return catalogue()
    if len(lacking) < len(catalogue()):
        raise InputError(
            f"{folder} lacks {len(lacking)} of the {len(catalogue())} photographs that the scenes are made "
            f"of, such as {lacking[0]}: take those of tuxpaint-stamps 2022.06.04 (Debian: "
            "tuxpaint-stamps-default)."
        )
    own = tuple(entry for path in sorted(folder.rglob("*.png")) if (entry := _described(folder, path)))
    if not own:
        raise InputError(
            f"{folder} holds no stamps: pictures such as animals/lion.png are wanted, and beside each a "
            "text, animals/lion.txt, whose first line says what it shows ('A lion.')."
        )
    return own


def _described(folder: Path, path: Path) -> Entry | None:
    """Return the entry of a photograph that lies in a folder of a kind and has a text, else None."""
    text, place = path.with_suffix(".txt"), path.relative_to(folder)
    if len(place.parts) < 2 or not text.is_file():
        return None
    first = read_text(text).partition("\n")[0]
    name = _ARTICLE.sub("", first.strip().rstrip(".!")).strip()
    if not name or "," in name:
        raise InputError(
            f"The first line of {text} must name what {path.name} shows, without commas: {first!r}."
        )
    singular = {plural: kind for kind, plural in PLURALS.items()}
    kind = singular.get(place.parts[0], place.parts[0].removesuffix("s"))
    return Entry(kind, name, place.as_posix())
