"""Writing a dump: whole shards only, resumable, and finished in one step."""

from __future__ import annotations

import json
import weakref
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from otanalysis.arrays import all_finite, check_weights, real_numbers, to_numpy
from otanalysis.errors import DumpError, InputError, StorageError
from otanalysis.files import as_path, json_bytes, sha256_of_file, storing, write_atomic
from otanalysis.locks import LOCK_NAME, Hold, held
from otanalysis.scalars import check_choice, check_integer, listed, shown
from otanalysis.side import check_side
from otanalysis.tokens.layout import (
    BESIDE,
    DTYPES,
    LARGEST,
    RESERVED_ID,
    file_name,
    first_problem,
    is_grid,
    is_text,
)
from otanalysis.tokens.manifest import MANIFEST_NAME, PARTIAL_MANIFEST_NAME, Manifest, SampleEntry, ShardEntry
from otanalysis.tokens.thumbnails import encode_thumbnail
from otanalysis.tokens.written import write_arrays


class DumpWriter:
    """Write a dump, sample by sample; a stopped writer goes on where its last whole shard ended.

    See :func:`~otanalysis.tokens.open_dump`.

    Used as a context manager: leaving it without an error finishes the dump, leaving it with one (Ctrl-C too)
    keeps the whole shards and drops the samples of the one that was being filled. To go on, make the writer
    again with the same settings and skip the samples that it has: ``if sample_id in writer: continue``.
    A dump is finished when ``manifest.json`` exists; until then no reader takes it for a whole one. The
    folder is locked until then, or until :meth:`close`, so that no two writers mix their files.

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
    wait : bool
        Wait until a folder that another writer has locked is free, in place of raising.

    Raises
    ------
    InputError
        A setting is out of range.
    DumpError
        The dump is finished already, was begun with other settings, or a whole shard is damaged.
    StorageError
        Another process writes there, or the folder cannot be written.
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
        wait: bool = False,
    ) -> None:
        self.path = as_path(path, "a folder")
        fresh = Manifest(
            model=model,
            revision=revision,
            layer=_check_layer(layer),
            select_strategy=select_strategy,
            processor=_as_json("processor", processor),
            benchmark=benchmark,
            grid=cast("tuple[int, int] | None", _check_grid(grid)),
            dtype=check_choice(dtype, "dtype", DTYPES),
            shard_size=check_integer(
                shard_size, "shard_size", wanted="an integer from 1 on", low=1, high=LARGEST
            ),
            extra=_as_json("extra", extra),
            writer_version=version("otanalysis"),
        )
        if problem := first_problem(fresh.content(), finished=False):
            raise InputError(f"The manifest of a dump: {problem}.")
        refuse_finished(self.path)  # first, for it is told of a folder that may not be written as well
        self._hold, self._free = _lock(self, wait=wait)
        try:
            self._manifest = self._begin_or_go_on(fresh)
        except BaseException:
            self.close()
            raise
        self._known = {entry.id for entry in self._manifest.samples}
        self._pending: dict[str, NDArray[np.floating]] = {}
        self._pending_extra: dict[str, Mapping[str, Any]] = {}
        self._pending_names: dict[str, tuple[str, ...]] = {}
        self._pending_beside: dict[str, dict[str, NDArray[Any]]] = {kind: {} for kind in BESIDE}
        self._spare: dict[tuple[int, ...], list[NDArray[np.floating]]] = {}
        self._finished = False

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of every stored tensor."""
        return np.dtype(self._manifest.dtype)

    @property
    def entries(self) -> tuple[SampleEntry, ...]:
        """What the manifest says of the samples in whole shards."""
        return self._manifest.samples

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
        """Finish the dump unless the block failed; let go of the folder."""
        try:
            if kind is None:
                self.finish()
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the folder without finishing the dump; a ``with`` block and :meth:`finish` do it too."""
        self._free()

    def add(
        self,
        sample_id: str,
        tokens: ArrayLike,
        *,
        extra: Mapping[str, Any] | None = None,
        thumbnail: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        side: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        """Add one sample; its shard is written as soon as it is full.

        Parameters
        ----------
        sample_id : str
            Unique in the dump, not empty.
        tokens : array, shape ``[m, d]``
            Floating point, finite also after the cast to the dump's dtype. NumPy, torch (bfloat16 as well, on
            any device), a pandas frame, or a list of rows.
        extra : Mapping, optional
            JSON values kept in the manifest for this sample; ``grid=[rows, columns]`` overrides the dump's.
        thumbnail : array, shape ``[h, w, 3]``, uint8, optional
            The image, as the tokens' grid lies on it; kept as a small JPEG, at most 224 pixels long.
        weights : array, shape ``[m]``, optional
            Weight of each token: non-negative, finite, not all zero, in any unit; kept in float64 as they
            are. What measures distances of the dump takes them for the tokens' masses. Uniform if left out.
        side : mapping from str to array, shape ``[m]``, optional
            Other numbers of each token by their name (ASCII letters, digits and _), such as the attention
            that it gets: finite, in any unit; kept in float64 as they are, for the methods that need them.

        Raises
        ------
        InputError
            The id is taken, the tokens are not a finite, non-empty floating-point matrix (masked, sparse and
            meta tensors are none), the thumbnail is no picture, or weights or side are not as described.
        DumpError
            The dump is finished, or the writer was closed.
        StorageError
            The shard, which this sample fills, cannot be written.
        """
        self._check_open(f"add {sample_id!r} to a new one")
        _check_id(sample_id)
        if sample_id in self._known:
            raise InputError(
                f"The sample {sample_id!r} is in the dump {self.path} already; ids must be unique."
            )
        stored = self._storable(sample_id, tokens)
        kept_extra = _as_json("extra", extra)
        if not is_grid(kept_extra.get("grid")):
            raise InputError(
                f"The grid of {sample_id!r} must be [rows, columns] or None, got {shown(kept_extra['grid'])}."
            )
        beside: dict[str, NDArray[Any]] = {}
        if thumbnail is not None:
            beside["thumbnails"] = encode_thumbnail(thumbnail)
        if weights is not None:
            beside["weights"] = _as_weights(sample_id, weights, len(stored))
        if named := check_side(side, len(stored), name=f"the side information of {sample_id!r}"):
            beside["side"] = np.stack(list(named.values()))
        for kind, array in beside.items():
            self._pending_beside[kind][sample_id] = array
        self._pending[sample_id] = stored
        self._pending_extra[sample_id] = kept_extra
        self._pending_names[sample_id] = tuple(named)
        self._known.add(sample_id)
        # More than one where a disk was full before.
        while len(self._pending) >= self._manifest.shard_size:
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
            No sample was added, or the writer was closed.
        StorageError
            A file cannot be written; what was written before is kept.
        """
        if self._finished:
            return
        self._check_open("make a new writer, which goes on with it")
        known_now = _as_json("notes", notes)
        while self._pending:
            self._write_shard()
        if not self._manifest.shards:
            raise DumpError(f"The dump {self.path} has no sample; add at least one before finishing it.")
        shards = self._with_final_names("tokens", self._manifest.shards)
        beside = {kind: self._with_final_names(kind, getattr(self._manifest, kind)) for kind in BESIDE}
        self._publish(MANIFEST_NAME, extra={**self._manifest.extra, **known_now}, shards=shards, **beside)
        self._finished, self._spare = True, {}
        with storing(self.path):
            (self.path / PARTIAL_MANIFEST_NAME).unlink()
        self.close()

    def _check_open(self, cure: str) -> None:
        if self._finished:
            raise DumpError(f"The dump {self.path} is finished; {cure}.")
        if not self._free.alive:
            raise DumpError(f"The writer of {self.path} is closed; {cure}.")

    def _with_final_names(self, kind: str, shards: tuple[ShardEntry, ...]) -> tuple[ShardEntry, ...]:
        self._hold.check()
        final = []
        for number, shard in enumerate(shards):
            name = file_name(kind, number, len(shards))
            with storing(self.path / name):
                has_it = (self.path / name).exists() and not (self.path / shard.file).exists()
                if not has_it:  # from an earlier try
                    (self.path / shard.file).replace(self.path / name)
            final.append(replace(shard, file=name))
        return tuple(final)

    def _begin_or_go_on(self, fresh: Manifest) -> Manifest:
        refuse_finished(self.path)  # again, for it may have been finished while this one waited
        partial_path = self.path / PARTIAL_MANIFEST_NAME
        partial = Manifest.read(partial_path) if partial_path.exists() else fresh
        if not partial.samples:
            # Nothing is lost by beginning anew, with other settings too.
            write_atomic(partial_path, fresh.to_json())
            return fresh
        _check_same_settings(self.path, partial.settings(), fresh.settings())
        written = {"tokens": partial.shards, **{kind: getattr(partial, kind) for kind in BESIDE}}
        for kind, files in written.items():
            for number, shard in enumerate(files):
                # A writer stopped while it finished may have given some shards their final names already.
                self._recover(shard, [shard.file, file_name(kind, number, len(files))])
        return replace(partial, writer_version=fresh.writer_version, sealed=True)

    def _recover(self, shard: ShardEntry, names: list[str]) -> None:
        for file in (self.path / name for name in names):
            with storing(file):
                # A link is none of ours, wherever it leads.
                if file.is_file() and not file.is_symlink() and sha256_of_file(file) == shard.sha256:
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
        # safetensors writes the raw buffer: a transposed array would be stored scrambled.
        spare = self._spare.get(array.shape)
        stored = spare.pop() if spare else np.empty(array.shape, self.dtype)
        with np.errstate(over="ignore"):  # an overflow is reported below, with the sample's name
            np.copyto(stored, array, casting="same_kind")
        if not all_finite(stored):
            bad = int(stored.size - np.isfinite(stored).sum())
            raise InputError(
                f"The tokens of {sample_id!r} have {bad} values that are NaN, infinite or too large for "
                f"{self._manifest.dtype}; mend them, or write with dtype='float32'."
            )
        return stored

    def _write_shard(self) -> None:
        """Write the samples that have waited longest; if that fails they wait on."""
        names = list(self._pending)[: self._manifest.shard_size]
        tokens = {name: self._pending[name] for name in names}
        beside = {
            kind: {name: arrays[name] for name in names if name in arrays}
            for kind, arrays in self._pending_beside.items()
        }
        number, files = len(self._manifest.shards), {kind: getattr(self._manifest, kind) for kind in BESIDE}
        entries = tuple(
            SampleEntry(
                name,
                number,
                array.shape[0],
                array.shape[1],
                self._pending_extra[name],
                side_names=self._pending_names[name],
                **{part: len(files[kind]) for kind, part in BESIDE.items() if name in beside[kind]},
            )
            for name, array in tokens.items()
        )
        for kind, arrays in beside.items():
            if arrays:
                files[kind] = (*files[kind], self._write_file(kind, len(files[kind]), arrays))
        shards = (*self._manifest.shards, self._write_file("tokens", number, tokens))
        samples = self._manifest.samples + entries
        self._publish(PARTIAL_MANIFEST_NAME, samples=samples, shards=shards, **files)
        # To get memory anew takes longer than to fill it: samples of the next shard go where these were.
        self._spare = {}
        for name, array in tokens.items():
            self._spare.setdefault(array.shape, []).append(array)
            for waiting in (self._pending, self._pending_extra, self._pending_names):
                del waiting[name]
            for arrays in self._pending_beside.values():
                arrays.pop(name, None)

    def _write_file(self, kind: str, number: int, arrays: Mapping[str, NDArray[Any]]) -> ShardEntry:
        self._hold.check()
        file = file_name(kind, number)
        return ShardEntry(file, *write_arrays(self.path / file, arrays))

    def _publish(self, name: str, **parts: Any) -> None:
        manifest = replace(self._manifest, **parts)
        write_atomic(self.path / name, manifest.to_json())
        self._manifest = manifest  # not before: who goes on after a full disk goes on from what is on it


