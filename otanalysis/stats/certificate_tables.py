r"""The numbers of the certificates: distance over the floor, and which share of the possible a method gains.

Means over samples, then over benchmarks; intervals are 95 % bootstraps over samples, paired between methods
and the floor, and missing where a benchmark has a single sample. ``over_floor`` is mean :math:`W_2^2`, or
mean quantisation error, over mean floor: at most so many times the smallest possible, 1 where both are zero.
``gap_closed`` is the share of the way from random subsets down to the floor: 1 at the floor, 0 at random's
value, negative beyond, missing where these two are one. The truth is between floor and the best set met, so
the shares are lower bounds for methods that are better than random.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from otanalysis.arrays import FloatArray
from otanalysis.errors import InputError
from otanalysis.stats.cells import MEAN, RESAMPLES, DistanceCells, distance_cells, with_mean
from otanalysis.stats.figure_tables import figure4_table
from otanalysis.stats.statistics import percentile_interval

FLOOR = "floor"
"""Method name of the certified floor in tables."""

_OF_DISTANCES = {"w2": "floor", "w2_squared": "floor_squared"}
_OF_COVERAGE = {"quantisation_error": "quantisation_floor"}
"""The column of every distance's floor, in the tables of the two studies."""

_RANDOM = "random"
_SAMPLE = ["dump", "benchmark", "sample", "ratio"]


def certificate_table(
    rows: pd.DataFrame, *, distance: str = "w2_squared", resamples: int = RESAMPLES, seed: int = 0
) -> pd.DataFrame:
    """Tabulate how far every method is from the floor.

    Parameters
    ----------
    rows : DataFrame
        From :func:`otanalysis.studies.certify.read_certificates`, or, for the quantisation error,
        :func:`otanalysis.studies.coverage.read_coverage`; of one normalisation.
    distance : {"w2_squared", "quantisation_error"}
        What has a floor.
    resamples, seed : int
        Bootstrap size and seed.

    Returns
    -------
    DataFrame
        Columns ``benchmark, method, ratio, quantity, value, low, high, n``; ``quantity`` is ``over_floor`` or
        ``gap_closed`` (missing where random was not measured).

    Raises
    ------
    InputError
        If the rows lack a column or mix normalisations.
    """
    normalise, keys = _normalisation(rows), ("method", "ratio")
    how: dict[str, Any] = {"normalise": normalise, "resamples": resamples, "seed": seed}
    far = distance_cells(_with_floor(rows, distance), distance, keys=keys, **how)
    place = {cell: number for number, cell in enumerate(far.cells)}
    records: list[dict[str, object]] = []
    for cell in far.cells:
        method, ratio = cell
        if method == FLOOR:
            continue
        measures = [("over_floor", partial(_over, own=place[cell], floor=place[(FLOOR, ratio)]))]
        if (random := place.get((_RANDOM, ratio))) is not None:
            closed = partial(_closed, own=place[cell], floor=place[(FLOOR, ratio)], random=random)
            measures.append(("gap_closed", closed))
        for quantity, measure in measures:
            head = {"method": method, "ratio": ratio, "quantity": quantity}
            records += [{"benchmark": name} | head | row for name, row in _with_intervals(far, measure)]
    return pd.DataFrame(records).assign(normalisation=normalise)


def floor_table(
    rows: pd.DataFrame, *, distance: str = "w2", resamples: int = RESAMPLES, seed: int = 0
) -> pd.DataFrame:
    """Tabulate every method's distance over that of OTPrune, with the certified floor as a method.

    Parameters
    ----------
    rows : DataFrame
        As for :func:`certificate_table`.
    distance : {"w2", "w2_squared", "quantisation_error"}
        What has a floor.
    resamples, seed : int
        Bootstrap size and seed.

    Returns
    -------
    DataFrame
        As :func:`otanalysis.stats.figure_tables.figure4_table`; the rows of method :data:`FLOOR` hold the
        floor of the distance over the distance of OTPrune.

    Raises
    ------
    InputError
        If the rows lack a column, mix normalisations, or have none of OTPrune.
    """
    normalise = _normalisation(rows)
    return figure4_table(
        _with_floor(rows, distance), distance=distance, normalise=normalise, resamples=resamples, seed=seed
    )


