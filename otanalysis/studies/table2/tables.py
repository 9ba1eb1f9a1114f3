r"""The synthetic table in numbers: means over trials with intervals, beside the published ones.

The win rate is the share of subsets that are strictly worse. The optimality ratio is :math:`f / f^*`, value
over optimum (optimum over value on the rungs that are minimised), at most 1. Its optimum is the paper's: the
best of all subsets where these are no more than :data:`ALL_SUBSETS`, as in its first two rows, and the best
of the random subsets elsewhere, which fewer draws make worse. Where only a bound of the optimum over all
subsets is known, the ratio to it is at least ``certified``.
"""

from __future__ import annotations

from math import comb

import numpy as np
import pandas as pd

from otanalysis.defaults import DEFAULT_GAMMAS
from otanalysis.errors import InputError
from otanalysis.files import bundled_data
from otanalysis.reading import number_in, read_csv
from otanalysis.stats.cells import RESAMPLES
from otanalysis.stats.statistics import bootstrap_means, percentile_interval
from otanalysis.surrogate import RUNGS

ALL_SUBSETS = comb(30, 10)
"""Most subsets over all of which the paper takes the optimum: those of its second row."""

PAPER_RUNG = 3
"""The rung of the paper's objective: the trace term alone."""

RATIO, WIN_RATE = "ratio", "win_rate"
"""Names of the two measures."""

SIZE = ["m", "d", "keep"]
"""The columns of a size."""

PUBLISHED_AS = dict.fromkeys(DEFAULT_GAMMAS, "otprune")
"""The method of the published table that a method stands for, where the names differ."""

_SETTING = [*SIZE, "law", "normalise", "rung"]
_METHOD = ["method", "gamma"]
_NUMBERS = ("m", "d", "k", "optimality_ratio_percent", "win_rate_percent")
_PUBLISHED = (*_NUMBERS, "method")


