"""The engine under every study: parts that are measured once, kept, found again and put into one table.

A study is a list of parts, what one process measures in one go. What a part measures has keys, texts that say
everything on which the numbers depend: study, its version, settings and content measured. Rows are written,
whole or not at all, under their key as soon as they are measured; a later call takes from there what it finds
and measures the rest.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Protocol

import joblib
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from joblib.externals.loky import get_reusable_executor
from joblib.parallel import BACKENDS, DEFAULT_BACKEND, get_active_backend
from threadpoolctl import threadpool_limits

from otanalysis.errors import InputError
from otanalysis.files import sha256_of_json, write_atomic
from otanalysis.progress import progress_bar
from otanalysis.studies.chunks import ORIGIN, Chunk, Record, describe_dumps, open_chunks
from otanalysis.studies.provenance import answers, to_parquet, write_table
from otanalysis.tokens.read import Sample

PACKAGE = version("otanalysis")
"""Version of the package, in the keys of the studies that it may change."""

_KEY = "key"  # the column that tells apart the rows of several keys in one file
_KEYS = b"otanalysis.keys"  # and where such a file says which keys it holds


@dataclass(frozen=True)
class Part:
    """What one process measures in one go: the unit of work and of progress.

    Attributes
    ----------
    keys : tuple of str
        Of what is measured, in the order of the table; equal keys, equal rows.
    measure : callable
        Picklable. Takes those of the keys that are not found, and yields keys and their rows, a file at a
        time.
    place : str
        Folder of files that hold several keys each, so that finding those of one part stays fast. Such rows
        have a column ``key``, which the table leaves out, and there is one row a key and sample. Without it,
        a key is the name of its file.
    columns : mapping of str to str
        What stands before the other columns of the table in every row, but in no file.
    work : int
        Parts with much work are started first, or one process would end with them alone.
    """

    keys: tuple[str, ...]
    measure: Callable[[Sequence[str]], Iterable[tuple[Sequence[str], list[Record]]]]
    place: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    work: int = 0


@dataclass(frozen=True)
class Study:
    """What is measured, and the table that it makes.

    Attributes
    ----------
    name : str
        Name of the table, without suffix.
    schema : pyarrow.Schema
        Columns of the rows.
    parts : sequence of Part
        All parts, in the order of the table.
    request : object
        JSON values that change whenever the table would.
    about : mapping
        What the table's provenance says of settings and dumps, as JSON values.
    """

    name: str
    schema: pa.Schema
    parts: Sequence[Part]
    request: object = None
    about: Mapping[str, Any] = field(default_factory=dict)


def run_study(
    study: Study, out: str | PathLike[str], *, parts: str | None = None, jobs: int, progress: bool
) -> Path:
    """Write the table of a study into ``out`` with provenance, if it is not there; return its path.

    What is missing is measured as :func:`collect` does, into ``out/PARTS``, by default ``out/parts-NAME``.
    """
    path, request = Path(out) / f"{study.name}.parquet", sha256_of_json(study.request)
    _check_jobs(jobs)
    if not answers(path, request):
        folder = Path(out) / (parts or f"parts-{study.name}")
        table = collect(study, folder, jobs=jobs, progress=progress)
        write_table(path, table, request=request, about=study.about)
    return path


def collect(study: Study, folder: Path, *, jobs: int, progress: bool) -> pa.Table:
    """Measure what is missing of a study in its folder of parts, and return the rows of all parts.

    Parameters
    ----------
    study : Study
        What to measure.
    folder : Path
        Of the parts; created if missing.
    jobs : int
        Processes, at least 1; each uses one thread for linear algebra. Inside ``joblib.parallel_config``, its
        backend (threads, a cluster) and its number of workers are used, where it says one.
    progress : bool
        Show a bar with the time left on stderr.

    Raises
    ------
    InputError
        If ``jobs`` is not positive, or as the parts raise it.
    KeyboardInterrupt
        With a word on what is kept.
    """
    _check_jobs(jobs)
    store = _Store(folder, study.schema)
    left = [(part, missing) for part in study.parts if (missing := store.missing(part))]
    left.sort(key=lambda one: -one[0].work)
    tasks = [partial(store.measure, part, missing) for part, missing in left]
    run_parts(study.name, tasks, jobs=jobs, total=len(study.parts), kept_in=folder, progress=progress)
    return pa.concat_tables(store.read(part) for part in study.parts)


def _check_jobs(jobs: int) -> None:
    if jobs < 1:
        raise InputError(f"jobs must be at least 1 process, got {jobs}.")


@dataclass(frozen=True)
class _Store:
    """The folder of a study's parts; its files are read only where they have the columns of the schema."""

    folder: Path
    schema: pa.Schema

    def missing(self, part: Part) -> tuple[str, ...]:
        """Return those of the part's keys that no file holds."""
        held = {key for _, keys in self._files(part) for key in keys}
        return tuple(key for key in part.keys if key not in held)

    def measure(self, part: Part, missing: Sequence[str]) -> None:
        """Measure the missing keys of a part; every file is written as soon as its rows are there."""
        names = set(self.schema.names)
        for keys, rows in part.measure(missing):
            if odd := {name for row in rows for name in row.keys() ^ names}:
                raise TypeError(f"Rows and their schema differ in the columns {', '.join(sorted(odd))}.")
            table = pa.Table.from_pylist(rows, schema=self.schema)
            path = self.folder / f"{keys[0]}.parquet"
            if part.place:
                path = self.folder / part.place / f"{sha256_of_json(keys)[:24]}.parquet"
                table = table.replace_schema_metadata({_KEYS: json.dumps(keys)})
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, to_parquet(table))

    def read(self, part: Part) -> pa.Table:
        """Return the rows of a part in the order of its keys; with several keys a file, sample by sample."""
        left, pieces = set(part.keys), []
        for path, keys in self._files(part):
            if take := left & keys:
                rows = pq.read_table(path, partitioning=None).cast(self.schema)
                if part.place:
                    rows = rows.filter(pc.is_in(rows[_KEY], pa.array(sorted(take))))
                pieces.append(rows)
                left -= take
        if left:
            raise InputError(
                f"A part in {self.folder} is gone or damaged since it was measured: start again."
            )
        table = pa.concat_tables(pieces)
        if part.place:
            table = _by_sample(table, part.keys).drop_columns([_KEY])
        for place, (name, value) in enumerate(part.columns.items()):
            table = table.add_column(place, name, pa.array([value] * table.num_rows, type=pa.string()))
        return table

    def _files(self, part: Part) -> Iterator[tuple[Path, set[str]]]:
        """Yield the files of a part that are there and whole, and the keys that each holds."""
        named = (self.folder / f"{key}.parquet" for key in part.keys)
        for path in sorted((self.folder / part.place).glob("*.parquet")) if part.place else named:
            try:
                schema = pq.read_schema(path)
            except (OSError, pa.ArrowInvalid):
                continue  # missing, or damaged after it was written: measured again, and then replaced
            if schema.names == self.schema.names:
                held = json.loads((schema.metadata or {}).get(_KEYS, "[]"))
                yield path, set(held) if part.place else {path.stem}


