r"""The numbers of Figures 2 to 5, as tidy tables: sweep + accuracies -> what is plotted, with its intervals.

Every interval covers 95 %. Those of distances are percentile bootstraps over the samples of a dump, paired
between methods; those of scores are :math:`\pm 1.96` standard errors. A mean over benchmarks has the
benchmark name :data:`~otanalysis.stats.cells.MEAN`; it is missing where one of the benchmarks is.

Figure 2 ranks methods by distance and by score, and says how well the two orders agree. There scores are
drawn from a normal distribution with their standard error, independently between methods; they answered the
same questions, so this overstates the noise of their differences and the intervals of the ranks are
conservative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from otanalysis.arrays import FloatArray
from otanalysis.defaults import FULL, RELEASED_GAMMA
from otanalysis.errors import InputError
from otanalysis.stats.cells import (
    MEAN,
    RESAMPLES,
    Cell,
    DistanceCells,
    Measured,
    ScoreCells,
    check_sweep,
    distance_cells,
    main_rows,
    rows_with,
    score_cells,
    with_mean,
)
from otanalysis.stats.statistics import percentile_interval, ratio_standard_error, spearman_rho, spearman_test

Record = dict[str, object]

NORMAL_95 = 1.959963984540054
"""97.5 % quantile of the standard normal distribution."""


def figure3_table(
    sweep: pd.DataFrame,
    accuracy: pd.DataFrame | None,
    *,
    methods: Sequence[str] = ("otprune", "divprune", "dpp", "random"),
    ratios: Sequence[float] | None = None,
    distance: str = "w2",
    normalise: str = "none",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Tabulate score, score relative to all tokens, distance, and distance relative to OTPrune, by ratio.

    Returns
    -------
    DataFrame
        Columns ``benchmark, method, ratio, quantity, value, low, high, n``; ``quantity`` is ``score``,
        ``relative_score``, ``distance`` or ``relative_distance``; ``n`` counts questions or samples. The
        rows of method ``full`` hold the score with all tokens. The mean of a relative quantity is the mean
        of the benchmarks' ratios.

    Raises
    ------
    InputError
        If the sweep has no row of these methods, or a table is malformed.
    """
    wanted = list(dict.fromkeys([*methods, "otprune"]))
    rows = main_rows(sweep, methods=wanted, ratios=ratios)
    keys = ("method", "ratio")
    far = distance_cells(rows, distance, keys=keys, normalise=normalise, resamples=resamples, seed=seed)
    good = score_cells(accuracy, far.benchmarks, far.cells, keys=keys, fixed={"gamma": RELEASED_GAMMA})
    records = [
        *_score_records(good, far, keys),
        *_distance_records(far, keys, baseline=_otprune_at_same_ratio),
    ]
    records += [
        {"benchmark": name, "method": FULL, "ratio": 1.0, "quantity": "score"} | _normal(value, error, np.nan)
        for name, value, error in zip(far.benchmarks, good.full, good.full_error, strict=True)
    ]
    if good.common_scale:
        value, error = _mean_of(good.full, good.full_error)
        full = {"benchmark": MEAN, "method": FULL, "ratio": 1.0, "quantity": "score"}
        records.append(full | _normal(value, error, np.nan))
    table = _finish(records, distance, normalise)
    return table[table["method"].isin([*methods, FULL])].reset_index(drop=True)


