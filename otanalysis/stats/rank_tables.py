"""The numbers of Figure 2: methods ranked by distance and by score, and how well the two orders agree.

Scores are drawn from a normal distribution with their standard error, independently between methods; they
answered the same questions, so this overstates the noise of their differences and the intervals of the ranks
are conservative. Distances are resampled over the samples, as in Figures 3 to 5.

The same agreement has two signs. The paper draws rank against rank, where 1 is the smallest distance on one
axis and the best score on the other: there its claim is a correlation of +1 (``rank_rho``). Between distance
and score themselves, which is what the figures of this package show beside it, the claim is -1 (``rho``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from otanalysis.arrays import FloatArray
from otanalysis.stats.cells import (
    MEAN,
    RESAMPLES,
    Measured,
    distance_cells,
    drawn_scores,
    main_rows,
    rounded_settings,
    rows_with,
    score_cells,
    with_mean,
)
from otanalysis.stats.statistics import percentile_interval, spearman_rho, spearman_test


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
        where small distance goes with high score) and ``rank_rho`` between the two ranks (the same with the
        other sign), each with its bootstrap interval, the permutation ``p_value`` and the ``smallest_p`` that
        so few methods could give. Where a benchmark has a single sample, or question, there is neither
        interval nor p-value: another one could order the methods otherwise.
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
    good = score_cells(accuracy, far.benchmarks, far.cells, keys=keys, ratio=ratio)
    kind = "score" if good.common_scale else "relative_score"
    distances = with_mean(far.means, far.replicates)
    scores = drawn_scores(good, resamples, np.random.default_rng([seed, len(far.benchmarks)]))
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


def figure2_ratios(
    sweep: pd.DataFrame, accuracy: pd.DataFrame | None, *, methods: Sequence[str], **how: Any
) -> Figure2Tables:
    """Rank methods at every share of tokens kept that was swept.

    Parameters
    ----------
    sweep, accuracy, methods, **how
        As for :func:`figure2_tables`, except ``ratio``.

    Returns
    -------
    Figure2Tables
        The rows of all ratios, told apart by the column ``ratio``.

    Raises
    ------
    InputError
        As for :func:`figure2_tables`.
    """
    rows = rows_with(sweep, methods=methods, ratios=None)
    ratios = sorted(rounded_settings(rows, ["ratio"])["ratio"].unique())
    found = [figure2_tables(sweep, accuracy, methods=methods, ratio=float(ratio), **how) for ratio in ratios]
    return Figure2Tables(
        pd.concat([one.points for one in found], ignore_index=True),
        pd.concat([one.correlations for one in found], ignore_index=True),
    )


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
    names = [f"{sign}{end}" for sign in ("rho", "rank_rho") for end in ("", "_low", "_high")]
    names += ["p_value", "smallest_p", "p_standard_error"]
    result: dict[str, object] = {"methods": int(both.sum())} | dict.fromkeys(names, np.nan)
    if both.sum() < 3:
        return result | {"p_exact": True}
    test = spearman_test(distance[0][both], score[0][both], generator=np.random.default_rng(seed))
    low, high = percentile_interval(spearman_rho(distance[1][:, both], score[1][:, both]))
    return result | {
        "rho": test.rho,
        "rho_low": float(low),
        "rho_high": float(high),
        "rank_rho": 0.0 - test.rho,
        "rank_rho_low": 0.0 - float(high),
        "rank_rho_high": 0.0 - float(low),
        "p_value": test.p_value if np.isfinite(low) else np.nan,
        "smallest_p": test.smallest_p,
        "p_standard_error": test.standard_error,
        "p_exact": test.exact,
    }
