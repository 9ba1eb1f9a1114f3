"""The sweep: every sample of some dumps, every selection asked for, one tidy table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from otanalysis.arrays import Normalisation, resolve_keep
from otanalysis.defaults import COMPARED_METHODS, RATIOS, RELEASED_GAMMA
from otanalysis.distances import DISTANCES, further_distances, measure_distances
from otanalysis.image import Image
from otanalysis.selection import Selection, Selector, select_many
from otanalysis.studies.chunks import (
    OF_TABLE,
    ORIGIN,
    Chunk,
    Record,
    describe_dumps,
    distance_columns,
    open_chunks,
)
from otanalysis.studies.engine import Study, run_study
from otanalysis.studies.provenance import read_table
from otanalysis.studies.runs import Measurement, Run, SweepSettings
from otanalysis.studies.store import Part
from otanalysis.surrogate.ladder import Ladder
from otanalysis.tokens.read import Sample

PARTS = "parts"
"""Folder of the parts of a sweep, beside its table."""

_CHUNK_SIZE = 8  # samples: a part then takes seconds, so that a stop loses little and two cores stay busy


def sweep(
    dumps: Iterable[str | PathLike[str]],
    *,
    methods: Sequence[str | Selector] = COMPARED_METHODS,
    ratios: Sequence[float] = RATIOS,
    gammas: Sequence[float] | Mapping[str, Sequence[float]] = (RELEASED_GAMMA,),
    seeds: Sequence[int] = (0,),
    normalisations: Sequence[Normalisation] = ("none",),
    distances: Sequence[str] = (),
    out: str | PathLike[str],
    jobs: int = 1,
    limit: int | None = None,
    progress: bool = True,
    wait: bool = False,
) -> Path:
    """Measure selections of the samples of some dumps and write one tidy Parquet table.

    What is measured goes to ``out/parts`` as soon as a few samples are done. A later sweep into the same
    folder takes from there what it can and measures the rest; Ctrl-C loses only the samples in work.

    Parameters
    ----------
    dumps : paths
        Finished dumps of different content. Weights in them are the masses of the tokens in the distances,
        and those by which kmedoids and ot-medoids choose; the log-determinant and the other methods know no
        weights.
    methods, ratios, gammas, seeds, normalisations
        What to measure, see :class:`~otanalysis.studies.runs.SweepSettings`; methods by default those of
        :data:`~otanalysis.defaults.COMPARED_METHODS`. A selector of one's own is measured again when its
        code has changed.
    out : path
        The folder for ``sweep.parquet`` and ``parts/``; created if missing.
    jobs : int
        Processes, at least 1; see :func:`~otanalysis.studies.engine.collect`.
    limit : int, optional
        Only the first so many samples of each dump.
    progress : bool
        Show a bar with the time left on stderr.
    wait : bool
        Wait for another process that writes into ``out``, in place of refusing.

    Returns
    -------
    Path
        The table ``out/sweep.parquet``. Columns: ``dump`` (the last two parts of its path), ``model``,
        ``benchmark``, ``sample``, ``m``, ``d``, ``method``, ``ratio``, ``keep``, ``gamma`` (in the unit of
        the method; empty for methods without one), ``logdet_gamma`` (of the kernel of ``logdet``, always in
        the unit of the released code), ``seed`` (empty for deterministic methods), ``normalisation``, ``w2``
        (in the unit of the tokens), ``w2_squared``, ``quantisation_error``, ``gelbrich_w2_squared``,
        ``bures_w2_squared``, ``trace_objective`` and ``duality_gap`` (in its square), ``logdet``,
        ``kept_indices`` (ascending) and ``seconds`` (of the selection; one call serves all ratios of a nested
        method, and what the selections of an image share is in those of the first that asks for it); then a
        column for each of the further distances.

    Raises
    ------
    InputError
        A setting is out of range, or two dumps are the same.
    DumpError
        A dump is missing, unfinished or damaged.
    StorageError
        ``out`` cannot be written, or another process writes there.
    KeyboardInterrupt
        With a word on what is kept.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from otanalysis.studies import read_provenance
    >>> from otanalysis.tokens import DumpWriter
    >>> folder = tempfile.TemporaryDirectory()
    >>> with DumpWriter(f"{folder.name}/dump", model="demo", benchmark="noise") as writer:
    ...     writer.add("first", np.random.default_rng(0).standard_normal((12, 3)))
    >>> how = {"methods": ["otprune", "first"], "ratios": [0.25], "progress": False}
    >>> path = sweep([f"{folder.name}/dump"], **how, out=folder.name)
    >>> read_sweep(path)["keep"].tolist(), read_provenance(path)["settings"]["ratios"]
    ([3, 3], [0.25])
    >>> folder.cleanup()
    """
    settings = SweepSettings(*cast(Any, (methods, ratios, gammas, seeds, normalisations, distances)))
    opened, chunks = open_chunks(dumps, size=_CHUNK_SIZE, limit=limit)
    study = sweep_study(
        settings,
        chunks,
        content=[[name, dump.manifest.fingerprint] for name, dump in opened.items()],
        limit=limit,
        dumps=describe_dumps(opened),
        reads=[dump.path for dump in opened.values()],
    )
    return run_study(study, out, parts=PARTS, jobs=jobs, progress=progress, wait=wait)


def sweep_study(
    settings: SweepSettings,
    chunks: Iterable[tuple[str, Chunk]],
    *,
    content: object,
    limit: int | None,
    dumps: list[Record],
    reads: Sequence[Path] = (),
) -> Study:
    """Return the study of some chunks under all settings.

    Parameters
    ----------
    settings : SweepSettings
        What is measured.
    chunks : iterable of (str, Chunk)
        With the names of their dumps.
    content : object
        JSON values that tell what is measured on: another content is another table.
    limit : int or None
        How many samples of each dump were asked for.
    dumps : list of dict
        What the provenance says of the dumps.
    reads : sequence of Path
        Folders of the dumps.

    Returns
    -------
    Study
        Its parts belong into a folder :data:`PARTS`.
    """
    measurements = settings.measurements()
    keys = tuple(one.key for one in measurements)
    about = {
        "methods": [one if isinstance(one, str) else one.name for one in settings.methods],
        "selectors": sorted({repr(run.selector) for run in settings.runs()}),
        "ratios": settings.ratios,
        "gammas": settings.gammas,
        "seeds": settings.seeds,
        "normalisations": settings.normalisations,
        "distances": settings.distances,
        "limit": limit,
    }
    schema = pa.schema([*_SCHEMA, *distance_columns(settings.distances)])
    return Study(
        "sweep",
        schema=schema,
        parts=[
            Part(
                keys,
                partial(_measure, chunk, measurements),
                place=chunk.name,
                columns={"dump": name},
                holds=chunk.holds,
            )
            for name, chunk in chunks
        ],
        request=[content, settings.digest(), limit, schema.names],
        about={"settings": about, "dumps": dumps},
        reads=reads,
    )


def _measure(
    chunk: Chunk, measurements: Sequence[Measurement], missing: Sequence[str]
) -> Iterator[tuple[Sequence[str], list[Record]]]:
    """Measure what is missing of a chunk, all of it for one file."""
    left = set(missing)
    wanted = [one for one in measurements if one.key in left]
    yield missing, chunk.measure(lambda sample: measure_sample(sample, wanted))


def read_sweep(path: str | PathLike[str], columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read the table that :func:`sweep` wrote.

    Parameters
    ----------
    path : path
        What :func:`sweep` returned.
    columns : sequence of str, optional
        Read only these, ``seed`` among them; the kept indices are most of the bytes. Without it, all.

    Returns
    -------
    DataFrame
        As described there; ``seed`` as nullable integers, ``gamma`` NaN where there is none.

    Raises
    ------
    InputError
        The file is missing, damaged, without rows, or was not written by a sweep.
    """
    further = distance_columns(further_distances(DISTANCES))
    known = pa.schema([*_TABLE, *further])
    cure = "remove it and make it with `otanalysis sweep`"
    if columns is None:
        rows = read_table(path, _TABLE, may_have=further, cure=cure)
    else:
        rows = read_table(path, pa.schema([known.field(name) for name in columns]), cure=cure)
    return rows.astype({"seed": "Int64"})


