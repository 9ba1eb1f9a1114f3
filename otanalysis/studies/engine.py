"""Measure every sample of some dumps into one tidy Parquet table: parallel, resumable, with provenance."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import partial
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from otanalysis.errors import InputError
from otanalysis.files import write_atomic
from otanalysis.studies.chunks import Chunk, describe_dumps, open_chunks
from otanalysis.studies.parallel import run_parts
from otanalysis.studies.provenance import answers, to_parquet, write_table
from otanalysis.tokens.read import Sample

__all__ = ["SampleStudy", "measure_samples"]

_ORIGIN = ("dump", "model", "benchmark", "sample")


class SampleStudy(Protocol):
    """What is measured of every sample: a picklable frozen dataclass whose fields are its settings.

    Attributes
    ----------
    name : str
        Name of the table, without suffix.
    version : int
        Grows when the same settings would give other numbers, so that older parts are measured again.
    schema : pyarrow.Schema
        Columns of the rows, without ``dump``, ``model``, ``benchmark`` and ``sample``.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    schema: ClassVar[pa.Schema]

    def __call__(self, sample: Sample) -> list[dict[str, Any]]:
        """Return the rows of one sample."""


def measure_samples(
    study: SampleStudy,
    dumps: Iterable[str | PathLike[str]],
    *,
    out: str | PathLike[str],
    jobs: int = 1,
    limit: int | None = None,
    chunk_size: int = 1,
    progress: bool = True,
) -> Path:
    """Measure the samples of some dumps and write one table.

    Finished parts are kept in ``out/parts-NAME``: a later call with the same settings takes them from there,
    and Ctrl-C loses only the samples in work.

    Parameters
    ----------
    study : SampleStudy
        What to measure; its ``repr`` is the key under which parts are found again.
    dumps : paths
        Finished dumps of different content.
    out : path
        Folder for ``NAME.parquet`` and the parts; created if missing.
    jobs : int
        Processes, at least 1; each uses one thread for linear algebra.
    limit : int, optional
        Only the first so many samples of each dump.
    chunk_size : int
        Samples a part.
    progress : bool
        Show a bar with the time left on stderr.

    Returns
    -------
    Path
        The table: ``dump``, ``model``, ``benchmark``, ``sample`` and the columns of the study.

    Raises
    ------
    InputError
        An argument is out of range, two dumps are the same, or a sample's tokens are bad.
    DumpError
        A dump is missing, unfinished or damaged.
    KeyboardInterrupt
        With a word on what is kept.
    """
    opened, chunks = open_chunks(dumps, size=chunk_size, limit=limit, jobs=jobs)
    path = Path(out) / f"{study.name}.parquet"
    request = _digest([_key(study), [[name, chunk.name] for name, chunk in chunks]])
    if answers(path, request):
        return path
    folder = Path(out) / f"parts-{study.name}"
    folder.mkdir(parents=True, exist_ok=True)
    places = {
        chunk.name: folder / f"{_digest([_key(study), chunk.name])[:24]}.parquet" for _, chunk in chunks
    }
    tasks = [
        partial(_measure, study, chunk, places[chunk.name])
        for _, chunk in chunks
        if not _readable(places[chunk.name], study)
    ]
    run_parts(study.name, tasks, jobs=jobs, total=len(chunks), kept_in=folder, progress=progress)
    table = pa.concat_tables(_part(places[chunk.name], name) for name, chunk in chunks)
    about = {"settings": {"study": repr(study), "limit": limit}, "dumps": describe_dumps(opened)}
    write_table(path, table, request=request, about=about)
    return path


def _key(study: SampleStudy) -> list[object]:
    return [repr(study), study.version, study.schema.names, version("otanalysis")]


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _schema(study: SampleStudy) -> pa.Schema:
    return pa.schema([*((name, pa.string()) for name in _ORIGIN[1:]), *study.schema])


def _measure(study: SampleStudy, chunk: Chunk, path: Path) -> None:
    """Measure a chunk and write its part."""
    manifest = chunk.dump.manifest
    rows: list[dict[str, Any]] = []
    for sample_id in chunk.sample_ids:
        origin = {"model": manifest.model, "benchmark": manifest.benchmark, "sample": sample_id}
        try:
            rows += [origin | row for row in study(chunk.dump.sample(sample_id))]
        except InputError as error:
            raise InputError(f"Sample {sample_id!r} of {chunk.dump.path}: {error}") from error
    write_atomic(path, to_parquet(pa.Table.from_pylist(rows, schema=_schema(study))))


def _readable(path: Path, study: SampleStudy) -> bool:
    """Return whether a part is there and whole; a damaged one is measured again, and then replaced."""
    try:
        return bool(pq.read_schema(path).names == _schema(study).names)
    except (OSError, pa.ArrowInvalid):
        return False


def _part(path: Path, dump: str) -> pa.Table:
    rows = pq.read_table(path, partitioning=None)
    return rows.add_column(0, "dump", pa.array([dump] * rows.num_rows, type=pa.string()))
