"""The sweep: every sample of some dumps, every selection asked for, one tidy table."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from otanalysis.errors import InputError
from otanalysis.experiments.parallel import run_parts
from otanalysis.experiments.provenance import environment
from otanalysis.experiments.sweep_parts import PART_SCHEMA, Chunk, PartStore, to_parquet
from otanalysis.experiments.sweep_plan import SweepSettings
from otanalysis.selection import SELECTORS
from otanalysis.tokens.dump import Dump, open_dump
from otanalysis.tokens.normalise import Normalisation
from otanalysis.tokens.storage import write_atomic

__all__ = ["TABLE_NAME", "read_provenance", "read_sweep", "sweep"]

TABLE_NAME = "sweep.parquet"
"""Name of the table in the output folder."""

_CHUNK_SIZE = 8  # samples: a part then takes seconds, so that a stop loses little and two cores stay busy
_PROVENANCE = b"otanalysis.provenance"
_PACKAGES = ("otanalysis", "numpy", "scipy", "POT", "kmedoids", "pyarrow", "joblib")


def sweep(
    dumps: Iterable[str | PathLike[str]],
    *,
    methods: Sequence[str] = tuple(SELECTORS),
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
        What to measure, see :class:`~otanalysis.experiments.sweep_plan.SweepSettings`.
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
    if jobs < 1:
        raise InputError(f"jobs must be at least 1 process, got {jobs}.")
    if limit is not None and limit < 1:
        raise InputError(f"limit must be at least 1 sample, got {limit}.")
    opened = _open_all(dumps)
    table_path = Path(out) / TABLE_NAME
    request = _request(opened, settings, limit)
    if _answers(table_path, request):
        return table_path
    store = PartStore(Path(out) / "parts")
    measurements = settings.measurements()
    chunks = [(name, chunk) for name, dump in opened.items() for chunk in _chunks(dump, limit)]
    work = [(chunk, missing) for _, chunk in chunks if (missing := store.missing(chunk, measurements))]
    tasks = [partial(store.measure, chunk, missing) for chunk, missing in work]
    run_parts("sweep", tasks, jobs=jobs, total=len(chunks), kept_in=store.folder, progress=progress)
    table = pa.concat_tables(_with_dump_name(store.read(chunk, measurements), name) for name, chunk in chunks)
    provenance = json.dumps(_provenance(opened, settings, limit, request))
    write_atomic(table_path, to_parquet(table.replace_schema_metadata({_PROVENANCE: provenance})))
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
    table: pd.DataFrame = _read(Path(path)).to_pandas()
    return table.astype({"seed": "Int64"})


def read_provenance(path: str | PathLike[str]) -> dict[str, Any]:
    """Read how a sweep's table came about: versions, settings, fingerprints of the dumps, command and date.

    Raises
    ------
    InputError
        The file is missing or was not written by a sweep.
    """
    return _provenance_of(Path(path))


def _open_all(dumps: Iterable[str | PathLike[str]]) -> dict[str, Dump]:
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
        raise InputError("A sweep needs at least one dump, got none.")
    return opened


def _chunks(dump: Dump, limit: int | None) -> Iterator[Chunk]:
    ids = dump.ids[:limit]
    for start in range(0, len(ids), _CHUNK_SIZE):
        yield Chunk(dump, ids[start : start + _CHUNK_SIZE])


def _request(opened: dict[str, Dump], settings: SweepSettings, limit: int | None) -> str:
    content = [
        [[name, dump.manifest.fingerprint] for name, dump in opened.items()],
        settings.digest(),
        limit,
        PART_SCHEMA.names,
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _answers(path: Path, request: str) -> bool:
    try:
        return path.is_file() and _provenance_of(path)["request"] == request
    except (InputError, KeyError):
        return False  # something else of that name: the sweep writes its own table over it


def _with_dump_name(rows: pa.Table, name: str) -> pa.Table:
    names = pa.array([name] * rows.num_rows, type=pa.string())
    return rows.drop_columns(["key"]).add_column(0, "dump", names)


def _provenance(
    opened: dict[str, Dump], settings: SweepSettings, limit: int | None, request: str
) -> dict[str, Any]:
    return {
        "request": request,
        "command": sys.argv,
        **environment(_PACKAGES),
        "platform": platform.platform(),
        "settings": {
            "methods": settings.methods,
            "selectors": sorted({repr(run.selector) for run in settings.runs()}),
            "ratios": settings.ratios,
            "gammas": settings.gammas,
            "seeds": settings.seeds,
            "normalisations": settings.normalisations,
            "limit": limit,
        },
        "dumps": [
            {
                "dump": name,
                "fingerprint": dump.manifest.fingerprint,
                "model": dump.manifest.model,
                "revision": dump.manifest.revision,
                "benchmark": dump.manifest.benchmark,
                "samples": len(dump),
            }
            for name, dump in opened.items()
        ],
    }


def _provenance_of(path: Path) -> dict[str, Any]:
    try:
        metadata = pq.read_schema(path).metadata or {}
        content: dict[str, Any] = json.loads(metadata[_PROVENANCE])
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        raise InputError(
            f"{path} is not a table that a sweep wrote; give the path of a {TABLE_NAME}, or run the sweep."
        ) from error
    return content


def _read(path: Path) -> pa.Table:
    _provenance_of(path)
    return pq.read_table(path, partitioning=None)
