r"""Under which distance and normalisation is OTPrune the closest? Figure 4's ratios for every reading of it.

The paper draws :math:`f(C) / f(C_{\mathrm{OTPrune}})` with the words "lower is closer", and :math:`f` is the
trace objective of its equation 4, which is to be maximised: taken literally, higher is closer. So the same
ratio is tabulated for everything that could be meant: the exact distance and its square, both Gaussian
distances, the quantisation error, :math:`f` and its square, on tokens as they are, on columns of unit
variance (as in the paper's derivation) and on rows of unit length, against OTPrune with the released gamma
and with the paper's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from otanalysis.defaults import DEFAULT_GAMMAS
from otanalysis.stats.cells import MEAN, RESAMPLES, check_sweep
from otanalysis.stats.figure_tables import figure4_table

Place = Literal["closest", "not closest", "undecided"]
"""Where OTPrune is among the methods under one reading."""


@dataclass(frozen=True)
class DistanceReading:
    """A quantity that "distance" could mean.

    Attributes
    ----------
    column : str
        Of a sweep; that of the squared objective is made here.
    higher_is_closer : bool
        Whether a kept set with a larger value is the closer one.
    """

    column: str
    higher_is_closer: bool = False

    @property
    def words(self) -> str:
        """Say which values are the close ones."""
        return f"{'higher' if self.higher_is_closer else 'lower'} is closer"


SQUARED_OBJECTIVE = "trace_objective_squared"
"""Column of the square of :math:`f`, which equation 4 maximises."""

READINGS = (
    DistanceReading("w2"),
    DistanceReading("w2_squared"),
    DistanceReading("gelbrich_w2_squared"),
    DistanceReading("bures_w2_squared"),
    DistanceReading("quantisation_error"),
    DistanceReading("trace_objective", higher_is_closer=True),
    DistanceReading(SQUARED_OBJECTIVE, higher_is_closer=True),
)
"""Every quantity that is compared."""


def distance_grid(
    sweep: pd.DataFrame,
    *,
    readings: Sequence[DistanceReading] = READINGS,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Tabulate each method's quantity over that of OTPrune, for all readings, normalisations and both gammas.

    Parameters
    ----------
    sweep : DataFrame
        Of :func:`otanalysis.studies.sweep.sweep`, with all normalisations that are to be compared.
    readings : sequence of DistanceReading
        What is compared; all of it has to be measured under every normalisation.
    resamples, seed : int
        Of the bootstrap over samples.

    Returns
    -------
    DataFrame
        One row a baseline (OTPrune with the released gamma, or with the paper's), normalisation, reading,
        ratio and other method, averaged over benchmarks: columns ``baseline, normalisation, distance_kind,
        closer`` (``higher`` or ``lower``), ``ratio, method, value, low, high, n, place``. ``value`` is the
        ratio of the means; ``place`` says where OTPrune is among all methods but OTPrune with another gamma:
        ``closest`` if every interval lies on its far side, ``not closest`` if one lies on its near side,
        ``undecided`` otherwise, as without intervals, where a benchmark has a single sample.

    Raises
    ------
    InputError
        If the sweep has no row of OTPrune, or is malformed.

    Examples
    --------
    >>> row = {"dump": "d", "model": "m", "benchmark": "gqa", "ratio": 0.1, "seed": None}
    >>> row |= {"normalisation": "none"} | {reading.column: 2.0 for reading in READINGS}
    >>> own = {"method": ["otprune", "first"], "gamma": [0.01, float("nan")], "w2": [2.0, 1.0]}
    >>> grid = distance_grid(pd.concat([pd.DataFrame(row | own | {"sample": one}) for one in (0, 1)]))
    >>> grid.loc[grid["distance_kind"] == "w2", ["method", "value", "place"]].to_dict("records")
    [{'method': 'first', 'value': 0.5, 'place': 'not closest'}]
    """
    check_sweep(sweep)
    if "trace_objective" in sweep.columns:
        sweep = sweep.assign(**{SQUARED_OBJECTIVE: sweep["trace_objective"] ** 2})
    methods = set(sweep["method"])
    baselines = [name for name in DEFAULT_GAMMAS if name in methods] or [next(iter(DEFAULT_GAMMAS))]
    of_kind = {str(kind): rows for kind, rows in sweep.groupby("normalisation", sort=False)}
    how: dict[str, Any] = {"resamples": resamples, "seed": seed}
    parts = []
    for baseline in baselines:
        for kind, rows in of_kind.items():
            for reading in readings:
                own = how | {"distance": reading.column, "normalise": kind, "baseline": baseline}
                parts.append(_of_reading(figure4_table(rows, **own), reading, baseline))
    return pd.concat(parts, ignore_index=True)


def _of_reading(table: pd.DataFrame, reading: DistanceReading, baseline: str) -> pd.DataFrame:
    mean = table[table["benchmark"] == MEAN]
    rivals = mean[~mean["method"].isin(list(DEFAULT_GAMMAS))]
    places = {ratio: _place(rows, reading) for ratio, rows in rivals.groupby("ratio")}
    closer = "higher" if reading.higher_is_closer else "lower"
    mean = mean.assign(baseline=baseline, closer=closer, place=mean["ratio"].map(places))
    columns = ["baseline", "normalisation", "distance_kind", "closer", "ratio", "method"]
    return mean[[*columns, "value", "low", "high", "n", "place"]]


def _place(rivals: pd.DataFrame, reading: DistanceReading) -> Place:
    low, high = rivals["low"], rivals["high"]
    near, far = (low > 1, high < 1) if reading.higher_is_closer else (high < 1, low > 1)
    if near.any():
        return "not closest"
    return "closest" if far.all() else "undecided"
