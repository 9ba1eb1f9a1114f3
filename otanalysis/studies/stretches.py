"""Tokens that nobody keeps: captured a stretch at a time, measured, and let go."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from otanalysis.errors import DumpError, InputError
from otanalysis.files import sha256_of_json, storing
from otanalysis.tokens import Dump, DumpWriter, open_dump
from otanalysis.tokens.manifest import MANIFEST_NAME, SampleEntry
from otanalysis.tokens.read import ADVICE


class Stretches:
    """Takes the tokens of a capture as a dump would, a :class:`~otanalysis.vlm.capture.job.TokenWriter`.

    As many samples as a shard of that dump has make a stretch: a small dump of its own, of which the manifest
    stays when all of it is measured. A later capture with the same settings finds these manifests, and goes
    on after the last stretch whose measurements are all there.

    Parameters
    ----------
    folder : Path
        Of the stretches; those of each model and settings get a folder in it.
    measure : callable
        Measures a dump, and is called again with one that was half measured.
    is_measured : callable
        Tells whether all of a dump is measured, without its tokens.

    Attributes
    ----------
    path : Path
        Where the stretches are.
    dumps : list of Dump
        Those that are measured, in order.
    notes : Mapping
        What the capture said in the end.
    """

    def __init__(
        self, folder: Path, *, measure: Callable[[Dump], object], is_measured: Callable[[Dump], bool]
    ) -> None:
        self.path = folder
        self.dumps: list[Dump] = []
        self.notes: Mapping[str, Any] = {}
        self._measure, self._is_measured = measure, is_measured
        self._settings: dict[str, Any] = {}
        self._known: set[str] = set()
        self._waiting: deque[tuple[str, ArrayLike, dict[str, Any]]] = deque()

    def begin(self, *, extra: Mapping[str, Any], **settings: Any) -> AbstractContextManager[Stretches]:
        """Find what was measured of a capture with these settings; they are those of a DumpWriter."""
        # A longer capture has the same stretches, whose measurements are found again.
        of_stretches = {name: value for name, value in extra.items() if name != "limit"}
        self.path = self.path / sha256_of_json([settings, dict(extra)])[:24]
        self._settings = {**settings, "extra": of_stretches}
        with suppress(DumpError):  # one is not there, or not whole: from there on all is captured again
            for place in map(self._place, count()):
                self._take(open_dump(place))
        for place in takewhile(Path.exists, map(self._place, count(len(self.dumps)))):
            with storing(place):
                shutil.rmtree(place)
        return nullcontext(self)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type that the tokens are measured in."""
        return np.dtype(str(self._settings["dtype"]))

    @property
    def entries(self) -> tuple[SampleEntry, ...]:
        """What the manifests of measured stretches say of their samples."""
        return tuple(entry for dump in self.dumps for entry in dump.manifest.samples)

    def __len__(self) -> int:
        """Return the number of samples, measured or waiting."""
        return sum(map(len, self.dumps)) + len(self._waiting)

    def add(
        self,
        sample_id: str,
        tokens: ArrayLike,
        *,
        extra: Mapping[str, Any] | None = None,
        thumbnail: ArrayLike | None = None,
        side: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        """Keep one sample until its stretch is full; any thread may.

        Raises
        ------
        InputError
            The id is taken.
        """
        if sample_id in self._known:
            raise InputError(f"The id {sample_id!r} comes twice: give every picture an id of its own.")
        self._known.add(sample_id)
        beside = {"extra": extra, "thumbnail": thumbnail, "side": side}
        self._waiting.append((sample_id, np.asarray(tokens).astype(self.dtype), beside))

    def settle(self) -> None:
        """Measure the stretches that are full; where Ctrl-C is heard and processes may start."""
        while len(self._waiting) >= self._settings["shard_size"]:
            self._close(self._settings["shard_size"])

    def finish(self, *, notes: Mapping[str, Any] | None = None) -> None:
        """Measure what waits.

        Raises
        ------
        InputError
            No sample was added.
        """
        self.settle()
        if self._waiting:
            self._close(len(self._waiting))
        if not self.dumps:
            raise InputError("No picture could be captured, so that there is nothing to measure; mend some.")
        self.notes = notes or {}

    def _place(self, number: int) -> Path:
        return self.path / f"{number:06d}"

    def _close(self, size: int) -> None:
        place = self._place(len(self.dumps))
        with DumpWriter(place, **self._settings) as writer:
            for _ in range(size):
                sample_id, tokens, beside = self._waiting.popleft()
                writer.add(sample_id, tokens, **beside)
        self._take(open_dump(place))

    def _take(self, dump: Dump) -> None:
        """Measure a stretch, and let its tokens go.

        Raises
        ------
        DumpError
            It is not all measured, and its tokens are gone or damaged.
        """
        manifest = dump.manifest
        tokens = [dump.path / file.file for file in (*manifest.shards, *manifest.thumbnails, *manifest.side)]
        if all(file.exists() for file in tokens):
            self._measure(dump)
        elif not self._is_measured(dump):
            raise DumpError(
                f"Tokens of {dump.path / MANIFEST_NAME} are gone before all was measured; {ADVICE}."
            )
        with storing(dump.path):
            for file in tokens:
                file.unlink(missing_ok=True)
        self.dumps.append(dump)
        self._known.update(dump.ids)