def measure_sample(sample: Sample, measurements: Sequence[Measurement]) -> list[Record]:
    """Measure one sample.

    Parameters
    ----------
    sample : Sample
        Its tokens have the shape ``[m, d]``.
    measurements : sequence of Measurement
        What to measure.

    Returns
    -------
    list of dict
        One a measurement, in the order given, by column.

    Raises
    ------
    InputError
        The tokens are not a finite matrix.
    ConvergenceError
        An exact distance could not be certified.
    """
    image = Image.of_sample(sample)
    ladders = {how: Ladder(image, normalise=how) for how in {one.normalisation for one in measurements}}
    runs: dict[Run, set[float]] = {}
    for one in measurements:
        runs.setdefault(one.run, set()).add(one.ratio)
    selections = {run: _select(image, run, ratios, sample.id) for run, ratios in runs.items()}
    rows = [_Row(ladders[one.normalisation], one, *selections[one.run][one.ratio]) for one in measurements]
    return [
        {name: value(row) for name, (_, value) in _COLUMNS.items()}
        | measure_distances(row.ladder.image, row.kept, row.asked.further)
        for row in rows
    ]


def _select(
    image: Image, run: Run, ratios: Iterable[float], sample_id: str
) -> dict[float, tuple[Selection, float]]:
    """Return the selection at each ratio and the seconds of the call that made it."""
    keeps = {ratio: resolve_keep(len(image), ratio=ratio) for ratio in ratios}
    groups = [sorted(set(keeps.values()))]
    if not run.selector.nested:
        groups = [[keep] for keep in groups[0]]
    made: dict[int, tuple[Selection, float]] = {}
    for group in groups:
        start = time.perf_counter()
        selections = select_many(image, run.selector, group, seed=run.image_seed(sample_id))
        seconds = time.perf_counter() - start
        made |= {keep: (selection, seconds) for keep, selection in selections.items()}
    return {ratio: made[keep] for ratio, keep in keeps.items()}