def _by_sample(rows: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Sort rows by sample, then by key; those of one key are in the order of the samples."""
    rank, seen = {key: place for place, key in enumerate(keys)}, Counter[str]()
    places = []
    for key in rows[_KEY].to_pylist():
        places.append(seen[key] * len(keys) + rank[key])
        seen[key] += 1
    return rows.take(pc.sort_indices(pa.array(places)))


def run_parts(
    label: str,
    tasks: Sequence[Callable[[], None]],
    *,
    jobs: int,
    total: int,
    kept_in: Path,
    progress: bool,
) -> None:
    """Run what is left of ``total`` parts in processes; show the time left, and say what a stop keeps.

    The tasks are picklable and take no arguments; each writes its own result whole into ``kept_in``.

    Raises
    ------
    KeyboardInterrupt
        With a word on what is kept.
    """
    done = total - len(tasks)
    with progress_bar(label, "parts", shown=progress and bool(tasks)) as bar:
        task = bar.add_task(label, total=total, completed=done)
        try:
            for _ in _finished(tasks, jobs):
                done += 1
                bar.update(task, completed=done)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"Stopped: {done} of {total} parts are kept in {kept_in}; "
                "the same command goes on from there."
            ) from None


def _finished(tasks: Sequence[Callable[[], None]], jobs: int) -> Iterator[None]:
    """Yield once a task, as soon as what it measured is on disk."""
    backend, workers = get_active_backend()
    own = isinstance(backend, BACKENDS[DEFAULT_BACKEND])  # else it is the caller's: threads, a cluster
    workers = min(joblib.effective_n_jobs(workers or jobs), len(tasks) or 1) if own else workers or jobs
    config = {"n_jobs": workers} | ({"backend": DEFAULT_BACKEND, "inner_max_num_threads": 1} if own else {})
    # One thread a process: the matrices are small, and more threads than cores would slow each other down.
    with threadpool_limits(limits=1), joblib.parallel_config(**config):
        soon = "generator_unordered" if own or backend.supports_return_generator else "list"
        yield from joblib.Parallel(return_as=soon, batch_size=1)(
            joblib.delayed(_alone)(task) for task in tasks
        )
    if own and workers > 1:
        # The next job gets fresh processes: what it loads that this one did not (torch, compiled code) would
        # look like a leak to the pool, which then warns and starts them anew in the middle of the work.
        get_reusable_executor(max_workers=workers, reuse=True).shutdown(wait=True)


def _alone(task: Callable[[], None]) -> None:
    # In whatever process this is. What the task loads, such as torch, keeps its threads for the caller.
    with threadpool_limits(limits=1):
        task()


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

    def __call__(self, sample: Sample) -> list[Record]:
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
        Processes, at least 1; see :func:`collect`.
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

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from otanalysis.studies import CertifyStudy, read_certificates, summarise_certificates
    >>> from otanalysis.tokens import DumpWriter
    >>> folder = tempfile.TemporaryDirectory()
    >>> with DumpWriter(f"{folder.name}/dump", model="demo", benchmark="noise") as writer:
    ...     writer.add("first", np.random.default_rng(0).standard_normal((12, 3)))
    >>> study = CertifyStudy(methods=("first",), ratios=(0.25,), effort=0.1)
    >>> path = measure_samples(study, [f"{folder.name}/dump"], out=folder.name, progress=False)
    >>> summary, greedy = summarise_certificates(path)
    >>> read_certificates(path)["method"].tolist(), bool((greedy["worst"] <= 1).all())
    (['first', 'best'], True)
    >>> folder.cleanup()
    """
    opened, chunks = open_chunks(dumps, size=chunk_size, limit=limit)
    key = [repr(study), study.version, study.schema.names, PACKAGE]
    parts = [
        Part(
            keys=(sha256_of_json([key, chunk.name])[:24],),
            measure=partial(_measure, study, chunk),
            columns={"dump": name},
        )
        for name, chunk in chunks
    ]
    wanted = Study(
        study.name,
        schema=pa.schema([*ORIGIN, *study.schema]),
        parts=parts,
        request=[key, [[name, chunk.name] for name, chunk in chunks]],
        about={"settings": {"study": repr(study), "limit": limit}, "dumps": describe_dumps(opened)},
    )
    return run_study(wanted, out, jobs=jobs, progress=progress)


def _measure(
    study: SampleStudy, chunk: Chunk, missing: Sequence[str]
) -> Iterator[tuple[Sequence[str], list[Record]]]:
    yield missing, chunk.measure(study)
