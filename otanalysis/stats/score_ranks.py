r"""Methods compared over benchmarks by their scores alone: relative average, its rank, and mean rank.

Benchmarks have different scales (CIDEr about 1, accuracies to 100, MME to 2000), so scores are never averaged
as they are. Each is first divided by the score of the unpruned model on the same benchmark; the average is
the mean of these shares, :math:`\frac1B \sum_b s_b / s_b^{\mathrm{full}}`, in which every benchmark has the
same weight. Ranks need no scale: 1 is the highest score of a benchmark, equal scores share the mean of their
ranks. The two need not agree: the average weighs by how much is lost, the mean rank counts benchmarks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from otanalysis.defaults import BASELINES, FULL
from otanalysis.errors import InputError
from otanalysis.stats.cells import rounded_settings

NOT_ONE_SHOT = ("(calibrated)", "(fine-tuned)")
"""How published tables mark methods that are fitted to data or train the model before they prune it."""


def is_one_shot(method: str) -> bool:
    """Say whether a method prunes a given model at once, without calibration or fine-tuning.

    Examples
    --------
    >>> [is_one_shot(name) for name in ("divprune", "M3 (fine-tuned)", FULL, "no-image")]
    [True, False, False, False]
    """
    return method not in BASELINES and not method.endswith(NOT_ONE_SHOT)


def rank_methods(
    accuracy: pd.DataFrame,
    *,
    model: str,
    methods: Sequence[str] | None = None,
    ratio: float | None = None,
    gamma: float | None = None,
    benchmarks: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Rank methods by the scores of one model, over benchmarks that all of them have.

    Parameters
    ----------
    accuracy : DataFrame
        As :func:`otanalysis.scores.table.read_accuracy` returns it; higher values are better. Several
        seeds of one setting are averaged.
    model : str
        Whose scores.
    methods : sequence of str, optional
        Methods to compare; by default the one-shot ones with a score on every benchmark that the unpruned
        model has.
    ratio : float, optional
        Share of the tokens kept, where a method comes with several; methods without a ratio are compared
        whatever it is.
    gamma : float, optional
        The same for the gamma of methods that have one, in the unit of each.
    benchmarks : sequence of str, optional
        By default those that all compared methods and the unpruned model have.

    Returns
    -------
    DataFrame
        One row per method, best average first: ``model``, ``method``, ``benchmarks`` (how many), ``average``
        (share of the unpruned model's score, mean over the benchmarks), ``rank`` of the average among the
        compared methods (1 = best) and ``mean_rank``, the mean over benchmarks of the rank on each.

    Raises
    ------
    InputError
        If the model or a method is not in the table, there is none to compare, a method comes with several
        settings, the unpruned model scores 0 on a benchmark, or no benchmark has all methods.
    """
    scores = score_table(accuracy[accuracy["model"] == model], model, ratio=ratio, gamma=gamma)
    if FULL not in scores.columns:
        raise InputError(
            f"Scores of {model} with all tokens (method full) are wanted: add them to the table."
        )
    full = scores[FULL].dropna()
    if methods is None:
        complete = scores.loc[full.index].notna().all()
        methods = [name for name in scores.columns if is_one_shot(name) and complete[name]]
    if not methods:
        raise InputError(
            f"No one-shot method has a score of {model} on all of its {len(full)} benchmarks; the table has "
            f"{', '.join(scores.columns)}: name some of those, or another ratio or gamma."
        )
    methods = list(dict.fromkeys(methods))
    if FULL in methods:
        raise InputError(f"All tokens (method {FULL}) are what methods are compared with: name the others.")
    if absent := [name for name in methods if name not in scores.columns]:
        raise InputError(
            f"The table has no score of {', '.join(absent)} for {model}; it has "
            f"{', '.join(scores.columns)}: name those."
        )
    wanted = full.index if benchmarks is None else list(dict.fromkeys(benchmarks))
    compared = scores.reindex(index=wanted)[list(methods)]
    shared = compared.join(full).notna().all(axis=1)
    if benchmarks is not None and not shared.all():
        lacking = ", ".join(map(str, shared.index[~shared]))
        raise InputError(f"Not every method has a score of {model} on {lacking}: leave those out.")
    return _ranked(compared[shared], full, model)


def score_table(rows: pd.DataFrame, model: str, **chosen: float | None) -> pd.DataFrame:
    """Return one model's scores, benchmarks by methods, in the order of the table; missing ones are NaN.

    Parameters
    ----------
    rows : DataFrame
        Rows of the accuracy table, all of one model.
    model : str
        Its name, for messages.
    **chosen : float, optional
        ``ratio`` and ``gamma`` of the rows to keep; rows that have none, and those of all tokens, stay.

    Raises
    ------
    InputError
        If there is no row, a method comes with several settings, or a benchmark with several metrics.
    """
    if rows.empty:
        raise InputError(f"The table has no score of {model}: name one of its models.")
    rows = with_settings(rows, **chosen)
    if several := of_several_settings(rows):
        raise InputError(
            f"{', '.join(several)} come with several ratios or gammas: keep the rows of one, or give ratio "
            "or gamma."
        )
    metrics = rows.groupby("benchmark")["metric"].nunique()
    if (metrics > 1).any():
        mixed = ", ".join(map(str, metrics.index[metrics > 1]))
        raise InputError(f"{mixed} come with several metrics: keep the rows of one of them.")
    table = rows.groupby(["benchmark", "method"], sort=False)["value"].mean().unstack("method")
    return table.loc[rows["benchmark"].unique(), rows["method"].unique()]


def with_settings(rows: pd.DataFrame, **chosen: float | None) -> pd.DataFrame:
    """Return the rows that have the chosen ``ratio`` and ``gamma``, where given, or none; and all tokens."""
    for name, value in chosen.items():
        if value is not None:
            if not (value > 0 and np.isfinite(value)):
                raise InputError(f"The {name} must be a positive number, got {value:g}.")
            [wanted] = rounded_settings(pd.DataFrame({name: [value]}), [name])[name]
            near = rounded_settings(rows, [name])[name] == wanted
            rows = rows[near | rows[name].isna() | (rows["method"] == FULL)]
    return rows


def of_several_settings(rows: pd.DataFrame) -> list[str]:
    """Return the methods that have more than one ratio or gamma."""
    settings = rows[["method", "ratio", "gamma"]].drop_duplicates()
    return [str(name) for name in settings.loc[settings["method"].duplicated(), "method"].unique()]


def _ranked(compared: pd.DataFrame, full: pd.Series, model: str) -> pd.DataFrame:
    whole = full[compared.index].to_numpy(dtype=np.float64)
    if compared.empty or not whole.all():
        why = "no benchmark has all of them" if compared.empty else "the unpruned model scores 0"
        raise InputError(f"{', '.join(compared.columns)} cannot be compared on {model}: {why}.")
    values = compared.to_numpy(dtype=np.float64)
    average = (values / whole[:, None]).mean(axis=0)
    found = pd.DataFrame(
        {
            "model": model,
            "method": compared.columns,
            "benchmarks": len(compared),
            "average": average,
            "rank": rankdata(-average),
            "mean_rank": rankdata(-values, axis=1).mean(axis=0),
        }
    )
    return found.sort_values(["rank", "method"]).reset_index(drop=True)
