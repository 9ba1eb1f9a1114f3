"""The bundled tables of every model are what they say, and belong together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from otanalysis.defaults import BLIND, DEFAULT_GAMMAS, FULL
from otanalysis.errors import InputError
from otanalysis.files import bundled_data, data_folder
from otanalysis.mini.benchmarks import BENCHMARKS
from otanalysis.stats.within_tables import within_table
from otanalysis.studies.provenance import read_provenance, write_table
from otanalysis.studies.within_summary import bundled_summary
from otanalysis.studies.worlds import ACCURACY, DISTANCES_NAME, STAMPS, WORLDS, read_distances
from otanalysis.surrogate.kernel import paper_factor

READ = [name for name, world in WORLDS.items() if not world.measured_here]


@pytest.fixture(scope="module", params=READ)
def world_rows(request: pytest.FixtureRequest) -> tuple[str, pd.DataFrame]:
    return request.param, WORLDS[request.param].distances()


def test_distances_are_of_the_methods_and_benchmarks_that_have_scores(
    world_rows: tuple[str, pd.DataFrame],
) -> None:
    name, rows = world_rows
    scores = WORLDS[name].scores()
    scored = scores[~scores["method"].isin([FULL, *BLIND])]
    keys = ["benchmark", "method", "ratio", "gamma"]
    measured, asked = (table[keys].drop_duplicates() for table in (rows, scored))
    assert set(measured.merge(asked, on=keys, how="outer", indicator=True)["_merge"]) == {"both"}
    assert set(rows["benchmark"]) == set(scores["benchmark"])


def test_each_kept_set_has_one_row_and_the_relations_between_its_quantities(
    world_rows: tuple[str, pd.DataFrame],
) -> None:
    _, rows = world_rows
    keys = ["benchmark", "sample", "method", "ratio", "gamma", "seed", "normalisation"]
    assert not rows.duplicated(keys).any()
    raw = rows[rows["normalisation"] == "none"]
    np.testing.assert_allclose(raw["w2"] ** 2, raw["w2_squared"])
    spared = raw["w2_squared"] + raw["duality_gap"] - raw["quantisation_error"]
    assert (spared >= 0).all(), "free masses cost less"
    assert (raw["duality_gap"].abs() < 1e-8 * raw["w2_squared"]).all()
    assert (raw["keep"] == (raw["ratio"] * raw["m"]).round()).all()
    first = raw[raw["method"] == "first"].sort_values("ratio")
    errors = first.groupby(["benchmark", "sample"])["quantisation_error"].apply(list)
    assert all(values == sorted(values, reverse=True) for values in errors), "more tokens cover no less"


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
    assert rows.loc[~rows["method"].isin(list(DEFAULT_GAMMAS)), "logdet_gamma"].isna().all()


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


def test_provenance_says_that_another_program_measured_and_on_what() -> None:
    about = read_provenance(data_folder() / STAMPS / DISTANCES_NAME)
    assert "outside of this project" in about["measured_by"]
    assert set(about["models"]) == set(READ)
    assert about["machine"]


def small(path: Path, **changes: object) -> Path:
    """Write a table of two quantities of one kept set."""
    row = {"model": "m", "benchmark": "b", "sample": "0", "method": "first", "ratio": 0.5, "m": 4, "keep": 2}
    row |= {"gamma": None, "seed": None, "normalisation": "none"}
    rows = pd.DataFrame([row | {"quantity": one, "value": 4.0} for one in ("w2_squared", "radius")])
    table = pa.Table.from_pandas(rows.astype({"gamma": float, "seed": "Int64"}).assign(**changes))
    write_table(path, table, request="", about={})
    return path


def test_a_row_a_quantity_becomes_a_column_a_quantity(tmp_path: Path) -> None:
    (row,) = read_distances(small(tmp_path / "d.parquet"), "m").to_dict("records")
    assert (row["w2"], row["radius"], row["dump"]) == (2.0, 4.0, "m/b")
    with pytest.raises(InputError, match="no distances of other; it has those of m"):
        read_distances(tmp_path / "d.parquet", "other")
    with pytest.raises(InputError, match=r"has rows without .*value"):
        read_distances(small(tmp_path / "e.parquet", value=np.nan), "m")


def test_distances_of_the_model_that_is_run_here_are_not_read() -> None:
    with pytest.raises(InputError, match=r"measure its dumps with sweep\(\)"):
        WORLDS["mini-llava"].distances()
