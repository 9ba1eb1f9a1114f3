r"""The numbers of the test inside the image: which distance an answer goes with where all else is equal.

For every question the model's log-probability of the right answer is known from many kept sets of one size
(:mod:`otanalysis.selection.steered`), and so is every distance of these sets. Everything is computed within
a question and then averaged over questions, so that questions and pictures, easy or hard, do not enter.
Questions about one scene are not independent: intervals are 95 % percentile bootstraps over scenes.

Closeness is a distance, signed so that larger is closer: where a correlation with it is positive, the answer
is likelier from sets that are closer to all tokens.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Final, cast

import numpy as np
import pandas as pd

from otanalysis.arrays import FloatArray
from otanalysis.distances import DISTANCES
from otanalysis.errors import InputError
from otanalysis.selection.pool import RANDOM
from otanalysis.selection.steered import SWAPS
from otanalysis.stats.cells import MEAN, RESAMPLES, check_frame
from otanalysis.stats.statistics import bootstrap_means, percentile_interval, spearman_rho

RANKED: Final = tuple(name for name in DISTANCES if name != "w2")
"""The distances whose ranks are correlated: all that there are, without W2, which has those of its square."""

NOTHING: Final = "nothing"
"""What a correlation is given that is no partial one."""

MAIN_PAIR: Final = ("w2_squared", "quantisation_error")
"""The two distances whose partial correlations are tabulated for every kind of question."""

DIFFERENCE: Final = "difference"
"""Swaps that lower W2 less swaps that lower the quantisation error, as many from the same start."""

POOLS: Final = ("all", RANDOM)
"""Which of the subsets are correlated: all, or the uniformly random ones alone."""

METHODS: Final = "methods"
"""Pool of correlations over methods in place of subsets: Spearman's rho of mean closeness and score."""

_RUN: Final = ["model", "ratio", "positions"]
_QUESTION: Final = ["benchmark", "scene", "sample"]
_SCORE: Final = "log_probability"


def partial_correlation(xy: FloatArray, xz: FloatArray, yz: FloatArray) -> FloatArray:
    r"""Return the correlation of x and y given z, of the three correlations between them.

    .. math:: r_{xy \cdot z} = \frac{r_{xy} - r_{xz} r_{yz}}{\sqrt{(1 - r_{xz}^2)(1 - r_{yz}^2)}}

    Of ranks, the correlation of what is left of the ranks of x and of y after a linear regression of each on
    the ranks of z.

    Parameters
    ----------
    xy, xz, yz : ndarray
        Correlations, in [-1, 1]; they broadcast.

    Returns
    -------
    ndarray
        NaN where z determines x or y: nothing is left that could vary.

    Examples
    --------
    >>> partial_correlation(np.array(0.5), np.array([0.0, 0.5, 1.0]), np.array([0.0, 1.0, 0.5]))
    array([0.5, nan, nan])
    """
    left = (1.0 - xz**2) * (1.0 - yz**2)
    top, left = np.broadcast_arrays(xy - xz * yz, left)
    found = np.full(left.shape, np.nan)
    np.divide(top, np.sqrt(np.maximum(left, 0.0)), out=found, where=left > _DETERMINED)
    return np.asarray(np.clip(found, -1.0, 1.0))


_DETERMINED = 1e-9  # what rounding leaves of 1 - r^2 where ranks are equal


