r"""Two methods compared pair by pair: relative gains and Wilcoxon's signed-rank test, by model and by group.

This is Table 1 of arXiv:2602.20205v2 in numbers, for any two methods of any accuracy table. Benchmarks have
different scales, so the gain of a method over another on one benchmark is relative, :math:`s / s_0 - 1`. The
test asks whether gains tend to be positive: it ranks their sizes and sums the ranks of the positive ones. Its
p-value is reported in two forms, since papers rarely say which they took: exact, from all :math:`2^n` signs,
and the normal approximation with continuity correction. Gains of zero are left out, as Wilcoxon did. Pairs of
one benchmark on several models are not independent: a p-value over all models is smaller than it should be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata, wilcoxon

from otanalysis.defaults import FULL
from otanalysis.errors import InputError
from otanalysis.stats.score_ranks import is_one_shot, of_several_settings, score_table, with_settings

ALL = "all"
"""Model or group of the rows over all models or over all benchmarks."""

OTHER = "other"
"""Group of a benchmark that no group names."""

PRINTED_P = 0.028
"""The p-value that arXiv:2602.20205v2 prints for OTPrune over DivPrune, "across all metrics".

Four readings are possible: each of the three models alone, or all 33 pairs. Only LLaVA-1.5-13B alone gives
this number, by the normal approximation.
"""

GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "coco2017_cap_val": "captioning",
        "flickr30k_test": "captioning",
        "nocaps_val": "captioning",
        "mme": "yes/no",
        "pope": "yes/no",
        "presence": "yes/no",
        "mmbench_en_dev": "multiple choice",
        "mmmu_val": "multiple choice",
        "scienceqa_img": "multiple choice",
        "seedbench": "multiple choice",
        "gqa": "short answer",
        "ok_vqa_val2014": "short answer",
    }
)
"""Kind of answer that a benchmark asks for; ``presence`` is the bundled model's."""


def compare_scores(
    accuracy: pd.DataFrame,
    method: str,
    baseline: str,
    *,
    models: list[str] | None = None,
    ratio: float | None = None,
    gamma: float | None = None,
    by: Literal["group", "benchmark"] = "group",
    without: Sequence[str] = (),
    groups: Mapping[str, str] = GROUPS,
) -> pd.DataFrame:
    """Compare two methods on every benchmark that has both, for each model, over all, and by group.

    Parameters
    ----------
    accuracy : DataFrame
        As :func:`otanalysis.scores.table.read_accuracy` returns it; higher values are better. Several seeds
        of one setting are averaged.
    method, baseline : str
        The test asks whether ``method`` is better than ``baseline``.
    models : list of str, optional
        By default all of the table that have both methods.
    ratio : float, optional
        Share of the tokens kept, where a method comes with several.
    gamma : float, optional
        The same for the gamma of methods that have one, in the unit of each.
    by : {"group", "benchmark"}
        What a row within a model is of.
    without : sequence of str
        Groups or benchmarks to leave out.
    groups : mapping of str to str
        Group of each benchmark; those that it does not name form the group ``"other"``.

    Returns
    -------
    DataFrame
        One row per model and group, ``"all"`` among both where there are several: ``model``, ``group`` (or
        the benchmark), ``pairs``, ``better``, ``equal``, ``worse`` (how many), ``median_gain`` (relative,
        0.01 is one per cent), ``p_exact`` and ``p_normal`` (one-sided; NaN where every gain is zero),
        ``p_against`` (as ``p_exact``, of the opposite: that the gains tend to be negative);
        ``average`` and ``baseline_average`` (share of the unpruned model's score, mean over the pairs),
        ``rank`` and ``baseline_rank`` of these averages among the ``ranked`` methods: both, and the one-shot
        ones that have one setting and a score on every pair. NaN without scores of all tokens.

    Raises
    ------
    InputError
        If the methods are the same or all tokens, no model has both, a method comes with several settings,
        the baseline scores zero or less on a benchmark, or what is to be left out is not there.

    Examples
    --------
    >>> import pandas as pd
    >>> from otanalysis.files import data_folder
    >>> from otanalysis.scores import read_accuracy
    >>> published = read_accuracy(data_folder() / "published" / "accuracy.csv")
    >>> found = compare_scores(published, "otprune", "divprune").set_index(["model", "group"])
    >>> found.loc[("LLaVA-1.5-13B", "all"), ["p_exact", "p_normal"]].round(4).tolist()
    [0.0269, 0.028]
    """
    if method == baseline:
        raise InputError(f"Two different methods are wanted, got {method!r} twice.")
    if models is not None and not models:
        raise InputError("At least one model is wanted, got an empty list.")
    own = [
        _pairs(accuracy[accuracy["model"] == model], model, method, baseline, ratio=ratio, gamma=gamma)
        for model in (accuracy["model"].unique() if models is None else dict.fromkeys(models))
    ]
    pairs = pd.concat(own, ignore_index=True)
    if pairs.empty:
        raise InputError(
            f"No benchmark has scores of both {method} and {baseline} on one model: name two methods of the "
            "table, or other models."
        )
    pairs = _left(pairs.assign(group=[groups.get(name, OTHER) for name in pairs["benchmark"]]), without)
    return pd.DataFrame(
        [
            {"model": model, "group": group} | _compared(part, method, baseline)
            for model, group, part in _parts(pairs, by)
        ]
    )


