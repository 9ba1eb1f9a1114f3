"""What kept tokens are of: their share on the scene's objects and their length, method by method."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from otanalysis.stats.cells import (
    RESAMPLES,
    distance_cells,
    drawn_scores,
    main_rows,
    score_cells,
    with_mean,
)
from otanalysis.stats.statistics import percentile_interval

QUANTITIES = ("kept_on_objects", "length_ratio", "w2", "quantisation_error")
"""Columns that are averaged: share of the kept tokens on objects, their mean squared length over that of all
tokens, and two distances."""


def objects_table(
    sweep: pd.DataFrame,
    accuracy: pd.DataFrame | None,
    *,
    ratio: float = 0.098,
    normalise: str = "none",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Tabulate means over all benchmarks of what is kept, beside the score.

    Parameters
    ----------
    sweep : DataFrame
        Distances of kept sets with the columns :data:`QUANTITIES` and ``object_share``, the share of all
        tokens that are on objects.
    accuracy : DataFrame or None
        Of the same model; without it scores are missing.
    ratio : float
        Share of tokens kept.
    normalise : str
        Token normalisation under the distances; lengths are those of the tokens as they are.
    resamples, seed : int
        Of the bootstrap over images, and of the scores' draws.

    Returns
    -------
    DataFrame
        Columns ``method, quantity, value, low, high, ratio, n``: a row a method and quantity, ``score`` among
        them; ``object_share`` beside each method is the share that a random set keeps on average. ``n``
        counts images.

    Raises
    ------
    InputError
        If a column is missing, or there is no row at this ratio.
    """
    rows = main_rows(sweep, methods=[str(name) for name in sweep["method"].unique()], ratios=[ratio])
    draws: dict[str, Any] = {"normalise": normalise, "resamples": resamples, "seed": seed}
    names = (*QUANTITIES, "object_share")
    cells = {name: distance_cells(rows, name, keys=("method",), **draws) for name in names}
    first = cells["w2"]
    good = score_cells(accuracy, first.benchmarks, first.cells, keys=("method",), ratio=ratio)
    means = {name: with_mean(one.means, one.replicates)[-1] for name, one in cells.items()}
    means["score"] = drawn_scores(good, resamples, np.random.default_rng(seed))[-1]
    parts = []
    for name, (values, replicates) in means.items():
        low, high = percentile_interval(replicates)
        numbers = {"method": [cell[0] for cell in first.cells], "value": values, "low": low, "high": high}
        parts.append(pd.DataFrame(numbers).assign(quantity=name))
    return pd.concat(parts, ignore_index=True).assign(ratio=ratio, n=sum(first.samples))
