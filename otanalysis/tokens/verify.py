"""Checking a whole dump: every byte against its checksum, every tensor against the manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TypeAlias

import numpy as np
from safetensors import safe_open

from otanalysis.arrays import all_finite
from otanalysis.errors import DumpError
from otanalysis.tokens.layout import BESIDE
from otanalysis.tokens.manifest import MANIFEST_NAME, SampleEntry, ShardEntry, is_as_written
from otanalysis.tokens.read import Dump, check_file, open_dump, read_array, read_side, read_weights
from otanalysis.tokens.thumbnails import decode_thumbnail

ProblemsOf: TypeAlias = "Callable[[Dump, SampleEntry, Path], Iterator[str]]"


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
    weights : int
        How many samples have weights of their tokens.
    side : int
        How many samples have side information of their tokens.
    size : int
        Bytes of all files according to the manifest.
    problems : tuple of str
        One sentence each; empty for a sound dump.
    sealed : bool
        Whether the manifest carries a digest; that of a dump of version 0.1.0 does not, and a changed setting
        or name in it cannot be found.
    """

    path: Path
    samples: int
    shards: int
    thumbnails: int
    weights: int
    side: int
    size: int
    problems: tuple[str, ...]
    sealed: bool

    @property
    def sound(self) -> bool:
        """Whether no problem was found."""
        return not self.problems


def verify_dump(path: str | PathLike[str]) -> DumpReport:
    """Read every file of a dump and compare it with the manifest; see :func:`~otanalysis.tokens.open_dump`.

    Checked are the manifest (its digest, and that it has the very bytes that were written), the SHA-256 of
    each file, that it holds exactly the ids that are listed, the shape, dtype and finiteness of each tensor,
    that weights are one number a token, none negative and not all zero, that side information is one finite
    number a name and token, and that each thumbnail is a picture.

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
        There is no finished dump with a readable manifest that matches its digest.
    """
    dump = open_dump(path)
    manifest = dump.manifest
    problems = []
    if not is_as_written(dump.path / MANIFEST_NAME):
        problems.append("The manifest says what was written, but not in the same bytes: it was changed.")
    for number, shard in enumerate(manifest.shards):
        entries = [entry for entry in manifest.samples if entry.shard == number]
        problems.extend(_problems_of_file(dump, shard, entries, _problems_of_tensor))
    for kind, part in BESIDE.items():
        for number, file in enumerate(getattr(manifest, kind)):
            entries = [entry for entry in manifest.samples if getattr(entry, part) == number]
            problems.extend(_problems_of_file(dump, file, entries, _PROBLEMS_BESIDE[kind]))
    with_part = {
        kind: sum(getattr(entry, part) is not None for entry in manifest.samples)
        for kind, part in BESIDE.items()
    }
    files = [*manifest.shards, *(file for kind in BESIDE for file in getattr(manifest, kind))]
    return DumpReport(
        path=dump.path,
        samples=len(dump),
        shards=len(manifest.shards),
        size=sum(file.size for file in files),
        problems=tuple(problems),
        sealed=manifest.sealed,
        **with_part,
    )


def _problems_of_file(
    dump: Dump, shard: ShardEntry, entries: list[SampleEntry], problems_of: ProblemsOf
) -> Iterator[str]:
    try:
        file = check_file(dump.path, shard, dump.opening)
    except DumpError as error:
        yield str(error)
        return  # what it holds now is another's
    try:
        with safe_open(file, framework="numpy") as handle:
            held = set(handle.keys())
    except Exception as error:  # the library raises its own, and those of the system
        yield f"The shard {shard.file} is not a readable safetensors file ({error})."
        return
    for name in sorted(held ^ {entry.id for entry in entries}):
        where = "the manifest" if name in held else f"the shard {shard.file}"
        yield f"The sample {name!r} is missing from {where}."
    for entry in entries:
        if entry.id in held:
            try:
                yield from problems_of(dump, entry, file)
            except DumpError as error:
                yield str(error)


def _problems_of_tensor(dump: Dump, entry: SampleEntry, file: Path) -> Iterator[str]:
    stored = read_array(file, entry.id)
    if stored.shape != (entry.m, entry.d):
        yield f"The sample {entry.id!r} has the shape {stored.shape}, the manifest says {(entry.m, entry.d)}."
        return
    if stored.dtype != np.dtype(dump.manifest.dtype):
        wanted = dump.manifest.dtype
        yield f"The sample {entry.id!r} has the dtype {stored.dtype}, the manifest says {wanted}."
    if not all_finite(stored):
        rows = int((~np.isfinite(stored).all(axis=-1)).sum())
        yield f"The sample {entry.id!r} has NaN or infinite values in {rows} of its tokens."


def _problems_of_thumbnail(_: Dump, entry: SampleEntry, file: Path) -> Iterator[str]:
    stored = read_array(file, entry.id)
    try:
        decode_thumbnail(stored)
    except DumpError as error:
        yield f"The thumbnail of the sample {entry.id!r}: {error}"


def _problems_of(read: Callable[[Path, SampleEntry], object]) -> ProblemsOf:
    """Return a check that reads, and yields what the reader says against it."""

    def problems(_: Dump, entry: SampleEntry, file: Path) -> Iterator[str]:
        try:
            read(file, entry)
        except DumpError as error:
            yield str(error)

    return problems


_PROBLEMS_BESIDE: Mapping[str, ProblemsOf] = {
    "thumbnails": _problems_of_thumbnail,
    "weights": _problems_of(read_weights),
    "side": _problems_of(read_side),
}
