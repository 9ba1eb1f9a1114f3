"""Photographs of objects with transparency, cut out and made small, and where they are to be found.

They are Tux Paint's stamps, under the GPL-2: read in place from a folder of the user's, never passed on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from otanalysis.errors import InputError
from otanalysis.files import sha256_of_file, sha256_of_json
from otanalysis.scenes.benchmark import Split
from otanalysis.stamps.catalogue import Entry, entries_of

PLACES: Final = (
    "/usr/share/tuxpaint/stamps",
    "/usr/local/share/tuxpaint/stamps",
    "/Library/Application Support/TuxPaint/stamps",
    "C:/Program Files/TuxPaint/data/stamps",
)
"""Where Debian's package ``tuxpaint-stamps-default`` and Tux Paint itself put them."""

_UNPACKED = PLACES[0].lstrip("/")
_OPAQUE = 32  # of 255: what is fainter is the soft edge of a shadow
_LONGEST = 160  # pixels; no object is drawn larger by default


def find_stamps(folder: Path | None = None) -> Path:
    """Return the folder of stamps.

    Parameters
    ----------
    folder : Path, optional
        The folder itself, or one into which Debian's package was unpacked; by default the first of
        :data:`PLACES` that is there.

    Raises
    ------
    InputError
        If there is none.
    """
    if folder is None:
        there = [Path(place) for place in PLACES if Path(place).is_dir()]
    else:
        there = [place for place in (folder / _UNPACKED, folder) if place.is_dir()]
    if not there:
        why = f"are in none of {', '.join(PLACES)}" if folder is None else f"there is no folder {folder}"
        raise InputError(
            f"The stamps of Tux Paint are wanted, but {why}: install them (Debian, Ubuntu: apt install "
            "tuxpaint-stamps-default), or unpack that package where you may write (apt download "
            "tuxpaint-stamps-default, dpkg-deb -x tuxpaint-stamps-default_*.deb FOLDER) and give --stamps "
            "FOLDER."
        )
    return there[0]


@dataclass(frozen=True, eq=False)
class ObjectBank:
    """Cut-out photographs by the names of what they show.

    Attributes
    ----------
    kind_of : mapping
        Kind of every name, in the order of the folder's entries.
    cutouts : mapping
        Photographs of every name, RGBA, at most 160 pixels long.
    checksum : str
        Of all photographs and names, 64 hexadecimal digits.
    """

    kind_of: Mapping[str, str]
    cutouts: Mapping[str, tuple[Image.Image, ...]]
    checksum: str

    @cached_property
    def names(self) -> dict[str, list[str]]:
        """The names of every kind in the order of the alphabet; kinds in the order of the entries."""
        kinds = dict.fromkeys(self.kind_of.values())
        return {kind: sorted(name for name in self.kind_of if self.kind_of[name] == kind) for kind in kinds}

    def held_out(self, split: Split) -> ObjectBank:
        """Return the part of one split, so that no photograph is in both.

        The last photograph of every name that has several is for the test, and all others for training:
        what the test shows is known by name, and never seen.

        Raises
        ------
        InputError
            If no name has several photographs.
        """
        several = {name: own for name, own in self.cutouts.items() if len(own) > 1}
        if not several:
            raise InputError(
                "To hold photographs out from training, some name must have several, and none here has: "
                "leave --hold-out away, or add photographs."
            )
        if split == "test":
            kept = {name: own[-1:] for name, own in several.items()}
        else:
            kept = {name: own[:-1] if name in several else own for name, own in self.cutouts.items()}
        return ObjectBank({name: self.kind_of[name] for name in kept}, kept, self.checksum)


@lru_cache(maxsize=2)
def open_objects(folder: Path) -> ObjectBank:
    """Read the photographs of a folder of stamps.

    Parameters
    ----------
    folder : Path
        As :func:`find_stamps` returns it.

    Returns
    -------
    ObjectBank
        The same object for the same folder.

    Raises
    ------
    InputError
        If the folder holds no stamps, or a photograph cannot be read or shows nothing.
    """
    entries = entries_of(folder)
    cutouts: dict[str, tuple[Image.Image, ...]] = {}
    for entry in entries:
        cutouts[entry.name] = (*cutouts.get(entry.name, ()), _cut_out(folder / entry.file))
    return ObjectBank({one.name: one.kind for one in entries}, cutouts, _checksum(folder, entries))


def _checksum(folder: Path, entries: tuple[Entry, ...]) -> str:
    return sha256_of_json([[one.kind, one.name, sha256_of_file(folder / one.file)] for one in entries])


def _cut_out(file: Path) -> Image.Image:
    """Return a photograph without the transparent margin, scaled to a longer side of 160 pixels."""
    try:
        with Image.open(file) as picture:
            whole = picture.convert("RGBA")
    except OSError as error:
        raise InputError(
            f"{file} cannot be read as a picture ({error}): install the stamps again."
        ) from error
    rows, columns = np.nonzero(np.asarray(whole)[..., 3] > _OPAQUE)
    if not len(rows):
        raise InputError(f"{file} shows nothing, it is transparent: a photograph of an object is wanted.")
    box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
    cut = whole.crop(box)
    scale = _LONGEST / max(cut.size)
    size = (max(1, round(cut.width * scale)), max(1, round(cut.height * scale)))
    return cut.resize(size, Image.Resampling.LANCZOS)
