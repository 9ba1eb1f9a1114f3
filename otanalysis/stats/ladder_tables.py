r"""The numbers of the ladder: how well every rung agrees with exact transport, and what relying on it costs.

Within a sample, a rung is compared with the exact :math:`W_2^2` over a pool of subsets of one size:

* ``rho``: Spearman's correlation between the rung and :math:`W_2^2`, both with the sign that makes smaller
  better; 1 where the rung orders the subsets as the exact distance does;
* ``win_rate``: share of the random subsets that the rung's favourite beats in :math:`W_2^2`; a tie is half;
* ``regret``: :math:`W_2^2` of the rung's favourite over that of the best subset of the pool, minus 1.

They are averaged over samples, then over benchmarks; intervals are 95 % percentile bootstraps over samples.
Two pools are told apart: ``all`` holds very good and very bad subsets, which are easily ordered; ``random``
only random ones, which lie close together.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from otanalysis.arrays import FloatArray
from otanalysis.distances import DISTANCES, further_distances
from otanalysis.errors import InputError
from otanalysis.selection.pool import RANDOM
from otanalysis.stats.cells import MEAN, RESAMPLES, check_frame, with_mean
from otanalysis.stats.statistics import bootstrap_means, percentile_interval, spearman_rho
from otanalysis.surrogate.ladder import RUNGS

DROPPED_TERM = "kept_second_moment"
r""":math:`\mathrm{tr} \Sigma_C`, which the step from rung 2 to rung 3 drops. Nobody would choose by it, so it
has only a ``rho``: positive where subsets of long tokens are far from all tokens."""

FREE_WEIGHTS = "quantisation_error"
"""The distance when the kept tokens may carry any mass, beside the rungs."""

DIGITS = 9
"""Values of a pool are compared after rounding to so many digits of the largest, so that subsets which differ
by rounding alone tie; exact distances are certified to 1e-10 of their own value."""

_EXACT = RUNGS[0].column
_MEASURES = (*(rung.column for rung in RUNGS), DROPPED_TERM, FREE_WEIGHTS)
_MAXIMISED = {rung.column for rung in RUNGS if rung.maximised} | {
    name for name, one in DISTANCES.items() if one.higher_is_closer
}
_POOLS = ("all", RANDOM)
_SAMPLE = ["normalisation", "ratio", "benchmark", "sample"]


def agreement(badness: FloatArray, exact: FloatArray, rivals: NDArray[np.bool_]) -> dict[str, FloatArray]:
    """Compare a measure with the exact distance over the pools of some samples.

    Parameters
    ----------
    badness : ndarray [s, n]
        The measure for ``n`` subsets of ``s`` samples, smaller is better.
    exact : ndarray [s, n]
        Their exact squared distances.
    rivals : ndarray [n], bool
        The subsets that the favourite of the measure has to beat: the random ones, at least two. It is never
        compared with itself.

    Returns
    -------
    dict
        ``rho``, ``win_rate`` and ``regret`` of every sample [s]; NaN where the measure or the exact distance
        is the same for all subsets. Favourites that tie count in equal parts.

    Examples
    --------
    >>> exact = np.array([[1.0, 2.0, 4.0]])
    >>> found = agreement(exact[:, ::-1], exact, np.ones(3, dtype=bool))
    >>> {name: values.tolist() for name, values in found.items()}
    {'rho': [-1.0], 'win_rate': [0.0], 'regret': [3.0]}
    """
    bad, far = _rounded(badness), _rounded(exact)
    rho = spearman_rho(bad, far)
    other = far[:, None, rivals]
    beaten = np.sum((far[:, :, None] < other) + 0.5 * (far[:, :, None] == other), axis=2)
    share = (beaten - 0.5 * rivals) / (rivals.sum() - rivals)
    favourite = bad == bad.min(axis=1, keepdims=True)
    weights = favourite / favourite.sum(axis=1, keepdims=True)
    defined = np.isfinite(rho)
    best = np.where(defined, exact.min(axis=1), np.nan)
    return {
        "rho": rho,
        "win_rate": np.where(defined, np.sum(weights * share, axis=1), np.nan),
        "regret": np.sum(weights * exact, axis=1) / np.where(best == 0, np.nan, best) - 1.0,
    }


def ladder_table(rows: pd.DataFrame, *, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    r"""Tabulate correlation, win rate and regret by normalisation, ratio, pool, rung and benchmark.

    Parameters
    ----------
    rows : DataFrame
        The table of :func:`~otanalysis.studies.ladder.measure_ladder`, read.
    resamples, seed : int
        Of the bootstrap; the samples drawn are the same for all rungs, ratios and normalisations.

    Returns
    -------
    DataFrame
        Columns ``normalisation``, ``ratio``, ``pool`` (``all`` or ``random``), ``benchmark`` (with
        :data:`~otanalysis.stats.cells.MEAN`), ``measure`` (column of a rung, :data:`DROPPED_TERM`,
        :data:`FREE_WEIGHTS`, or name of a further distance that the rows have), ``quantity`` (``rho``,
        ``win_rate``, ``regret``), ``value``, ``low``, ``high``, ``n`` (samples that have a value),
        ``subsets`` (in a pool) and ``gamma``. A value is missing where the measure is constant over the
        pools, as :math:`\mathrm{tr} \Sigma_C` is for tokens of one length; an interval is missing where a
        benchmark has a single sample.

    Raises
    ------
    InputError
        If a column is missing, a sample lacks a subset, or a benchmark comes from two dumps.
    """
    check_ladder_rows(rows)
    names = [str(name) for name in rows["benchmark"].drop_duplicates()]
    records: list[dict[str, object]] = []
    for (normalisation, ratio), cell in rows.groupby(["normalisation", "ratio"], sort=False):
        for pool in _POOLS:
            chosen = cell if pool == "all" else cell[cell["origin"] == RANDOM]
            head = {"normalisation": normalisation, "ratio": ratio, "pool": pool}
            tail = {"subsets": chosen["number"].nunique(), "gamma": cell["gamma"].iloc[0]}
            blocks = [_of_samples(chosen[chosen["benchmark"] == name]) for name in names]
            records += [head | record | tail for record in _summarised(names, blocks, resamples, seed)]
    return pd.DataFrame(records)


def _measures(rows: pd.DataFrame) -> tuple[str, ...]:
    """Return what is compared with the exact distance: what every ladder has, and the further distances."""
    return (*_MEASURES, *(name for name in further_distances(DISTANCES) if name in rows.columns))


def _of_samples(pool: pd.DataFrame) -> pd.DataFrame:
    """Return the quantities of every sample of a benchmark: one row a sample, a column a quantity."""
    ordered = pool.sort_values(["sample", "number"])
    samples, measures = ordered["sample"].nunique(), _measures(pool)
    values = {
        name: ordered[name].to_numpy(dtype=np.float64).reshape(samples, -1)
        * (-1 if name in _MAXIMISED else 1)
        for name in measures
    }
    rivals = (ordered["origin"].to_numpy().reshape(samples, -1) == RANDOM)[0]
    found = {
        (name, quantity): column
        for name in measures
        for quantity, column in agreement(values[name], values[_EXACT], rivals).items()
        if name != DROPPED_TERM or quantity == "rho"
    }
    return pd.DataFrame(found)


def _summarised(
    names: list[str], blocks: list[pd.DataFrame], resamples: int, seed: int
) -> Iterator[dict[str, object]]:
    """Yield the mean of every quantity and benchmark, and over benchmarks, with its interval."""
    means, replicates, counts = [], [], []
    for number, block in enumerate(blocks):
        values = block.to_numpy()
        there = np.isfinite(values)
        both = np.hstack([np.nan_to_num(values), there])
        drawn = bootstrap_means(both, resamples, generator=np.random.default_rng([seed, number]))
        # A sample without a value is left out of the mean, in every resample as well.
        middle = both.mean(axis=0)
        half = values.shape[1]
        means.append(_ratio(middle[:half], middle[half:]))
        counts.append(there.sum(axis=0))
        # One image alone says nothing of how images differ: no interval, where its bootstrap has no width.
        replicates.append(np.where(counts[-1] > 1, _ratio(drawn[:, :half], drawn[:, half:]), np.nan))
    counts.append(np.sum(counts, axis=0))
    measured = with_mean(np.array(means), np.array(replicates))
    labels = [blocks[0].columns.get_level_values(level) for level in (0, 1)]
    for name, (value, draws), count in zip([*names, MEAN], measured, counts, strict=True):
        low, high = percentile_interval(draws)
        for column, (measure, quantity) in enumerate(zip(*labels, strict=True)):
            numbers = {"value": value[column], "low": low[column], "high": high[column], "n": count[column]}
            yield {"benchmark": name, "measure": measure, "quantity": quantity} | numbers


def check_ladder_rows(rows: pd.DataFrame) -> None:
    """Raise InputError unless the rows hold the same pool for every sample of every benchmark."""
    check_frame(rows)
    numbers = [*_measures(rows), "w2"]
    wanted = ["dump", *_SAMPLE, "number", "origin", "gamma", *numbers]
    absent = [name for name in wanted if name not in rows.columns]
    if absent or rows.empty:
        what = f"lacks the columns {', '.join(absent)}" if absent else "has no rows"
        raise InputError(f"The table of the ladder {what}: run `otanalysis ladder` again.")
    if odd := [name for name in numbers if not pd.api.types.is_numeric_dtype(rows[name])] or [
        name for name in numbers if not np.isfinite(rows[name].to_numpy(dtype=np.float64)).all()
    ]:
        raise InputError(
            f"The table of the ladder wants a finite number in every row of {', '.join(odd)}: run "
            "`otanalysis ladder` again."
        )
    if rows.groupby("benchmark")["dump"].nunique().max() > 1 or rows["gamma"].nunique() > 1:
        raise InputError("The ladder wants one dump a benchmark and one gamma: keep the rows of one model.")
    sizes = rows.groupby(_SAMPLE).size()
    samples = sizes.groupby(["normalisation", "ratio"]).size()
    if sizes.nunique() > 1 or samples.nunique() > 1:
        raise InputError(
            f"Every sample wants the same subsets under every setting, and the table has {sizes.min()} to "
            f"{sizes.max()} of them: let the measurement finish."
        )


def _rounded(values: FloatArray) -> FloatArray:
    scale = np.abs(values).max(axis=1, keepdims=True)
    return np.asarray(np.round(values / np.where(scale == 0, 1.0, scale), DIGITS))


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    result = np.full(part.shape, np.nan)
    np.divide(part, whole, out=result, where=whole > 0)
    return result


SCATTERED = (RUNGS[2], RUNGS[3], RUNGS[5])
"""The rungs on either side of the dropped term, and the surrogate that the released code maximises."""


def scatter_table(rows: pd.DataFrame, *, ratio: float = 0.098) -> pd.DataFrame:
    r"""Tabulate exact distance against rungs 2, 3 and 5, every subset relative to the random ones.

    Parameters
    ----------
    rows : DataFrame
        The table of :func:`~otanalysis.studies.ladder.measure_ladder`, read.
    ratio : float
        Share of tokens kept, one of those in ``rows``.

    Returns
    -------
    DataFrame
        One row a subset, normalisation and rung: ``normalisation``, ``ratio``, ``benchmark``, ``sample``,
        ``origin``, ``measure`` (column of the rung), ``x`` (its value), ``y`` (exact :math:`W_2`), ``length``
        (:math:`\mathrm{tr} \Sigma_C`), each divided by its mean over the random subsets of the sample;
        ``rho`` (mean of Spearman's correlation within a sample, over samples) and ``gamma``. The squared
        distance of rung 2 enters by its root.

    Raises
    ------
    InputError
        As for :func:`ladder_table`, or if there is no such ratio.
    """
    check_ladder_rows(rows)
    own = rows[np.isclose(rows["ratio"], ratio)].reset_index(drop=True)
    if own.empty:
        known = ", ".join(f"{known:g}" for known in sorted(rows["ratio"].unique()))
        raise InputError(f"The table of the ladder has no ratio {ratio:g} (it has: {known}): measure it too.")
    correlations = ladder_table(own, resamples=1)  # only the values are read, not the intervals
    whole = correlations[(correlations["pool"] == "all") & (correlations["quantity"] == "rho")]
    rho = whole[whole["benchmark"] == MEAN].set_index(["normalisation", "measure"])["value"]
    head = own[[*_SAMPLE, "origin", "gamma"]]
    far, length = _relative(own, own["w2"]), _relative(own, own[DROPPED_TERM])
    parts = []
    for rung in SCATTERED:
        values = own[rung.column] if rung.maximised else np.sqrt(own[rung.column])
        agreed = [float(rho[kind, rung.column]) for kind in own["normalisation"]]
        x = _relative(own, values)
        parts.append(head.assign(measure=rung.column, x=x, y=far, length=length, rho=agreed))
    return pd.concat(parts, ignore_index=True)


def _relative(rows: pd.DataFrame, values: pd.Series) -> pd.Series:
    """Divide by the mean over the random subsets of the same sample and setting; missing where that is 0."""
    keys = [rows[name] for name in _SAMPLE]
    base = values.where(rows["origin"] == RANDOM).groupby(keys).transform("mean")
    return values / base.where(base > 0)
