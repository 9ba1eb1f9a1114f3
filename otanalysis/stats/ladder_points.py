"""Every subset of the ladder as a point: exact distance against a rung, comparable between images."""

from __future__ import annotations

import numpy as np
import pandas as pd

from otanalysis.errors import InputError
from otanalysis.selection.pool import RANDOM
from otanalysis.stats.ladder_tables import DROPPED_TERM, check_ladder_rows, ladder_table
from otanalysis.stats.rows import MEAN
from otanalysis.surrogate.ladder import RUNGS

__all__ = ["SCATTERED", "scatter_table"]

SCATTERED = (RUNGS[2], RUNGS[3], RUNGS[5])
"""The rungs on either side of the dropped term, and the surrogate that the released code maximises."""

_SAMPLE = ["normalisation", "ratio", "benchmark", "sample"]


def scatter_table(rows: pd.DataFrame, *, ratio: float = 0.098) -> pd.DataFrame:
    r"""Tabulate exact distance against rungs 2, 3 and 5, every subset relative to the random ones.

    Parameters
    ----------
    rows : DataFrame
        From :func:`otanalysis.studies.ladder.read_ladder`.
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
