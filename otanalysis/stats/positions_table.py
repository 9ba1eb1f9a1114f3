"""Renumbered or original positions of kept tokens: mean scores by kind of question."""

from __future__ import annotations

import numpy as np
import pandas as pd

from otanalysis.defaults import BASELINES
from otanalysis.errors import InputError
from otanalysis.stats.cells import main_gammas, rounded_settings
from otanalysis.stats.figure_tables import NORMAL_95

GAIN = "gain"
"""In place of positions: the score with original positions less that with renumbered ones."""

_COLUMNS = ("model", "kind", "positions", "benchmark", "method", "ratio", "gamma", "value", "standard_error")
_CELL = ["model", "kind", "method", "ratio"]


def positions_table(scores: pd.DataFrame, *, ratio: float = 0.098) -> pd.DataFrame:
    """Average scores over the benchmarks of a kind, with renumbered and with original positions.

    Parameters
    ----------
    scores : DataFrame
        Accuracies of one or several models, with the columns ``kind`` (of question) and ``positions``
        (``renumbered`` or ``original``) beside those of an accuracy table.
    ratio : float
        Share of tokens kept.

    Returns
    -------
    DataFrame
        Columns ``model, kind, method, ratio, positions, value, low, high, benchmarks``: means over the
        ``benchmarks`` of the kind that have both, with their 95 % intervals (independent errors), for every
        method, and for the baselines, which have no positions to speak of, on the same benchmarks. Rows of
        :data:`GAIN` have the difference, as if the errors of both were independent: they are of the same
        questions, so that the interval is wider than it need be.

    Raises
    ------
    InputError
        If a column is missing, or no method has both at this ratio.

    Examples
    --------
    >>> head = {"model": "m", "kind": "place", "benchmark": "where", "method": "dpp", "ratio": 0.098}
    >>> head |= {"gamma": np.nan, "standard_error": 0.01}
    >>> both = [{"positions": "renumbered", "value": 0.25}, {"positions": "original", "value": 0.75}]
    >>> found = positions_table(pd.DataFrame([head | one for one in both]))
    >>> found.set_index("positions")["value"].to_dict()
    {'renumbered': 0.25, 'original': 0.75, 'gain': 0.5}
    """
    if absent := [name for name in _COLUMNS if name not in scores.columns]:
        raise InputError(f"Scores by position want the columns {', '.join(_COLUMNS)}; {absent} is missing.")
    rows = rounded_settings(scores)
    near = np.isclose(rows["ratio"].to_numpy(dtype=np.float64), ratio)
    rows = rows[(near & main_gammas(rows)) | rows["method"].isin(BASELINES)]
    each = rows.groupby([*_CELL, "positions", "benchmark"], sort=False, dropna=False)
    seeds = each[["value", "standard_error"]].mean().reset_index()  # seeds answer the same questions
    baseline = seeds["method"].isin(BASELINES)
    paired = seeds.groupby([*_CELL, "benchmark"])["positions"].transform("nunique") == 2
    compared = seeds[paired & ~baseline]
    both = _means(compared)
    if both.empty:
        raise InputError(f"No method has scores with renumbered and with original positions at {ratio:g}.")
    asked = compared[["model", "benchmark"]].drop_duplicates()
    baselines = _means(seeds[baseline & (seeds["positions"] == "renumbered")].merge(asked))
    return _with_intervals(pd.concat([both, _gains(both), baselines], ignore_index=True))


def _means(rows: pd.DataFrame) -> pd.DataFrame:
    """Average over the benchmarks of a kind."""
    squared = rows.assign(standard_error=rows["standard_error"] ** 2)
    found = squared.groupby([*_CELL, "positions"], sort=False, dropna=False).agg(
        value=("value", "mean"), standard_error=("standard_error", "sum"), benchmarks=("value", "size")
    )
    found["standard_error"] = np.sqrt(found["standard_error"]) / found["benchmarks"]
    return found.reset_index()


def _gains(both: pd.DataFrame) -> pd.DataFrame:
    """Return original less renumbered of every method."""
    of = {name: rows.set_index(_CELL) for name, rows in both.groupby("positions")}
    before, after = of["renumbered"], of["original"].loc[of["renumbered"].index]
    error = np.hypot(after["standard_error"], before["standard_error"])
    gain = after.assign(value=after["value"] - before["value"], standard_error=error, positions=GAIN)
    return gain.reset_index()


def _with_intervals(means: pd.DataFrame) -> pd.DataFrame:
    reach = NORMAL_95 * means["standard_error"]
    found = means.assign(low=means["value"] - reach, high=means["value"] + reach)
    return found[[*_CELL, "positions", "value", "low", "high", "benchmarks"]]
