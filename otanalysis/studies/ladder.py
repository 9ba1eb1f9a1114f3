"""Every rung of the ladder for many subsets of every sample: where agreement with exact transport is lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar
from zlib import crc32

import numpy as np
import pandas as pd
import pyarrow as pa

from otanalysis.arrays import Normalisation, resolve_keep
from otanalysis.defaults import COMPARED_METHODS, RATIOS, RELEASED_GAMMA, GammaOf
from otanalysis.distances import DISTANCES, further_distances, measure_distances
from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.scalars import check_gamma_of
from otanalysis.selection.pool import Subset, check_drawn, draw_pool
from otanalysis.stats.ladder_tables import ladder_table
from otanalysis.studies.chunks import OF_TABLE, distance_columns
from otanalysis.studies.engine import measure_samples
from otanalysis.studies.provenance import read_csv_summary, read_table, write_summaries
from otanalysis.studies.runs import SweepSettings
from otanalysis.surrogate.ladder import Ladder
from otanalysis.tokens import open_dump
from otanalysis.tokens.read import Sample

SUMMARY_NAME = "ladder_summary.csv"
"""Name of the summary, beside the table that it is of."""

_SUMMARY_WORDS = ("normalisation", "pool", "benchmark", "measure", "quantity")
_SUMMARY_NUMBERS = ("ratio", "value", "low", "high", "n", "subsets", "gamma")

_VALUES = (
    "w2",
    "w2_squared",
    "quantisation_error",
    "gelbrich_w2_squared",
    "bures_w2_squared",
    "trace_objective",
    "kept_second_moment",
    "logdet_same_tokens",
    "logdet",
    "duality_gap",
)
_COLUMNS = pa.schema(
    [
        ("m", pa.int32()),
        ("normalisation", pa.string()),
        ("ratio", pa.float64()),
        ("keep", pa.int32()),
        ("gamma", pa.float64()),
        ("number", pa.int32()),
        ("origin", pa.string()),
        *((value, pa.float64()) for value in _VALUES),
    ]
)


@dataclass(frozen=True)
class LadderStudy:
    """All rungs for a pool of subsets of a sample, at every ratio and under every normalisation.

    See :func:`measure_ladder`.

    The pool is chosen on the raw tokens, once a ratio: it is the same under all normalisations, and does not
    depend on which other ratios are measured.

    Attributes
    ----------
    ratios : tuple of float
        Kept shares of the tokens, in (0, 1].
    normalisations : tuple of {"none", "columns", "rows"}
        Of the tokens under rungs 0 to 4; rung 5 is always on normalised columns.
    subsets : int
        Drawn subsets a sample and ratio, besides that of every method of
        :data:`~otanalysis.defaults.COMPARED_METHODS`; see
        :func:`~otanalysis.selection.pool.draw_pool`.
    seed : int
        Of the draws and of the stochastic methods; every sample has its own stream.
    gamma : float
        Of rungs 4 and 5, and of the methods that have one, for each in its own unit.
    gamma_of : {"released", "paper"}
        Whose gamma that of the rungs is, see :class:`~otanalysis.surrogate.ladder.Ladder`.
    distances : tuple of str
        Names in :data:`otanalysis.distances.DISTANCES` to measure as well; those that the ladder always has
        fall out here.

    Raises
    ------
    InputError
        If a setting is missing, repeated, unknown or out of range.
    """

    ratios: tuple[float, ...] = RATIOS
    normalisations: tuple[Normalisation, ...] = ("none", "columns", "rows")
    subsets: int = 40
    seed: int = 0
    gamma: float = RELEASED_GAMMA
    gamma_of: GammaOf = "released"
    distances: tuple[str, ...] = ()

    name: ClassVar[str] = "ladder"
    version: ClassVar[int] = 2  # with the subset of otprune-paper in the pools

    def __post_init__(self) -> None:
        object.__setattr__(self, "distances", further_distances(self.distances))
        check_drawn(self.subsets)
        check_gamma_of(self.gamma_of)
        self._settings()

    def __repr__(self) -> str:
        """Return the key of the parts: without further distances that of parts from before there were any."""
        told = [item.name for item in fields(self) if item.name != "distances" or self.distances]
        return f"LadderStudy({', '.join(f'{name}={getattr(self, name)!r}' for name in told)})"

    @property
    def schema(self) -> pa.Schema:
        """Columns of the rows."""
        return pa.schema([*_COLUMNS, *distance_columns(self.distances)])

    def __call__(self, sample: Sample) -> list[dict[str, Any]]:
        """Return one row a normalisation, ratio and subset; ``number`` counts the subsets of a pool."""
        image = Image.of_sample(sample)
        pools = self._pools(sample.id, image)
        rows: list[dict[str, Any]] = []
        for normalisation in self.normalisations:
            ladder = Ladder(image, normalise=normalisation, gamma=self.gamma, gamma_of=self.gamma_of)
            for ratio, pool in pools.items():
                head = {"m": len(image), "normalisation": normalisation, "ratio": ratio, "gamma": self.gamma}
                rows += [
                    head
                    | {"keep": len(subset.indices), "number": number, "origin": subset.origin}
                    | ladder.values(subset.indices)
                    | measure_distances(ladder.image, subset.indices, self.distances)
                    for number, subset in enumerate(pool)
                ]
        return rows

    def _pools(self, sample_id: str, image: Image) -> dict[float, tuple[Subset, ...]]:
        keeps = {ratio: resolve_keep(len(image), ratio=ratio) for ratio in self.ratios}
        made = self._settings().select(image, sample_id, keeps.values())
        pools = {}
        for ratio, keep in keeps.items():
            generator = np.random.default_rng([self.seed, crc32(sample_id.encode()), keep])
            chosen = {run.selector.name: np.asarray(by_keep[keep].indices) for run, by_keep in made.items()}
            pools[ratio] = draw_pool(chosen, len(image), drawn=self.subsets, generator=generator)
        return pools

    def _settings(self) -> SweepSettings:
        """Return the sweep that makes the methods' subsets; it checks its settings when made."""
        return SweepSettings(COMPARED_METHODS, self.ratios, (self.gamma,), (self.seed,), self.normalisations)


