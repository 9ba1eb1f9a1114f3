"""The study of coverage: its rows are what the definitions give, and nothing is below the floor."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import otanalysis as ota
from otanalysis.errors import InputError
from otanalysis.studies.coverage import COVERAGE_METHODS, CoverageStudy, read_coverage, summarise_coverage
from otanalysis.studies.engine import measure_samples
from otanalysis.studies.runs import Run
from otanalysis.studies.selections import BEST
from otanalysis.studies.sweep import sweep
from otanalysis.tokens import open_dump
from otanalysis.tokens.read import Sample

MakeDump = Callable[..., Path]
METHODS = ("otprune", "kmedoids", "random", "uniform")
STUDY = CoverageStudy(methods=METHODS, ratios=(0.2, 0.5), seeds=(0, 1))


@pytest.fixture
def sample(make_dump: MakeDump) -> Sample:
    return open_dump(make_dump("a", samples=1, m=20, d=4))[0]


def rows_of(study: CoverageStudy, sample: Sample) -> pd.DataFrame:
    return pd.DataFrame(study(sample))


@pytest.mark.parametrize("kind", ["none", "columns", "rows"])
def test_rows_hold_what_the_public_functions_say(sample: Sample, kind: Any) -> None:
    rows = rows_of(dataclasses.replace(STUDY, normalise=kind, gamma=0.3), sample)
    assert sorted(rows.columns) == sorted(STUDY.schema.names)
    image = ota.Image(sample.tokens).normalised(kind)
    for ratio, keep in ((0.2, 4), (0.5, 10)):
        own = rows[rows["ratio"] == ratio]
        assert own["method"].tolist() == ["otprune", "kmedoids", "random", "random", "uniform", BEST]
        assert own["seed"].dropna().tolist() == [0, 1]
        assert own["gamma"].dropna().tolist() == [0.3]
        assert (set(own["keep"]), set(own["m"]), set(own["normalisation"])) == ({keep}, {20}, {kind})
        floor = ota.quantisation_floor(image, keep)
        assert set(own["quantisation_floor"]) == {floor.squared_distance}
        for method in ("otprune", "kmedoids", "uniform"):
            how = {"gamma": 0.3} if method == "otprune" else {}
            kept = ota.select(np.asarray(sample.tokens), method, keep=keep, **how).indices
            (error,) = own.loc[own["method"] == method, "quantisation_error"]
            assert error == ota.quantisation_error(image, kept)
        ratios = own["quantisation_error"] / floor.squared_distance
        np.testing.assert_array_equal(own["over_coverage_floor"], ratios)
        assert (ratios >= 1.0).all()
        (best,) = own.loc[own["method"] == BEST, "quantisation_error"]
        assert best == min(own["quantisation_error"].min(), floor.best.squared_distance)


def test_random_sets_are_those_of_the_certificates(sample: Sample) -> None:
    drawn = [Run(ota.SELECTORS["random"], seed).image_seed(sample.id) for seed in (0, 1)]
    rows = rows_of(CoverageStudy(methods=("random",), ratios=(0.2,), seeds=(0, 1)), sample)
    kept = [ota.select(np.asarray(sample.tokens), "random", keep=4, seed=seed).indices for seed in drawn]
    errors = [ota.quantisation_error(np.asarray(sample.tokens), one) for one in kept]
    assert rows.loc[rows["method"] == "random", "quantisation_error"].tolist() == errors
    assert errors[0] != errors[1]


def test_the_best_is_a_methods_where_the_search_met_nothing_closer(
    monkeypatch: pytest.MonkeyPatch, sample: Sample
) -> None:
    poor = ota.wasserstein2(np.asarray(sample.tokens), [0, 1, 2, 3], kept_weights="optimal")

    def blind(measured: Any, keep: int, **options: Any) -> ota.QuantisationFloor:
        return dataclasses.replace(ota.quantisation_floor(measured, keep, **options), best=poor)

    monkeypatch.setattr("otanalysis.studies.coverage.quantisation_floor", blind)
    rows = rows_of(dataclasses.replace(STUDY, ratios=(0.2,)), sample).set_index("method")
    assert rows.loc[BEST, "quantisation_error"] == rows.loc["kmedoids", "quantisation_error"]
    assert rows.loc["kmedoids", "quantisation_error"] < poor.squared_distance
    assert rows.loc[BEST, ["seed", "gamma"]].isna().all()


def test_where_nothing_is_left_out_every_method_is_the_best(sample: Sample) -> None:
    rows = rows_of(dataclasses.replace(STUDY, ratios=(1.0,)), sample)
    assert set(rows["quantisation_floor"]) == set(rows["quantisation_error"]) == {0.0}
    assert set(rows["over_coverage_floor"]) == {1.0}


def test_it_is_written_read_and_summarised(make_dump: MakeDump, tmp_path: Path) -> None:
    dumps = [make_dump("a", samples=2, m=16), make_dump("b", samples=1, m=16, seed=1)]
    path = measure_samples(STUDY, dumps, out=tmp_path / "out", progress=False)
    assert path.name == "coverage.parquet"
    rows = read_coverage(path)
    assert rows["sample"].drop_duplicates().tolist() == ["a-0", "a-1", "b-0"]
    assert rows["seed"].dtype == "Int64"
    summary = summarise_coverage(path)
    own = rows[(rows["benchmark"] == "a") & (rows["ratio"] == 0.2)]
    means = own.groupby("method")[["quantisation_error", "quantisation_floor"]].mean().loc["kmedoids"]
    told = summary[(summary["benchmark"] == "a") & (summary["ratio"] == 0.2)].set_index(
        ["method", "quantity"]
    )
    over = means["quantisation_error"] / means["quantisation_floor"]
    assert told.loc[("kmedoids", "over_floor"), "value"] == pytest.approx(over, rel=1e-12)
    assert 0.0 < told.loc[("kmedoids", "gap_closed"), "value"] <= 1.0
    written = pd.read_csv(path.with_name("coverage_summary.csv"))
    pd.testing.assert_frame_equal(written, summary, check_dtype=False, rtol=1e-7)
    assert "kmedoids" in path.with_name("coverage_summary.provenance.json").read_text()


def test_it_measures_the_methods_that_are_compared_and_the_one_made_for_coverage() -> None:
    assert CoverageStudy().methods == COVERAGE_METHODS
    assert {"kmedoids", "otprune", "random"} < set(COVERAGE_METHODS)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"methods": ("clairvoyant",)}, "Unknown method 'clairvoyant'"),
        ({"methods": ()}, "at least one of methods"),
        ({"ratios": (2.0,)}, r"\(0, 1\]"),
        ({"normalise": "cells"}, "Unknown normalisation 'cells'"),
        ({"seeds": (-1,)}, "got -1"),
        ({"effort": 0.0}, "effort must be positive"),
    ],
)
def test_settings_are_checked_when_made(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        CoverageStudy(**settings)


def test_a_table_of_something_else_is_refused(make_dump: MakeDump, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a table that otanalysis wrote"):
        read_coverage(tmp_path / "missing.parquet")
    other = sweep([make_dump("a")], methods=("uniform",), ratios=(0.25,), out=tmp_path, progress=False)
    with pytest.raises(InputError, match=r"lacks the columns .*quantisation_floor.*otanalysis certify"):
        read_coverage(other)
