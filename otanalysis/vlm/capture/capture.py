"""Capture the visual tokens of pictures into a dump: a few batches in memory at a time, resumable.

:func:`capture_tokens` goes through the source. While the model encodes a batch, the next ones are read and
prepared by another thread, and the tokens of the last ones are written by a third.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Literal

from rich.progress import Progress

from otanalysis.defaults import FULL
from otanalysis.errors import DumpError, InputError
from otanalysis.progress import progress_bar
from otanalysis.tokens import DumpWriter
from otanalysis.vlm.attention import check_attention
from otanalysis.vlm.capture.batches import captured_layer, check_capturable, common_grid
from otanalysis.vlm.capture.job import CaptureJob, PreparedBatch, TokenWriter
from otanalysis.vlm.capture.pictures import PictureSource
from otanalysis.vlm.capture.provenance import model_provenance, processor_settings
from otanalysis.vlm.capture.stages import Behind, ahead, batches
from otanalysis.vlm.model import VisionLanguageModel

_NAMED_IN_MESSAGES = 20
_WAITING = 2  # batches that are read and not encoded yet, and as many that are encoded and not written


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
    return capture_into(
        partial(DumpWriter, out, wait=wait),
        vlm,
        source,
        benchmark=benchmark,
        revision=revision,
        batch_size=batch_size,
        limit=limit,
        layer=layer,
        side=side,
        shard_size=shard_size,
        dump_dtype=dump_dtype,
        thumbnails=thumbnails,
        skip_bad=skip_bad,
        progress=progress,
    )


def capture_into(
    open_writer: Callable[..., AbstractContextManager[TokenWriter]],
    vlm: VisionLanguageModel,
    source: PictureSource,
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
    settle: Callable[[], None] | None = None,
) -> CaptureReport:
    """Hand the visual tokens of pictures to a writer; what is not told here is as in :func:`capture_tokens`.

    Parameters
    ----------
    open_writer
        Called with what :class:`~otanalysis.tokens.DumpWriter` takes after its path; the samples that the
        writer has then are not added again.
    settle
        Called between two batches, in the thread of the caller: another one adds the samples.

    Returns
    -------
    CaptureReport
    """
    for name, value in (("batch_size", batch_size), ("limit", 1 if limit is None else limit)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, got {value}.")
    check_capturable(vlm)
    taken = tuple(dict.fromkeys(side))
    check_attention(vlm.model, taken)
    grid = common_grid(vlm, layer, taken)
    total = len(source) if limit is None else min(limit, len(source))
    opened = open_writer(
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
    )
    with opened as writer:
        known = {entry.id: str(entry.extra.get("image_sha256", "")) for entry in writer.entries}
        job = CaptureJob(vlm, writer, layer, grid, known, thumbnails, skip_bad, taken)
        resumed = len(writer)
        skipped = _write(job, source, total, batch_size, progress, settle)
    return CaptureReport(writer.path, len(writer), resumed, tuple(skipped))


def _write(
    job: CaptureJob,
    source: PictureSource,
    total: int,
    batch_size: int,
    progress: bool,
    settle: Callable[[], None] | None,
) -> list[str]:
    """Add all pictures and finish the dump; return those that were skipped."""
    skipped: list[str] = []
    items = batches(islice(source, total), batch_size)
    with progress_bar("capture", "pictures", shown=progress) as bar, Behind(depth=_WAITING) as writing:
        task = bar.add_task("capture", total=total)
        with closing(ahead(items, job.prepare, depth=_WAITING)) as prepared:
            for batch in prepared:
                if batch.bad and not job.skip_bad:
                    # Nothing of the batch is added: its later pictures would come before the bad ones.
                    raise _unreadable(batch.bad, prepared, job.writer.path, bar)
                if images := job.encode(batch):
                    writing.hand(partial(job.store, batch, images))
                skipped += batch.bad
                if settle is not None:
                    settle()
                bar.advance(task, len(batch.items))
        writing.finish()
    _check_complete(job.writer, total, skipped)
    job.writer.finish(notes={"skipped": skipped} if skipped else None)
    return skipped


def _check_complete(writer: TokenWriter, total: int, skipped: Sequence[str]) -> None:
    if len(writer) + len(skipped) != total:
        raise DumpError(
            f"The unfinished dump {writer.path} holds {len(writer)} samples, but the source has "
            f"{total - len(skipped)}: some pictures were renamed or taken away since; delete the folder and "
            "capture again."
        )


def _unreadable(bad: list[str], rest: Iterator[PreparedBatch], out: Path, bar: Progress) -> InputError:
    """Read on to the end, so that one error names all pictures that cannot be read."""
    found = list(bad)
    task = bar.add_task("check the rest", total=None)
    for batch in rest:
        found += batch.bad
        bar.advance(task, len(batch.items))
    shown = "; ".join(found[:_NAMED_IN_MESSAGES])
    more = f"; and {len(found) - _NAMED_IN_MESSAGES} more" if len(found) > _NAMED_IN_MESSAGES else ""
    pictures = "1 picture" if len(found) == 1 else f"{len(found)} pictures"
    return InputError(
        f"{pictures} cannot be read: {shown}{more}. Whole files of what was captured before are kept in "
        f"{out}: mend the pictures and run the same again, or leave them out with --skip-bad."
    )
