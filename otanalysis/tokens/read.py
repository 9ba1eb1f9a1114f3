"""Lazy reading of a finished dump: one sample at a time, in the order in which it was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from otanalysis.errors import DumpError, InputError
from otanalysis.tokens.manifest import MANIFEST_NAME, PARTIAL_MANIFEST_NAME, Manifest, SampleEntry, ShardEntry
from otanalysis.tokens.thumbnails import decode_thumbnail

ADVICE = "copy the dump again, or write it again"


@dataclass(frozen=True)
class Stored:
    """Where the array of one sample lies.

    Attributes
    ----------
    folder : Path
        Of the dump.
    shard : ShardEntry
        The file, as the manifest lists it.
    id : str
        Of the sample: the name of the array in the file.
    """

    folder: Path
    shard: ShardEntry
    id: str

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / self.shard.file

    def read(self) -> NDArray[Any]:
        """Read the array.

        Raises
        ------
        DumpError
            The file is missing, truncated or unreadable, or holds no such array.
        """
        try:
            size = self.path.stat().st_size
        except OSError as error:
            raise DumpError(f"The shard {self.path} cannot be read ({error.strerror}); {ADVICE}.") from error
        if size != self.shard.size:
            raise DumpError(
                f"The shard {self.path} is damaged: {self.shard.size} bytes were written, {size} are there; "
                f"{ADVICE}."
            )
        try:
            with safe_open(self.path, framework="numpy") as handle:
                stored: NDArray[Any] = handle.get_tensor(self.id)
        except SafetensorError as error:
            raise DumpError(
                f"The sample {self.id!r} cannot be read from {self.path} ({error}); {ADVICE}."
            ) from error
        return stored


@dataclass(frozen=True, eq=False)
class Sample:
    """The tokens of one image; see :func:`open_dump`.

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
    picture : Stored or None
        Where its thumbnail lies, if the dump keeps one.
    """

    id: str
    tokens: NDArray[np.float32]
    grid: tuple[int, int] | None
    extra: Mapping[str, Any]
    picture: Stored | None = field(default=None, repr=False)

    @cached_property
    def thumbnail(self) -> NDArray[np.uint8] | None:
        """The small picture ``[h, w, 3]`` of the image, read on first use; None if the dump keeps none.

        Raises
        ------
        DumpError
            Its file is missing, truncated or holds no picture.
        """
        return None if self.picture is None else decode_thumbnail(self.picture.read())


@dataclass(frozen=True)
class Dump:
    """A finished dump, opened by :func:`open_dump`; it holds no open file and may go to other processes.

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
        source = Stored(self.path, self.manifest.shards[entry.shard], entry.id)
        stored = source.read()
        if stored.shape != (entry.m, entry.d):
            raise DumpError(
                f"The sample {entry.id!r} in {source.path} has the shape {stored.shape}, "
                f"the manifest says {(entry.m, entry.d)}; {ADVICE}."
            )
        picture = entry.thumbnail
        kept = None if picture is None else Stored(self.path, self.manifest.thumbnails[picture], entry.id)
        return Sample(entry.id, stored.astype(np.float32), self._grid(entry), entry.extra, kept)

    def _grid(self, entry: SampleEntry) -> tuple[int, int] | None:
        own = entry.extra.get("grid", self.manifest.grid)
        return None if own is None else (int(own[0]), int(own[1]))


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
    >>> from otanalysis.tokens import DumpWriter, open_dump, verify_dump
    >>> folder = tempfile.TemporaryDirectory()
    >>> with DumpWriter(folder.name, model="demo", benchmark="noise") as writer:
    ...     writer.add("first", np.ones((4, 3), dtype=np.float32))
    >>> dump = open_dump(folder.name)
    >>> [(sample.id, sample.tokens.shape) for sample in dump], dump.manifest.model
    ([('first', (4, 3))], 'demo')
    >>> verify_dump(folder.name).sound
    True
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
