"""The list of missing scores names what the figures' own tables leave empty, no more and no less."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from otanalysis.defaults import COMPARED_METHODS
from otanalysis.figures.missing import missing_scores
from otanalysis.stats.figure_tables import figure3_table, figure5_table
from otanalysis.stats.rank_tables import figure2_tables


def lacking_in_the_tables(sweep: pd.DataFrame, scores: pd.DataFrame, figure: int) -> set[tuple[Any, ...]]:
    """Benchmark, method, ratio and gamma of every score that a figure's own table leaves empty."""
    if figure == 2:
        rows = figure2_tables(sweep, scores, methods=COMPARED_METHODS, resamples=10).points
        rows = rows[rows.score.isna()]
    elif figure == 3:
        rows = figure3_table(sweep, scores, resamples=10)
        rows = rows[(rows.quantity == "score") & rows.value.isna()]
    else:
        rows = figure5_table(sweep, scores, resamples=10)
        rows = rows[(rows.quantity == "score") & rows.value.isna()]
    rows = rows[rows.benchmark != "mean"]
    found = set()
    for row in rows.to_dict("records"):
        gamma = row.get("gamma", 0.01 if row["method"] in ("otprune", "otprune-paper") else None)
        found.add((row["benchmark"], row["method"], round(row["ratio"], 6), gamma))
    return found


@pytest.mark.parametrize("figure", [2, 3, 5])
@pytest.mark.parametrize("seed", range(4))
def test_what_is_said_to_be_missing_is_what_the_tables_lack(figure: int, seed: int, tables: Any) -> None:
    keep = np.random.default_rng(seed).random(len(tables.accuracy)) < 0.7
    scores = tables.accuracy[keep]
    said = missing_scores(tables.sweep, scores, only=[figure], ratio=0.098).benchmarks
    pairs = {
        (name, setting.method, setting.ratio, setting.gamma)
        for setting, names in said.items()
        for name in names
    }
    expected = lacking_in_the_tables(tables.sweep, scores, figure)
    if figure != 3:  # only its table shows the score with all tokens, which all need for shares
        pairs = {pair for pair in pairs if pair[1] != "full"}
    assert pairs == expected
    assert len(expected) > 0
