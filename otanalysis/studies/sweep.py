"""The sweep: every sample of some dumps, every selection asked for, one tidy table."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from otanalysis.arrays import Normalisation, resolve_keep
from otanalysis.defaults import RATIOS, RELEASED_GAMMA
from otanalysis.errors import InputError
from otanalysis.files import write_atomic
from otanalysis.image import Image
from otanalysis.selection import SELECTORS, Selection, Selector, select_many
from otanalysis.studies.chunks import Chunk, describe_dumps, open_chunks
from otanalysis.studies.parallel import run_parts
from otanalysis.studies.provenance import answers, read_table, to_parquet, write_table
from otanalysis.studies.runs import Measurement, Run, SweepSettings
from otanalysis.surrogate.ladder import Ladder
from otanalysis.tokens.read import Dump, Sample

__all__ = [
    "PART_SCHEMA",
    "TABLE_NAME",
    "PartStore",
    "measure_sample",
    "read_sweep",
    "sweep",
]

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


TABLE_NAME = "sweep.parquet"
"""Name of the table in the output folder."""

_CHUNK_SIZE = 8  # samples: a part then takes seconds, so that a stop loses little and two cores stay busy


def sweep(
    dumps: Iterable[str | PathLike[str]],
    *,
    methods: Sequence[str | Selector] = tuple(SELECTORS),
    ratios: Sequence[float] = RATIOS,
    gammas: Sequence[float] = (RELEASED_GAMMA,),
    seeds: Sequence[int] = (0,),
    normalisations: Sequence[Normalisation] = ("none",),
    out: str | PathLike[str],
    jobs: int = 1,
    limit: int | None = None,
    progress: bool = True,
) -> Path:
    """Measure selections of the samples of some dumps and write one tidy Parquet table.

    What is measured goes to ``out/parts`` as soon as a few samples are done. A later sweep into the same
    folder takes from there what it can and measures the rest; Ctrl-C loses only the samples in work.

    Parameters
    ----------
    dumps : paths
        Finished dumps of different content.
    methods, ratios, gammas, seeds, normalisations
        What to measure, see :class:`~otanalysis.studies.runs.SweepSettings`. A selector of one's
        own is measured again when its code has changed.
    out : path
        The folder for ``sweep.parquet`` and ``parts/``; created if missing.
    jobs : int
        Processes, at least 1; each uses one thread for linear algebra.
    limit : int, optional
        Only the first so many samples of each dump.
    progress : bool
        Show a bar with the time left on stderr.

    Returns
    -------
    Path
        The table ``out/sweep.parquet``. Columns: ``dump`` (the last two parts of its path), ``model``,
        ``benchmark``, ``sample``, ``m``, ``d``, ``method``, ``ratio``, ``keep``, ``gamma`` (empty for methods
        without one), ``logdet_gamma`` (gamma of the kernel of ``logdet``), ``seed`` (empty for deterministic
        methods), ``normalisation``, ``w2`` (in the unit of the tokens), ``w2_squared``,
        ``quantisation_error``, ``gelbrich_w2_squared``, ``bures_w2_squared``, ``trace_objective`` and
        ``duality_gap`` (in its square), ``logdet``, ``kept_indices`` (ascending) and ``seconds`` (of the
        selection; one call serves all ratios of a nested method).

    Raises
    ------
    InputError
        A setting is out of range, or two dumps are the same.
    DumpError
        A dump is missing, unfinished or damaged.
    KeyboardInterrupt
        With a word on what is kept.
    """
    settings = SweepSettings(
        tuple(methods),
        tuple(float(ratio) for ratio in ratios),
        tuple(float(gamma) for gamma in gammas),
        tuple(seeds),
        tuple(normalisations),
    )
    opened, chunks = open_chunks(dumps, size=_CHUNK_SIZE, limit=limit, jobs=jobs)
    table_path = Path(out) / TABLE_NAME
    request = _request(opened, settings, limit)
    if answers(table_path, request):
        return table_path
    store = PartStore(Path(out) / "parts")
    measurements = settings.measurements()
    work = [(chunk, missing) for _, chunk in chunks if (missing := store.missing(chunk, measurements))]
    tasks = [partial(store.measure, chunk, missing) for chunk, missing in work]
    run_parts("sweep", tasks, jobs=jobs, total=len(chunks), kept_in=store.folder, progress=progress)
    table = pa.concat_tables(_with_dump_name(store.read(chunk, measurements), name) for name, chunk in chunks)
    write_table(table_path, table, request=request, about=_about(opened, settings, limit))
    return table_path


def read_sweep(path: str | PathLike[str]) -> pd.DataFrame:
    """Read the table that :func:`sweep` wrote.

    Returns
    -------
    DataFrame
        As described there; ``seed`` as nullable integers, ``gamma`` NaN where there is none.

    Raises
    ------
    InputError
        The file is missing or was not written by a sweep.
    """
    table: pd.DataFrame = read_table(path).to_pandas()
    return table.astype({"seed": "Int64"})


def _request(opened: dict[str, Dump], settings: SweepSettings, limit: int | None) -> str:
    content = [
        [[name, dump.manifest.fingerprint] for name, dump in opened.items()],
        settings.digest(),
        limit,
        PART_SCHEMA.names,
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _with_dump_name(rows: pa.Table, name: str) -> pa.Table:
    names = pa.array([name] * rows.num_rows, type=pa.string())
    return rows.drop_columns(["key"]).add_column(0, "dump", names)


def _about(opened: dict[str, Dump], settings: SweepSettings, limit: int | None) -> dict[str, Any]:
    return {
        "settings": {
            "methods": [one if isinstance(one, str) else one.name for one in settings.methods],
            "selectors": sorted({repr(run.selector) for run in settings.runs()}),
            "ratios": settings.ratios,
            "gammas": settings.gammas,
            "seeds": settings.seeds,
            "normalisations": settings.normalisations,
            "limit": limit,
        },
        "dumps": describe_dumps(opened),
    }


Record = dict[str, Any]


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
        One a measurement, in the order given.

    Raises
    ------
    InputError
        The tokens are not a finite matrix.
    ConvergenceError
        An exact distance could not be certified.
    """
    image = Image(sample.tokens)
    runs: dict[Run, set[float]] = {}
    for one in measurements:
        runs.setdefault(one.run, set()).add(one.ratio)
    selections = {run: _select(image, run, ratios, sample.id) for run, ratios in runs.items()}
    ladders = {how: Ladder(image, normalise=how) for how in {one.normalisation for one in measurements}}
    return [
        _record(sample, ladders[one.normalisation], one, *selections[one.run][one.ratio])
        for one in measurements
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


def _record(
    sample: Sample, ladder: Ladder, measurement: Measurement, selection: Selection, seconds: float
) -> Record:
    run = measurement.run
    indices = np.asarray(selection.indices)
    gamma = RELEASED_GAMMA if run.gamma is None else run.gamma
    m, d = ladder.tokens.shape
    return {
        "sample": sample.id,
        "m": m,
        "d": d,
        "method": run.selector.name,
        "ratio": measurement.ratio,
        "keep": selection.keep,
        "gamma": run.gamma,
        "logdet_gamma": gamma,
        "seed": run.seed,
        "normalisation": measurement.normalisation,
        **ladder.distances(indices),
        "logdet": ladder.released.value(indices, gamma),
        "kept_indices": indices.tolist(),
        "seconds": seconds,
        "key": measurement.key,
    }
