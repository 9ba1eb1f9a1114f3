"""The synthetic table in numbers: means over trials with intervals, and how close they are to the published.

The win rate is the share of random subsets that are worse on a rung, a tie counting half; the optimality
ratio has the definitions of :data:`~otanalysis.studies.table2.tables.RATIOS`.

The optimality ratio of a kept set: several definitions, since the paper states none.

Every definition is 1 at the optimum and smaller elsewhere. Where only a bound of the optimum is known, the
ratio lies between that against the bound and that against the best subset found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from otanalysis.arrays import FloatArray
from otanalysis.errors import InputError
from otanalysis.files import bundled_data
from otanalysis.reading import number_in, read_csv
from otanalysis.stats.cells import RESAMPLES
from otanalysis.stats.statistics import bootstrap_means, percentile_interval
from otanalysis.surrogate import RUNGS

_MINIMISED = tuple(rung.number for rung in RUNGS if not rung.maximised)


@dataclass(frozen=True)
class RatioDefinition:
    """A definition of the optimality ratio.

    Attributes
    ----------
    name : str
        Name in tables.
    description : str
        The ratio in words.
    compute : callable
        Takes the rows of a table of trials and the best values [n], returns ratios [n].
    needs_optimum : bool
        Whether it hangs on the best values at all.
    """

    name: str
    description: str
    compute: Callable[[pd.DataFrame, FloatArray], FloatArray]
    needs_optimum: bool = True


def _column(rows: pd.DataFrame, name: str) -> FloatArray:
    return rows[name].to_numpy(dtype=np.float64)


def _minimised(rows: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.asarray(rows["rung"].isin(_MINIMISED))


def _quotient(above: FloatArray, below: FloatArray) -> FloatArray:
    """Return the quotient; 1 where both are equal, zero included, and missing where only one is zero."""
    safe = np.where(below == 0.0, np.nan, below)
    return np.asarray(np.where(above == below, 1.0, above / safe))


def _share(rows: pd.DataFrame, best: FloatArray) -> FloatArray:
    value, minimised = _column(rows, "value"), _minimised(rows)
    return _quotient(np.where(minimised, best, value), np.where(minimised, value, best))


def _distance(rows: pd.DataFrame, best: FloatArray) -> FloatArray:
    return np.where(_minimised(rows), np.sqrt(np.maximum(_share(rows, best), 0.0)), np.nan)


def _from(start: str) -> Callable[[pd.DataFrame, FloatArray], FloatArray]:
    def compute(rows: pd.DataFrame, best: FloatArray) -> FloatArray:
        zero = _column(rows, start)
        return _quotient(_column(rows, "value") - zero, best - zero)

    return compute


RATIOS: Mapping[str, RatioDefinition] = MappingProxyType(
    {
        one.name: one
        for one in (
            RatioDefinition(
                "share", "value / optimum where larger is better, optimum / value where smaller is", _share
            ),
            RatioDefinition(
                "distance", "the same of distances that are not squared (rungs 0 to 2)", _distance
            ),
            RatioDefinition(
                "gain", "share of the way from the mean random subset to the optimum", _from("random_mean")
            ),
            RatioDefinition(
                "range", "share of the way from the worst random subset to the optimum", _from("random_worst")
            ),
            RatioDefinition(
                "best-random",
                "share, with the best random subset for the optimum, at most 1",
                lambda rows, _: np.minimum(1.0, _share(rows, _column(rows, "random_best"))),
                needs_optimum=False,
            ),
        )
    }
)
"""The definitions by name; "share" is the one that is printed."""


WIN_RATE = "win_rate"
"""Name of the win rate among the measures."""

SIZE = ["m", "d", "keep"]
"""The columns of a size."""

_CELL = ["rung", "method", "measure"]
_NUMBERS = ("m", "d", "k", "optimality_ratio_percent", "win_rate_percent")
_PUBLISHED = (*_NUMBERS, "method")


def synthetic_table(rows: pd.DataFrame, *, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Average over the trials.

    Parameters
    ----------
    rows : DataFrame
        The table of :func:`~otanalysis.studies.table2.study.synthetic`.
    resamples, seed : int
        Of the bootstrap over trials; all cells of a size and law share the draws.

    Returns
    -------
    DataFrame
        Columns ``m``, ``d``, ``keep``, ``law``, ``rung``, ``method``, ``measure`` (:data:`WIN_RATE` or a
        name in :data:`~otanalysis.studies.table2.tables.RATIOS`), ``value`` with its 95 % interval
        ``low`` to ``high`` (missing for a single trial), ``trials``, ``draws`` (random subsets a trial),
        ``optimum`` (how it is known, and in what share of the trials) and ``certified``. In ``value`` the
        best subset found stands for the optimum; the true ratio is at least ``certified``, the mean of what
        the bounds leave, and at most ``value`` unless it is negative (worse than the random subsets that some
        ratios start from). ``certified`` is missing where no optimum is needed.
    """
    measured = pd.concat([_measured(rows, WIN_RATE), *(_measured(rows, name) for name in RATIOS)])
    kinds = rows.groupby([*SIZE, "law", "rung"], sort=False)["optimum"].agg(_kinds).reset_index()
    found = [
        _averaged(own, resamples, np.random.default_rng(seed))
        for _, own in measured.groupby([*SIZE, "law"], sort=False)
    ]
    table = pd.concat(found, ignore_index=True).merge(kinds, on=[*SIZE, "law", "rung"])
    order = [*SIZE, "law", *_CELL, "value", "low", "high", "certified", "optimum", "trials", "draws"]
    return table[order]


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
            "ratio": table["optimality_ratio_percent"] / 100,
            WIN_RATE: table["win_rate_percent"] / 100,
        }
    )


