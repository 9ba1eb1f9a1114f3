"""The engine under every study: parts that are measured once, kept, found again and put into one table.

A study is a list of parts, what one process measures in one go. What a part measures has keys, texts that say
everything on which the numbers depend: study, its version, settings and content measured. Rows are written,
whole or not at all, under their key as soon as they are measured; a later call takes from there what it finds
and measures the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pyarrow as pa

from otanalysis.errors import InputError
from otanalysis.files import as_path, sha256_of_json
from otanalysis.locks import held
from otanalysis.studies.chunks import ORIGIN, Chunk, Record, describe_dumps, open_chunks
from otanalysis.studies.pool import run_parts
from otanalysis.studies.provenance import answering, write_tables
from otanalysis.studies.store import NUMERIC, Part, Store, counted, say_moved
from otanalysis.tokens.read import Sample

PACKAGE = version("otanalysis")
"""Version of the package, in the keys of the studies that it may change."""


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
    packages : tuple of str
        Libraries that decide the numbers: their versions are recorded with every part.
    reads : sequence of Path
        Folders that the parts read from; a cluster must see them.
    """

    name: str
    schema: pa.Schema
    parts: Sequence[Part]
    request: object = None
    about: Mapping[str, Any] = field(default_factory=dict)
    packages: tuple[str, ...] = NUMERIC
    reads: Sequence[Path] = ()


@dataclass(frozen=True, eq=False)
class Collected:
    """The rows of all parts of a study, and how many files of parts were measured with which versions."""

    table: pa.Table
    measured_with: list[dict[str, Any]]


@dataclass(frozen=True, eq=False)
class _Measured:
    """The parts of a study, which are all there, read one after the other."""

    store: Store
    parts: Sequence[Part]
    packages: tuple[str, ...]
    versions: Counter[str] = field(default_factory=Counter)

    def tables(self) -> Iterator[pa.Table]:
        """Yield the rows of every part."""
        for part in self.parts:
            table, versions = self.store.read(part)
            self.versions.update(versions)
            yield table

    def measured_with(self) -> list[dict[str, Any]]:
        """Return how many of the files that were read are of which versions; say which have moved."""
        found = counted(self.versions)
        say_moved(found, self.packages, self.store.folder)
        return found


def run_study(
    study: Study,
    out: str | PathLike[str],
    *,
    parts: str | None = None,
    jobs: int,
    progress: bool,
    wait: bool = False,
) -> Path:
    """Write the table of a study into ``out`` with provenance, if it is not there; return its path.

    With which versions a table that is there was measured is said on stderr where they have moved. What is
    missing is measured as :func:`collect` does, into ``out/PARTS``, by default ``out/parts-NAME``.
    Another process that writes into ``out`` is waited for with ``wait``.
    """
    out = as_path(out, "a folder")
    path, request = out / f"{study.name}.parquet", sha256_of_json(study.request)
    _check_jobs(jobs)
    if (about := answering(path, request)) is not None:
        before = about.get("measured_with", [{"files": "all", "versions": None}])
        say_moved(before, study.packages, path)
        return path
    with held(out, f"measuring the {study.name}", wait=wait):
        if answering(path, request, say=True) is None:  # who was waited for may have made it
            folder = out / (parts or f"parts-{study.name}")
            with _measured(study, folder, jobs=jobs, progress=progress) as found:
                write_tables(
                    path,
                    found.tables(),
                    request=request,
                    about=lambda: {**study.about, "measured_with": found.measured_with()},
                )
    return path


def collect(study: Study, folder: Path, *, jobs: int, progress: bool, wait: bool = False) -> Collected:
    """Measure what is missing of a study in its folder of parts, and return the rows of all parts.

    A part is found again under its key, whatever the libraries were that measured it: where their versions
    are not those of now, that is said on stderr and stands in the provenance, and nothing is measured again.
    Of damaged files it is said, and their parts are measured again.

    Parameters
    ----------
    study : Study
        What to measure.
    folder : Path
        Of the parts; created if missing.
    jobs : int
        Processes, at least 1; each uses one thread for linear algebra. Inside ``joblib.parallel_config``, its
        backend (threads, the cluster of ``"dask"``) and its number of workers are used, where it says one.
    progress : bool
        Show a bar with the time left on stderr.
    wait : bool
        Wait for another process that writes into the folder.

    Raises
    ------
    InputError
        If ``jobs`` is not positive, or as the parts raise it.
    StorageError
        The folder cannot be written, or another process is at it.
    KeyboardInterrupt
        With a word on what is kept.
    """
    with _measured(study, folder, jobs=jobs, progress=progress, wait=wait) as found:
        table = pa.concat_tables(found.tables())
        return Collected(table, found.measured_with())


@contextmanager
def _measured(
    study: Study, folder: Path, *, jobs: int, progress: bool, wait: bool = False
) -> Iterator[_Measured]:
    """Measure what is missing of a study, and hold the folder of its parts while they are read."""
    _check_jobs(jobs)
    store = Store(folder.absolute(), study.schema, study.packages)
    with held(folder, f"measuring parts of the {study.name}", wait=wait):
        store.clean(study.parts)
        left = [(part, missing) for part in study.parts if (missing := store.missing(part))]
        left.sort(key=lambda one: -one[0].work)
        tasks = [partial(store.measure, part, missing) for part, missing in left]
        run_parts(
            study.name,
            tasks,
            jobs=jobs,
            total=len(study.parts),
            kept_in=folder,
            progress=progress,
            reads=study.reads,
        )
        yield _Measured(store, study.parts, study.packages)


def is_collected(study: Study, folder: Path) -> bool:
    """Tell whether a folder of parts has all of a study, so that :func:`collect` would measure nothing."""
    store = Store(folder, study.schema, study.packages)
    return not any(store.missing(part) for part in study.parts)


def _check_jobs(jobs: int) -> None:
    if jobs < 1:
        raise InputError(f"jobs must be at least 1 process, got {jobs}.")


class SampleStudy(Protocol):
    """What is measured of every sample: a picklable frozen dataclass whose fields are its settings.

    Attributes
    ----------
    name : str
        Name of the table, without suffix.
    version : int
        Grows when the same settings would give other numbers, so that older parts are measured again.
    """

    name: ClassVar[str]
    version: ClassVar[int]

    @property
    def schema(self) -> pa.Schema:
        """Columns of the rows, without ``dump``, ``model``, ``benchmark`` and ``sample``."""

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
    wait: bool = False,
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
    wait : bool
        Wait for another process that writes into ``out``, in place of refusing.

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
    StorageError
        ``out`` cannot be written, or another process writes there.
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
            holds=chunk.holds,
        )
        for name, chunk in chunks
    ]
    wanted = Study(
        study.name,
        schema=pa.schema([*ORIGIN, *study.schema]),
        parts=parts,
        request=[key, [[name, chunk.name] for name, chunk in chunks]],
        about={"settings": {"study": repr(study), "limit": limit}, "dumps": describe_dumps(opened)},
        reads=[dump.path for dump in opened.values()],
    )
    return run_study(wanted, out, jobs=jobs, progress=progress, wait=wait)


def _measure(
    study: SampleStudy, chunk: Chunk, missing: Sequence[str]
) -> Iterator[tuple[Sequence[str], list[Record]]]:
    yield missing, chunk.measure(study)
