"""Capture the visual tokens of pictures into a dump: one batch in memory at a time, resumable.

:func:`capture_tokens` goes through the source; :class:`CaptureJob` reads, encodes and adds each batch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from otanalysis.defaults import FULL
from otanalysis.errors import DumpError, InputError
from otanalysis.progress import progress_bar
from otanalysis.tokens import DumpWriter
from otanalysis.tokens.manifest import PARTIAL_MANIFEST_NAME, Manifest
from otanalysis.vlm.attention import check_attention
from otanalysis.vlm.capture.batches import (
    captured_layer,
    check_capturable,
    common_grid,
    encode_pictures,
    prepare_pictures,
)
from otanalysis.vlm.capture.pictures import PictureItem, PictureSource, ReadPicture, UnreadableError
from otanalysis.vlm.capture.provenance import model_provenance, processor_settings, sample_provenance
from otanalysis.vlm.layout import ImageTokens
from otanalysis.vlm.model import VisionLanguageModel

_NAMED_IN_MESSAGES = 20


@dataclass(frozen=True)
class CaptureReport:
    """What a capture wrote; see :func:`capture_tokens`.

    Attributes
    ----------
    path : Path
        The finished dump.
    samples : int
        How many it holds.
    resumed : int
        How many of them were there already when the capture went on.
    skipped : tuple of str
        The pictures that could not be read, with the reason; also in the manifest, as ``extra["skipped"]``.
    """

    path: Path
    samples: int
    resumed: int
    skipped: tuple[str, ...]


def capture_tokens(
    vlm: VisionLanguageModel,
    source: PictureSource,
    out: str | PathLike[str],
    *,
    benchmark: str,
    revision: str = "",
    batch_size: int = 8,
    limit: int | None = None,
    layer: int | None = None,
    side: Sequence[str] = (),
    shard_size: int = 64,
    dump_dtype: Literal["float16", "float32"] = "float16",
    thumbnails: bool = False,
    skip_bad: bool = False,
    progress: bool = True,
    wait: bool = False,
) -> CaptureReport:
    """Write the visual tokens of pictures, after the projector, into a dump.

    Stopped, the same call goes on after the last whole shard, whose checksum is verified, as are those of the
    pictures that were captured. The bytes of the dump are those of a capture that was not stopped: batches
    begin at the same pictures.

    Parameters
    ----------
    vlm
        The model; any class with ``get_image_features``.
    source
        The pictures, see :func:`otanalysis.vlm.capture.sources.open_pictures`; one batch is in memory at a
        time.
    out
        Folder of the dump.
    benchmark, revision
        Recorded in the manifest.
    batch_size
        Pictures a forward pass.
    limit
        Only so many pictures, the first ones.
    layer
        Vision layer whose states are projected, for classes that take one; by default the model's own.
    side
        Attention to keep beside the tokens, ``"cls_attention"`` or ``"received_attention"``: of that layer,
        as :mod:`otanalysis.vlm.attention` defines it, for the methods that choose by it. The tokens are the
        same with it and without.
    shard_size
        Samples a file.
    dump_dtype
        Type of the stored tokens, whatever the model computes in.
    thumbnails
        Keep a small picture of what the grid of patches lies on, to see selections on it later.
    skip_bad
        Leave out pictures that cannot be read, and list them; otherwise they end the capture.
    progress
        Show a bar with the time left on stderr.
    wait
        Wait until a folder that another process writes into is free, in place of raising.

    Returns
    -------
    CaptureReport

    Raises
    ------
    InputError
        Pictures cannot be read (all are listed, and what was captured is kept), the kind of model cannot be
        captured or has no such attention, an option is out of range, or tokens are too large for
        ``dump_dtype``.
    DumpError
        The dump is finished, was begun with other settings or from other pictures, or is damaged.
    StorageError
        Another process writes into the folder, or a file cannot be written, for instance because the disk is
        full; what was captured is kept.

    Examples
    --------
    >>> import tempfile
    >>> from otanalysis.mini import bundled_model_path, write_pictures
    >>> from otanalysis.vlm import load_model
    >>> from otanalysis.vlm.capture import model_revision, open_pictures
    >>> vlm, folder = load_model(bundled_model_path()), tempfile.TemporaryDirectory()
    >>> pictures = open_pictures(write_pictures(folder.name, "presence", 1))
    >>> [item.id for item in pictures], pictures.provenance["kind"]
    (['presence-test-00000'], 'list')
    >>> how = {"benchmark": "presence", "revision": model_revision(vlm, bundled_model_path())}
    >>> capture_tokens(vlm, pictures, f"{folder.name}/dump", **how, progress=False).samples
    1
    >>> folder.cleanup()
    """
    for name, value in (("batch_size", batch_size), ("limit", 1 if limit is None else limit)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, got {value}.")
    check_capturable(vlm)
    taken = tuple(dict.fromkeys(side))
    check_attention(vlm.model, taken)
    grid = common_grid(vlm, layer, taken)
    total = len(source) if limit is None else min(limit, len(source))
    writer = DumpWriter(
        out,
        model=vlm.name,
        revision=revision,
        benchmark=benchmark,
        layer=captured_layer(vlm.model, layer),
        select_strategy=str(getattr(vlm.model.config, "vision_feature_select_strategy", FULL)),
        processor=processor_settings(vlm.processor),
        grid=grid,
        dtype=dump_dtype,
        shard_size=shard_size,
        extra={
            "tokens": "after the projector, without newline rows",
            "source": dict(source.provenance),
            "limit": limit,
            "thumbnails": thumbnails,
            "model": model_provenance(vlm),
            **({"side": list(taken)} if taken else {}),
        },
        wait=wait,
    )
    with writer:
        # Read now that the folder is this one's: another process may have gone on with it before.
        known = _known_checksums(writer.path)
        job = CaptureJob(vlm, writer, layer, grid, known, thumbnails, skip_bad, taken)
        resumed = len(writer)
        skipped = _write(job, source, total, batch_size, progress)
    return CaptureReport(writer.path, len(writer), resumed, tuple(skipped))


def _write(job: CaptureJob, source: PictureSource, total: int, batch_size: int, progress: bool) -> list[str]:
    """Add all pictures and finish the dump; return those that were skipped."""
    skipped: list[str] = []
    with progress_bar("capture", "pictures", shown=progress) as bar:
        task = bar.add_task("capture", total=total)
        items = islice(iter(source), total)
        while batch := list(islice(items, batch_size)):
            bad = job.add(batch)
            if bad and not job.skip_bad:
                raise _unreadable(bad, items, job.writer.path, bar)
            skipped += bad
            bar.advance(task, len(batch))
    _check_complete(job.writer, total, skipped)
    job.writer.finish(notes={"skipped": skipped} if skipped else None)
    return skipped


def _known_checksums(out: Path) -> dict[str, str]:
    """Return the checksums of the pictures that an unfinished dump holds."""
    path = out / PARTIAL_MANIFEST_NAME
    entries = Manifest.read(path).samples if path.is_file() else ()
    return {entry.id: str(entry.extra.get("image_sha256", "")) for entry in entries}


def _check_complete(writer: DumpWriter, total: int, skipped: Sequence[str]) -> None:
    if len(writer) + len(skipped) != total:
        raise DumpError(
            f"The unfinished dump {writer.path} holds {len(writer)} samples, but the source has "
            f"{total - len(skipped)}: some pictures were renamed or taken away since; delete the folder and "
            "capture again."
        )


def _unreadable(bad: list[str], rest: Iterator[PictureItem], out: Path, bar: Progress) -> InputError:
    """Read on to the end, so that one error names all pictures that cannot be read."""
    found = list(bad)
    task = bar.add_task("check the rest", total=None)
    for item in rest:
        found += read_pictures([item])[1]
        bar.advance(task)
    shown = "; ".join(found[:_NAMED_IN_MESSAGES])
    more = f"; and {len(found) - _NAMED_IN_MESSAGES} more" if len(found) > _NAMED_IN_MESSAGES else ""
    pictures = "1 picture" if len(found) == 1 else f"{len(found)} pictures"
    return InputError(
        f"{pictures} cannot be read: {shown}{more}. Whole files of what was captured before are kept in "
        f"{out}: mend the pictures and run the same again, or leave them out with --skip-bad."
    )


@dataclass(frozen=True, eq=False)
class CaptureJob:
    """What is the same for every batch of a capture.

    Attributes
    ----------
    vlm : VisionLanguageModel
        The model.
    writer : DumpWriter
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
    writer: DumpWriter
    layer: int | None
    grid: tuple[int, int] | None
    known: Mapping[str, str]
    thumbnails: bool
    skip_bad: bool
    side: tuple[str, ...]

    def add(self, batch: Sequence[PictureItem]) -> list[str]:
        """Add the pictures of a batch that the dump lacks; return those that cannot be read, with the reason.

        The whole batch is encoded even if only some are missing, so that going on gives the same bits. With
        bad pictures that are not to be skipped nothing is added: later ones would come before them.

        Raises
        ------
        InputError
            The model cannot encode the batch, or its tokens are too large for the dump.
        DumpError
            A picture is another one than when it was captured.
        """
        if all(item.id in self.writer for item in batch):
            for item in batch:
                self._check_unchanged(item.id, _checksum(item))
            return []
        pictures, bad = read_pictures(batch)
        for name, picture in pictures.items():
            self._check_unchanged(name, picture.sha256)
        inputs, refused = _prepare(self.vlm, pictures)
        bad += refused
        if (bad and not self.skip_bad) or all(name in self.writer for name in pictures):
            return bad
        images = self._encode(inputs, pictures)
        extras = {item.id: item.extra for item in batch}
        for (name, picture), image in zip(pictures.items(), images, strict=True):
            if name not in self.writer:
                self._add(name, picture, image, extras[name])
        return bad

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


def _storable(name: str, image: ImageTokens, dtype: np.dtype[Any]) -> NDArray[np.float32]:
    """Return the patches of an image as float32, if the dump's dtype can hold them."""
    tokens: NDArray[np.float32] = image.tokens.float().cpu().numpy()
    largest = float(np.abs(tokens).max())
    if np.isfinite(largest) and largest > float(np.finfo(dtype).max):
        raise InputError(
            f"The tokens of {name!r} reach {largest:.3g}, too large for {dtype}: capture into a new folder "
            "with --dump-dtype float32."
        )
    return tokens


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
