"""Dumps opened for a measurement, and the few samples that are measured together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from otanalysis.errors import InputError
from otanalysis.files import sha256_of_json
from otanalysis.tokens.read import Dump, Sample, open_dump

_CHUNK_BYTES = 96 * 2**20  # of tokens: 8 images of LLaVA-1.5 in any type, 4 of LLaVA-1.6 in float16

Record = dict[str, Any]
"""One row of a table, by column."""

ORIGIN = pa.schema([(name, pa.string()) for name in ("model", "benchmark", "sample")])
"""Columns that say which sample a row of a part is of."""

OF_TABLE = pa.schema([("dump", pa.string()), *ORIGIN])
"""The same of a table, which says the dump, too: parts do not, that they serve wherever it lies."""


def distance_columns(names: Iterable[str]) -> pa.Schema:
    """Return the columns of distances that a study measures where they are asked for."""
    return pa.schema([(name, pa.float64()) for name in names])


@dataclass(frozen=True)
class Chunk:
    """A few samples of one dump that are measured together: the unit of work and of resuming.

    Attributes
    ----------
    dump : Dump
        With these samples alone: a manifest of all would go to a process with every chunk.
    fingerprint : str
        Of the manifest of all samples.
    """

    dump: Dump
    fingerprint: str

    @property
    def sample_ids(self) -> tuple[str, ...]:
        """The samples, in order."""
        return self.dump.ids

    @cached_property
    def name(self) -> str:
        """Name of the chunk; says which content was measured, not where it lay."""
        return sha256_of_json([self.fingerprint, self.sample_ids])[:24]

    @property
    def holds(self) -> dict[str, frozenset[str]]:
        """By column of the origin, the values that the rows have."""
        manifest = self.dump.manifest
        return {
            "model": frozenset([manifest.model]),
            "benchmark": frozenset([manifest.benchmark]),
            "sample": frozenset(self.sample_ids),
        }

    def measure(self, measure: Callable[[Sample], Iterable[Record]]) -> list[Record]:
        """Return the rows of every sample, with the columns of its origin.

        Raises
        ------
        InputError, ConvergenceError, DumpError
            As the measuring raises them; bad tokens are named by their sample.
        """
        manifest = self.dump.manifest
        rows: list[Record] = []
        for sample_id in self.sample_ids:
            origin = {"model": manifest.model, "benchmark": manifest.benchmark, "sample": sample_id}
            try:
                rows += [origin | row for row in measure(self.dump.sample(sample_id))]
            except InputError as error:
                raise InputError(f"Sample {sample_id!r} of {self.dump.path}: {error}") from error
        return rows


def open_chunks(
    dumps: Iterable[str | PathLike[str]], *, size: int, limit: int | None
) -> tuple[dict[str, Dump], list[tuple[str, Chunk]]]:
    """Open dumps, each named by the last two parts of its path; return them and their chunks, by name.

    A chunk has at most ``size`` samples; only the first ``limit`` of each dump are taken if it is given.

    Raises
    ------
    InputError
        If there is no dump, two have the same content or name, or ``limit`` is not positive.
    DumpError
        If a dump is missing, unfinished or damaged.
    """
    opened: dict[str, Dump] = {}
    fingerprints: dict[str, Dump] = {}
    for path in dumps:
        dump = open_dump(path)
        name = dump_name(dump.path)
        twin = opened.get(name) or fingerprints.get(dump.manifest.fingerprint)
        if twin is not None:
            raise InputError(
                f"The dumps {twin.path} and {dump.path} have the same content or the same last two folder "
                "names; give each dump once, under a name of its own."
            )
        opened[name] = fingerprints[dump.manifest.fingerprint] = dump
    if not opened:
        raise InputError("At least one dump is needed, got none.")
    if limit is not None and limit < 1:
        raise InputError(f"limit must be at least 1 sample, got {limit}.")
    return opened, [
        (name, chunk) for name, dump in opened.items() for chunk in cut(dump, size=size, limit=limit)
    ]


def dump_name(path: Path) -> str:
    """Return the name of a dump in tables: the last two parts of its path.

    >>> dump_name(Path("/data/dumps/llava/pope"))
    'llava/pope'
    """
    return "/".join(path.resolve().parts[-2:])


def cut(dump: Dump, *, size: int, limit: int | None = None) -> Iterator[Chunk]:
    """Yield the chunks of a dump: up to ``size`` samples each, and fewer where these have many bytes."""
    width, fingerprint = np.dtype(dump.manifest.dtype).itemsize, dump.manifest.fingerprint
    taken: list[str] = []
    left = _CHUNK_BYTES
    for entry in dump.manifest.samples[:limit]:
        weight = entry.m * entry.d * width
        if taken and (len(taken) == size or weight > left):
            yield Chunk(dump.only(taken), fingerprint)
            taken, left = [], _CHUNK_BYTES
        taken.append(entry.id)
        left -= weight
    if taken:
        yield Chunk(dump.only(taken), fingerprint)


def describe_dumps(opened: Mapping[str, Dump]) -> list[Record]:
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
