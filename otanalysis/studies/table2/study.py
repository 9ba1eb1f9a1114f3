"""Table 2 of arXiv:2602.20205 on every rung of the ladder, for several token laws, trial by trial."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from os import PathLike
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from otanalysis.errors import InputError
from otanalysis.files import write_atomic
from otanalysis.selection import SELECTORS
from otanalysis.studies.parallel import run_parts
from otanalysis.studies.provenance import (
    answers,
    read_provenance,
    read_table,
    to_parquet,
    write_table,
)
from otanalysis.studies.table2.synthetic_trial import Size, Trial
from otanalysis.studies.table2.tables import (
    compare_with_published,
    published_synthetic,
    synthetic_table,
)
from otanalysis.studies.table2.token_laws import LAWS

__all__ = ["SIZES", "SyntheticSummary", "summarise_synthetic", "synthetic"]

SIZES = (Size(20, 10, 5), Size(30, 20, 10), Size(100, 50, 30), Size(1000, 256, 100))
"""The sizes of Table 2 of the paper."""

_MEASUREMENT_VERSION = 1
"""Grows when the same settings would give other numbers, so that older parts are measured again."""

_SCHEMA = pa.schema(
    [
        *((name, pa.int32()) for name in ("m", "d", "keep")),
        ("law", pa.string()),
        ("trial", pa.int32()),
        ("draws", pa.int32()),
        ("rung", pa.int32()),
        ("quantity", pa.string()),
        ("method", pa.string()),
        *((name, pa.float64()) for name in ("value", "win_rate")),
        *((name, pa.float64()) for name in ("random_mean", "random_best", "random_worst")),
        *((name, pa.float64()) for name in ("best_known", "bound")),
        ("optimum", pa.string()),
    ]
)


def synthetic(
    *,
    sizes: Sequence[Size] = SIZES,
    laws: Sequence[str] = tuple(LAWS),
    trials: int = 10,
    seed: int = 0,
    out: str | PathLike[str],
    jobs: int = 1,
    progress: bool = True,
) -> Path:
    """Measure every method on synthetic tokens: each rung's value, win rate and optimum.

    A trial is a part of its own, kept in ``out/parts-synthetic``: a later call with other trials, sizes or
    laws takes the finished ones from there.

    Parameters
    ----------
    sizes : sequence of Size
        Distinct.
    laws : sequence of str
        Names in :data:`~otanalysis.studies.table2.token_laws.LAWS`, distinct.
    trials : int
        Independent draws of the tokens a size and law, at least 1.
    seed : int
        Of everything random.
    out : path
        Folder for ``synthetic.parquet`` and the parts; created if missing.
    jobs : int
        Processes, at least 1.
    progress : bool
        Show a bar with the time left on stderr.

    Returns
    -------
    Path
        The table, one row a size, law, trial, rung and method.

    Raises
    ------
    InputError
        If an argument is out of range, or there is an unknown law.
    KeyboardInterrupt
        With a word on what is kept.
    """
    _check(sizes, laws, trials, seed, jobs)
    wanted = [Trial(size, law, n, seed) for size in sizes for law in laws for n in range(trials)]
    path = Path(out) / "synthetic.parquet"
    request = _digest([_key(trial) for trial in wanted])
    if answers(path, request):
        return path
    folder = Path(out) / "parts-synthetic"
    folder.mkdir(parents=True, exist_ok=True)
    places = {trial: folder / f"{_digest(_key(trial))[:24]}.parquet" for trial in wanted}
    # The longest first, or one process would end with them alone.
    missing = sorted((t for t in wanted if not _readable(places[t])), key=lambda t: -t.size.m * t.size.keep)
    tasks = [partial(_measure, trial, places[trial]) for trial in missing]
    run_parts("synthetic", tasks, jobs=jobs, total=len(wanted), kept_in=folder, progress=progress)
    table = pa.concat_tables(pq.read_table(places[trial], partitioning=None) for trial in wanted)
    about = {
        "settings": {
            "sizes": [asdict(size) for size in sizes],
            "laws": {law: LAWS[law].description for law in laws},
            "trials": trials,
            "seed": seed,
            "selectors": [repr(selector) for selector in SELECTORS.values()],
        }
    }
    write_table(path, table, request=request, about=about)
    return path


@dataclass(frozen=True, eq=False)
class SyntheticSummary:
    """What the trials say.

    Attributes
    ----------
    table : DataFrame
        See :func:`~otanalysis.studies.table2.tables.synthetic_table`.
    comparison : DataFrame
        See :func:`~otanalysis.studies.table2.tables.compare_with_published`.
    """

    table: pd.DataFrame
    comparison: pd.DataFrame


def summarise_synthetic(path: str | PathLike[str]) -> SyntheticSummary:
    """Summarise a table of trials and compare it with the published one.

    Parameters
    ----------
    path : path
        What :func:`synthetic` returned. ``synthetic_summary.csv`` and ``synthetic_published.csv`` are written
        beside it, and how they came about, as ``synthetic_summary.provenance.json``.

    Returns
    -------
    SyntheticSummary

    Raises
    ------
    InputError
        If the file is missing or is another table, or the published table is not there.
    """
    rows = read_table(path)
    if rows.schema.names != _SCHEMA.names:
        raise InputError(
            f"{path} is no table of trials: pass the synthetic.parquet of `otanalysis synthetic`."
        )
    table = synthetic_table(rows.to_pandas())
    summary = SyntheticSummary(table, compare_with_published(table, published_synthetic()))
    target = Path(path).with_name("synthetic_summary.csv")
    write_atomic(target, table.to_csv(index=False, float_format="%.8g").encode())
    comparison = summary.comparison.to_csv(index=False, float_format="%.8g")
    write_atomic(target.with_name("synthetic_published.csv"), comparison.encode())
    provenance = json.dumps(read_provenance(path), indent=1, sort_keys=True) + "\n"
    write_atomic(target.with_suffix(".provenance.json"), provenance.encode())
    return summary


def _check(sizes: Sequence[Size], laws: Sequence[str], trials: int, seed: int, jobs: int) -> None:
    if unknown := [law for law in laws if law not in LAWS]:
        raise InputError(f"Unknown law {unknown[0]!r}; known are {', '.join(LAWS)}.")
    for name, values in (("sizes", sizes), ("laws", laws)):
        if not values or len(set(values)) < len(values):
            raise InputError(f"The {name} must be distinct and at least one; got {len(values)} of them.")
    for name, value, least in (("trials", trials, 1), ("jobs", jobs, 1), ("seed", seed, 0)):
        if value < least:
            raise InputError(f"{name} must be at least {least}, got {value}.")


def _key(trial: Trial) -> list[object]:
    selectors = [repr(selector) for selector in SELECTORS.values()]
    return [_MEASUREMENT_VERSION, version("otanalysis"), repr(trial), trial.size.draws, selectors]


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _measure(trial: Trial, path: Path) -> None:
    write_atomic(path, to_parquet(pa.Table.from_pylist(trial(), schema=_SCHEMA)))


def _readable(path: Path) -> bool:
    """Return whether a part is there and whole; a damaged one is measured again, and then replaced."""
    try:
        return bool(pq.read_schema(path).names == _SCHEMA.names)
    except (OSError, pa.ArrowInvalid):
        return False
