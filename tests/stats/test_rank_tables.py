"""Figure 2's two signs, and all its ratios in one table; its ranks are tested beside the other figures'."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from otanalysis.stats.cells import MEAN
from otanalysis.stats.rank_tables import figure2_ratios, figure2_tables

PAPER = ("first", "last", "uniform", "random", "divprune")
ROUNDING = 1e-10  # means of at most a thousand float64 numbers


def test_ranks_correlate_with_the_other_sign(tables: Any) -> None:
    """Rank 1 is the smallest distance and the best score: the paper's claim is +1 there."""
    found = figure2_tables(tables.sweep, tables.accuracy, methods=PAPER)
    each = found.correlations.set_index("benchmark")
    groups = dict(list(found.points.groupby("benchmark")))
    assert set(groups) == set(each.index)
    for benchmark, rows in groups.items():
        expected = stats.spearmanr(rows.distance_rank, rows.score_rank).statistic
        assert each.loc[benchmark, "rank_rho"] == pytest.approx(expected, abs=ROUNDING)
    np.testing.assert_array_equal(each["rank_rho"], -each["rho"])
    np.testing.assert_array_equal(each[["rank_rho_low", "rank_rho_high"]], -each[["rho_high", "rho_low"]])
    assert (each["rho"] != 0).any()


def test_every_ratio_has_the_rows_that_it_has_alone(tables: Any) -> None:
    how: dict[str, Any] = {"methods": PAPER, "distance": "w2_squared"}
    found = figure2_ratios(tables.sweep, tables.accuracy, **how)
    assert sorted(found.points.ratio.unique()) == [0.05, 0.098, 0.15, 0.2]
    for ratio in (0.05, 0.2):
        alone = figure2_tables(tables.sweep, tables.accuracy, ratio=ratio, **how)
        for mine, its in ((found.points, alone.points), (found.correlations, alone.correlations)):
            pd.testing.assert_frame_equal(mine[mine.ratio == ratio].reset_index(drop=True), its)
    scores = found.points[found.points.benchmark == MEAN].groupby("ratio").score.mean()
    assert scores.nunique() == 4, "a ratio that is not passed on would give the same four times"


def test_one_image_has_ranks_and_neither_interval_nor_test(build_tables: Any) -> None:
    made = build_tables(("presence", "read-row"), samples=2)
    alone = made.sweep[(made.sweep["benchmark"] != "presence") | (made.sweep["sample"] == "s0")]
    found = figure2_tables(alone, made.accuracy, methods=PAPER, resamples=20)
    each = found.correlations.set_index("benchmark")
    assert each[["rho", "rank_rho", "smallest_p"]].notna().all(axis=None)
    interval = ["rho_low", "rho_high", "rank_rho_low", "rank_rho_high", "p_value"]
    assert each.loc[["presence", MEAN], interval].isna().all(axis=None), "a mean that it is part of, too"
    assert each.loc["read-row", interval].notna().all()
    points = found.points[found.points["benchmark"] == "presence"]
    assert points[["distance", "distance_rank"]].notna().all(axis=None)
    ends = ["distance_low", "distance_high", "distance_rank_low", "distance_rank_high"]
    assert points[ends].isna().all(axis=None)
    assert points["score_low"].notna().all(), "scores have their own errors"
    one_question = made.accuracy.assign(
        n=made.accuracy["n"].where(made.accuracy["benchmark"] != "presence", 1)
    )
    found = figure2_tables(made.sweep, one_question, methods=PAPER, resamples=20)
    each = found.correlations.set_index("benchmark")
    assert each.loc["presence", interval].isna().all()
    assert each.loc["read-row", interval].notna().all()
