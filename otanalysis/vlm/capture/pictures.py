"""Pictures to capture: a source of them, what it says of each, and pixels and checksum once one is read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from otanalysis.arrays import to_numpy
from otanalysis.errors import InputError
from otanalysis.tokens.pictures import decode_picture


class UnreadableError(InputError):
    """A picture is missing, is none that Pillow can decode, or has too many pixels."""


@dataclass(frozen=True, eq=False)
class ReadPicture:
    """A picture in memory.

    Attributes
    ----------
    pixels : array, shape ``[h, w, 3]``, uint8
        RGB, turned upright as its EXIF data say.
    sha256 : str
        Of the file's bytes; of the pixels where there is no file.
    """

    pixels: NDArray[np.uint8]
    sha256: str


@dataclass(frozen=True, eq=False)
class PictureItem:
    """One picture of a source, not read yet; see :func:`~otanalysis.vlm.capture.capture.capture_tokens`.

    Attributes
    ----------
    id : str
        Distinct in the source; the id of its sample in the dump.
    load : callable
        Returns the bytes of the file, or pixels ``[h, w, 3]`` (uint8); raises OSError if it cannot.
    extra : Mapping
        What else the source says of it, JSON values.
    """

    id: str
    load: Callable[[], bytes | ArrayLike]
    extra: Mapping[str, Any] = field(default_factory=dict)

    def checksum(self) -> str:
        """Return the SHA-256 that :meth:`read` reports, without decoding the picture.

        Raises
        ------
        UnreadableError
            Its bytes cannot be had.
        """
        return _sha256(self._content())

    def read(self) -> ReadPicture:
        """Read and decode the picture.

        Raises
        ------
        UnreadableError
            Its bytes cannot be had, are no picture, or are one of too many pixels.
        """
        content = self._content()
        pixels = self._decoded(content) if isinstance(content, bytes) else content
        return ReadPicture(pixels, _sha256(content))

    def _content(self) -> bytes | NDArray[np.uint8]:
        try:
            content = self.load()
        except (OSError, ValueError) as error:  # ValueError: a path that holds a NUL or half a character
            raise UnreadableError(f"{self.id}: {getattr(error, 'strerror', None) or error}") from error
        if isinstance(content, bytes):
            return content
        pixels = to_numpy(content, name=f"the pixels of {self.id!r}")
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
            raise InputError(
                f"The pixels of {self.id!r} must be uint8 of the shape [h, w, 3], got {pixels.dtype} of "
                f"{pixels.shape}."
            )
        return pixels

    def _decoded(self, content: bytes) -> NDArray[np.uint8]:
        try:
            return decode_picture(content)
        except InputError as error:
            raise UnreadableError(f"{self.id}: {error}") from error


class PictureSource(Protocol):
    """Pictures in a fixed order, made one at a time.

    See :func:`~otanalysis.vlm.capture.capture.capture_tokens`.
    """

    @property
    def provenance(self) -> Mapping[str, Any]:
        """What the manifest says of the source."""

    def __len__(self) -> int:
        """Return the number of pictures."""

    def __iter__(self) -> Iterator[PictureItem]:
        """Return the pictures, in the same order every time."""


@dataclass(frozen=True, eq=False)
class OpenedPictures:
    """A source of pictures that was looked through once: it is known how many there are.

    Attributes
    ----------
    provenance : Mapping
        Kind and name of the source, and how many pictures it has.
    make : callable
        Begins anew at the first picture.
    """

    provenance: Mapping[str, Any]
    make: Callable[[], Iterator[PictureItem]]

    def __len__(self) -> int:
        """Return the number of pictures."""
        return int(self.provenance["pictures"])

    def __iter__(self) -> Iterator[PictureItem]:
        """Return the pictures, in the same order every time."""
        return self.make()


def _sha256(content: bytes | NDArray[np.uint8]) -> str:
    data = content if isinstance(content, bytes) else np.ascontiguousarray(content).tobytes()
    return hashlib.sha256(data).hexdigest()