def figure4_table(
    sweep: pd.DataFrame,
    *,
    methods: Sequence[str] | None = None,
    ratios: Sequence[float] | None = None,
    distance: str = "w2",
    normalise: str = "none",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Tabulate the mean distance of every method over that of OTPrune, per benchmark and ratio.

    Returns
    -------
    DataFrame
        Columns ``benchmark, method, ratio, quantity, value, low, high, n``, ``quantity`` being
        ``relative_distance``: ratio of the two means over samples, with a paired bootstrap interval. Above 1,
        the method's tokens are farther from all tokens than those that OTPrune keeps.

    Raises
    ------
    InputError
        If the sweep has no row of OTPrune, or a table is malformed.

    Examples
    --------
    >>> row = {"dump": "d", "model": "m", "benchmark": "gqa", "sample": 0, "ratio": 0.1, "seed": None}
    >>> own = {"method": ["otprune", "first"], "gamma": [0.01, np.nan], "w2": [2.0, 1.0]}
    >>> sweep = pd.DataFrame(row | own).assign(normalisation="none")

    >>> figure4_table(sweep).loc[[0], ["method", "value"]].to_dict("records")
    [{'method': 'first', 'value': 0.5}]
    """
    check_sweep(sweep)
    names = list(methods) if methods is not None else [str(name) for name in sweep["method"].unique()]
    rows = main_rows(sweep, methods=list(dict.fromkeys([*names, "otprune"])), ratios=ratios)
    keys = ("method", "ratio")
    far = distance_cells(rows, distance, keys=keys, normalise=normalise, resamples=resamples, seed=seed)
    if not any(cell[0] == "otprune" for cell in far.cells):
        raise InputError(
            "Figure 4 divides by the distance of otprune, and the sweep has no row of it: add it."
        )
    records = _distance_records(far, keys, baseline=_otprune_at_same_ratio)
    table = _finish(records, distance, normalise)
    others = (table["quantity"] == "relative_distance") & (table["method"] != "otprune")
    return table[others].reset_index(drop=True)


def figure5_table(
    sweep: pd.DataFrame,
    accuracy: pd.DataFrame | None,
    *,
    ratios: Sequence[float] | None = None,
    distance: str = "w2",
    normalise: str = "none",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    r"""Tabulate OTPrune's score, distance and surrogate value by :math:`\gamma`.

    Returns
    -------
    DataFrame
        Columns ``benchmark, ratio, gamma, quantity, value, low, high, n``; ``quantity`` is ``score``,
        ``relative_score``, ``distance``, ``relative_distance`` (to that of gamma 0.01), ``logdet`` (the
        surrogate with the row's own gamma, so it grows with gamma by construction) or ``trace_objective``
        (what the surrogate stands for; free of gamma).

    Raises
    ------
    InputError
        If the sweep has no row of OTPrune, or a table is malformed.
    """
    rows = rows_with(sweep, methods=["otprune"], ratios=ratios)
    keys = ("ratio", "gamma")
    draws = {"keys": keys, "normalise": normalise, "resamples": resamples, "seed": seed}
    records: list[Record] = []
    for quantity in (distance, "logdet", "trace_objective"):
        far = distance_cells(rows, quantity, **draws)  # type: ignore[arg-type]
        if quantity == distance:
            good = score_cells(accuracy, far.benchmarks, far.cells, keys=keys, fixed={"method": "otprune"})
            records += _score_records(good, far, keys)
            records += _distance_records(far, keys, baseline=_default_gamma_at_same_ratio)
        else:
            records += _distance_records(far, keys, name=quantity)
    return _finish(records, distance, normalise)


def _score_records(good: ScoreCells, far: DistanceCells, keys: Sequence[str]) -> list[Record]:
    full = np.where(good.full == 0, np.nan, good.full)[:, None]
    full_error = good.full_error[:, None]
    relative = good.score / full
    relative_error = ratio_standard_error(good.score, good.error, full, full_error)
    blocks = [("score", good.score, good.error), ("relative_score", relative, relative_error)]
    records: list[Record] = []
    for quantity, values, errors in blocks:
        for c, cell in enumerate(far.cells):
            head = dict(zip(keys, cell, strict=True)) | {"quantity": quantity}
            for b, name in enumerate(far.benchmarks):
                count = good.counts[b, c]
                records.append({"benchmark": name} | head | _normal(values[b, c], errors[b, c], count))
            if quantity == "score" and not good.common_scale:
                continue
            value, error = _mean_of(values[:, c], errors[:, c])
            records.append({"benchmark": MEAN} | head | _normal(value, error, float(good.counts[:, c].sum())))
    return records


def _distance_records(
    far: DistanceCells, keys: Sequence[str], *, baseline: _Baseline | None = None, name: str = "distance"
) -> list[Record]:
    blocks = [(name, far.means, far.replicates)]
    if baseline is not None:
        base = [baseline(far.cells, cell) for cell in far.cells]
        columns = [c for c, origin in enumerate(base) if origin is not None]
        origins = [origin for origin in base if origin is not None]
        means, draws = np.full_like(far.means, np.nan), np.full_like(far.replicates, np.nan)
        means[:, columns] = far.means[:, columns] / far.means[:, origins]
        draws[:, :, columns] = far.replicates[:, :, columns] / far.replicates[:, :, origins]
        blocks.append((f"relative_{name}", means, draws))
    records: list[Record] = []
    for quantity, values, replicates in blocks:
        for row, (value, drawn) in enumerate(with_mean(values, replicates)):
            benchmark = far.benchmarks[row] if row < len(far.benchmarks) else MEAN
            count = far.samples[row] if row < len(far.benchmarks) else sum(far.samples)
            low, high = percentile_interval(drawn)
            for c, cell in enumerate(far.cells):
                head = {"benchmark": benchmark} | dict(zip(keys, cell, strict=True)) | {"quantity": quantity}
                numbers = {"value": value[c], "low": low[c], "high": high[c], "n": float(count)}
                records.append(head | numbers)
    return records


@dataclass(frozen=True)
class _Baseline:
    """Index of the cell that another one is divided by: the same but for one key. None if it is missing."""

    position: int
    wanted: str | float

    def __call__(self, cells: Sequence[Cell], cell: Cell) -> int | None:
        target = tuple(self.wanted if i == self.position else part for i, part in enumerate(cell))
        return next((number for number, other in enumerate(cells) if other == target), None)


_otprune_at_same_ratio = _Baseline(0, "otprune")
_default_gamma_at_same_ratio = _Baseline(1, RELEASED_GAMMA)


def _mean_of(values: FloatArray, errors: FloatArray) -> tuple[float, float]:
    """Mean over benchmarks, whose scenes are different, so their errors are independent."""
    return float(np.mean(values)), float(np.sqrt(np.sum(errors**2)) / len(errors))


def _normal(value: float, error: float, count: float) -> Record:
    reach = NORMAL_95 * error
    return {"value": float(value), "low": float(value - reach), "high": float(value + reach), "n": count}


def _finish(records: list[Record], distance: str, normalise: str) -> pd.DataFrame:
    return pd.DataFrame(records).assign(distance_kind=distance, normalisation=normalise)


@dataclass(frozen=True)
class Figure2Tables:
    """Numbers of Figure 2.

    Attributes
    ----------
    points : DataFrame
        One row per benchmark (and :data:`MEAN`) and method: ``distance``, ``score``, ``distance_rank``
        (1 = smallest) and ``score_rank`` (1 = best), each with its interval ``_low`` to ``_high``.
    correlations : DataFrame
        One row per benchmark (and :data:`MEAN`): Spearman's ``rho`` between distance and score (negative
        where small distance goes with high score) with its bootstrap interval, the permutation ``p_value``
        and the ``smallest_p`` that so few methods could give.
    """

    points: pd.DataFrame
    correlations: pd.DataFrame


def figure2_tables(
    sweep: pd.DataFrame,
    accuracy: pd.DataFrame | None,
    *,
    methods: Sequence[str],
    ratio: float = 0.098,
    distance: str = "w2",
    normalise: str = "none",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Figure2Tables:
    """Rank methods by distance and by score, per benchmark and overall.

    Parameters
    ----------
    sweep, accuracy : DataFrame
        Columns of :func:`otanalysis.studies.sweep.sweep` and :func:`otanalysis.scores.table.read_accuracy`;
        without accuracy, scores and correlations are missing.
    methods : sequence of str
        Methods to rank.
    ratio : float
        Share of tokens kept.
    distance : str
        Column of the sweep: ``w2``, ``w2_squared`` or ``quantisation_error``.
    normalise : str
        Token normalisation under the distance.
    resamples, seed : int
        Bootstrap: samples are resampled for the distances, scores drawn from a normal distribution with their
        standard error (held fixed if it is unknown).

    Returns
    -------
    Figure2Tables

    Raises
    ------
    InputError
        If the sweep has no row of these methods at this ratio, or a table is malformed.

    Examples
    --------
    >>> row = {"dump": "d", "model": "m", "benchmark": "gqa", "sample": 0, "ratio": 0.1, "seed": None}
    >>> own = {"method": ["otprune", "first"], "gamma": [0.01, np.nan], "w2": [2.0, 1.0]}
    >>> sweep = pd.DataFrame(row | own).assign(normalisation="none")

    >>> tables = figure2_tables(sweep, None, methods=["otprune", "first"], ratio=0.1)
    >>> tables.points.loc[tables.points["benchmark"] == "gqa", "distance_rank"].tolist()
    [2.0, 1.0]
    """
    rows = main_rows(sweep, methods=methods, ratios=[ratio])
    keys = ("method",)
    far = distance_cells(rows, distance, keys=keys, normalise=normalise, resamples=resamples, seed=seed)
    at_ratio: dict[str, str | float] = {"gamma": RELEASED_GAMMA, "ratio": ratio}
    good = score_cells(accuracy, far.benchmarks, far.cells, keys=keys, fixed=at_ratio)
    kind = "score" if good.common_scale else "relative_score"
    distances = with_mean(far.means, far.replicates)
    scores = _drawn_scores(good, resamples, np.random.default_rng([seed, len(far.benchmarks)]))
    column = {str(cell[0]): number for number, cell in enumerate(far.cells)}
    points, correlations = [], []
    for number, name in enumerate([*far.benchmarks, MEAN]):
        settings = {
            "ratio": ratio,
            "distance_kind": distance,
            "normalisation": normalise,
            "score_kind": kind if name == MEAN else "score",
            "samples": sum(far.samples) if name == MEAN else far.samples[number],
        }
        ranked = _ranked(distances[number], scores[number])
        points += [
            {"benchmark": name, "method": method}
            | settings
            | {quantity: float(values[column[method]]) for quantity, values in ranked.items()}
            for method in methods
            if method in column
        ]
        test = _correlation(distances[number], scores[number], seed=seed)
        correlations.append({"benchmark": name} | settings | test)
    return Figure2Tables(pd.DataFrame(points), pd.DataFrame(correlations))


def _drawn_scores(good: ScoreCells, resamples: int, generator: np.random.Generator) -> list[Measured]:
    """Scores and draws with their standard error (held fixed if it is unknown), per benchmark and mean."""
    noise = generator.normal(size=(good.score.shape[0], resamples, good.score.shape[1]))
    drawn = good.score[:, None, :] + np.nan_to_num(good.error)[:, None, :] * noise
    scale = None if good.common_scale else 1.0 / np.where(good.full == 0, np.nan, good.full)
    return with_mean(good.score, drawn, scale)


def _ranked(distance: Measured, score: Measured) -> dict[str, FloatArray]:
    columns: dict[str, FloatArray] = {}
    for name, (values, draws), sign in (("distance", distance, 1.0), ("score", score, -1.0)):
        low, high = percentile_interval(draws)
        columns |= {name: values, f"{name}_low": low, f"{name}_high": high}
        there = np.isfinite(values)
        ranks, rank_low, rank_high = (np.full(values.shape, np.nan) for _ in range(3))
        ranks[there] = rankdata(sign * values[there])
        drawn: FloatArray = np.asarray(rankdata(sign * draws[:, there], axis=-1), dtype=np.float64)
        if there.any():
            rank_low[there], rank_high[there] = percentile_interval(drawn)
        columns |= {f"{name}_rank": ranks, f"{name}_rank_low": rank_low, f"{name}_rank_high": rank_high}
    return columns


def _correlation(distance: Measured, score: Measured, *, seed: int) -> dict[str, object]:
    both = np.isfinite(distance[0]) & np.isfinite(score[0])
    names = ["rho", "rho_low", "rho_high", "p_value", "smallest_p", "p_standard_error"]
    result: dict[str, object] = {"methods": int(both.sum())} | dict.fromkeys(names, np.nan)
    if both.sum() < 3:
        return result | {"p_exact": True}
    test = spearman_test(distance[0][both], score[0][both], generator=np.random.default_rng(seed))
    low, high = percentile_interval(spearman_rho(distance[1][:, both], score[1][:, both]))
    return result | {
        "rho": test.rho,
        "rho_low": float(low),
        "rho_high": float(high),
        "p_value": test.p_value,
        "smallest_p": test.smallest_p,
        "p_standard_error": test.standard_error,
        "p_exact": test.exact,
    }