def refuse_finished(path: Path) -> None:
    """Raise DumpError if there is a finished dump already; a writer does it, and who has long to prepare."""
    with storing(path):
        finished = (path / MANIFEST_NAME).exists()
    if finished:
        _remove_leftovers(path)
        raise DumpError(
            f"The dump {path} is finished; open it with open_dump, or delete the folder to write it again."
        )


def _remove_leftovers(path: Path) -> None:
    """Remove from a finished dump what a writer left that was killed after the last step that counts."""
    if any((path / name).exists() for name in (PARTIAL_MANIFEST_NAME, LOCK_NAME)):
        # In use, or not to be written: then it stays, and harms nothing.
        with suppress(StorageError), held(path, "removing what a killed writer left"), storing(path):
            (path / PARTIAL_MANIFEST_NAME).unlink(missing_ok=True)


def _lock(writer: DumpWriter, *, wait: bool) -> tuple[Hold, weakref.finalize[[], DumpWriter]]:
    """Lock the folder of a writer; what is returned second lets go of it, as the end of the writer does."""
    stack = ExitStack()
    # In a context of its own: writers are closed in any order, and what one holds, another does not.
    context = copy_context()
    hold = context.run(stack.enter_context, held(writer.path, "writing a dump", wait=wait))
    return hold, weakref.finalize(writer, partial(context.run, _close_quietly, stack))


