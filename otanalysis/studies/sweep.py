"""The sweep: every sample of some dumps, every selection asked for, one tidy table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from otanalysis.normalise import Normalisation
from otanalysis.selection import SELECTORS, Selector
from otanalysis.studies.chunks import describe_dumps, open_chunks
from otanalysis.studies.parallel import run_parts
from otanalysis.studies.provenance import answers, read_table, write_table
from otanalysis.studies.runs import SweepSettings
from otanalysis.studies.sweep_parts import PART_SCHEMA, PartStore
from otanalysis.tokens.read import Dump

__all__ = ["TABLE_NAME", "read_sweep", "sweep"]

TABLE_NAME = "sweep.parquet"
"""Name of the table in the output folder."""

_CHUNK_SIZE = 8  # samples: a part then takes seconds, so that a stop loses little and two cores stay busy


def sweep(
    dumps: Iterable[str | PathLike[str]],
    *,
    methods: Sequence[str | Selector] = tuple(SELECTORS),
    ratios: Sequence[float] = (0.05, 0.098, 0.15, 0.2),
    gammas: Sequence[float] = (0.01,),
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