@dataclass(frozen=True)
class _Row:
    """What a row is made of: one measurement of one sample."""

    ladder: Ladder
    asked: Measurement
    selection: Selection
    seconds: float

    @cached_property
    def kept(self) -> NDArray[np.int64]:
        return np.asarray(self.selection.indices)

    @cached_property
    def distances(self) -> dict[str, float]:
        return self.ladder.distances(self.kept)

    @property
    def logdet_gamma(self) -> float:
        return self.asked.run.logdet_gamma(len(self.ladder.image), self.selection.keep)

    @property
    def logdet(self) -> float:
        return self.ladder.released.value(self.kept, self.logdet_gamma)


def _distance(name: str) -> tuple[pa.DataType, Callable[[_Row], object]]:
    return pa.float64(), lambda row: row.distances[name]


_COLUMNS: Mapping[str, tuple[pa.DataType, Callable[[_Row], object]]] = MappingProxyType(
    {
        "m": (pa.int64(), lambda row: row.ladder.tokens.shape[0]),
        "d": (pa.int64(), lambda row: row.ladder.tokens.shape[1]),
        "method": (pa.string(), lambda row: row.asked.run.selector.name),
        "ratio": (pa.float64(), lambda row: row.asked.ratio),
        "keep": (pa.int64(), lambda row: row.selection.keep),
        "gamma": (pa.float64(), lambda row: row.asked.run.gamma),
        "logdet_gamma": (pa.float64(), lambda row: row.logdet_gamma),
        "seed": (pa.int64(), lambda row: row.asked.run.seed),
        "normalisation": (pa.string(), lambda row: row.asked.normalisation),
        "w2": _distance("w2"),
        "w2_squared": _distance("w2_squared"),
        "quantisation_error": _distance("quantisation_error"),
        "gelbrich_w2_squared": _distance("gelbrich_w2_squared"),
        "bures_w2_squared": _distance("bures_w2_squared"),
        "trace_objective": _distance("trace_objective"),
        "logdet": (pa.float64(), lambda row: row.logdet),
        "duality_gap": _distance("duality_gap"),
        "kept_indices": (pa.list_(pa.int32()), lambda row: row.kept.tolist()),
        "seconds": (pa.float64(), lambda row: row.seconds),
        "key": (pa.string(), lambda row: row.asked.key),
    }
)
"""The columns of a part after those of the sample's origin: type, and where the value comes from."""

_SCHEMA = pa.schema([*ORIGIN, *((name, kind) for name, (kind, _) in _COLUMNS.items())])
_TABLE = pa.schema([*OF_TABLE, *((name, kind) for name, (kind, _) in _COLUMNS.items() if name != "key")])