def _close_quietly(stack: ExitStack) -> None:
    with suppress(StorageError):  # of a folder that is gone, which was told before anything was written
        stack.close()


def _check_id(sample_id: object) -> None:
    if not is_text(sample_id) or sample_id in ("", RESERVED_ID):
        raise InputError(
            f"A sample id must be a text, not empty and not {RESERVED_ID!r}, got {shown(sample_id)}."
        )


def _as_weights(sample_id: str, weights: ArrayLike, m: int) -> NDArray[np.float64]:
    name = f"the weights of {sample_id!r}"
    check_weights(weights, m, name=name)
    return np.array(real_numbers(weights, name))


def _as_json(name: str, values: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return values as they will be read: tuples are lists then, and all names are texts."""
    try:
        given = dict(values or {})
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The {name} of a dump takes JSON values only, in a mapping by name, got {shown(values)}."
        ) from error
    read: dict[str, Any] = json.loads(json_bytes(given, f"The {name} of a dump"))
    return read


def _check_layer(layer: Any) -> int:
    return check_integer(layer, "layer", wanted="a whole number", low=-LARGEST, high=LARGEST)


def _check_grid(grid: Any) -> tuple[int, ...] | None:
    if grid is None:
        return None
    wanted = "[rows, columns], whole numbers from 1 on"
    return tuple(
        check_integer(side, "grid", wanted=wanted, low=1, high=LARGEST) for side in listed(grid, "grid")
    )


def _check_same_settings(path: Path, begun: dict[str, Any], asked: dict[str, Any]) -> None:
    if different := sorted(name for name in begun if begun[name] != asked[name]):
        name = different[0]
        raise DumpError(
            f"The unfinished dump {path} was begun with {name}={begun[name]!r}, now {name}={asked[name]!r} "
            f"is asked for ({len(different)} settings differ); use the same settings, or delete the folder."
        )
