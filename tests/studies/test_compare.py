"""Methods side by side on one image: every number is what the public functions say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import otanalysis as ota
from otanalysis.errors import InputError
from otanalysis.studies.compare import compare, random_distances, select_all
from otanalysis.surrogate import logdet_value, otprune_kernel, paper_objective
from otanalysis.tokens import DumpWriter

TOKENS = np.random.default_rng(0).standard_normal((40, 5))


def test_every_number_is_what_the_public_functions_say() -> None:
    table = compare(TOKENS, ["otprune", "random", "ot-medoids"], keep=6, gamma=0.1, normalise="rows", seed=3)
    assert table["w2"].is_monotonic_increasing
    assert set(table.index) == {"otprune", "random", "ot-medoids"}
    ladder = ota.Ladder(TOKENS, normalise="rows", gamma=0.1)
    floor = ota.wasserstein2_floor(ladder.tokens, 6).squared_distance
    coverage = ota.quantisation_floor(ladder.tokens, 6).squared_distance
    for method, row in table.iterrows():
        kept = ota.select(TOKENS, str(method), keep=6, gamma=0.1, seed=3).indices
        assert row.drop(["over_floor", "over_coverage_floor"]).to_dict() == ladder.values(kept)
        assert row["over_floor"] == row["w2_squared"] / floor >= 1.0
        assert row["over_coverage_floor"] == row["quantisation_error"] / coverage >= 1.0


def test_further_distances_come_after_the_others() -> None:
    plain = compare(TOKENS, ["first", "dpp"], keep=6, normalise="rows")
    table = compare(
        TOKENS, ["first", "dpp"], keep=6, normalise="rows", distances=["effective_rank", "energy_distance"]
    )
    assert table.columns.tolist() == [*plain.columns, "energy_distance", "effective_rank"]
    image = ota.Image(TOKENS).normalised("rows")
    for method, row in table.iterrows():
        kept = ota.select(TOKENS, str(method), keep=6).indices
        assert row["energy_distance"] == ota.energy_distance(image, kept)
        assert row["effective_rank"] == ota.effective_rank(image, kept)
    with pytest.raises(InputError, match="A distance must be one of"):
        compare(TOKENS, keep=6, distances=["w3"])


def test_the_papers_gamma_is_that_of_selections_and_surrogates() -> None:
    names = ["otprune", "otprune-paper", "divprune"]
    released = compare(TOKENS, names, keep=6, gamma=0.1)
    paper = compare(TOKENS, names, keep=6, gamma=0.1, gamma_of="paper")

    assert set(released.index) == set(names)
    assert set(paper.index) == {"otprune-paper", "divprune"}, "otprune by the paper's gamma is otprune-paper"
    for table, value in ((released, _released_value), (paper, _paper_value)):
        assert len(table) > 1
        for method, row in table.iterrows():
            kept = ota.select(TOKENS, str(method), keep=6, gamma=0.1).indices
            assert row["logdet"] == pytest.approx(value(kept), rel=1e-9)


def _released_value(kept: np.ndarray) -> float:
    return logdet_value(otprune_kernel(TOKENS, gamma=0.1), kept)


def _paper_value(kept: np.ndarray) -> float:
    return paper_objective(TOKENS, kept, gamma=0.1)


def test_a_floor_of_zero_leaves_only_perfect_sets_at_one() -> None:
    twins = np.repeat(np.eye(2), 2, axis=0)
    table = compare(twins, ["uniform", "first"], keep=2)
    for column in ("over_floor", "over_coverage_floor"):
        assert table[column].to_dict() == {"uniform": 1.0, "first": np.inf}


def test_samples_are_taken_as_their_tokens(make_dump: Callable[..., Path]) -> None:
    sample = ota.open_dump(make_dump("a"))[0]
    pd.testing.assert_frame_equal(
        compare(sample, ["first"], keep=3), compare(sample.tokens, ["first"], keep=3)
    )


def test_random_distances_are_those_of_random_sets_and_follow_the_seed() -> None:
    found = random_distances(TOKENS, (4, 8), draws=30, seed=1)
    assert found.groupby("keep").size().to_dict() == {4: 30, 8: 30}
    pd.testing.assert_frame_equal(found, random_distances(TOKENS, [4, 8], draws=30, seed=1))
    other = random_distances(TOKENS, 4, draws=30, seed=2)
    assert not np.array_equal(other["w2"], found.loc[found["keep"] == 4, "w2"])
    kept = np.random.default_rng(1).permutation(40)[:4]
    assert found["w2"][0] == pytest.approx(ota.wasserstein2(TOKENS, kept).distance, rel=1e-9)


def test_no_method_is_refused() -> None:
    with pytest.raises(InputError, match="At least one method"):
        select_all(TOKENS, [], keep=3)


def test_weights_are_masses_in_every_number_and_choose_medoids() -> None:
    weights = np.random.default_rng(1).exponential(size=40) ** 2
    methods = ["otprune", "kmedoids", "ot-medoids"]
    table = compare(TOKENS, methods, keep=6, normalise="rows", weights=weights)
    image = ota.Image(TOKENS, weights=weights)
    floor = ota.wasserstein2_floor(image, 6, normalise="rows").squared_distance
    coverage = ota.quantisation_floor(image, 6, normalise="rows").squared_distance
    for method, row in table.iterrows():
        kept = ota.select(image, str(method), keep=6).indices
        exact = ota.wasserstein2(TOKENS, kept, normalise="rows", weights=weights)
        assert row["w2"] == exact.distance
        assert row["over_floor"] == exact.squared_distance / floor >= 1.0
        assert row["over_coverage_floor"] == row["quantisation_error"] / coverage >= 1.0
        assert row["quantisation_error"] == ota.quantisation_error(image.normalised("rows"), kept)
        assert row["gelbrich_w2_squared"] <= row["w2_squared"]
    plain = compare(TOKENS, methods, keep=6, normalise="rows")
    assert (table.loc[plain.index, "w2"] != plain["w2"]).all()
    assert table.loc["otprune", "logdet"] == plain.loc["otprune", "logdet"]


def test_weights_of_a_sample_count_unless_others_are_given(tmp_path: Path) -> None:
    weights = np.random.default_rng(2).exponential(size=40)
    with DumpWriter(tmp_path / "dump", model="tiny", benchmark="noise", dtype="float32") as writer:
        writer.add("a", TOKENS, weights=weights)
    sample = ota.open_dump(tmp_path / "dump")[0]
    image = ota.Image(sample.tokens, weights=weights)

    for given in (sample, image):
        chosen = select_all(given, ["kmedoids"], keep=3)["kmedoids"].indices
        np.testing.assert_array_equal(chosen, ota.select(image, "kmedoids", keep=3).indices)
        found = random_distances(given, 3, draws=2)["w2"]
        assert (found != random_distances(sample.tokens, 3, draws=2)["w2"]).all()
    pd.testing.assert_frame_equal(compare(sample, ["first"], keep=3), compare(image, ["first"], keep=3))
    pd.testing.assert_frame_equal(
        compare(sample, ["first"], keep=3, weights=np.ones(40)),
        compare(sample.tokens, ["first"], keep=3),
    )
