"""Photographs that lie behind the objects: of scikit-learn, of scikit-image, or a folder of the user's."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from PIL import Image

from otanalysis.errors import InputError, MissingDependencyError
from otanalysis.files import sha256_of_file, sha256_of_json
from otanalysis.scenes.benchmark import Split
from otanalysis.stamps.natural import NaturalStyle
from otanalysis.stamps.smooth import SmoothStyle
from otanalysis.stamps.style import SMALLEST_PHOTOGRAPH, Photograph, Style

SMOOTH: Final = "smooth"
NATURAL: Final = "natural"

_OF_SCIKIT_LEARN = ("china.jpg", "flower.jpg")
_OF_SCIKIT_IMAGE = (
    *("astronaut.png", "brick.png", "chelsea.png", "coffee.png", "coins.png", "grass.png", "gravel.png"),
    *("hubble_deep_field.jpg", "motorcycle_left.png", "rocket.jpg"),
)
_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


def open_style(backgrounds: str, split: Split) -> Style:
    """Return the style of scenes with some backgrounds.

    Parameters
    ----------
    backgrounds : str
        ``"smooth"``: gradients, noise and soft parts of scikit-learn's two photographs; ``"natural"``: sharp
        parts of these and of scikit-image's; else a folder of photographs, for the same.
    split : {"train", "test"}
        The last quarter of the photographs, by their names, is for the test where they are seen sharp.

    Raises
    ------
    InputError
        If there is no such folder, or it does not hold two photographs that are large enough.
    MissingDependencyError
        If a package whose photographs are wanted is not installed.
    """
    files = _files(backgrounds)
    if backgrounds == SMOOTH:
        return SmoothStyle(_opened(files))
    test = max(1, len(files) // 4)
    return NaturalStyle(_opened(files[-test:] if split == "test" else files[:-test]))


def backgrounds_checksum(backgrounds: str) -> str:
    """Return the SHA-256 of all photographs behind scenes with some backgrounds."""
    return _checksum(_files(backgrounds))


@lru_cache(maxsize=4)
def _checksum(files: tuple[Path, ...]) -> str:
    return sha256_of_json([sha256_of_file(file) for file in files])


def _files(backgrounds: str) -> tuple[Path, ...]:
    if backgrounds == SMOOTH:
        return _of_scikit_learn()
    if backgrounds == NATURAL:
        return _of_scikit_learn() + _of_scikit_image()
    return _in_folder(Path(backgrounds))


def _of_scikit_learn() -> tuple[Path, ...]:
    folder = _package("sklearn", "scikit-learn") / "datasets" / "images"
    return tuple(folder / name for name in _OF_SCIKIT_LEARN)


def _of_scikit_image() -> tuple[Path, ...]:
    folder = _package("skimage", "scikit-image") / "data"
    return tuple(folder / name for name in _OF_SCIKIT_IMAGE)


def _package(module: str, name: str) -> Path:
    """Return the folder of a package without loading it."""
    found = find_spec(module)
    if found is None or found.origin is None:
        raise MissingDependencyError(
            f"Photographs of {name} lie behind the objects, and it is not installed: pip install {name}, or "
            "give a folder of photographs as --backgrounds FOLDER."
        )
    return Path(found.origin).parent


def _in_folder(folder: Path) -> tuple[Path, ...]:
    if not folder.is_dir():
        raise InputError(
            f"--backgrounds must be {SMOOTH}, {NATURAL} or a folder of photographs; got {str(folder)!r}."
        )
    files = tuple(sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES))
    if len(files) < 2:
        raise InputError(
            f"{folder} holds {len(files)} photographs ({', '.join(sorted(_SUFFIXES))}): at least 2 are "
            "wanted, since those behind test scenes are never behind training scenes."
        )
    return files


@lru_cache(maxsize=4)
def _opened(files: tuple[Path, ...]) -> tuple[Photograph, ...]:
    return tuple(map(_open, files))


def _open(file: Path) -> Photograph:
    """Read the size of a photograph."""
    try:
        with Image.open(file) as picture:
            size = picture.size
    except OSError as error:
        raise InputError(
            f"{file} cannot be read as a picture ({error}): mend it, or take it away."
        ) from error
    if min(size) < SMALLEST_PHOTOGRAPH:
        raise InputError(
            f"{file} has {size[0]} x {size[1]} pixels, and {SMALLEST_PHOTOGRAPH} along the shorter side are "
            "wanted behind a scene: take it away, or put in a larger one."
        )
    return Photograph(file, size)
