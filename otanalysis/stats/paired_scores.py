r"""Two methods compared pair by pair: relative gains and Wilcoxon's signed-rank test, by model and by group.

Benchmarks have different scales, so the gain of a method over another on one benchmark is relative,
:math:`s / s_0 - 1`. The test asks whether gains tend to be positive: it ranks their sizes and sums the ranks
of the positive ones. Its p-value is reported in two forms, since papers rarely say which they took: exact,
from all :math:`2^n` signs, and the normal approximation with continuity correction. Gains of zero are left
out, as Wilcoxon did. Pairs of one benchmark on several models are not independent: a p-value over all models
is smaller than it should be.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata, wilcoxon

from otanalysis.errors import InputError
from otanalysis.stats.score_ranks import score_table

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
    groups : mapping of str to str
        Group of each benchmark; those that it does not name form the group ``"other"``.

    Returns
    -------
    DataFrame
        One row per model and group, ``"all"`` among both where there are several: ``model``, ``group``,
        ``pairs``, ``better``, ``equal``, ``worse`` (how many), ``median_gain`` (relative, 0.01 is one per
        cent), ``p_exact`` and ``p_normal`` (one-sided; NaN where every gain is zero).

    Raises
    ------
    InputError
        If the methods are the same, no model has both, a method comes with several settings, or the baseline
        scores zero or less on a benchmark.

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
    pairs = [
        _pairs(accuracy, model, method, baseline, ratio=ratio, gamma=gamma)
        for model in (accuracy["model"].unique() if models is None else dict.fromkeys(models))
    ]
    table = pd.concat([frame for frame in pairs if models is not None or not frame.empty] or pairs[:1])
    if table.empty:
        raise InputError(
            f"No benchmark has scores of both {method} and {baseline} on one model: name two methods of the "
            "table, or other models."
        )
    table = table.assign(group=[groups.get(name, OTHER) for name in table["benchmark"]])
    return pd.DataFrame([_compared(*part) for part in _parts(table)])


def _pairs(
    accuracy: pd.DataFrame,
    model: str,
    method: str,
    baseline: str,
    *,
    ratio: float | None,
    gamma: float | None,
) -> pd.DataFrame:
    """Return ``model``, ``benchmark`` and ``gain`` of every benchmark that has both methods."""
    rows = accuracy[(accuracy["model"] == model) & accuracy["method"].isin([method, baseline])]
    if rows.empty:
        return pd.DataFrame({"model": [], "benchmark": [], "gain": []})
    scores = score_table(rows, model, ratio=ratio, gamma=gamma)
    both = scores.reindex(columns=[method, baseline]).dropna()
    if (both[baseline] <= 0).any():
        raise InputError(
            f"Positive scores of {baseline} are wanted, since gains are relative to them; on {model} it has "
            f"none on {', '.join(map(str, both.index[both[baseline] <= 0]))}: leave those out."
        )
    gain = (both[method] / both[baseline] - 1).to_numpy(dtype=np.float64)
    return pd.DataFrame({"model": model, "benchmark": both.index, "gain": gain})


def _parts(table: pd.DataFrame) -> list[tuple[str, str, NDArray[np.float64]]]:
    """Return model, group and gains of every row of the result, ``all`` first."""
    models = [(str(name), part) for name, part in table.groupby("model", sort=False)]
    if len(models) > 1:
        models.append((ALL, table))
    parts = []
    for model, own in models:
        by_group = [(str(name), part) for name, part in own.groupby("group", sort=False)]
        whole = [(ALL, own)] if len(by_group) != 1 else []
        parts += [(model, group, part["gain"].to_numpy()) for group, part in [*whole, *by_group]]
    return parts


def _compared(model: str, group: str, gains: NDArray[np.float64]) -> dict[str, object]:
    return {
        "model": model,
        "group": group,
        "pairs": len(gains),
        "better": int((gains > 0).sum()),
        "equal": int((gains == 0).sum()),
        "worse": int((gains < 0).sum()),
        "median_gain": float(np.median(gains)),
        "p_exact": signed_rank_p(gains),
        "p_normal": _normal_p(gains),
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