def greedy_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Tabulate the certified share of the largest surrogate that greedy reaches, per benchmark and ratio.

    Returns
    -------
    DataFrame
        Columns ``benchmark, ratio, median, low, worst, n, kind``: median, 5 % quantile and smallest certified
        ratio over samples, and the bound that was the tightest most often. Rows of benchmark
        :data:`~otanalysis.stats.cells.MEAN` pool all samples.

    Raises
    ------
    InputError
        If the rows lack a column.
    """
    _require(rows, ["greedy_ratio", "ceiling_kind"])
    once = _once_a_sample(rows)
    pooled = pd.concat([once, once.assign(benchmark=MEAN)])
    records = [
        {
            "benchmark": benchmark,
            "ratio": ratio,
            "median": float(own["greedy_ratio"].median()),
            "low": float(own["greedy_ratio"].quantile(0.05)),
            "worst": float(own["greedy_ratio"].min()),
            "n": len(own),
            "kind": str(own["ceiling_kind"].mode().iloc[0]),
        }
        for (benchmark, ratio), own in pooled.groupby(["benchmark", "ratio"], sort=False)
    ]
    return pd.DataFrame(records)


def _with_intervals(
    far: DistanceCells, measure: Callable[[FloatArray], FloatArray]
) -> list[tuple[str, dict[str, object]]]:
    """Return a measure of the cells' means, with its interval, per benchmark and as the mean of them."""
    names, counts = [*far.benchmarks, MEAN], [*far.samples, sum(far.samples)]
    values, replicates = measure(far.means)[:, None], measure(far.replicates)[:, :, None]
    rows: list[tuple[str, dict[str, object]]] = []
    for name, count, (value, drawn) in zip(names, counts, with_mean(values, replicates), strict=True):
        low, high = percentile_interval(drawn)
        numbers = {"value": float(value[0]), "low": float(low[0]), "high": float(high[0])}
        rows.append((name, {**numbers, "n": count}))
    return rows


def _over(means: FloatArray, own: int, floor: int) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = means[..., own] / means[..., floor]
    return np.where((means[..., own] == 0.0) & (means[..., floor] == 0.0), 1.0, ratio)


def _closed(means: FloatArray, own: int, floor: int, random: int) -> FloatArray:
    way = means[..., random] - means[..., floor]
    return np.asarray((means[..., random] - means[..., own]) / np.where(way == 0.0, np.nan, way))


def _normalisation(rows: pd.DataFrame) -> str:
    _require(rows, ["normalisation"])
    kinds = [str(kind) for kind in rows["normalisation"].unique()]
    if len(kinds) != 1:
        raise InputError(f"Certificates of one normalisation are wanted, got {', '.join(kinds) or 'none'}.")
    return kinds[0]


def _with_floor(rows: pd.DataFrame, distance: str) -> pd.DataFrame:
    """Return the rows with the floor as one more method."""
    floors = _OF_COVERAGE if distance in _OF_COVERAGE else _OF_DISTANCES
    _require(rows, [*_SAMPLE, "method", *floors, *floors.values(), "gamma", "seed"])
    once = _once_a_sample(rows)
    floor = once.assign(method=FLOOR, **{name: once[own] for name, own in floors.items()})
    table = pd.concat([rows, floor], ignore_index=True)
    # Only now: pandas before 3.0 guesses types anew where a column to be joined has no value.
    measured = table["method"] != FLOOR
    return table.assign(
        gamma=table["gamma"].where(measured), seed=table["seed"].astype("Int64").where(measured)
    )


def _once_a_sample(rows: pd.DataFrame) -> pd.DataFrame:
    _require(rows, _SAMPLE)
    once: pd.DataFrame = rows.drop_duplicates(_SAMPLE)
    return once


def _require(rows: pd.DataFrame, columns: Sequence[str]) -> None:
    if absent := [name for name in columns if name not in rows.columns]:
        raise InputError(f"The certificates lack the columns {', '.join(absent)}: run otanalysis certify.")
