"""Dumps opened for a measurement, and the few samples that are measured together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import Any

from otanalysis.errors import InputError
from otanalysis.tokens.read import Dump, open_dump

__all__ = ["Chunk", "chunks_of", "describe_dumps", "open_chunks", "open_dumps"]


@dataclass(frozen=True)
class Chunk:
    """A few samples of one dump that are measured together: the unit of work and of resuming."""

    dump: Dump
    sample_ids: tuple[str, ...]

    @cached_property
    def name(self) -> str:
        """Name of the folder of its parts; says which content was measured, not where it lay."""
        content = json.dumps([self.dump.manifest.fingerprint, self.sample_ids])
        return hashlib.sha256(content.encode()).hexdigest()[:24]


def open_dumps(dumps: Iterable[str | PathLike[str]]) -> dict[str, Dump]:
    """Open dumps and name each by the last two parts of its path.

    Raises
    ------
    InputError
        If there is no dump, or two have the same content or name.
    DumpError
        If a dump is missing, unfinished or damaged.
    """
    opened: dict[str, Dump] = {}
    fingerprints: dict[str, Dump] = {}
    for path in dumps:
        dump = open_dump(path)
        name = "/".join(dump.path.resolve().parts[-2:])
        twin = opened.get(name) or fingerprints.get(dump.manifest.fingerprint)
        if twin is not None:
            raise InputError(
                f"The dumps {twin.path} and {dump.path} have the same content or the same last two folder "
                "names; give each dump once, under a name of its own."
            )
        opened[name] = fingerprints[dump.manifest.fingerprint] = dump
    if not opened:
        raise InputError("At least one dump is needed, got none.")
    return opened


def open_chunks(
    dumps: Iterable[str | PathLike[str]], *, size: int, limit: int | None, jobs: int
) -> tuple[dict[str, Dump], list[tuple[str, Chunk]]]:
    """Open dumps for a measurement in ``jobs`` processes; return them by name, and their chunks with it.

    Raises
    ------
    InputError
        As for :func:`open_dumps` and :func:`chunks_of`, or if ``jobs`` is not positive.
    DumpError
        As for :func:`open_dumps`.
    """
    if jobs < 1:
        raise InputError(f"jobs must be at least 1 process, got {jobs}.")
    opened = open_dumps(dumps)
    pairs = ((name, chunks_of(dump, size=size, limit=limit)) for name, dump in opened.items())
    return opened, [(name, chunk) for name, chunks in pairs for chunk in chunks]


def chunks_of(dump: Dump, *, size: int, limit: int | None) -> Iterator[Chunk]:
    """Yield the samples of a dump (only the first ``limit`` if it is given), ``size`` at a time.

    Raises
    ------
    InputError
        If ``limit`` is not positive.
    """
    if limit is not None and limit < 1:
        raise InputError(f"limit must be at least 1 sample, got {limit}.")
    ids = dump.ids[:limit]
    for start in range(0, len(ids), size):
        yield Chunk(dump, ids[start : start + size])


def describe_dumps(opened: Mapping[str, Dump]) -> list[dict[str, Any]]:
    """Return what a table's provenance says of the dumps it was measured on."""
    return [
        {
            "dump": name,
            "fingerprint": dump.manifest.fingerprint,
            "model": dump.manifest.model,
            "revision": dump.manifest.revision,
            "benchmark": dump.manifest.benchmark,
            "samples": len(dump),
        }
        for name, dump in opened.items()
    ]
