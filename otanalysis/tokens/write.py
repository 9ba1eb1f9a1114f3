"""Writing a dump: whole shards only, resumable, and finished in one step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from safetensors.numpy import save

from otanalysis.arrays import to_numpy
from otanalysis.errors import DumpError, InputError
from otanalysis.files import sha256_of_file, write_atomic
from otanalysis.tokens.manifest import MANIFEST_NAME, PARTIAL_MANIFEST_NAME, Manifest, SampleEntry, ShardEntry
from otanalysis.tokens.thumbnails import encode_thumbnail

_RESERVED_ID = "__metadata__"  # the safetensors format keeps this tensor name for itself


class DumpWriter:
    """Write a dump, sample by sample; a stopped writer goes on where its last whole shard ended.

    See :func:`~otanalysis.tokens.open_dump`.

    Used as a context manager: leaving it without an error finishes the dump, leaving it with one (Ctrl-C too)
    keeps the whole shards and drops the samples of the one that was being filled. To go on, make the writer
    again with the same settings and skip the samples that it has: ``if sample_id in writer: continue``.
    A dump is finished when ``manifest.json`` exists; until then no reader takes it for a whole one.

    Parameters
    ----------
    path : path
        The folder; created if missing.
    model, revision, layer, select_strategy, processor, benchmark, grid, extra
        What the manifest records, see :class:`~otanalysis.tokens.Manifest`.
    dtype : {"float16", "float32"}
        Type of every stored tensor.
    shard_size : int
        Samples a shard, at least 1.

    Raises
    ------
    InputError
        A setting is out of range.
    DumpError
        The dump is finished already, was begun with other settings, or a whole shard is damaged.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        model: str,
        benchmark: str,
        revision: str = "",
        layer: int = -1,
        select_strategy: str = "default",
        processor: Mapping[str, Any] | None = None,
        grid: tuple[int, int] | None = None,
        dtype: Literal["float16", "float32"] = "float16",
        shard_size: int = 64,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        if dtype not in ("float16", "float32"):
            raise InputError(f"dtype must be 'float16' or 'float32', got {dtype!r}.")
        if shard_size < 1:
            raise InputError(f"shard_size must be at least 1 sample, got {shard_size}.")
        _check_json({"processor": processor and dict(processor), "extra": extra and dict(extra)})
        self.path = Path(path)
        fresh = Manifest(
            model=model,
            revision=revision,
            layer=layer,
            select_strategy=select_strategy,
            processor=dict(processor or {}),
            benchmark=benchmark,
            grid=None if grid is None else (int(grid[0]), int(grid[1])),
            dtype=dtype,
            shard_size=shard_size,
            extra=dict(extra or {}),
            writer_version=version("otanalysis"),
        )
        self._manifest = self._begin_or_go_on(fresh)
        self._known = {entry.id for entry in self._manifest.samples}
        self._pending: dict[str, NDArray[np.floating]] = {}
        self._pending_extra: dict[str, Mapping[str, Any]] = {}
        self._pending_thumbnails: dict[str, NDArray[np.uint8]] = {}
        self._finished = False

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of every stored tensor."""
        return np.dtype(self._manifest.dtype)

    def __contains__(self, sample_id: object) -> bool:
        """Tell whether the sample was added, in this run or in the one that it goes on from."""
        return sample_id in self._known

    def __len__(self) -> int:
        """Return the number of samples added so far, earlier runs included."""
        return len(self._known)

    def __enter__(self) -> Self:
        """Return the writer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Finish the dump unless the block failed."""
        if kind is None:
            self.finish()

    def add(
        self,
        sample_id: str,
        tokens: ArrayLike,
        *,
        extra: Mapping[str, Any] | None = None,
        thumbnail: ArrayLike | None = None,
    ) -> None:
        """Add one sample; its shard is written as soon as it is full.

        Parameters
        ----------
        sample_id : str
            Unique in the dump, not empty.
        tokens : array, shape ``[m, d]``
            Floating point, finite also after the cast to the dump's dtype.
        extra : Mapping, optional
            JSON values kept in the manifest for this sample; ``grid=[rows, columns]`` overrides the dump's.
        thumbnail : array, shape ``[h, w, 3]``, uint8, optional
            The image, as the tokens' grid lies on it; kept as a small JPEG, at most 224 pixels long.

        Raises
        ------
        InputError
            The id is taken, the tokens are not a finite, non-empty floating-point matrix, or the thumbnail
            is no picture.
        DumpError
            The dump is finished.
        """
        if self._finished:
            raise DumpError(f"The dump {self.path} is finished; add {sample_id!r} to a new one.")
        if not isinstance(sample_id, str) or not sample_id or sample_id == _RESERVED_ID:
            raise InputError(
                f"A sample id must be a non-empty string other than {_RESERVED_ID!r}, got {sample_id!r}."
            )
        if sample_id in self._known:
            raise InputError(
                f"The sample {sample_id!r} is in the dump {self.path} already; ids must be unique."
            )
        stored = self._storable(sample_id, tokens)
        kept_extra = dict(extra or {})
        _check_json(kept_extra)
        if thumbnail is not None:
            self._pending_thumbnails[sample_id] = encode_thumbnail(thumbnail)
        self._pending[sample_id] = stored
        self._pending_extra[sample_id] = kept_extra
        self._known.add(sample_id)
        if len(self._pending) == self._manifest.shard_size:
            self._write_shard()

    def finish(self, *, notes: Mapping[str, Any] | None = None) -> None:
        """Write what is pending, give the shards their final names and publish the manifest; once is enough.

        Parameters
        ----------
        notes : Mapping, optional
            JSON values that are known only now, put into the manifest's ``extra`` beside what is there.

        Raises
        ------
        DumpError
            No sample was added.
        """
        if self._finished:
            return
        _check_json({"notes": notes and dict(notes)})
        if self._pending:
            self._write_shard()
        if not self._manifest.shards:
            raise DumpError(f"The dump {self.path} has no sample; add at least one before finishing it.")
        shards = self._with_final_names("tokens", self._manifest.shards)
        thumbnails = self._with_final_names("thumbnails", self._manifest.thumbnails)
        self._manifest = replace(self._manifest, extra={**self._manifest.extra, **(notes or {})})
        self._publish(MANIFEST_NAME, shards, thumbnails)
        (self.path / PARTIAL_MANIFEST_NAME).unlink()
        self._finished = True

    def _with_final_names(self, kind: str, shards: tuple[ShardEntry, ...]) -> tuple[ShardEntry, ...]:
        final = []
        for number, shard in enumerate(shards, start=1):
            name = f"{kind}-{number:05d}-of-{len(shards):05d}.safetensors"
            (self.path / shard.file).replace(self.path / name)
            final.append(replace(shard, file=name))
        return tuple(final)

    def _begin_or_go_on(self, fresh: Manifest) -> Manifest:
        refuse_finished(self.path)
        self.path.mkdir(parents=True, exist_ok=True)
        partial_path = self.path / PARTIAL_MANIFEST_NAME
        partial = Manifest.read(partial_path) if partial_path.exists() else fresh
        if not partial.samples:
            # Nothing is lost by beginning anew, with other settings too.
            write_atomic(partial_path, fresh.to_json())
            return fresh
        _check_same_settings(self.path, partial.settings(), fresh.settings())
        for shard in (*partial.shards, *partial.thumbnails):
            self._recover(shard)
        return replace(partial, writer_version=fresh.writer_version)

    def _recover(self, shard: ShardEntry) -> None:
        # A writer stopped while it finished may have given some shards their final names already.
        final = f"{shard.file.removesuffix('.partial.safetensors')}-of-*.safetensors"
        candidates = [self.path / shard.file, *self.path.glob(final)]
        for file in candidates:
            if file.is_file() and sha256_of_file(file) == shard.sha256:
                file.replace(self.path / shard.file)
                return
        raise DumpError(
            f"The unfinished dump {self.path} cannot go on: the shard {shard.file} is missing or does not "
            "match its checksum; delete the folder and write it again."
        )

    def _storable(self, sample_id: str, tokens: ArrayLike) -> NDArray[np.floating]:
        array = to_numpy(tokens, name=f"the tokens of {sample_id!r}")
        if array.ndim != 2 or 0 in array.shape or not np.issubdtype(array.dtype, np.floating):
            raise InputError(
                f"The tokens of {sample_id!r} must be a non-empty floating-point matrix [m, d], "
                f"got the shape {array.shape} of {array.dtype}."
            )
        with np.errstate(over="ignore"):  # an overflow is reported below, with the sample's name
            # safetensors writes the raw buffer: without this a transposed array would be stored scrambled.
            stored = np.ascontiguousarray(array, dtype=self._manifest.dtype)
        if not np.isfinite(stored).all():
            bad = int(stored.size - np.isfinite(stored).sum())
            raise InputError(
                f"The tokens of {sample_id!r} have {bad} values that are NaN, infinite or too large for "
                f"{self._manifest.dtype}; mend them, or write with dtype='float32'."
            )
        return stored.copy() if np.shares_memory(stored, array) else stored

    def _write_shard(self) -> None:
        number, pictures = len(self._manifest.shards), self._pending_thumbnails
        thumbnails = self._manifest.thumbnails
        entries = tuple(
            SampleEntry(
                name,
                number,
                array.shape[0],
                array.shape[1],
                self._pending_extra[name],
                thumbnail=len(thumbnails) if name in pictures else None,
            )
            for name, array in self._pending.items()
        )
        if pictures:
            thumbnails = (*thumbnails, self._write_file("thumbnails", len(thumbnails), pictures))
        shard = self._write_file("tokens", number, self._pending)
        self._manifest = replace(self._manifest, samples=self._manifest.samples + entries)
        self._publish(PARTIAL_MANIFEST_NAME, (*self._manifest.shards, shard), thumbnails)
        self._pending, self._pending_extra, self._pending_thumbnails = {}, {}, {}

    def _write_file(self, kind: str, number: int, arrays: Mapping[str, NDArray[Any]]) -> ShardEntry:
        data = save(dict(arrays), metadata={"format": "np"})
        file = f"{kind}-{number + 1:05d}.partial.safetensors"
        write_atomic(self.path / file, data)
        return ShardEntry(file, len(data), sha256_of_file(self.path / file))

    def _publish(self, name: str, shards: tuple[ShardEntry, ...], thumbnails: tuple[ShardEntry, ...]) -> None:
        self._manifest = replace(self._manifest, shards=shards, thumbnails=thumbnails)
        write_atomic(self.path / name, self._manifest.to_json())


def refuse_finished(path: Path) -> None:
    """Raise DumpError if there is a finished dump already; a writer does it, and who has long to prepare."""
    if (path / MANIFEST_NAME).exists():
        raise DumpError(
            f"The dump {path} is finished; open it with open_dump, or delete the folder to write it again."
        )


def _check_json(values: Mapping[str, Any]) -> None:
    try:
        json.dumps(values, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The manifest takes JSON values only ({error}); convert {values!r} first."
        ) from error


def _check_same_settings(path: Path, begun: dict[str, Any], asked: dict[str, Any]) -> None:
    if different := sorted(name for name in begun if begun[name] != asked[name]):
        name = different[0]
        raise DumpError(
            f"The unfinished dump {path} was begun with {name}={begun[name]!r}, now {name}={asked[name]!r} "
            f"is asked for ({len(different)} settings differ); use the same settings, or delete the folder."
        )
