"""Checking a whole dump: every byte against its checksum, every tensor against the manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TypeAlias

import numpy as np
from safetensors import SafetensorError, safe_open

from otanalysis.errors import DumpError
from otanalysis.files import sha256_of_file
from otanalysis.tokens.manifest import Manifest, SampleEntry, ShardEntry
from otanalysis.tokens.read import Dump, open_dump
from otanalysis.tokens.thumbnails import decode_thumbnail

ProblemsOf: TypeAlias = "Callable[[Dump, SampleEntry, np.ndarray], Iterator[str]]"


@dataclass(frozen=True)
class DumpReport:
    """What a check of a whole dump found; see :func:`~otanalysis.tokens.open_dump`.

    Attributes
    ----------
    path : Path
        The folder.
    samples, shards : int
        How many the manifest lists.
    thumbnails : int
        How many samples have a small picture.
    size : int
        Bytes of all shards and thumbnails according to the manifest.
    problems : tuple of str
        One sentence each; empty for a sound dump.
    """

    path: Path
    samples: int
    shards: int
    thumbnails: int
    size: int
    problems: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether no problem was found."""
        return not self.problems


def verify_dump(path: str | PathLike[str]) -> DumpReport:
    """Read every file of a dump and compare it with the manifest; see :func:`~otanalysis.tokens.open_dump`.

    Checked are the SHA-256 of each file, the ids (distinct, and the file holds exactly those listed), the
    shape, dtype and finiteness of each tensor, and that each thumbnail is a picture.

    Parameters
    ----------
    path : path
        The folder of the dump.

    Returns
    -------
    DumpReport
        With all problems, not only the first.

    Raises
    ------
    DumpError
        There is no finished dump with a readable manifest.
    """
    dump = open_dump(path)
    manifest = dump.manifest
    problems = [*_problems_of_ids(dump), *_problems_of_places(manifest)]
    for number, shard in enumerate(manifest.shards):
        entries = [entry for entry in manifest.samples if entry.shard == number]
        problems.extend(_problems_of_file(dump, shard, entries, _problems_of_tensor))
    for number, shard in enumerate(manifest.thumbnails):
        entries = [entry for entry in manifest.samples if entry.thumbnail == number]
        problems.extend(_problems_of_file(dump, shard, entries, _problems_of_thumbnail))
    files = (*manifest.shards, *manifest.thumbnails)
    pictures = sum(entry.thumbnail is not None for entry in manifest.samples)
    size = sum(file.size for file in files)
    return DumpReport(dump.path, len(dump), len(manifest.shards), pictures, size, tuple(problems))


def _problems_of_ids(dump: Dump) -> Iterator[str]:
    seen: set[str] = set()
    for sample_id in dump.ids:
        if sample_id in seen:
            yield f"The sample id {sample_id!r} is listed more than once."
        seen.add(sample_id)


def _problems_of_places(manifest: Manifest) -> Iterator[str]:
    for entry in manifest.samples:
        if not 0 <= entry.shard < len(manifest.shards):
            yield f"The sample {entry.id!r} points to shard {entry.shard}, which the manifest lacks."
        if entry.thumbnail is not None and not 0 <= entry.thumbnail < len(manifest.thumbnails):
            yield f"The sample {entry.id!r} points to thumbnails {entry.thumbnail}, which the manifest lacks."


def _problems_of_file(
    dump: Dump, shard: ShardEntry, entries: list[SampleEntry], problems_of: ProblemsOf
) -> Iterator[str]:
    file = dump.path / shard.file
    if not file.is_file():
        yield f"The shard {shard.file} is missing."
        return
    if file.stat().st_size != shard.size:
        yield f"The shard {shard.file} has {file.stat().st_size} bytes, {shard.size} were written."
    elif sha256_of_file(file) != shard.sha256:
        yield f"The shard {shard.file} does not match its SHA-256: its content was changed."
    try:
        with safe_open(file, framework="numpy") as handle:
            held = set(handle.keys())
            for name in sorted(held ^ {entry.id for entry in entries}):
                where = "the manifest" if name in held else f"the shard {shard.file}"
                yield f"The sample {name!r} is missing from {where}."
            for entry in entries:
                if entry.id in held:
                    yield from problems_of(dump, entry, handle.get_tensor(entry.id))
    except SafetensorError as error:
        yield f"The shard {shard.file} is not a readable safetensors file ({error})."


def _problems_of_tensor(dump: Dump, entry: SampleEntry, stored: np.ndarray) -> Iterator[str]:
    if stored.shape != (entry.m, entry.d):
        yield f"The sample {entry.id!r} has the shape {stored.shape}, the manifest says {(entry.m, entry.d)}."
    if stored.dtype != np.dtype(dump.manifest.dtype):
        wanted = dump.manifest.dtype
        yield f"The sample {entry.id!r} has the dtype {stored.dtype}, the manifest says {wanted}."
    if not np.isfinite(stored).all():
        rows = int((~np.isfinite(stored).all(axis=-1)).sum())
        yield f"The sample {entry.id!r} has NaN or infinite values in {rows} of its tokens."


def _problems_of_thumbnail(_: Dump, entry: SampleEntry, stored: np.ndarray) -> Iterator[str]:
    try:
        decode_thumbnail(stored)
    except DumpError as error:
        yield f"The thumbnail of the sample {entry.id!r}: {error}"