def compare_with_published(table: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Say how far every combination of law, rung and ratio definition is from the published numbers.

    Parameters
    ----------
    table : DataFrame
        From :func:`synthetic_table`.
    published : DataFrame
        From :func:`published_synthetic`.

    Returns
    -------
    DataFrame
        Columns ``law``, ``rung``, ``definition``, ``m``, ``d``, ``keep`` (missing in the rows over all
        sizes), ``sizes``, ``win_gap`` and ``ratio_gap`` (mean absolute difference over the published methods,
        in percentage points) and ``gap``, their mean. Closest first, the rows over all sizes before those of
        single sizes. Empty where no size is published.
    """
    joined = table.merge(published, on=[*SIZE, "method"])
    wins = joined[joined["measure"] == WIN_RATE]
    wins = wins.assign(win_gap=100 * (wins["value"] - wins[WIN_RATE]).abs())
    ratios = joined[joined["measure"] != WIN_RATE].rename(columns={"measure": "definition"})
    ratios = ratios.assign(ratio_gap=100 * (ratios["value"] - ratios["ratio"]).abs())
    cell = [*SIZE, "law", "rung", "method"]
    pairs = ratios[[*cell, "definition", "ratio_gap"]].merge(wins[[*cell, "win_gap"]], on=cell)
    combination = ["law", "rung", "definition"]
    single = pairs.groupby([*combination, *SIZE], sort=False)[["win_gap", "ratio_gap"]].mean().reset_index()
    overall = single.groupby(combination, sort=False)[["win_gap", "ratio_gap"]].mean().reset_index()
    sizes = single.groupby(combination, sort=False).size().rename("sizes").reset_index()
    overall = overall.merge(sizes, on=combination)
    overall[SIZE] = np.nan
    ranked = []
    for part in (overall, single.assign(sizes=1)):
        part = part.assign(gap=(part["win_gap"] + part["ratio_gap"]) / 2)
        ranked.append(part.astype(dict.fromkeys(SIZE, "Int64")).sort_values("gap", kind="stable"))
    columns = [*combination, *SIZE, "sizes", "win_gap", "ratio_gap", "gap"]
    return pd.concat([part[columns] for part in ranked], ignore_index=True)


def _measured(rows: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return one measure of every row, by the best subset found and by the bound."""
    keys = rows[[*SIZE, "law", "trial", "draws", "rung", "method"]]
    if measure == WIN_RATE:
        return keys.assign(measure=measure, value=rows[WIN_RATE], certified=np.nan)
    definition = RATIOS[measure]
    value, against_bound = (definition.compute(rows, _column(rows, name)) for name in ("best_known", "bound"))
    # The true ratio lies between the two, which change places where it is negative.
    certified = np.minimum(value, against_bound) if definition.needs_optimum else np.nan
    found = keys.assign(measure=measure, value=value, certified=certified)
    return found[found["value"].notna()]


def _averaged(own: pd.DataFrame, resamples: int, generator: np.random.Generator) -> pd.DataFrame:
    """Return the means over the trials of one size and law, a row a rung, method and measure."""
    by_trial = own.pivot_table(index="trial", columns=_CELL, values="value", sort=False)
    certified = own.groupby(_CELL, sort=False)["certified"].mean()
    values = by_trial.to_numpy(dtype=np.float64)
    draws = bootstrap_means(values, resamples, generator=generator)
    # Resamples of a single trial would all be that trial: no interval is better than one of no width.
    low, high = percentile_interval(draws if len(values) > 1 else np.full_like(draws, np.nan))
    cells = by_trial.columns.to_frame(index=False)
    cells = cells.assign(value=values.mean(axis=0), low=low, high=high, trials=len(values))
    cells["certified"] = certified.reindex(by_trial.columns).to_numpy()
    for name in (*SIZE, "law", "draws"):
        cells[name] = own[name].iloc[0]
    return cells


def _kinds(kinds: pd.Series) -> str:
    """Return how the optima are known, and in how many trials; rows of all methods count as one."""
    shares = kinds.value_counts(normalize=True)
    if len(shares) == 1:
        return str(shares.index[0])
    return ", ".join(f"{kind} ({100 * share:.0f}%)" for kind, share in shares.items())
