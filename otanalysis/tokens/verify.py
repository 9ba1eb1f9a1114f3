"""Checking a whole dump: every byte against its checksum, every tensor against the manifest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from otanalysis.tokens.dump import Dump, open_dump
from otanalysis.tokens.manifest import SampleEntry, ShardEntry
from otanalysis.tokens.storage import sha256_of_file

__all__ = ["DumpReport", "verify_dump"]


@dataclass(frozen=True)
class DumpReport:
    """What a check of a whole dump found.

    Attributes
    ----------
    path : Path
        The folder.
    samples, shards : int
        How many the manifest lists.
    size : int
        Bytes of all shards according to the manifest.
    problems : tuple of str
        One sentence each; empty for a sound dump.
    """

    path: Path
    samples: int
    shards: int
    size: int
    problems: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether no problem was found."""
        return not self.problems


def verify_dump(path: str | PathLike[str]) -> DumpReport:
    """Read every shard of a dump and compare it with the manifest.

    Checked are the SHA-256 of each shard, the ids (distinct, and the shard holds exactly those listed), and
    the shape, dtype and finiteness of each tensor.

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
    problems = list(_problems_of_ids(dump))
    by_shard: dict[int, list[SampleEntry]] = {number: [] for number in range(len(manifest.shards))}
    for entry in manifest.samples:
        if entry.shard in by_shard:
            by_shard[entry.shard].append(entry)
        else:
            problems.append(
                f"The sample {entry.id!r} points to shard {entry.shard}, which the manifest lacks."
            )
    for number, shard in enumerate(manifest.shards):
        problems.extend(_problems_of_shard(dump, shard, by_shard[number]))
    size = sum(shard.size for shard in manifest.shards)
    return DumpReport(dump.path, len(dump), len(manifest.shards), size, tuple(problems))


def _problems_of_ids(dump: Dump) -> Iterator[str]:
    seen: set[str] = set()
    for sample_id in dump.ids:
        if sample_id in seen:
            yield f"The sample id {sample_id!r} is listed more than once."
        seen.add(sample_id)


def _problems_of_shard(dump: Dump, shard: ShardEntry, entries: list[SampleEntry]) -> Iterator[str]:
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
                    yield from _problems_of_tensor(dump, entry, handle.get_tensor(entry.id))
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