def measure_ladder(
    dumps: Iterable[str | PathLike[str]],
    study: LadderStudy,
    *,
    out: str | PathLike[str],
    jobs: int = 1,
    limit: int | None = None,
    progress: bool = True,
    wait: bool = False,
) -> Path:
    """Measure the ladder on the samples of some dumps; the table is ``out/ladder.parquet``.

    Parameters
    ----------
    dumps : paths
        Finished dumps, one a benchmark.
    study : LadderStudy
        What to measure.
    out, jobs, limit, progress, wait
        As for :func:`~otanalysis.studies.engine.measure_samples`.

    Returns
    -------
    Path
        The table, one row a sample, normalisation, ratio and subset: ``dump``, ``model``, ``benchmark``,
        ``sample``, ``m``, ``normalisation``, ``ratio``, ``keep``, ``gamma``, ``number``, ``origin`` (see
        :class:`~otanalysis.selection.pool.Subset`) and what
        :meth:`otanalysis.surrogate.ladder.Ladder.values` returns; then a column for each further distance.

    Raises
    ------
    InputError
        If two dumps are of one benchmark, or as for ``measure_samples``.
    DumpError, StorageError, KeyboardInterrupt
        As for ``measure_samples``.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from otanalysis.stats import ladder_table, scatter_table
    >>> from otanalysis.tokens import DumpWriter
    >>> folder = tempfile.TemporaryDirectory()
    >>> with DumpWriter(f"{folder.name}/dump", model="demo", benchmark="noise") as writer:
    ...     writer.add("first", np.random.default_rng(0).standard_normal((12, 3)))
    >>> study = LadderStudy(ratios=(0.25,), subsets=4)
    >>> path = measure_ladder([f"{folder.name}/dump"], study, out=folder.name, progress=False)
    >>> rows = read_ladder(path)
    >>> summarise_ladder(path).equals(ladder_table(rows)), len(scatter_table(rows, ratio=0.25)) / len(rows)
    (True, 3.0)
    >>> folder.cleanup()
    """
    paths = list(dumps)
    names = [open_dump(path).manifest.benchmark for path in paths]
    # Refused before the measurement: the summary could not tell them apart.
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(
            f"The ladder wants one dump a benchmark, and {', '.join(twice)} came twice: "
            "measure one model at a time."
        )
    return measure_samples(study, paths, out=out, jobs=jobs, limit=limit, progress=progress, wait=wait)


def read_ladder(path: str | PathLike[str]) -> pd.DataFrame:
    """Read the table that :func:`measure_ladder` wrote.

    Raises
    ------
    InputError
        The file is missing, damaged, without rows, or another table.
    """
    further = distance_columns(further_distances(DISTANCES))
    cure = "pass the ladder.parquet of `otanalysis ladder`"
    return read_table(path, pa.schema([*OF_TABLE, *_COLUMNS]), may_have=further, cure=cure)


def summarise_ladder(path: str | PathLike[str]) -> pd.DataFrame:
    """Summarise a table of the ladder; the summary and its provenance are written beside it.

    Parameters
    ----------
    path : path
        What :func:`measure_ladder` returned.

    Returns
    -------
    DataFrame
        As :func:`~otanalysis.stats.ladder_tables.ladder_table` describes, also written as
        :data:`SUMMARY_NAME`; how it came about stands in ``ladder_summary.provenance.json``.

    Raises
    ------
    InputError
        If the file is missing or is another table.
    """
    summary = ladder_table(read_ladder(path))
    write_summaries(path, {SUMMARY_NAME: summary}, indent=1, sort_keys=True)
    return summary


def read_ladder_summary(path: str | PathLike[str]) -> pd.DataFrame:
    """Read a summary that :func:`summarise_ladder` wrote.

    Raises
    ------
    InputError
        The file is missing or damaged, or is another table.
    """
    return read_csv_summary(path, _SUMMARY_WORDS, _SUMMARY_NUMBERS, cure="run `otanalysis ladder` again")
