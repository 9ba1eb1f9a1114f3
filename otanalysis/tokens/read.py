"""Lazy reading of a finished dump: one sample at a time, in the order in which it was written."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from os import PathLike
from pathlib import Path
from stat import S_ISREG
from typing import Any, cast
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from otanalysis.arrays import check_weights
from otanalysis.errors import DumpError, InputError
from otanalysis.files import as_path, sha256_of_file
from otanalysis.scalars import shown
from otanalysis.side import check_side
from otanalysis.tokens.layout import BESIDE
from otanalysis.tokens.manifest import MANIFEST_NAME, PARTIAL_MANIFEST_NAME, Manifest, SampleEntry, ShardEntry
from otanalysis.tokens.thumbnails import decode_thumbnail

ADVICE = "copy the dump again, or write it again"
_REMEMBERED = 4096  # files whose checksum was compared


def check_file(folder: Path, file: ShardEntry, opening: str) -> Path:
    """Return the path of a file of a dump that is what was written, byte for byte.

    Parameters
    ----------
    folder : Path
        Of the dump.
    file : ShardEntry
        The file, as the manifest lists it.
    opening : str
        Names who opened the dump. In each process the checksum is compared once an opening and file, and
        again where the file was touched since.

    Raises
    ------
    DumpError
        The file is missing, no file of the folder itself, unreadable, truncated or changed.
    """
    path = folder / file.file
    try:
        if path.is_symlink() and path.resolve().parent != folder.resolve():
            raise DumpError(
                f"The shard {path} is a link out of the dump, to {path.resolve()}; put the file itself there."
            )
        found = path.stat()
        if not S_ISREG(found.st_mode):
            raise DumpError(f"The shard {path} is no file; {ADVICE}.")
        if found.st_size != file.size:
            raise DumpError(
                f"The shard {path} is damaged: {file.size} bytes were written, {found.st_size} are there; "
                f"{ADVICE}."
            )
        _compare(path, file.sha256, opening, (found.st_mtime_ns, found.st_ctime_ns, found.st_ino))
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        reason = getattr(error, "strerror", None) or error
        raise DumpError(f"The shard {path} cannot be read ({reason}); {ADVICE}.") from error
    return path


@lru_cache(maxsize=_REMEMBERED)
def _compare(path: Path, sha256: str, _opening: str, _state: tuple[int, ...]) -> None:
    """Compare a checksum; what raises is not remembered."""
    if sha256_of_file(path) != sha256:
        raise DumpError(
            f"The shard {path} is damaged: it does not match its SHA-256, its content was changed; {ADVICE}."
        )


def read_array(path: Path, name: str) -> NDArray[Any]:
    """Return one array of a safetensors file.

    Raises
    ------
    DumpError
        It is no such file, or holds no such array.
    """
    try:
        with safe_open(path, framework="numpy") as handle:
            array: NDArray[Any] = handle.get_tensor(name)
    except Exception as error:  # the library raises its own, those of the system, and those of NumPy
        raise DumpError(f"The sample {name!r} cannot be read from {path} ({error}); {ADVICE}.") from error
    return array


def read_weights(path: Path, entry: SampleEntry) -> NDArray[np.float64]:
    """Return the weights [m] of a sample's tokens from their file.

    Raises
    ------
    DumpError
        It is no such file, or does not hold one number for each token that can be its weight.
    """
    stored = read_array(path, entry.id)
    if stored.dtype != np.float64:
        raise DumpError(f"The weights of {entry.id!r} in {path} are {stored.dtype}, not float64; {ADVICE}.")
    try:
        check_weights(stored, entry.m)
    except InputError as error:
        raise DumpError(f"The weights of {entry.id!r} in {path}: {error} Or {ADVICE}.") from error
    return stored


def read_side(path: Path, entry: SampleEntry) -> dict[str, NDArray[np.float64]]:
    """Return the side information of a sample's tokens from its file: vectors [m] by name.

    Raises
    ------
    DumpError
        It is no such file, or does not hold one finite number for each name and token.
    """
    stored = read_array(path, entry.id)
    wanted = (len(entry.side_names), entry.m)
    if stored.shape != wanted or stored.dtype != np.float64:
        raise DumpError(
            f"The side information of {entry.id!r} in {path} has the shape {stored.shape} of {stored.dtype}, "
            f"not {wanted} of float64; {ADVICE}."
        )
    try:
        return check_side(dict(zip(entry.side_names, stored, strict=True)), entry.m)
    except InputError as error:
        raise DumpError(f"The side information of {entry.id!r} in {path}: {error} Or {ADVICE}.") from error


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
    opening : str
        See :func:`check_file`.
    """

    folder: Path
    shard: ShardEntry
    id: str
    opening: str = ""

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / self.shard.file

    def read(self) -> NDArray[Any]:
        """Read the array from a file whose checksum was compared.

        Raises
        ------
        DumpError
            The file is missing, truncated, changed or unreadable, or holds no such array.
        """
        return read_array(self.path_checked(), self.id)

    def path_checked(self) -> Path:
        """Return the file after its checksum was compared; raise as :meth:`read`."""
        return check_file(self.folder, self.shard, self.opening)


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
    weights : array, shape ``[m]``, float64, or None
        Weight of each token, as it was written, if the dump keeps any.
    side : Mapping from str to array, shape ``[m]``, float64
        Other numbers of each token by their name, as they were written; empty if the dump keeps none.
    """

    id: str
    tokens: NDArray[np.float32]
    grid: tuple[int, int] | None
    extra: Mapping[str, Any]
    picture: Stored | None = field(default=None, repr=False)
    weights: NDArray[np.float64] | None = field(default=None, repr=False)
    side: Mapping[str, NDArray[np.float64]] = field(default_factory=dict, repr=False)

    @cached_property
    def thumbnail(self) -> NDArray[np.uint8] | None:
        """The small picture ``[h, w, 3]`` of the image, read on first use; None if the dump keeps none.

        Raises
        ------
        DumpError
            Its file is missing, truncated, changed or holds no picture.
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
    opening : str
        Differs between any two openings of a dump; see :func:`check_file`.
    """

    path: Path
    manifest: Manifest
    opening: str = field(default_factory=lambda: uuid4().hex, repr=False, compare=False)

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.manifest.samples)

    def __iter__(self) -> Iterator[Sample]:
        """Read the samples one by one, in the order in which they were written."""
        return (self._read(entry) for entry in self.manifest.samples)

    def __getitem__(self, index: int) -> Sample:
        """Read the sample at ``index`` (negative ones count from the end)."""
        try:
            entry = self.manifest.samples[operator.index(index)]
        except IndexError:
            raise IndexError(f"{self.path} has {len(self)} samples, sample {index} was asked for.") from None
        except TypeError:
            raise InputError(
                f"A sample is asked for by its place, a whole number, got {shown(index)}; "
                "by its id: dump.sample(id)."
            ) from None
        return self._read(entry)

    def only(self, sample_ids: Iterable[str]) -> Dump:
        """Return the dump as if it held only some of its samples, with a manifest as small as these.

        Their fingerprint is not that of the dump; paths are absolute, for processes in other folders.
        """
        chosen = [self._entry(one) for one in sample_ids]
        files: dict[str, tuple[ShardEntry, ...]] = {}
        for kind, part in {"shards": "shard", **BESIDE}.items():
            used = sorted({number for one in chosen if (number := getattr(one, part)) is not None})
            files[kind] = tuple(getattr(self.manifest, kind)[number] for number in used)
            places = {number: place for place, number in enumerate(used)}
            chosen = [replace(one, **cast(Any, {part: places.get(getattr(one, part))})) for one in chosen]
        fewer = replace(self.manifest, samples=tuple(chosen), **cast(Any, files))
        return replace(self, path=self.path.absolute(), manifest=fewer)

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
            Its shard is missing, truncated, changed or does not hold what the manifest promises.
        """
        return self._read(self._entry(sample_id))

    def _entry(self, sample_id: str) -> SampleEntry:
        entry = self._entries.get(sample_id) if isinstance(sample_id, str) else None
        if entry is None:
            first = self.ids[0] if self.ids else "none"
            raise InputError(
                f"{self.path} has no sample {sample_id!r} among its {len(self)} (the first is {first!r})."
            )
        return entry

    @cached_property
    def _entries(self) -> dict[str, SampleEntry]:
        return {entry.id: entry for entry in self.manifest.samples}

    def _read(self, entry: SampleEntry) -> Sample:
        source = Stored(self.path, self.manifest.shards[entry.shard], entry.id, self.opening)
        stored = source.read()
        promised = ((entry.m, entry.d), self.manifest.dtype)
        if (stored.shape, stored.dtype.name) != promised:
            raise DumpError(
                f"The sample {entry.id!r} in {source.path} has the shape {stored.shape} of {stored.dtype}, "
                f"the manifest says {promised[0]} of {promised[1]}; {ADVICE}."
            )
        picture = self._beside(self.manifest.thumbnails, entry.thumbnail, entry.id)
        weights = self._beside(self.manifest.weights, entry.weights, entry.id)
        side = self._beside(self.manifest.side, entry.side, entry.id)
        return Sample(
            entry.id,
            stored.astype(np.float32),
            self._grid(entry),
            entry.extra,
            picture,
            None if weights is None else read_weights(weights.path_checked(), entry),
            {} if side is None else read_side(side.path_checked(), entry),
        )

    def _beside(self, files: tuple[ShardEntry, ...], number: int | None, sample_id: str) -> Stored | None:
        return None if number is None else Stored(self.path, files[number], sample_id, self.opening)

    def _grid(self, entry: SampleEntry) -> tuple[int, int] | None:
        own = entry.extra.get("grid", self.manifest.grid)
        return None if own is None else (int(own[0]), int(own[1]))


