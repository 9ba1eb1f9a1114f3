"""Means of a sweep and of an accuracy table, cell by cell, in one shape that the figure tables share.

A **cell** is one setting, for instance (method, ratio) or (ratio, gamma). Seeds are averaged first, within
a sample; then samples, within a benchmark. Distances carry bootstrap replicates over the samples, drawn once
for all cells, so that any ratio or ranking of cells is a paired comparison. Scores carry standard errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from otanalysis.arrays import BoolArray, FloatArray
from otanalysis.defaults import BASELINES, DEFAULT_GAMMAS, FULL, RELEASED_GAMMA
from otanalysis.errors import InputError
from otanalysis.scalars import shown
from otanalysis.stats.statistics import resample_counts, resampled_means

Cell = tuple[str | float, ...]

RATIO_DIGITS = 6
"""Ratios and gammas are compared after rounding: they went through text or Parquet on their way here.

Decimals of a ratio, significant digits of a gamma, of which 1e-9 and 1e-12 are two.
"""


def rounded_settings(rows: pd.DataFrame, keys: Sequence[str] = ("ratio", "gamma")) -> pd.DataFrame:
    """Return rows whose ratios and gammas, as far as they are among the keys, can be compared by ``==``.

    Examples
    --------
    >>> rounded_settings(pd.DataFrame({"ratio": [0.1 + 1e-9], "gamma": [1e-12 + 1e-25]})).to_dict("records")
    [{'ratio': 0.1, 'gamma': 1e-12}]
    """
    rounded = {}
    if "ratio" in keys:
        rounded["ratio"] = rows["ratio"].astype(float).round(RATIO_DIGITS)
    if "gamma" in keys:
        gammas = rows["gamma"].astype(float)
        rounded["gamma"] = gammas.map({one: float(f"{one:.{RATIO_DIGITS}g}") for one in gammas.unique()})
    return rows.assign(**rounded)


@dataclass(frozen=True)
class DistanceCells:
    """Mean of one quantity of a sweep per benchmark and cell.

    Attributes
    ----------
    benchmarks : tuple of str, length b
        In the order of the sweep.
    cells : tuple of tuple, length c
        Settings, in the order of the sweep.
    means : ndarray, shape (b, c)
        Mean over samples; NaN where a benchmark lacks a cell. Unit of the quantity.
    replicates : ndarray, shape (b, r, c)
        Means of the bootstrap resamples of the samples, independent between benchmarks; NaN where a benchmark
        has a single sample.
    samples : tuple of int, length b
        Samples used: those that have every cell of their benchmark.
    """

    benchmarks: tuple[str, ...]
    cells: tuple[Cell, ...]
    means: FloatArray
    replicates: FloatArray
    samples: tuple[int, ...]


@dataclass(frozen=True)
class ScoreCells:
    """Score per benchmark and cell, with that of the model that keeps all tokens.

    Attributes
    ----------
    score, error : ndarray, shape (b, c)
        Score in the benchmark's own unit and its standard error; NaN where not measured.
    full, full_error : ndarray, shape (b,)
        The same with all tokens.
    counts : ndarray, shape (b, c)
        Number of questions; NaN where unknown.
    """

    score: FloatArray
    error: FloatArray
    full: FloatArray
    full_error: FloatArray
    counts: FloatArray

    @property
    def common_scale(self) -> bool:
        """Whether raw scores may be averaged over the benchmarks: all in [0, 1], or all in per cent."""
        both = np.column_stack([self.score, self.full])
        tops = np.array([np.max(row[np.isfinite(row)], initial=-np.inf) for row in both])
        return bool(np.all(tops <= 1.0) or np.all((tops > 1.0) & (tops <= 100.0)))


def distance_cells(
    sweep: pd.DataFrame,
    quantity: str,
    *,
    keys: Sequence[str],
    normalise: str,
    resamples: int,
    seed: int,
) -> DistanceCells:
    """Average one column of a sweep per benchmark and cell.

    Parameters
    ----------
    sweep : DataFrame
        Rows of the sweep with columns ``dump, benchmark, sample, normalisation``, ``keys`` and ``quantity``;
        the rows may differ in nothing else than ``seed``, over which they are averaged.
    quantity : str
        Column to average.
    keys : sequence of str
        Columns that make a cell; no missing values.
    normalise : str
        Which rows: those with this ``normalisation``.
    resamples, seed : int
        Bootstrap size and seed. Equal seeds draw equal samples, whatever the quantity.

    Returns
    -------
    DistanceCells

    Raises
    ------
    InputError
        If a column is missing, no row has this normalisation, a benchmark comes from two dumps, or a
        benchmark has no sample with every cell.
    """
    rows = _rows_of(sweep, [*keys, quantity], normalise)
    rows = rounded_settings(rows, keys)
    cells = tuple(rows[list(keys)].drop_duplicates().itertuples(index=False, name=None))
    rows = rows.assign(cell=rows.groupby(list(keys), sort=False).ngroup())
    benchmarks = tuple(str(name) for name in rows["benchmark"].drop_duplicates())
    # Sorted, so that the resamples do not hang on the order of the rows.
    table = rows.groupby(["benchmark", "sample", "cell"])[quantity].mean().unstack("cell")
    means = np.full((len(benchmarks), len(cells)), np.nan)
    replicates = np.full((len(benchmarks), resamples, len(cells)), np.nan)
    samples = []
    for b, name in enumerate(benchmarks):
        values = table.loc[[name]].reindex(columns=range(len(cells))).to_numpy(dtype=np.float64)
        present = np.isfinite(values).any(axis=0)
        complete = np.isfinite(values[:, present]).all(axis=1)
        if not complete.any():
            raise InputError(
                f"Benchmark {name!r} has no sample with {quantity} for every setting: "
                "let the sweep finish, or ask for fewer methods and ratios."
            )
        kept = values[complete][:, present]
        means[b, present] = kept.mean(axis=0)
        replicates[b][:, present] = resampled_means(kept, _counts(len(kept), resamples, seed, b))
        samples.append(int(complete.sum()))
    return DistanceCells(benchmarks, cells, means, replicates, tuple(samples))


@lru_cache(maxsize=32)
def _counts(n: int, resamples: int, seed: int, benchmark: int) -> FloatArray:
    """Return how often each of ``n`` samples comes up, which is the same for all quantities and cells."""
    return resample_counts(n, resamples, generator=np.random.default_rng([seed, benchmark]))


def score_cells(
    accuracy: pd.DataFrame | None,
    benchmarks: Sequence[str],
    cells: Sequence[Cell],
    *,
    keys: Sequence[str],
    ratio: float | None = None,
) -> ScoreCells:
    """Look up the score of every benchmark and cell.

    Parameters
    ----------
    accuracy : DataFrame or None
        Columns ``model, benchmark, method, ratio, gamma, metric, value, n, standard_error``; several seeds
        of one setting are averaged. All seeds answer the same questions, so their errors are averaged too
        and not divided by the root of their number; a score of a single question has no error that could be
        known. None gives NaN everywhere.
    benchmarks, cells, keys
        As in :class:`DistanceCells`. Without ``gamma`` among the keys, methods that have one stand with
        their default, see :func:`main_gammas`.
    ratio : float, optional
        Share of tokens kept, where it is not among the keys. One that is missing in the table matches any.

    Returns
    -------
    ScoreCells

    Raises
    ------
    InputError
        If the table holds several models, several metrics of one benchmark, or none of the benchmarks.
    """
    each, all_tokens = (len(benchmarks), len(cells)), (len(benchmarks),)
    shapes = (each, each, all_tokens, all_tokens, each)
    blank = ScoreCells(*(np.full(shape, np.nan) for shape in shapes))
    if accuracy is None:
        return blank
    check_accuracy(accuracy, benchmarks)
    optional = [name for name in ("gamma", "standard_error", "n") if name not in accuracy.columns]
    accuracy = accuracy.assign(**dict.fromkeys(optional, np.nan))
    alone = accuracy["n"].astype(float) < 2
    accuracy = accuracy.assign(standard_error=accuracy["standard_error"].astype(float).mask(alone))
    whole = _averaged(accuracy[accuracy["method"] == FULL], ["benchmark"])
    pruned = accuracy[~accuracy["method"].isin(BASELINES)]
    if ratio is not None:
        pruned = pruned[_fits(pruned["ratio"], ratio)]
    if "gamma" not in keys:
        pruned = pruned[main_gammas(pruned)]
    found = _averaged(rounded_settings(pruned, keys), ["benchmark", *keys])
    for b, name in enumerate(benchmarks):
        blank.full[b], blank.full_error[b], _ = whole.get((name,), (np.nan, np.nan, np.nan))
        for c, cell in enumerate(cells):
            triple = found.get((name, *cell), (np.nan, np.nan, np.nan))
            blank.score[b, c], blank.error[b, c], blank.counts[b, c] = triple
    return blank


def _rows_of(sweep: pd.DataFrame, columns: Sequence[str], normalise: str) -> pd.DataFrame:
    wanted = ["dump", "benchmark", "sample", "normalisation", *columns]
    absent = [name for name in wanted if name not in sweep.columns]
    if absent:
        raise InputError(
            f"The sweep table lacks the columns {', '.join(absent)}: run `otanalysis sweep` again."
        )
    rows = sweep[sweep["normalisation"] == normalise]
    if rows.empty:
        known = ", ".join(sorted(str(name) for name in sweep["normalisation"].unique())) or "no rows"
        raise InputError(
            f"The sweep has no row with normalisation {normalise!r} (it has: {known}): run it with that one."
        )
    dumps = rows[["benchmark", "dump"]].drop_duplicates()
    twice = sorted({str(name) for name in dumps.loc[dumps["benchmark"].duplicated(), "benchmark"]})
    if twice:
        raise InputError(
            f"A figure wants one dump per benchmark, and {', '.join(twice)} come from several: "
            "draw one model at a time."
        )
    return rows


def check_accuracy(accuracy: pd.DataFrame, benchmarks: Sequence[str]) -> None:
    """Refuse a table that no figure can show.

    Raises
    ------
    InputError
        If it holds several models, several metrics of one benchmark, or none of the benchmarks.
    """
    models = sorted({str(name) for name in accuracy["model"]})
    if len(models) > 1:
        raise InputError(
            f"A figure wants the accuracies of one model, and the table holds {', '.join(models)}: "
            "keep the rows of one of them."
        )
    known = set(accuracy["benchmark"])
    if not known & set(benchmarks):
        raise InputError(
            f"The accuracy table has none of the benchmarks of the dumps ({', '.join(benchmarks)}); "
            f"it has {', '.join(sorted(map(str, known))) or 'no rows'}: use the same names in both, "
            "those of lmms-eval's tasks."
        )
    rows = accuracy[accuracy["benchmark"].isin(list(benchmarks))]
    metrics = rows.groupby("benchmark")["metric"].nunique()
    several = [str(name) for name in metrics.index[metrics > 1]]
    if several:
        raise InputError(
            f"A figure wants one metric per benchmark, and {', '.join(several)} have several: "
            "keep the rows of one of them."
        )


def main_gammas(rows: pd.DataFrame) -> BoolArray:
    """Say which rows have no gamma, or the default one of their method in the method's own unit.

    Examples
    --------
    >>> rows = pd.DataFrame({"method": ["otprune", "otprune", "dpp"], "gamma": [0.01, 0.1, np.nan]})
    >>> main_gammas(rows).tolist()
    [True, False, True]
    """
    default = rows["method"].map(DEFAULT_GAMMAS).fillna(RELEASED_GAMMA)  # of a method of the user's own
    return _fits(rows["gamma"], np.asarray(default, dtype=np.float64))


def _fits(column: pd.Series, wanted: float | FloatArray) -> BoolArray:
    """Say which numbers are the wanted ones but for their rounding, or missing."""
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    close = np.abs(numbers - wanted) <= 10**-RATIO_DIGITS * np.abs(wanted)
    return np.asarray(np.isnan(numbers) | close)


def _averaged(rows: pd.DataFrame, keys: list[str]) -> dict[tuple[object, ...], tuple[float, float, float]]:
    """Mean value, mean standard error and mean count over seeds, by key."""
    numbers = ["value", "standard_error", "n"]
    plain = rows[keys].assign(**{name: rows[name].astype(float) for name in numbers})
    means = plain.groupby(keys)[numbers].mean()
    result: dict[tuple[object, ...], tuple[float, float, float]] = {}
    for index, value, error, count in means.itertuples(name=None):
        result[index if isinstance(index, tuple) else (index,)] = (float(value), float(error), float(count))
    return result


MEAN = "mean"
"""Benchmark name of the rows that average over all benchmarks."""


RESAMPLES = 2000
"""Bootstrap size: the ends of a 95 % interval are then known to about 2 % of its width."""

Measured = tuple[FloatArray, FloatArray]
"""Values of shape (c,) with their replicates of shape (r, c)."""


def with_mean(values: FloatArray, replicates: FloatArray, scale: FloatArray | None = None) -> list[Measured]:
    """Per benchmark, then their mean (after scaling); a benchmark without a cell makes its mean missing."""
    factor = np.ones(len(values)) if scale is None else scale
    one = [(value, draws) for value, draws in zip(values, replicates, strict=True)]
    mean = (factor[:, None] * values).mean(axis=0), (factor[:, None, None] * replicates).mean(axis=0)
    return [*one, mean]


def drawn_scores(good: ScoreCells, resamples: int, generator: np.random.Generator) -> list[Measured]:
    """Scores and draws with their standard error, per benchmark and mean.

    A score whose error is unknown is held fixed; one of a single question has no draws.
    """
    noise = generator.normal(size=(good.score.shape[0], resamples, good.score.shape[1]))
    drawn = good.score[:, None, :] + np.nan_to_num(good.error)[:, None, :] * noise
    drawn = np.where(good.counts[:, None, :] < 2, np.nan, drawn)
    scale = None if good.common_scale else 1.0 / np.where(good.full == 0, np.nan, good.full)
    return with_mean(good.score, drawn, scale)


def check_frame(table: object) -> None:
    """Raise InputError unless a table is a DataFrame."""
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"A table must be a DataFrame, as the studies' readers return; got {shown(table)}.")


def check_sweep(sweep: pd.DataFrame) -> None:
    """Raise InputError unless a table is a DataFrame that says what was selected."""
    check_frame(sweep)
    if absent := [name for name in ("method", "ratio", "gamma") if name not in sweep.columns]:
        raise InputError(f"The sweep table lacks the columns {', '.join(absent)}: run the sweep again.")


def rows_with(sweep: pd.DataFrame, *, methods: Sequence[str], ratios: Sequence[float] | None) -> pd.DataFrame:
    """Return the rows of these methods at these ratios (None: any); raise InputError if there is none."""
    check_sweep(sweep)
    rows: pd.DataFrame = sweep[sweep["method"].isin(list(methods))]
    if ratios is not None:
        close = np.isclose(rows["ratio"].to_numpy(dtype=np.float64)[:, None], np.asarray(ratios)[None, :])
        rows = rows[close.any(axis=1)]
    if rows.empty:
        wanted = "any ratio" if ratios is None else "ratio " + ", ".join(f"{ratio:g}" for ratio in ratios)
        raise InputError(
            f"The sweep has no row of {', '.join(methods)} at {wanted}: run the sweep with them."
        )
    return rows


def main_rows(sweep: pd.DataFrame, *, methods: Sequence[str], ratios: Sequence[float] | None) -> pd.DataFrame:
    """Return the rows of these methods that have no gamma, or the method's default one."""
    rows = rows_with(sweep, methods=methods, ratios=ratios)
    chosen: pd.DataFrame = rows[main_gammas(rows)]
    return chosen