def within_table(
    rows: pd.DataFrame,
    *,
    measures: Sequence[str] = RANKED,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Tabulate rank correlations between closeness and the log-probability of the right answer.

    Parameters
    ----------
    rows : DataFrame
        The table of :func:`~otanalysis.studies.within.measure_within`, read.
    measures : sequence of str
        Columns that are correlated: distances, the :data:`MAIN_PAIR` among them, and perhaps other quantities
        of a kept set, whose sign stays as it is.
    resamples, seed : int
        Of the bootstrap over scenes; the same scenes are drawn for all distances.

    Returns
    -------
    DataFrame
        Columns ``model``, ``ratio``, ``positions``, ``pool`` (of :data:`POOLS`), ``benchmark`` (kind of
        question, with :data:`~otanalysis.stats.cells.MEAN` of all questions), ``measure`` (a distance),
        ``given`` (another one, of which the correlation is a partial one, or :data:`NOTHING`), ``value``,
        ``low``, ``high``, ``n`` (questions that have a value), ``scenes`` and ``subsets`` (a question). Given
        each other distance for all questions together, and the :data:`MAIN_PAIR` given one another for every
        kind. A question has no value where closeness or score is the same for all its subsets, or, of
        partial ones, is determined by the other distance; with a single scene there is no interval.

    Raises
    ------
    InputError
        If a column is missing, or a question lacks subsets.
    """
    check_within_rows(rows, measures)
    records: list[dict[str, object]] = []
    for run, cell in rows.groupby(_RUN, sort=False):
        for pool in POOLS:
            chosen = cell if pool == "all" else cell[cell["origin"] == RANDOM]
            values = _correlations(chosen, measures)
            head = {**_named_run(run), "pool": pool}
            tail = {"subsets": chosen["number"].nunique()}
            for name, own in _kinds(values):
                kept = own if name == MEAN else own[list(filter(_of_kinds, own))]
                for column, numbers in averaged(kept, resamples, seed):
                    measure, given = cast("tuple[str, str]", column)
                    label = {"benchmark": name, "measure": measure, "given": given}
                    records.append(head | label | numbers | tail)
    return pd.DataFrame(records)


def _named_run(run: Hashable) -> dict[str, object]:
    return dict(zip(_RUN, cast("tuple[object, ...]", run), strict=True))


def _of_kinds(column: Hashable) -> bool:
    """Tell whether the correlations of a column are tabulated for every kind of question."""
    measure, given = cast("tuple[str, str]", column)
    return given == NOTHING or {measure, given} == set(MAIN_PAIR)


def _kinds(values: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the questions of every kind, then all of them."""
    for name, own in values.groupby(level="benchmark", sort=False):
        yield str(name), own
    yield MEAN, values


def _correlations(pool: pd.DataFrame, measures: Sequence[str]) -> pd.DataFrame:
    """Return the correlations of every question (rows), by distance and what it is given (columns)."""
    ordered = pool.sort_values([*_QUESTION, "number"], kind="stable")
    questions = pd.MultiIndex.from_frame(ordered[_QUESTION].drop_duplicates())
    columns = [ordered[name].to_numpy(dtype=np.float64) * _sign(name) for name in (*measures, _SCORE)]
    values = np.stack(columns).reshape(len(columns), len(questions), -1).transpose(1, 0, 2)
    rho = spearman_rho(values[:, :, None], values[:, None])  # [questions, distances + 1, the same]
    with_score, between = rho[:, :-1, -1], rho[:, :-1, :-1]
    partial = partial_correlation(with_score[:, :, None], between, with_score[:, None, :])
    found = {(name, NOTHING): with_score[:, place] for place, name in enumerate(measures)}
    found |= {
        (name, given): partial[:, place, other]
        for place, name in enumerate(measures)
        for other, given in enumerate(measures)
        if other != place
    }
    return pd.DataFrame(found, index=questions)


def _sign(name: str) -> int:
    """Return the sign that makes larger values closer; other quantities than distances keep theirs."""
    return -1 if name in DISTANCES and not DISTANCES[name].higher_is_closer else 1


def averaged(values: pd.DataFrame, resamples: int, seed: int) -> Iterator[tuple[Hashable, dict[str, object]]]:
    """Yield the mean of every column over questions, with its interval: a bootstrap over scenes.

    A question without a value is left out, in every resample as well. A scene is drawn with all its
    questions.

    Parameters
    ----------
    values : DataFrame
        One row a question, whose index has a level ``scene``.
    resamples, seed : int
        Of the bootstrap.
    """
    table = values.to_numpy(dtype=np.float64)
    there = np.isfinite(table)
    scenes = values.index.get_level_values("scene")
    sums = pd.DataFrame(np.hstack([np.nan_to_num(table), there])).groupby(scenes.to_numpy()).sum().to_numpy()
    half = table.shape[1]
    drawn = bootstrap_means(sums, resamples, generator=np.random.default_rng(seed))
    low, high = percentile_interval(_ratio(drawn[:, :half], drawn[:, half:]))
    value, counted = _ratio(sums[:, :half].sum(axis=0), there.sum(axis=0)), (sums[:, half:] > 0).sum(axis=0)
    for place, name in enumerate(values.columns):
        numbers = {"value": value[place], "low": low[place], "high": high[place]}
        if counted[place] < 2:  # one scene alone says nothing of how scenes differ
            numbers |= {"low": np.nan, "high": np.nan}
        yield name, numbers | {"n": int(there[:, place].sum()), "scenes": int(counted[place])}


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    found = np.full(part.shape, np.nan)
    np.divide(part, whole, out=found, where=whole > 0)
    return found


def swaps_table(rows: pd.DataFrame, *, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Tabulate what swaps do to the answer, against the random subset that they began with.

    Parameters
    ----------
    rows : DataFrame
        The table of :func:`~otanalysis.studies.within.measure_within`, read.
    resamples, seed : int
        As for :func:`within_table`.

    Returns
    -------
    DataFrame
        Columns ``model``, ``ratio``, ``positions``, ``benchmark``, ``moves`` (which swaps, or
        :data:`DIFFERENCE` between the two kinds), ``stage`` (1, 2, ...: more and more swaps), ``swaps`` (mean
        number), ``quantity``, ``value``, ``low``, ``high``, ``n`` and ``scenes``. The quantities are the gain
        in ``log_probability`` and in ``right`` answers, and what is left of ``w2_squared`` and of
        ``quantisation_error``, as a share of what it was. Starts are averaged within a question first. The
        difference is taken only where both kinds found as many swaps.

    Raises
    ------
    InputError
        As for :func:`within_table`.
    """
    check_within_rows(rows, MAIN_PAIR)
    records: list[dict[str, object]] = []
    for run, cell in rows.groupby(_RUN, sort=False):
        for (moves, stage), gains in _gains(cell).groupby(["moves", "stage"], sort=False):
            head = _named_run(run)
            values = gains.groupby(_QUESTION, sort=False)[list(_QUANTITIES)].mean()
            for name, own in _kinds(values):
                label = {"benchmark": name, "moves": moves, "stage": stage, "swaps": gains["swaps"].mean()}
                for quantity, numbers in averaged(own, resamples, seed):
                    records.append(head | label | {"quantity": quantity} | numbers)
    return pd.DataFrame(records)


_QUANTITIES: Final = {"log_probability": False, "right": False, **dict.fromkeys(MAIN_PAIR, True)}
"""What is compared with the start, and whether as a ratio."""


def _gains(cell: pd.DataFrame) -> pd.DataFrame:
    """Return, for every set made by swaps, what has changed since its start; then the differences."""
    keys = [*_QUESTION, "start"]
    begun = cell[cell["origin"] == RANDOM].set_index([*_QUESTION, "number"])
    begun.index = begun.index.set_names(keys)
    made = cell[cell["origin"].isin(list(SWAPS))].sort_values([*keys, "number"], kind="stable")
    made = made.rename(columns={"origin": "moves"})
    made["stage"] = made.groupby([*keys, "moves"], sort=False).cumcount() + 1
    before = begun.loc[pd.MultiIndex.from_frame(made[keys])]
    for name, as_ratio in _QUANTITIES.items():
        now, then = (one[name].to_numpy(dtype=np.float64) for one in (made, before))
        made[name] = _ratio(now, then) if as_ratio else now - then
    wanted = made[[*keys, "moves", "stage", "swaps", *_QUANTITIES]]
    first, second = (wanted[wanted["moves"] == moves].drop(columns="moves") for moves in SWAPS)
    both = first.merge(second, on=[*keys, "stage", "swaps"], suffixes=("", "_other"))
    for name in _QUANTITIES:
        both[name] -= both[f"{name}_other"]
    return pd.concat([wanted, both[[*keys, "stage", "swaps", *_QUANTITIES]].assign(moves=DIFFERENCE)])


def with_between(table: pd.DataFrame, matrix: pd.DataFrame) -> pd.DataFrame:
    """Return a table of correlations inside an image with those between methods below it.

    Parameters
    ----------
    table : DataFrame
        From :func:`within_table`, of one model.
    matrix : DataFrame
        Correlations over methods, a row a distance and benchmark: ``without_ends`` (False for all methods),
        ``distance``, ``closer`` (``lower is closer`` or ``higher is closer``), ``benchmark``, ``rho``,
        ``low``, ``high`` and ``n_methods``.

    Returns
    -------
    DataFrame
        With rows of the pool :data:`METHODS` in the same columns: ``positions`` too is :data:`METHODS`, ``n``
        the number of methods, and the signs are those of closeness.

    Raises
    ------
    InputError
        If a column of the matrix is missing.

    Examples
    --------
    >>> inside = pd.DataFrame({"model": ["m"], "ratio": [0.1], "pool": ["all"], "value": [0.2]})
    >>> row = {"without_ends": False, "distance": "sliced_w2", "closer": "lower is closer", "rho": -0.7}
    >>> row |= {"benchmark": "mean", "low": -0.9, "high": -0.4, "n_methods": 20}
    >>> matrix = pd.DataFrame([row])
    >>> with_between(inside, matrix)[["pool", "value", "high"]].to_dict("records")[1]
    {'pool': 'methods', 'value': 0.7, 'high': 0.9}
    """
    wanted = ["without_ends", "distance", "closer", "benchmark", "rho", "low", "high", "n_methods"]
    if absent := [name for name in wanted if name not in matrix.columns]:
        raise InputError(f"The matrix of predictors lacks the columns {', '.join(absent)}: draw it again.")
    known = matrix["distance"].isin(RANKED) & ~matrix["without_ends"].astype(bool)
    own = matrix[known].dropna(subset=["rho"])
    higher = (own["closer"] == "higher is closer").to_numpy()
    value, low, high = (own[name].to_numpy(dtype=np.float64) for name in ("rho", "low", "high"))
    below = pd.DataFrame(
        {
            "model": table["model"].iloc[0],
            "ratio": table["ratio"].iloc[0],
            "positions": METHODS,
            "pool": METHODS,
            "benchmark": own["benchmark"].to_numpy(),
            "measure": own["distance"].to_numpy(),
            "given": NOTHING,
            "value": np.where(higher, value, -value),
            "low": np.where(higher, low, -high),
            "high": np.where(higher, high, -low),
            "n": own["n_methods"].to_numpy(),
        }
    )
    return table if below.empty else pd.concat([table, below], ignore_index=True)


def check_within_rows(rows: pd.DataFrame, measures: Sequence[str]) -> None:
    """Raise InputError unless every question has the same subsets with a score and these measures."""
    check_frame(rows)
    wanted = [*_RUN, *_QUESTION, "number", "origin", "start", "swaps", _SCORE, "right", *measures]
    absent = [name for name in wanted if name not in rows.columns]
    if absent or rows.empty:
        what = f"lacks the columns {', '.join(absent)}" if absent else "has no rows"
        raise InputError(f"The table of the test inside the image {what}: run `otanalysis within` again.")
    sizes = rows.groupby([*_RUN, *_QUESTION])["number"].agg(["size", "nunique"]).to_numpy()
    if sizes.min() < sizes.max():
        raise InputError(
            f"Every question wants the same subsets, each once, and the table has {sizes.min()} to "
            f"{sizes.max()} of them: let the measurement finish, and keep the rows of one run."
        )
