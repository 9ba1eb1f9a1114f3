r"""Which distance predicts the score? Rank correlations over methods, distances by benchmarks.

A cell is Spearman's rho between the mean distance of every method's kept tokens and the score that a model
reaches with them, over all methods that have both. Its bootstrap draws anew, at once, all that could have
come out otherwise: the images (distances), the questions (scores, with their standard errors) and the
methods, over which the correlation is. Its p-value is that of the permutation test of
:func:`~otanalysis.stats.statistics.spearman_tests`; since a matrix has many cells, the chance that any of
them is small by accident is held by Holm's method, over all cells of the matrix. Methods that keep one end of
the picture lie apart from all others in most distances and scores, and can make a correlation alone: a second
matrix is without them.

A correlation over methods says what goes together, and not why: methods differ in more than one distance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from otanalysis.arrays import BoolArray, FloatArray
from otanalysis.defaults import BASELINES
from otanalysis.distances import DISTANCES
from otanalysis.errors import InputError
from otanalysis.stats.cells import (
    MEAN,
    RESAMPLES,
    Measured,
    check_sweep,
    distance_cells,
    drawn_scores,
    main_rows,
    rounded_settings,
    score_cells,
    with_mean,
)
from otanalysis.stats.statistics import holm, percentile_interval, spearman_rho, spearman_tests

ENDS = ("first", "last")
"""Methods that keep one end of the picture, without which the second matrix is."""

FEWEST = 3
"""Methods below which there is no correlation to speak of."""

_DIGITS = 12  # of a score: two that are equal, one of them a mean over seeds, may differ behind them

_KEYS = ("method",)
_UNKNOWN = {"rho": np.nan, "low": np.nan, "high": np.nan, "p": np.nan}


@dataclass(frozen=True)
class PredictorTables:
    """Numbers of the matrix, see :func:`predictor_tables`.

    Attributes
    ----------
    matrix : DataFrame
        One row a cell, of both matrices: ``without_ends`` (bool), ``distance`` (name in
        :data:`otanalysis.distances.DISTANCES`), ``closer`` (``lower is closer`` or ``higher is closer``),
        ``benchmark`` (and :data:`~otanalysis.stats.cells.MEAN`), ``rho`` (between distance and score) with
        its 95 % interval ``low`` to ``high``, ``p`` (two-sided, by permutations), ``p_holm`` (the same after
        Holm's method over the cells of this matrix), ``n_methods``, ``samples``, ``ratio``,
        ``normalisation`` and ``score_kind`` (``score`` or ``relative_score``, the share of that with all
        tokens). Where a benchmark has a single sample, or question, there is neither interval nor p-value.
    points : DataFrame
        One row a benchmark and method: ``score``, and the mean of every distance in a column of its name;
        NaN where it is not known, and the method then not in the cell.
    """

    matrix: pd.DataFrame
    points: pd.DataFrame


def predictor_tables(
    sweep: pd.DataFrame,
    accuracy: pd.DataFrame | None,
    *,
    ratio: float = 0.098,
    normalise: str = "none",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PredictorTables:
    """Correlate every distance with the score over methods, per benchmark and overall.

    Parameters
    ----------
    sweep : DataFrame
        Of :func:`otanalysis.studies.sweep.sweep`, with any methods; the distances are those of
        :data:`otanalysis.distances.DISTANCES` that it has columns of.
    accuracy : DataFrame or None
        As :func:`otanalysis.scores.table.read_accuracy` returns it, of one model; without it, no
        cell is known.
    ratio : float
        Share of tokens kept.
    normalise : str
        Token normalisation under the distances.
    resamples, seed : int
        Of the bootstrap, and the seed of the permutations.

    Returns
    -------
    PredictorTables

    Raises
    ------
    InputError
        If the sweep has no row at this ratio and normalisation, or no distance, or a table is malformed.

    Examples
    --------
    >>> row = {"dump": "d", "model": "m", "benchmark": "gqa", "sample": 0, "ratio": 0.1, "seed": None}
    >>> own = {"method": ["dpp", "uniform", "random"], "gamma": np.nan, "w2": [1.0, 2.0, 4.0]}
    >>> sweep = pd.DataFrame(row | own).assign(normalisation="none")
    >>> score = {"model": "m", "benchmark": "gqa", "metric": "acc", "ratio": 0.1, "value": [0.9, 0.8, 0.3]}
    >>> accuracy = pd.DataFrame(score | {"method": ["dpp", "uniform", "random"]})
    >>> found = predictor_tables(sweep, accuracy, ratio=0.1, resamples=100).matrix
    >>> found["distance"].tolist(), found["rho"].tolist()  # on gqa and overall, with and without the ends
    (['w2', 'w2', 'w2', 'w2'], [-1.0, -1.0, -1.0, -1.0])
    """
    compared = _compared(sweep, accuracy, ratio=ratio, normalise=normalise, resamples=resamples, seed=seed)
    matrix = pd.concat([_matrix(compared, without_ends, seed) for without_ends in (False, True)])
    return PredictorTables(
        _ordered(matrix.assign(ratio=ratio, normalisation=normalise)),
        _points(compared, _unswept(accuracy, compared.methods, ratio)),
    )


@dataclass(frozen=True)
class _Compared:
    """What is correlated: of every benchmark, and of their mean in the end, all methods' numbers."""

    benchmarks: tuple[str, ...]
    methods: tuple[str, ...]
    distances: Mapping[str, list[Measured]]
    scores: list[Measured]
    samples: tuple[int, ...]
    mean_score: str


def _compared(
    sweep: pd.DataFrame,
    accuracy: pd.DataFrame | None,
    *,
    ratio: float,
    normalise: str,
    resamples: int,
    seed: int,
) -> _Compared:
    check_sweep(sweep)
    names = [name for name in DISTANCES if name in sweep.columns]
    if not names:
        raise InputError(f"The sweep has none of the distances {', '.join(DISTANCES)}: run the sweep again.")
    rows = main_rows(sweep, methods=[str(name) for name in sweep["method"].unique()], ratios=[ratio])
    draws: dict[str, Any] = {"keys": _KEYS, "normalise": normalise, "resamples": resamples, "seed": seed}
    cells = {name: distance_cells(rows, name, **draws) for name in names}
    far = cells[names[0]]
    good = score_cells(accuracy, far.benchmarks, far.cells, keys=_KEYS, ratio=ratio)
    return _Compared(
        benchmarks=(*far.benchmarks, MEAN),
        methods=tuple(str(cell[0]) for cell in far.cells),
        distances={name: with_mean(one.means, one.replicates) for name, one in cells.items()},
        scores=drawn_scores(good, resamples, np.random.default_rng([seed, len(far.benchmarks)])),
        samples=(*far.samples, sum(far.samples)),
        mean_score="score" if good.common_scale else "relative_score",
    )


def _matrix(compared: _Compared, without_ends: bool, seed: int) -> pd.DataFrame:
    """Return the cells of one matrix, benchmark by benchmark, their p-values adjusted together."""
    chosen = np.array([not (without_ends and method in ENDS) for method in compared.methods])
    records = []
    for number, benchmark in enumerate(compared.benchmarks):
        head = {
            "without_ends": without_ends,
            "benchmark": benchmark,
            "samples": compared.samples[number],
            "score_kind": compared.mean_score if benchmark == MEAN else "score",
        }
        distances = {name: measured[number] for name, measured in compared.distances.items()}
        generator = np.random.default_rng([seed, number, without_ends])
        records += [head | cell for cell in _column(distances, compared.scores[number], chosen, generator)]
    matrix = pd.DataFrame(records)
    return matrix.assign(p_holm=holm(matrix["p"]))


def _column(
    distances: Mapping[str, Measured], score: Measured, chosen: BoolArray, generator: np.random.Generator
) -> Iterator[dict[str, Any]]:
    """Yield the cells of one benchmark: every distance with the score, over the chosen methods."""
    values = np.array([value for value, _ in distances.values()])
    there = chosen & np.isfinite(score[0]) & np.isfinite(values).all(axis=0)
    n = int(there.sum())
    cells = [_UNKNOWN] * len(values)
    if n >= FEWEST:
        scores = np.round(score[0][there], _DIGITS)
        tests = spearman_tests(values[:, there], scores, generator=generator)
        draws = np.array([replicates[:, there] for _, replicates in distances.values()])
        low, high = percentile_interval(_resampled(draws, score[1][:, there], generator).T)
        cells = [
            {"rho": test.rho, "low": float(a), "high": float(b), "p": test.p_value if a == a else np.nan}
            for test, a, b in zip(tests, low, high, strict=True)
        ]
    for name, cell in zip(distances, cells, strict=True):
        yield {"distance": name, "closer": DISTANCES[name].closer, "n_methods": n} | cell


def _resampled(distances: FloatArray, scores: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Return the correlations [q, r] of distances [q, r, n] with scores [r, n], over methods drawn anew."""
    drawn = generator.integers(0, scores.shape[1], size=scores.shape)
    return spearman_rho(
        np.take_along_axis(distances, drawn[None], axis=2), np.take_along_axis(scores, drawn, axis=1)
    )


def _ordered(matrix: pd.DataFrame) -> pd.DataFrame:
    """Return the cells of each matrix distance by distance, the columns in the order of what matters."""
    columns = ["without_ends", "distance", "closer", "benchmark", "rho", "low", "high", "p", "p_holm"]
    columns += ["n_methods", "samples", "ratio", "normalisation", "score_kind"]
    place = matrix["distance"].map({name: number for number, name in enumerate(DISTANCES)})
    ordered = matrix.assign(place=place).sort_values(["without_ends", "place"], kind="stable")
    return ordered[columns].reset_index(drop=True)


def _unswept(accuracy: pd.DataFrame | None, methods: Sequence[str], ratio: float) -> list[str]:
    """Return the methods that have a score at this ratio, and no distance."""
    if accuracy is None:
        return []
    pruned = accuracy[~accuracy["method"].isin([*BASELINES, *methods])]
    [wanted] = rounded_settings(pd.DataFrame({"ratio": [ratio]}), ["ratio"])["ratio"]
    own = pruned[rounded_settings(pruned, ["ratio"])["ratio"] == wanted]
    return [str(name) for name in own["method"].drop_duplicates()]


def _points(compared: _Compared, unswept: Sequence[str]) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {"benchmark": benchmark, "method": compared.methods, "score": compared.scores[number][0]}
            | {name: measured[number][0] for name, measured in compared.distances.items()}
        )
        for number, benchmark in enumerate(compared.benchmarks)
    ]
    return pd.concat([*parts, pd.DataFrame({"benchmark": MEAN, "method": unswept})], ignore_index=True)