def open_dump(path: str | PathLike[str]) -> Dump:
    """Open a finished dump; the manifest is read now, each sample when it is asked for.

    The manifest is compared with the digest that it carries (those of version 0.1.0 carry none), and each
    file with its SHA-256 before the first sample is read from it, once an opening and process.
    :func:`otanalysis.tokens.verify_dump` reads everything.

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
    InputError
        The path is no path.
    DumpError
        There is no dump, it is not finished, or its manifest is unreadable or was changed.

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
    folder = as_path(path, "a folder")
    try:
        finished, begun = ((folder / name).is_file() for name in (MANIFEST_NAME, PARTIAL_MANIFEST_NAME))
    except OSError as error:  # no permission, or a name that is too long
        raise DumpError(f"The dump {folder} cannot be read ({error.strerror}); check the path.") from error
    if finished:
        return Dump(folder, Manifest.read(folder / MANIFEST_NAME))
    if begun:
        partial = Manifest.read(folder / PARTIAL_MANIFEST_NAME)
        raise DumpError(
            f"The dump {folder} is not finished: {len(partial.samples)} samples in {len(partial.shards)} "
            "shards are written; run the writer again with the same settings and it goes on from there."
        )
    found = "an empty or foreign folder" if folder.is_dir() else "no such folder"
    raise DumpError(
        f"{folder} is not a dump: a folder with {MANIFEST_NAME} was wanted, {found} is there; check the path."
    )