def with_printed_p(found: pd.DataFrame) -> pd.DataFrame:
    """Set the p-value that the paper prints beside its possible readings: each model alone, or all together.

    Parameters
    ----------
    found : DataFrame
        What :func:`compare_scores` says of OTPrune and DivPrune in the published table.

    Returns
    -------
    DataFrame
        With the columns ``printed_p`` (:data:`PRINTED_P` in rows over all groups, else NaN) and
        ``printed_by``: which of ``p_normal`` and ``p_exact`` rounds to it, empty where none does.

    Examples
    --------
    >>> import pandas as pd
    >>> row = {"model": "m", "group": ALL, "p_exact": 0.0269, "p_normal": 0.028}
    >>> with_printed_p(pd.DataFrame([row]))["printed_by"].tolist()
    ['p_normal']
    """
    whole = found["group"] == ALL
    digits = len(str(PRINTED_P).partition(".")[2])
    forms = ("p_normal", "p_exact")
    gives = {form: whole & (found[form].round(digits) == PRINTED_P) for form in forms}
    said = [", ".join(form for form in forms if gives[form][row]) for row in found.index]
    return found.assign(printed_p=np.where(whole, PRINTED_P, np.nan), printed_by=said)


def _pairs(
    rows: pd.DataFrame, model: str, method: str, baseline: str, *, ratio: float | None, gamma: float | None
) -> pd.DataFrame:
    """Return ``model``, ``benchmark`` and ``gain`` of one model's pairs, and every method's share of full.

    The shares are the columns under the methods' names; those of methods that are not ranked are left out.
    """
    both = rows[rows["method"].isin([method, baseline])]
    if both["method"].nunique() < 2:
        return pd.DataFrame({"model": [], "benchmark": [], "gain": []})
    scores = score_table(both, model, ratio=ratio, gamma=gamma).reindex(columns=[method, baseline]).dropna()
    if (scores[baseline] <= 0).any():
        raise InputError(
            f"Positive scores of {baseline} are wanted, since gains are relative to them; on {model} it has "
            f"none on {', '.join(map(str, scores.index[scores[baseline] <= 0]))}: leave those out."
        )
    gains = pd.DataFrame({"model": model, "gain": scores[method] / scores[baseline] - 1})
    rest = rows[~rows["method"].isin([method, baseline])].merge(
        both[["benchmark", "metric"]].drop_duplicates()
    )
    shares = _shares(with_settings(rest, ratio=ratio, gamma=gamma), scores, model)
    return gains.join(shares).reset_index(names="benchmark")


