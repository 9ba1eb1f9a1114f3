"""The bundled tables of every model are what they say, and belong together."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pandas as pd
import pytest

from otanalysis.arrays import Normalisation
from otanalysis.defaults import BLIND, COMPARED_METHODS, DEFAULT_GAMMAS, FULL, RATIOS, RELEASED_GAMMA
from otanalysis.distances import DISTANCES
from otanalysis.errors import InputError
from otanalysis.files import bundled_data, data_folder
from otanalysis.mini.benchmarks import BENCHMARKS
from otanalysis.selection.registry import TOKEN_METHODS
from otanalysis.stats.within_tables import within_table
from otanalysis.studies.objects import OF_OBJECTS
from otanalysis.studies.provenance import read_provenance
from otanalysis.studies.within_summary import bundled_summary
from otanalysis.studies.worlds import ACCURACY, DISTANCES_NAME, STAMPS, WORLDS
from otanalysis.surrogate.kernel import paper_factor

ROUNDED = 1 + 2 * float(np.finfo(np.float32).eps)
"""Factor by which a number that was rounded may be larger than it was, and another smaller."""

READ = [name for name, world in WORLDS.items() if not world.measured_here]


@pytest.fixture(scope="module", params=READ)
def world_rows(request: pytest.FixtureRequest) -> tuple[str, pd.DataFrame]:
    return request.param, WORLDS[request.param].distances()


def test_every_score_has_a_distance_and_every_benchmark_32_scenes(
    world_rows: tuple[str, pd.DataFrame],
) -> None:
    name, rows = world_rows
    scores = WORLDS[name].scores()
    scored = scores[~scores["method"].isin([FULL, *BLIND])]
    keys = ["benchmark", "method", "ratio", "gamma"]
    measured, asked = (table[keys].drop_duplicates() for table in (rows, scored))
    assert "right_only" not in set(measured.merge(asked, on=keys, how="outer", indicator=True)["_merge"])
    assert len(measured.merge(asked, on=keys)) == len(asked)
    assert set(rows["benchmark"]) == set(scores["benchmark"])
    assert set(rows["ratio"]) == set(RATIOS)
    assert (rows.groupby(["benchmark", "normalisation"])["sample"].nunique() == 32).all()
    assert set(rows["normalisation"]) == set(get_args(Normalisation))
    assert set(rows["method"]) >= set(COMPARED_METHODS)


def test_each_kept_set_has_one_row_and_the_relations_between_its_quantities(
    world_rows: tuple[str, pd.DataFrame],
) -> None:
    """But for the rounding to float32."""
    _, rows = world_rows
    keys = ["benchmark", "sample", "method", "ratio", "gamma", "seed"]
    assert not rows.duplicated([*keys, "normalisation"]).any()
    assert (rows["quantisation_error"] <= rows["w2_squared"] * ROUNDED).all(), "free masses cost less"
    assert (rows["gelbrich_w2_squared"] <= rows["w2_squared"] * ROUNDED).all(), "Gelbrich's bound"
    assert (rows["keep"] == (rows["ratio"] * rows["m"]).round()).all()
    same = rows.groupby(keys, dropna=False)[["logdet", *OF_OBJECTS]].nunique()
    assert (same == 1).all(axis=None), "what is kept does not hang on the normalisation"
    raw = rows[rows["normalisation"] == "none"]
    assert raw[list(DISTANCES)].notna().all(axis=None)
    first = raw[raw["method"] == "first"].sort_values("ratio")
    errors = first.groupby(["benchmark", "sample"])["quantisation_error"].apply(list)
    assert all(values == sorted(values, reverse=True) for values in errors), "more tokens cover no less"
    shares = raw.groupby("method")[["kept_on_objects", "object_share"]].mean()
    assert shares.loc["random", "kept_on_objects"] == pytest.approx(
        shares.loc["random", "object_share"], abs=0.01
    )


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("positions", ACCURACY)
def test_both_positions_have_the_same_score_with_all_tokens(name: str, positions: str) -> None:
    world = WORLDS[name]
    here = world.scores(positions)
    full = here[here["method"] == FULL].set_index("benchmark")["value"]
    renumbered = world.scores()
    expected = renumbered[renumbered["method"] == FULL].set_index("benchmark")["value"]
    pd.testing.assert_series_equal(full, expected[full.index], check_names=False)
    known = {one for names in world.kinds.values() for one in names}
    assert set(full.index) <= known
    assert set(full.index) == known or world.measured_here, "here some were measured with original positions"


def test_every_question_is_of_one_kind() -> None:
    for world in WORLDS.values():
        names = [one for own in world.kinds.values() for one in own]
        assert len(names) == len(set(names)) == len(BENCHMARKS)


@pytest.mark.parametrize("name", READ)
def test_every_method_of_tokens_was_asked_at_every_share_and_the_gammas_in_both_units(name: str) -> None:
    """Of a method that was not asked in full, the questions are few, which its rows say."""
    scores = WORLDS[name].scores()
    benchmarks = scores["benchmark"].nunique()
    kept = scores.dropna(subset=["ratio"])
    asked = kept.groupby(["method", "ratio"])["benchmark"].nunique()
    expected = pd.MultiIndex.from_product([TOKEN_METHODS, RATIOS], names=["method", "ratio"])
    assert (asked.reindex(expected) == benchmarks).all()
    grid = kept[(kept["ratio"] == 0.098) & kept["method"].isin(list(DEFAULT_GAMMAS))]
    gammas = grid.groupby("method")["gamma"].agg(set).to_dict()
    assert gammas == {method: {1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0} for method in DEFAULT_GAMMAS}
    assert set(scores["n"]) <= {32, 300, 400}
    assert {*BLIND, FULL} <= set(scores["method"])


def test_no_image_tokens_and_the_commonest_answer_are_told_apart() -> None:
    scores = WORLDS[f"{STAMPS}-natural"].scores().set_index(["method", "benchmark"])["value"]
    full, majority, blind = (scores[method] for method in (FULL, *BLIND))
    assert (full > blind).all()
    assert not np.allclose(majority, blind[majority.index])


def test_gamma_is_known_in_both_units(world_rows: tuple[str, pd.DataFrame]) -> None:
    _, rows = world_rows
    for method in DEFAULT_GAMMAS:
        for row in rows[rows["method"] == method].drop_duplicates(["ratio", "gamma"]).to_dict("records"):
            factor = row["gamma"]
            if method == "otprune-paper":
                factor = paper_factor(row["gamma"], row["m"], row["keep"])
            assert row["logdet_gamma"] == factor
    assert set(rows.loc[~rows["method"].isin(list(DEFAULT_GAMMAS)), "logdet_gamma"]) == {RELEASED_GAMMA}


def test_the_correlations_inside_the_image_are_those_of_the_bundled_subsets() -> None:
    """One model and the values alone; the intervals are a bootstrap's."""
    path = bundled_data(f"{STAMPS}/within_subsets.parquet", "table of subsets")
    rows = pd.read_parquet(path)
    own = rows[(rows["model"] == STAMPS) & (rows["positions"] == "original")]
    measures = ["w2_squared", "quantisation_error", "energy_distance", "kept_on_objects", "objects_kept"]
    found = within_table(own, measures=measures, resamples=2)
    keys = ["pool", "benchmark", "measure", "given"]
    summary = bundled_summary(STAMPS)
    assert summary is not None
    expected = summary[summary["positions"] == "original"].set_index(keys)["value"]
    np.testing.assert_allclose(found.set_index(keys)["value"], expected, rtol=1e-6)


def test_provenance_says_on_which_scenes_and_with_what_the_distances_were_measured() -> None:
    sweeps = read_provenance(data_folder() / STAMPS / DISTANCES_NAME)["sweeps"]
    scenes = {dump["model"]: dump["scenes"] for sweep in sweeps for dump in sweep["dumps"]}
    assert set(scenes) == set(READ)
    assert [scenes[name]["backgrounds"] for name in READ] == ["smooth", "folder"]
    assert len({one["objects_sha256"] for one in scenes.values()}) == 1, "the same photographs of objects"
    for sweep in sweeps:
        assert sweep["settings"]["limit"] == 32
        assert {dump["benchmark"] for dump in sweep["dumps"]} == set(WORLDS[STAMPS].scores()["benchmark"])
        assert sweep["versions"]["otanalysis"]
        assert sweep["largest_relative_duality_gap"] < 1e-8


def test_distances_of_the_model_that_is_run_here_are_not_read() -> None:
    with pytest.raises(InputError, match=r"measure its dumps with sweep\(\)"):
        WORLDS["mini-llava"].distances()
