"""Lazy reading of a finished dump: one sample at a time, in the order in which it was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from otanalysis.errors import DumpError, InputError
from otanalysis.tokens.manifest import MANIFEST_NAME, PARTIAL_MANIFEST_NAME, Manifest, SampleEntry

__all__ = ["Dump", "Sample", "open_dump"]


@dataclass(frozen=True, eq=False)
class Sample:
    """The tokens of one image.

    Attributes
    ----------
    id : str
        Name of the sample in its dump.
    tokens : array, shape ``[m, d]``, float32
        One row a token. Stored float16 values are widened, which is exact.
    grid : tuple of int or None
        ``(rows, columns)`` of patches: of this sample if its entry says so, else the dump's.
    extra : Mapping
        What the manifest says of this sample alone.
    """

    id: str
    tokens: NDArray[np.float32]
    grid: tuple[int, int] | None
    extra: Mapping[str, Any]


@dataclass(frozen=True)
class Dump:
    """A finished dump, opened for reading; it holds no open file, so it may be sent to other processes.

    Attributes
    ----------
    path : Path
        The folder.
    manifest : Manifest
        What it holds.
    """

    path: Path
    manifest: Manifest

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.manifest.samples)

    def __iter__(self) -> Iterator[Sample]:
        """Read the samples one by one, in the order in which they were written."""
        return (self._read(entry) for entry in self.manifest.samples)

    def __getitem__(self, index: int) -> Sample:
        """Read the sample at ``index`` (negative ones count from the end)."""
        try:
            entry = self.manifest.samples[index]
        except IndexError:
            raise IndexError(f"{self.path} has {len(self)} samples, sample {index} was asked for.") from None
        return self._read(entry)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The sample ids, in order."""
        return tuple(entry.id for entry in self.manifest.samples)

    def sample(self, sample_id: str) -> Sample:
        """Read one sample by its id.

        Raises
        ------
        InputError
            The dump has no sample of this id.
        DumpError
            Its shard is missing, truncated or does not hold what the manifest promises.
        """
        entry = self._entries.get(sample_id)
        if entry is None:
            first = self.ids[0] if self.ids else "none"
            raise InputError(
                f"{self.path} has no sample {sample_id!r} among its {len(self)} (the first is {first!r})."
            )
        return self._read(entry)

    @cached_property
    def _entries(self) -> dict[str, SampleEntry]:
        return {entry.id: entry for entry in self.manifest.samples}

    def _read(self, entry: SampleEntry) -> Sample:
        shard = self.manifest.shards[entry.shard]
        path = self.path / shard.file
        advice = "copy the dump again, or write it again"
        try:
            size = path.stat().st_size
        except OSError as error:
            raise DumpError(f"The shard {path} cannot be read ({error.strerror}); {advice}.") from error
        if size != shard.size:
            raise DumpError(
                f"The shard {path} is damaged: {shard.size} bytes were written, {size} are there; {advice}."
            )
        try:
            with safe_open(path, framework="numpy") as handle:
                stored = handle.get_tensor(entry.id)
        except SafetensorError as error:
            raise DumpError(
                f"The sample {entry.id!r} cannot be read from {path} ({error}); {advice}."
            ) from error
        if stored.shape != (entry.m, entry.d):
            raise DumpError(
                f"The sample {entry.id!r} in {path} has the shape {stored.shape}, "
                f"the manifest says {(entry.m, entry.d)}; {advice}."
            )
        return Sample(entry.id, stored.astype(np.float32), self._grid(entry), entry.extra)

    def _grid(self, entry: SampleEntry) -> tuple[int, int] | None:
        own = entry.extra.get("grid")
        return self.manifest.grid if own is None else (int(own[0]), int(own[1]))


def open_dump(path: str | PathLike[str]) -> Dump:
    """Open a finished dump; the manifest is read now, each sample when it is asked for.

    The size of a shard is checked whenever a sample is read from it; its checksum is left to
    :func:`otanalysis.tokens.verify_dump`, which reads everything.

    Parameters
    ----------
    path : path
        The folder of the dump.

    Returns
    -------
    Dump
        Iterate over it, or ask for ``dump[i]`` or ``dump.sample(id)``.

    Raises
    ------
    DumpError
        There is no dump, it is not finished, or its manifest is unreadable.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from otanalysis.tokens import DumpWriter, open_dump
    >>> folder = tempfile.TemporaryDirectory()
    >>> with DumpWriter(folder.name, model="demo", benchmark="noise") as writer:
    ...     writer.add("first", np.ones((4, 3), dtype=np.float32))
    >>> [(sample.id, sample.tokens.shape) for sample in open_dump(folder.name)]
    [('first', (4, 3))]
    >>> folder.cleanup()
    """
    folder = Path(path)
    if (folder / MANIFEST_NAME).is_file():
        return Dump(folder, Manifest.read(folder / MANIFEST_NAME))
    if (folder / PARTIAL_MANIFEST_NAME).is_file():
        partial = Manifest.read(folder / PARTIAL_MANIFEST_NAME)
        raise DumpError(
            f"The dump {folder} is not finished: {len(partial.samples)} samples in {len(partial.shards)} "
            "shards are written; run the writer again with the same settings and it goes on from there."
        )
    found = "an empty or foreign folder" if folder.is_dir() else "no such folder"
    raise DumpError(
        f"{folder} is not a dump: a folder with {MANIFEST_NAME} was wanted, {found} is there; check the path."
    )
