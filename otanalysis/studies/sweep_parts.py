"""The parts of a sweep on disk: what was measured of a few samples, written whole, found again by its key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from otanalysis.errors import InputError
from otanalysis.files import write_atomic
from otanalysis.studies.chunks import Chunk
from otanalysis.studies.provenance import to_parquet
from otanalysis.studies.runs import Measurement
from otanalysis.studies.sweep_measure import measure_sample

__all__ = ["PART_SCHEMA", "PartStore"]

PART_SCHEMA = pa.schema(
    [
        ("model", pa.string()),
        ("benchmark", pa.string()),
        ("sample", pa.string()),
        ("m", pa.int64()),
        ("d", pa.int64()),
        ("method", pa.string()),
        ("ratio", pa.float64()),
        ("keep", pa.int64()),
        ("gamma", pa.float64()),
        ("logdet_gamma", pa.float64()),
        ("seed", pa.int64()),
        ("normalisation", pa.string()),
        ("w2", pa.float64()),
        ("w2_squared", pa.float64()),
        ("quantisation_error", pa.float64()),
        ("gelbrich_w2_squared", pa.float64()),
        ("bures_w2_squared", pa.float64()),
        ("trace_objective", pa.float64()),
        ("logdet", pa.float64()),
        ("duality_gap", pa.float64()),
        ("kept_indices", pa.list_(pa.int32())),
        ("seconds", pa.float64()),
        ("key", pa.string()),
    ]
)
"""Columns of a part; ``key`` is that of the :class:`~otanalysis.studies.runs.Measurement`."""

_KEYS = b"otanalysis.keys"


@dataclass(frozen=True)
class PartStore:
    """The folder of the parts: one folder in it a chunk, so that finding a chunk's parts stays fast."""

    folder: Path

    def missing(self, chunk: Chunk, measurements: Sequence[Measurement]) -> list[Measurement]:
        """Return those of the measurements that no part of the chunk holds."""
        held = {key for _, keys in self._parts(chunk) for key in keys}
        return [one for one in measurements if one.key not in held]

    def measure(self, chunk: Chunk, measurements: Sequence[Measurement]) -> None:
        """Measure the samples of a chunk and write the part.

        Raises
        ------
        InputError, ConvergenceError, DumpError
            As the measuring raises them; bad tokens are named by their sample.
        """
        records = []
        for sample_id in chunk.sample_ids:
            try:
                records += measure_sample(chunk.dump.sample(sample_id), measurements)
            except InputError as error:
                raise InputError(f"Sample {sample_id!r} of {chunk.dump.path}: {error}") from error
        manifest = chunk.dump.manifest
        origin = {"model": manifest.model, "benchmark": manifest.benchmark}
        keys = json.dumps([one.key for one in measurements]).encode()
        table = pa.Table.from_pylist([origin | one for one in records], schema=PART_SCHEMA)
        path = self.folder / chunk.name / f"{hashlib.sha256(keys).hexdigest()[:24]}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, to_parquet(table.replace_schema_metadata({_KEYS: keys})))

    def read(self, chunk: Chunk, measurements: Sequence[Measurement]) -> pa.Table:
        """Return the rows of a chunk: samples in order, in each the measurements in the order given."""
        wanted = {one.key: place for place, one in enumerate(measurements)}
        pieces, left = [], set(wanted)
        for path, keys in self._parts(chunk):
            if take := left & keys:
                table = pq.read_table(path, partitioning=None)
                pieces.append(table.filter(pc.is_in(table["key"], pa.array(sorted(take)))))
                left -= take
        rows = pa.concat_tables(pieces)
        samples = {sample_id: place for place, sample_id in enumerate(chunk.sample_ids)}
        places = [
            samples[sample] * len(wanted) + wanted[key]
            for sample, key in zip(rows["sample"].to_pylist(), rows["key"].to_pylist(), strict=True)
        ]
        return rows.take(pc.sort_indices(pa.array(places)))

    def _parts(self, chunk: Chunk) -> Iterator[tuple[Path, set[str]]]:
        for path in sorted((self.folder / chunk.name).glob("*.parquet")):
            try:
                schema = pq.read_schema(path)
            except (OSError, pa.ArrowInvalid):
                continue  # damaged after it was written: measured again, and then replaced
            metadata = schema.metadata or {}
            if _KEYS in metadata and schema.names == PART_SCHEMA.names:
                yield path, set(json.loads(metadata[_KEYS]))