def _shares(rest: pd.DataFrame, scores: pd.DataFrame, model: str) -> pd.DataFrame:
    """Return shares of the full score, benchmarks by methods: of the pair, and of others that are ranked."""
    if FULL not in set(rest["method"]):
        return pd.DataFrame(index=scores.index)
    several = of_several_settings(rest)
    others = rest[[name == FULL or (is_one_shot(name) and name not in several) for name in rest["method"]]]
    table = score_table(others, model).reindex(scores.index)
    full = table.pop(FULL)
    return scores.join(table).div(full.where(full > 0), axis=0)


def _left(pairs: pd.DataFrame, without: Sequence[str]) -> pd.DataFrame:
    """Return the pairs that are in none of the groups or benchmarks ``without``."""
    known = [*dict.fromkeys([*pairs["group"], *pairs["benchmark"]])]
    if unknown := [name for name in without if name not in known]:
        raise InputError(
            f"There is no group or benchmark {unknown[0]!r} to leave out; there are {', '.join(known)}."
        )
    left = pairs[~(pairs["group"].isin(without) | pairs["benchmark"].isin(without))]
    if left.empty:
        raise InputError(f"Without {', '.join(without)} no pair is left: leave out less.")
    return left


def _parts(pairs: pd.DataFrame, by: str) -> list[tuple[str, str, pd.DataFrame]]:
    """Return model, group and pairs of every row of the result, ``all`` first."""
    models = [(str(name), part) for name, part in pairs.groupby("model", sort=False)]
    if len(models) > 1:
        models.append((ALL, pairs))
    parts = []
    for model, own in models:
        by_group = [(str(name), part) for name, part in own.groupby(by, sort=False)]
        whole = [(ALL, own)] if len(by_group) != 1 else []
        parts += [(model, group, part) for group, part in [*whole, *by_group]]
    return parts


def _compared(part: pd.DataFrame, method: str, baseline: str) -> dict[str, object]:
    gains = part["gain"].to_numpy(dtype=np.float64)
    shares = part.drop(columns=["model", "benchmark", "group", "gain"])
    averages = shares.dropna(axis=1).mean()
    ranks = averages.rank(ascending=False)
    return {
        "pairs": len(gains),
        "better": int((gains > 0).sum()),
        "equal": int((gains == 0).sum()),
        "worse": int((gains < 0).sum()),
        "median_gain": float(np.median(gains)),
        "p_exact": signed_rank_p(gains),
        "p_normal": _normal_p(gains),
        "p_against": signed_rank_p(-gains),
        "average": averages.get(method, np.nan),
        "baseline_average": averages.get(baseline, np.nan),
        "rank": ranks.get(method, np.nan),
        "baseline_rank": ranks.get(baseline, np.nan),
        "ranked": len(ranks),
    }


def signed_rank_p(gains: NDArray[np.float64]) -> float:
    """Return the exact one-sided p-value of Wilcoxon's signed-rank test, ties by mid-ranks.

    Unlike :func:`scipy.stats.wilcoxon`, whose exact form holds without ties only, the distribution is that of
    the mid-ranks at hand, summed over all signs.

    Parameters
    ----------
    gains : array [n]
        Paired differences; zeros are left out.

    Returns
    -------
    float
        Probability, under random signs, of a sum of positive ranks at least as large; NaN without gains.

    Examples
    --------
    >>> signed_rank_p([1.0, 2.0, 3.0])  # one of the eight signs reaches the whole sum
    0.125
    """
    signed = np.asarray(gains, dtype=np.float64)
    signed = signed[signed != 0]
    if not signed.size:
        return float("nan")
    ranks = np.rint(2 * rankdata(np.abs(signed))).astype(np.int64)  # mid-ranks are halves
    chances = np.ones(1)
    for rank in ranks:
        chances = 0.5 * (np.pad(chances, (0, rank)) + np.pad(chances, (rank, 0)))
    return float(chances[ranks[signed > 0].sum() :].sum())


def _normal_p(gains: NDArray[np.float64]) -> float:
    if not gains.any():
        return float("nan")
    return float(wilcoxon(gains, alternative="greater", method="approx", correction=True).pvalue)
