"""The grid of readings against plain pandas, and tables in which OTPrune is the closest by construction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from otanalysis.errors import InputError
from otanalysis.stats.distance_grid import READINGS, SQUARED_OBJECTIVE, distance_grid

ROUNDING = 1e-10
RATIO = 0.098


@pytest.fixture(scope="module")
def sweep(tables: Any) -> pd.DataFrame:
    """Return a sweep with two normalisations, the second of another scale."""
    own: pd.DataFrame = tables.sweep[tables.sweep["gamma"].isna() | (tables.sweep["gamma"] == 0.01)]
    return pd.concat([own, own.assign(normalisation="rows", w2=own["w2"] * 3)], ignore_index=True)


def cell(grid: pd.DataFrame, **wanted: object) -> pd.Series:
    for column, value in wanted.items():
        grid = grid[grid[column] == value]
    assert len(grid) == 1
    return grid.iloc[0]


def plain_ratio(sweep: pd.DataFrame, column: str, method: str, baseline: str, power: int = 1) -> float:
    rows = sweep[(sweep["normalisation"] == "none") & (sweep["ratio"] == RATIO)]
    values = rows.assign(value=rows[column] ** power)
    mean = values.groupby(["benchmark", "method", "sample"])["value"].mean()
    of_benchmark = mean.groupby(["benchmark", "method"]).mean().unstack("method")
    return float((of_benchmark[method] / of_benchmark[baseline]).mean())


@pytest.mark.parametrize("baseline", ["otprune", "otprune-paper"])
@pytest.mark.parametrize("reading", READINGS, ids=lambda one: one.column)
def test_a_cell_is_the_ratio_of_means_averaged_over_benchmarks(
    sweep: pd.DataFrame, reading: Any, baseline: str
) -> None:
    squared = reading.column == SQUARED_OBJECTIVE
    column = "trace_objective" if squared else reading.column
    wanted = {"distance_kind": reading.column, "normalisation": "none", "ratio": RATIO, "baseline": baseline}
    found = cell(distance_grid(sweep, resamples=50), method="dpp", **wanted)
    expected = plain_ratio(sweep, column, "dpp", baseline, 2 if squared else 1)
    assert found["value"] == pytest.approx(expected, rel=ROUNDING)
    assert found["low"] <= found["value"] <= found["high"]
    assert found["closer"] == ("higher" if reading.higher_is_closer else "lower")


def test_a_scale_of_the_tokens_changes_no_ratio(sweep: pd.DataFrame) -> None:
    grid = distance_grid(sweep, resamples=50)
    w2 = grid[grid["distance_kind"] == "w2"]
    raw, rows = (w2.loc[w2["normalisation"] == kind, "value"].to_numpy() for kind in ("none", "rows"))
    assert len(raw) == 2 * 4 * 9  # baselines, ratios, other methods
    np.testing.assert_allclose(raw, rows, rtol=ROUNDING)


@pytest.mark.parametrize(("factor", "place"), [(0.01, "closest"), (100.0, "not closest")])
def test_otprune_is_the_closest_where_its_distance_is_the_smallest(
    sweep: pd.DataFrame, factor: float, place: str
) -> None:
    own = sweep["method"].isin(["otprune", "otprune-paper"])
    moved = sweep.assign(w2=sweep["w2"].where(~own, sweep["w2"] * factor))
    grid = distance_grid(moved, resamples=50)
    assert set(grid.loc[grid["distance_kind"] == "w2", "place"]) == {place}


@pytest.mark.parametrize(("factor", "place"), [(100.0, "closest"), (0.01, "not closest")])
def test_of_the_objective_the_largest_is_the_closest(sweep: pd.DataFrame, factor: float, place: str) -> None:
    own = sweep["method"].isin(["otprune", "otprune-paper"])
    value = sweep["trace_objective"]
    grid = distance_grid(sweep.assign(trace_objective=value.where(~own, value * factor)), resamples=50)
    for column in ("trace_objective", SQUARED_OBJECTIVE):
        assert set(grid.loc[grid["distance_kind"] == column, "place"]) == {place}


def test_intervals_that_hold_one_leave_it_open_and_another_gamma_is_no_rival(sweep: pd.DataFrame) -> None:
    generator = np.random.default_rng(0)
    noise = generator.lognormal(0.0, 0.5, len(sweep))
    grid = distance_grid(sweep.assign(w2=noise), resamples=200)
    assert "undecided" in set(grid.loc[grid["distance_kind"] == "w2", "place"])
    alone = sweep[sweep["method"].isin(["otprune", "otprune-paper", "last"])]
    far = alone.assign(w2=alone["method"].map({"otprune": 2.0, "otprune-paper": 1.0, "last": 3.0}))
    found = distance_grid(far, resamples=50)
    assert set(found.loc[found["distance_kind"] == "w2", "place"]) == {"closest"}


def test_a_sweep_without_the_papers_gamma_has_one_baseline(sweep: pd.DataFrame) -> None:
    grid = distance_grid(sweep[sweep["method"] != "otprune-paper"], resamples=50)
    assert set(grid["baseline"]) == {"otprune"}


def test_a_sweep_without_otprune_is_refused(sweep: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="no row of it"):
        distance_grid(sweep[sweep["method"] == "dpp"])
    with pytest.raises(InputError, match="lacks the columns trace_objective"):
        distance_grid(sweep.drop(columns="trace_objective"))


def test_of_one_image_it_is_not_told_where_otprune_is(sweep: pd.DataFrame) -> None:
    far = sweep["w2"].where(sweep["method"] != "otprune", 100.0 * sweep["w2"])
    alone = sweep.assign(w2=far)[sweep["sample"] == "s0"]
    own = distance_grid(alone, resamples=5).query("distance_kind == 'w2' and baseline == 'otprune'")
    assert (own["value"] < 1.0).all()
    assert set(own["place"]) == {"undecided"}
    assert own[["low", "high"]].isna().all(axis=None)
