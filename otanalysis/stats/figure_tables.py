r"""The numbers of Figures 3 to 5, as tidy tables: sweep + accuracies -> what is plotted, with its intervals.

Every interval covers 95 %. Those of distances are percentile bootstraps over the samples of a dump, paired
between methods; those of scores are :math:`\pm 1.96` standard errors. Of a single sample, or question, there
is no interval. A mean over benchmarks has the benchmark name :data:`~otanalysis.stats.cells.MEAN`; it is
missing where one of the benchmarks is, and so is its interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from otanalysis.arrays import FloatArray
from otanalysis.defaults import DEFAULT_GAMMAS, FULL
from otanalysis.errors import InputError
from otanalysis.stats.cells import (
    MEAN,
    RESAMPLES,
    Cell,
    DistanceCells,
    ScoreCells,
    check_sweep,
    distance_cells,
    main_rows,
    rounded_settings,
    rows_with,
    score_cells,
    with_mean,
)
from otanalysis.stats.statistics import percentile_interval, ratio_standard_error

Record = dict[str, object]

NORMAL_95 = 1.959963984540054
"""97.5 % quantile of the standard normal distribution."""


def figure3_table(
    sweep: pd.DataFrame,
    accuracy: pd.DataFrame | None,
    *,
    methods: Sequence[str] = (*DEFAULT_GAMMAS, "divprune", "dpp", "random"),
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
    good = score_cells(accuracy, far.benchmarks, far.cells, keys=keys)
    records = [
        *_score_records(good, far, keys),
        *_distance_records(far, keys, baseline={"method": "otprune"}),
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
    baseline: str = "otprune",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Tabulate the mean distance of every method over that of OTPrune, per benchmark and ratio.

    Parameters
    ----------
    sweep : DataFrame
        As for :func:`~otanalysis.stats.rank_tables.figure2_tables`.
    methods : sequence of str, optional
        By default all of the sweep.
    ratios : sequence of float, optional
        By default all of the sweep.
    distance : str
        Column of the sweep: a distance, or any other quantity of a kept set.
    normalise : str
        Token normalisation under it.
    baseline : str
        The method that the others are divided by: OTPrune, with the released gamma or the paper's.
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        Columns ``benchmark, method, ratio, quantity, value, low, high, n``, ``quantity`` being
        ``relative_distance``: ratio of the two means over samples, with a paired bootstrap interval. Above 1,
        the method's tokens are farther from all tokens than those that OTPrune keeps.

    Raises
    ------
    InputError
        If the sweep has no row of the baseline, or a table is malformed.

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
    rows = main_rows(sweep, methods=list(dict.fromkeys([*names, baseline])), ratios=ratios)
    keys = ("method", "ratio")
    far = distance_cells(rows, distance, keys=keys, normalise=normalise, resamples=resamples, seed=seed)
    if not any(cell[0] == baseline for cell in far.cells):
        raise InputError(
            f"Figure 4 divides by the distance of {baseline}, and the sweep has no row of it: add it."
        )
    records = _distance_records(far, keys, baseline={"method": baseline})
    table = _finish(records, distance, normalise)
    others = (table["quantity"] == "relative_distance") & (table["method"] != baseline)
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
    r"""Tabulate OTPrune's score, distance and surrogate value by :math:`\gamma`, in both its units.

    Returns
    -------
    DataFrame
        Columns ``benchmark, method, ratio, gamma, factor, quantity, value, low, high, n``; ``gamma`` is in
        the unit of the ``method`` (that of the released code or the paper's), ``factor`` the same in the
        released code's; ``quantity`` is ``score``, ``relative_score``, ``distance``, ``relative_distance``
        (to that of the released gamma 0.01), ``logdet`` (the surrogate with the row's own gamma, so it grows
        with gamma by construction) or ``trace_objective`` (what the surrogate stands for; free of gamma); the
        last two where the sweep has them.

    Raises
    ------
    InputError
        If the sweep has no row of OTPrune, or a table is malformed.
    """
    rows = rows_with(sweep, methods=tuple(DEFAULT_GAMMAS), ratios=ratios)
    if "logdet_gamma" not in rows.columns:
        raise InputError("The sweep table lacks the column logdet_gamma: run the sweep again.")
    keys = ("method", "ratio", "gamma")
    draws = {"keys": keys, "normalise": normalise, "resamples": resamples, "seed": seed}
    records: list[Record] = []
    surrogates = [name for name in ("logdet", "trace_objective") if name in rows.columns]
    for quantity in (distance, *surrogates):
        far = distance_cells(rows, quantity, **draws)  # type: ignore[arg-type]
        if quantity == distance:
            good = score_cells(accuracy, far.benchmarks, far.cells, keys=keys)
            records += _score_records(good, far, keys)
            released: dict[str, str | float] = {"method": "otprune", "gamma": DEFAULT_GAMMAS["otprune"]}
            records += _distance_records(far, keys, baseline=released)
        else:
            records += _distance_records(far, keys, name=quantity)
    table = _finish(records, distance, normalise)
    # Of images with several numbers of tokens, a gamma of the paper is a little different on each.
    factors = rounded_settings(rows, keys).groupby(list(keys))["logdet_gamma"].mean()
    return table.join(factors.rename("factor"), on=list(keys))


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
    far: DistanceCells,
    keys: Sequence[str],
    *,
    baseline: Mapping[str, str | float] | None = None,
    name: str = "distance",
) -> list[Record]:
    blocks = [(name, far.means, far.replicates)]
    if baseline is not None:
        base = _origins(far.cells, keys, baseline)
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


def _origins(
    cells: Sequence[Cell], keys: Sequence[str], baseline: Mapping[str, str | float]
) -> list[int | None]:
    """Return the cell that each is divided by, the same but for the baseline's keys; None if missing."""
    place = {cell: number for number, cell in enumerate(cells)}
    named = [{**dict(zip(keys, cell, strict=True)), **baseline} for cell in cells]
    return [place.get(tuple(one[key] for key in keys)) for one in named]


def _mean_of(values: FloatArray, errors: FloatArray) -> tuple[float, float]:
    """Mean over benchmarks, whose scenes are different, so their errors are independent."""
    return float(np.mean(values)), float(np.sqrt(np.sum(errors**2)) / len(errors))


def _normal(value: float, error: float, count: float) -> Record:
    reach = NORMAL_95 * error
    return {"value": float(value), "low": float(value - reach), "high": float(value + reach), "n": count}


def _finish(records: list[Record], distance: str, normalise: str) -> pd.DataFrame:
    return pd.DataFrame(records).assign(distance_kind=distance, normalisation=normalise)