def synthetic_table(rows: pd.DataFrame, *, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Average over the trials, and set the published numbers beside.

    Parameters
    ----------
    rows : DataFrame
        The table of :func:`~otanalysis.studies.table2.study.synthetic`.
    resamples, seed : int
        Of the bootstrap over trials; all cells of a size, law, normalisation and rung share the draws.

    Returns
    -------
    DataFrame
        One row a size, law, normalisation, rung, method, gamma and measure: ``m``, ``d``, ``keep``, ``law``,
        ``normalise``, ``rung``, ``method``, ``gamma`` (of the methods that have one, else missing),
        ``measure`` (:data:`RATIO` or :data:`WIN_RATE`), ``value`` with its 95 % interval ``low`` to ``high``
        (missing for a single trial), ``published`` and ``difference`` (value less published; both missing
        where nothing is published), ``certified`` (the ratio to the optimum over all subsets is at least
        this; missing for win rates), ``optimum`` (how it is known, and in what share of the trials),
        ``trials``, ``draws`` (subsets a trial) and ``every`` (whether these were all). Shares of one.
    """
    single = _trials(rows)
    kinds = single.groupby(_SETTING, sort=False)["optimum"].agg(_kinds).reset_index()
    found = [
        _averaged(own, resamples, np.random.default_rng(seed))
        for _, own in single.groupby(_SETTING, sort=False)
    ]
    table = pd.concat(found, ignore_index=True).merge(kinds, on=_SETTING)
    published = published_synthetic().melt([*SIZE, "method"], var_name="measure", value_name="published")
    table["as"] = table["method"].replace(PUBLISHED_AS)
    table = table.merge(published.rename(columns={"method": "as"}), on=[*SIZE, "as", "measure"], how="left")
    # The paper's numbers are of its own objective.
    table.loc[table["rung"] != PAPER_RUNG, "published"] = np.nan
    table["difference"] = table["value"] - table["published"]
    measured = ["measure", "value", "low", "high", "published", "difference", "certified", "optimum"]
    return table[[*_SETTING, *_METHOD, *measured, "trials", "draws", "every"]]


def published_synthetic() -> pd.DataFrame:
    """Read Table 2 of arXiv:2602.20205 from the bundled data.

    Returns
    -------
    DataFrame
        Columns ``m``, ``d``, ``keep``, ``method``, ``ratio`` and ``win_rate``, the last two as shares of one.

    Raises
    ------
    InputError
        If it is not there, see :func:`~otanalysis.files.bundled_data`, or is damaged.

    Examples
    --------
    >>> published_synthetic().loc[[0], ["m", "d", "keep", "method", "ratio"]].to_dict("records")
    [{'m': 20, 'd': 10, 'keep': 5, 'method': 'divprune', 'ratio': 0.7453}]
    """
    path = bundled_data("published/synthetic.csv", "published table")
    table = read_csv(path).frame()
    if absent := [name for name in _PUBLISHED if name not in table.columns]:
        raise InputError(f"{path} lacks the columns {', '.join(absent)}: restore it from the repository.")
    for name in _NUMBERS:
        table[name] = table[name].map(number_in)
        if table[name].isna().any():
            raise InputError(f"{path} has a {name} that is no number: restore it from the repository.")
    return pd.DataFrame(
        {
            "m": table["m"].astype(int),
            "d": table["d"].astype(int),
            "keep": table["k"].astype(int),
            "method": table["method"],
            RATIO: table["optimality_ratio_percent"] / 100,
            WIN_RATE: table["win_rate_percent"] / 100,
        }
    )


def compare_with_published(table: pd.DataFrame) -> pd.DataFrame:
    """Say how far every combination of law, normalisation and OTPrune's gamma is from the published numbers.

    A combination is compared by its OTPrune and by the other published methods on the same tokens.

    Parameters
    ----------
    table : DataFrame
        From :func:`synthetic_table`.

    Returns
    -------
    DataFrame
        Columns ``law``, ``normalise``, ``method`` and ``gamma`` (of OTPrune), ``m``, ``d``, ``keep`` (missing
        in the rows over all sizes), ``sizes``, ``trials`` (the fewest of a size), ``win_gap`` and
        ``ratio_gap`` (mean absolute difference over the methods, in percentage points) and ``gap``, their
        mean. Closest first, the rows over all sizes before those of single sizes. Empty where no size is
        published.
    """
    joined = table[table["published"].notna()].assign(gap=lambda rows: 100 * rows["difference"].abs())
    ours = joined["method"].isin(PUBLISHED_AS)
    combination = ["law", "normalise", *_METHOD]
    columns = [*combination, *SIZE, "sizes", "trials", "win_gap", "ratio_gap", "gap"]
    parts = []
    for _, own in joined[ours].groupby(_METHOD, sort=False):
        others = joined[~ours].merge(own[["law", "normalise"]].drop_duplicates())
        variant = {name: own[name].iloc[0] for name in _METHOD}
        parts.append(pd.concat([own, others]).assign(**variant))
    if not parts:
        return pd.DataFrame(columns=columns)
    gaps = pd.concat(parts).groupby([*combination, *SIZE, "measure"], sort=False)["gap"].mean().unstack()
    single = gaps.rename(columns={WIN_RATE: "win_gap", RATIO: "ratio_gap"}).reset_index().assign(sizes=1)
    overall = single.groupby(combination, sort=False).agg(
        sizes=("sizes", "sum"), win_gap=("win_gap", "mean"), ratio_gap=("ratio_gap", "mean")
    )
    ranked = [
        part.assign(gap=(part["win_gap"] + part["ratio_gap"]) / 2).sort_values("gap", kind="stable")
        for part in (overall.reset_index().assign(**dict.fromkeys(SIZE, np.nan)), single)
    ]
    trials = int(joined["trials"].min())
    kept = [part.assign(trials=trials)[columns].astype(dict.fromkeys(SIZE, "Int64")) for part in ranked]
    return pd.concat(kept, ignore_index=True)


def closest_sentence(table: pd.DataFrame, comparison: pd.DataFrame) -> str:
    """Say which combination comes closest to the published table, how far off it is, and where most.

    Parameters
    ----------
    table : DataFrame
        From :func:`synthetic_table`.
    comparison : DataFrame
        What :func:`compare_with_published` says of it.
    """
    if comparison.empty:
        return "None of these sizes is published: nothing to compare with."
    best = comparison.iloc[0]
    same = (table["law"] == best["law"]) & (table["normalise"] == best["normalise"])
    ours = table["method"].isin(PUBLISHED_AS)
    own = (table["method"] == best["method"]) & (table["gamma"] == best["gamma"])
    cells = table[same & table["published"].notna() & (own | ~ours)].reset_index(drop=True)
    worst = cells.loc[int(cells["difference"].abs().to_numpy().argmax())]
    combinations = int(comparison["m"].isna().sum())
    return (
        f"Closest of {combinations} combinations: {best['law']} tokens, normalised by {best['normalise']}, "
        f"with {method_name(best)}: off by {best['gap']:.1f} percentage points on average over "
        f"{best['sizes']} of {published_synthetic().groupby(SIZE).ngroups} sizes "
        f"(win rates {best['win_gap']:.1f}, ratios {best['ratio_gap']:.1f}), "
        f"most in the {worst['measure'].replace('_', ' ')} of {worst['method']} at "
        f"{'x'.join(str(worst[name]) for name in SIZE)}: {100 * worst['value']:.2f} measured, "
        f"{100 * worst['published']:.2f} published."
    )


def method_name(row: pd.Series) -> str:
    """Return the method of a row, with its gamma where it has one.

    Examples
    --------
    >>> method_name(pd.Series({"method": "otprune", "gamma": 0.01}))
    'otprune, gamma 0.01'
    """
    return row["method"] if pd.isna(row["gamma"]) else f"{row['method']}, gamma {row['gamma']:g}"


def _trials(rows: pd.DataFrame) -> pd.DataFrame:
    """Put the blocks of each trial together: a row a trial and method, with win rate and optimality ratio."""
    maximised = rows["rung"].isin([rung.number for rung in RUNGS if rung.maximised])
    # Larger is better in all columns of values, so that the best block is the largest.
    sign = np.where(maximised, 1.0, -1.0)
    signed = rows.assign(
        **{name: sign * rows[name] for name in ("value", "random_best", "best_known", "bound")}
    )
    blocks = signed.groupby([*_SETTING, "trial", *_METHOD], sort=False, dropna=False)
    single = blocks.agg(
        value=("value", "first"),
        wins=("wins", "sum"),
        draws=("draws", "sum"),
        every=("every", "first"),
        random_best=("random_best", "max"),
        best_known=("best_known", "max"),
        bound=("bound", "max"),
        optimum=("optimum", "first"),
    ).reset_index()
    subsets = np.array([comb(m, keep) for m, keep in zip(single["m"], single["keep"], strict=True)])
    known = single[["best_known", "random_best"]].max(axis=1).where(single["best_known"].notna())
    best = known.where(subsets <= ALL_SUBSETS, single["random_best"])
    bound = single["bound"].where(~single["every"], known)
    return single.assign(
        **{
            WIN_RATE: single["wins"] / single["draws"],
            RATIO: _share(single["value"], best),
            "certified": _share(single["value"], bound),
        }
    )


def _share(value: pd.Series, best: pd.Series) -> pd.Series:
    """Return value over best, or best over value where both are negated distances; at most 1."""
    above, below = value.where(value > 0, best), best.where(value > 0, value)
    return (above / below).where(above != below, 1.0).clip(upper=1.0)


def _averaged(own: pd.DataFrame, resamples: int, generator: np.random.Generator) -> pd.DataFrame:
    """Return the means over the trials of one setting, a row a method and measure."""
    measured = own[[*_METHOD, "trial", "certified", RATIO, WIN_RATE]]
    long = measured.melt([*_METHOD, "trial", "certified"], var_name="measure")
    cells = long[[*_METHOD, "measure"]].drop_duplicates().reset_index(drop=True)
    # One column a cell, trials in rows; a missing gamma is a group of its own.
    long["cell"] = long.groupby([*_METHOD, "measure"], sort=False, dropna=False).ngroup()
    values = long.pivot(index="trial", columns="cell", values="value").to_numpy(dtype=np.float64)
    certified = long.groupby("cell")["certified"].mean().where(cells["measure"] == RATIO)
    draws = bootstrap_means(values, resamples, generator=generator)
    low, high = percentile_interval(draws)
    cells = cells.assign(value=values.mean(axis=0), low=low, high=high, certified=certified.to_numpy())
    same = {name: own[name].iloc[0] for name in (*_SETTING, "draws", "every")}
    return cells.assign(trials=len(values), **same)


def _kinds(kinds: pd.Series) -> str:
    """Return how the optima are known, and in how many trials; rows of all methods count as one."""
    shares = kinds.value_counts(normalize=True)
    if len(shares) == 1:
        return str(shares.index[0])
    return ", ".join(f"{kind} ({100 * share:.0f}%)" for kind, share in shares.items())
