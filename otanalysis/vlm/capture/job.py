"""What a capture does with a batch of pictures: prepare it, encode it, store its tokens."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from otanalysis.arrays import all_finite
from otanalysis.errors import DumpError, InputError
from otanalysis.tokens.manifest import SampleEntry
from otanalysis.vlm.capture.batches import encode_pictures, prepare_pictures
from otanalysis.vlm.capture.pictures import PictureItem, ReadPicture, UnreadableError
from otanalysis.vlm.capture.provenance import sample_provenance
from otanalysis.vlm.layout import ImageTokens
from otanalysis.vlm.model import VisionLanguageModel


class TokenWriter(Protocol):
    """What takes the tokens of a capture: a :class:`~otanalysis.tokens.DumpWriter`, or what is like it.

    Attributes
    ----------
    path : Path
        Folder of what was captured.
    """

    path: Path

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type that the tokens are kept in."""

    @property
    def entries(self) -> Sequence[SampleEntry]:
        """What is known of the samples that a stop would not lose."""

    def __len__(self) -> int:
        """Return the number of samples that were added, earlier runs included."""

    def add(
        self,
        sample_id: str,
        tokens: ArrayLike,
        *,
        extra: Mapping[str, Any] | None = None,
        thumbnail: ArrayLike | None = None,
        side: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        """Add one sample."""

    def finish(self, *, notes: Mapping[str, Any] | None = None) -> None:
        """Say that there are no more."""


@dataclass(frozen=True, eq=False)
class PreparedBatch:
    """A batch, ready to be encoded.

    Attributes
    ----------
    items : sequence of PictureItem
        The batch.
    pictures : Mapping
        Those of its pictures that can be read, by id.
    inputs : dict
        What the processor made of them.
    bad : list of str
        Those that cannot be read, with the reason.
    """

    items: Sequence[PictureItem]
    pictures: Mapping[str, ReadPicture]
    inputs: dict[str, Any]
    bad: list[str]


@dataclass(frozen=True, eq=False)
class CaptureJob:
    """What is the same for every batch of a capture.

    Attributes
    ----------
    vlm : VisionLanguageModel
        The model.
    writer : TokenWriter
        Of the dump.
    layer : int or None
        Vision layer, see :func:`~otanalysis.vlm.capture.batches.encode_pictures`.
    grid : tuple of int or None
        What the manifest says of all samples.
    known : Mapping
        Checksums of the pictures that the dump held when the capture went on.
    thumbnails : bool
        Whether small pictures are kept.
    skip_bad : bool
        Whether batches are added without those of their pictures that cannot be read.
    side : tuple of str
        Names of the attention that is kept.
    """

    vlm: VisionLanguageModel
    writer: TokenWriter
    layer: int | None
    grid: tuple[int, int] | None
    known: Mapping[str, str]
    thumbnails: bool
    skip_bad: bool
    side: tuple[str, ...]

    def prepare(self, batch: Sequence[PictureItem]) -> PreparedBatch:
        """Read a batch and run the processor; one that the dump holds is only compared with its checksums.

        Raises
        ------
        DumpError
            A picture is another one than when it was captured.
        InputError
            The processor takes the pictures one by one but not together.
        """
        if all(item.id in self.known for item in batch):
            for item in batch:
                self._check_unchanged(item.id, _checksum(item))
            return PreparedBatch(batch, {}, {}, [])
        pictures, bad = read_pictures(batch)
        for name, picture in pictures.items():
            self._check_unchanged(name, picture.sha256)
        inputs, refused = _prepare(self.vlm, pictures)
        return PreparedBatch(batch, pictures, inputs, bad + refused)

    def encode(self, batch: PreparedBatch) -> tuple[ImageTokens, ...]:
        """Return the tokens of the pictures of a batch; none if the dump holds them all.

        The whole batch is encoded even if only some are missing, so that going on gives the same bits.

        Raises
        ------
        InputError
            The model cannot encode the batch.
        """
        if all(name in self.known for name in batch.pictures):
            return ()
        return self._encode(batch.inputs, batch.pictures)

    def store(self, batch: PreparedBatch, images: Sequence[ImageTokens]) -> None:
        """Add the tokens that the dump lacks.

        Raises
        ------
        InputError
            They are too large for the dump.
        """
        extras = {item.id: item.extra for item in batch.items}
        for (name, picture), image in zip(batch.pictures.items(), images, strict=True):
            if name not in self.known:
                self._add(name, picture, image, extras[name])

    def _encode(self, inputs: dict[str, Any], pictures: Mapping[str, ReadPicture]) -> tuple[ImageTokens, ...]:
        sizes = [(one.pixels.shape[0], one.pixels.shape[1]) for one in pictures.values()]
        try:
            return encode_pictures(self.vlm, inputs, sizes, self.layer, self.side)
        except InputError as error:
            raise InputError(f"The pictures {', '.join(pictures)} cannot be captured: {error}") from error

    def _add(self, name: str, picture: ReadPicture, image: ImageTokens, extra: Mapping[str, Any]) -> None:
        self.writer.add(
            name,
            _storable(name, image, self.writer.dtype),
            extra=sample_provenance(image, picture, extra, self.grid),
            thumbnail=_under_the_grid(picture.pixels, image) if self.thumbnails else None,
            side={name: values.double().cpu().numpy() for name, values in image.side.items()},
        )

    def _check_unchanged(self, name: str, checksum: str) -> None:
        if self.known.get(name, checksum) != checksum:
            raise DumpError(
                f"The picture {name!r} is not the one that was captured into {self.writer.path}: restore it, "
                "or delete the folder and capture again."
            )


def _checksum(item: PictureItem) -> str:
    try:
        return item.checksum()
    except UnreadableError as error:
        return f"none ({error})"


def read_pictures(batch: Sequence[PictureItem]) -> tuple[dict[str, ReadPicture], list[str]]:
    """Read pictures; return them by id, and those that cannot be read, with the reason."""
    # Pillow lets other threads run while it decodes; a large photo takes longer than its forward pass.
    with ThreadPoolExecutor(min(len(batch), os.cpu_count() or 1)) as pool:
        found = list(pool.map(_read, batch))
    pictures = {item.id: one for item, one in zip(batch, found, strict=True) if isinstance(one, ReadPicture)}
    return pictures, [one for one in found if isinstance(one, str)]


def _read(item: PictureItem) -> ReadPicture | str:
    try:
        return item.read()
    except UnreadableError as error:
        return str(error)


def _prepare(vlm: VisionLanguageModel, pictures: dict[str, ReadPicture]) -> tuple[dict[str, Any], list[str]]:
    """Run the processor; pictures that it cannot take are dropped from ``pictures`` and returned."""
    if not pictures:
        return {}, []
    try:
        return prepare_pictures(vlm, [picture.pixels for picture in pictures.values()]), []
    except ValueError as error:
        refused: dict[str, str] = {}
        for name, picture in pictures.items():
            try:
                prepare_pictures(vlm, [picture.pixels])
            except ValueError as reason:
                refused[name] = f"{name}: the processor cannot take it ({str(reason).strip()})"
        if not refused:
            raise InputError(
                f"The processor takes these pictures one by one but not together: {error}"
            ) from error
    for name in refused:
        del pictures[name]
    return _prepare(vlm, pictures)[0], list(refused.values())


def _storable(name: str, image: ImageTokens, dtype: np.dtype[Any]) -> NDArray[np.floating]:
    """Return the patches of an image in the dump's dtype, rounded where they lie, if it can hold them."""
    import torch

    tokens = image.tokens
    stored: NDArray[np.floating] = tokens.to(getattr(torch, dtype.name)).cpu().numpy()
    if not all_finite(stored):
        largest = float(tokens.float().abs().max())
        if np.isfinite(largest):
            raise InputError(
                f"The tokens of {name!r} reach {largest:.3g}, too large for {dtype}: capture into a new "
                "folder with --dump-dtype float32."
            )
    return stored


def _under_the_grid(pixels: NDArray[np.uint8], image: ImageTokens) -> NDArray[np.uint8]:
    """Return the part of a picture that a single view shows, black where it shows more; else the whole."""
    from PIL import Image

    box = image.views[0].box if len(image.views) == 1 else None
    if box is None:
        return pixels
    height, width = pixels.shape[:2]
    edges = [round(share * side) for share, side in zip(box, (width, height, width, height), strict=True)]
    cut = Image.fromarray(pixels).crop((edges[0], edges[1], edges[2], edges[3]))
    return np.asarray(cut)
