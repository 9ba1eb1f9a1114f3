"""Averages and ranks of scores: by their definition, by their laws, and on the published table."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from otanalysis.errors import InputError
from otanalysis.scores import read_accuracy
from otanalysis.stats.score_ranks import is_one_shot, rank_methods

PUBLISHED = Path(__file__).parents[2] / "data" / "published" / "accuracy.csv"
MODELS = ("LLaVA-1.5-7B", "LLaVA-1.5-13B", "LLaVA-1.6-7B")
CLAIMED = ("divprune", "fastv", "vtw")
ROUNDING = 1e-12  # sums of eleven quotients in another order


@pytest.fixture(scope="module")
def published() -> pd.DataFrame:
    return read_accuracy(PUBLISHED)


def by_definition(model: str, methods: tuple[str, ...]) -> dict[str, tuple[float, float]]:
    """Average and mean rank of each method, counted out from the text of the published file."""
    with PUBLISHED.open(newline="") as file:
        cells = {
            (row["benchmark"], row["method"]): float(row["value"])
            for row in csv.DictReader(file)
            if row["model"] == model
        }
    benchmarks = sorted({benchmark for benchmark, method in cells if method == "full"})
    shares: dict[str, list[float]] = {method: [] for method in methods}
    ranks: dict[str, list[float]] = {method: [] for method in methods}
    for benchmark in benchmarks:
        for method in methods:
            own = cells[benchmark, method]
            shares[method].append(own / cells[benchmark, "full"])
            higher = sum(cells[benchmark, other] > own for other in methods)
            equal = sum(cells[benchmark, other] == own for other in methods)
            ranks[method].append(higher + (equal + 1) / 2)
    return {name: (float(np.mean(shares[name])), float(np.mean(ranks[name]))) for name in methods}


@pytest.mark.parametrize("model", MODELS)
def test_the_published_numbers_by_definition(published: pd.DataFrame, model: str) -> None:
    found = rank_methods(published, model=model, methods=CLAIMED).set_index("method")
    for method, (average, mean_rank) in by_definition(model, CLAIMED).items():
        assert found.average[method] == pytest.approx(average, rel=ROUNDING)
        assert found.mean_rank[method] == pytest.approx(mean_rank, rel=ROUNDING)
    assert set(found.benchmarks) == {11}


@pytest.mark.parametrize("model", MODELS)
def test_mid_ranks_of_all_one_shot_methods_by_definition(published: pd.DataFrame, model: str) -> None:
    """Ties among the printed cells included: there are some on every model."""
    found = rank_methods(published, model=model).set_index("method")
    expected = by_definition(model, tuple(found.index))
    for method, (average, mean_rank) in expected.items():
        assert found.average[method] == pytest.approx(average, rel=ROUNDING)
        assert found.mean_rank[method] == pytest.approx(mean_rank, rel=ROUNDING)
    assert found.index[0] == "otprune"
    assert found["rank"].tolist() == [*range(1, len(found) + 1)]


@pytest.mark.parametrize("model", MODELS)
def test_the_published_order_is_divprune_fastv_vtw(published: pd.DataFrame, model: str) -> None:
    found = rank_methods(published, model=model, methods=CLAIMED)
    assert found.method.tolist() == ["divprune", "fastv", "vtw"]
    assert found["rank"].tolist() == [1, 2, 3]
    averages = found.average.to_numpy()
    assert averages[0] > 0.9, "DivPrune keeps nine tenths of the score"
    assert averages[1] < 0.6, "the other two lose more than two fifths"


def test_counting_benchmarks_turns_fastv_and_vtw_round_on_one_model(published: pd.DataFrame) -> None:
    """On LLaVA-1.5-7B the two are within a per cent on average; VTW is ahead on six of eleven benchmarks."""
    orders = {}
    for model in MODELS:
        found = rank_methods(published, model=model, methods=CLAIMED)
        orders[model] = found.sort_values("mean_rank").method.tolist()
    assert orders["LLaVA-1.5-13B"] == orders["LLaVA-1.6-7B"] == ["divprune", "fastv", "vtw"]
    assert orders["LLaVA-1.5-7B"] == ["divprune", "vtw", "fastv"]
    small = rank_methods(published, model="LLaVA-1.5-7B", methods=CLAIMED).set_index("method").average
    assert 0 < small["fastv"] - small["vtw"] < 0.01


def test_the_one_shot_methods_are_compared_by_default(published: pd.DataFrame) -> None:
    small = rank_methods(published, model="LLaVA-1.5-7B")
    matched = "DivPrune* (matched to PruMerge ratio)"
    assert small.method.tolist() == ["otprune", "divprune", matched, "PruMerge", "fastv", "vtw"]
    assert not any(is_one_shot(name) for name in ("M3 (fine-tuned)", "FitPrune (calibrated)", "full"))


@pytest.mark.parametrize("model", MODELS)
def test_otprune_is_before_divprune_by_average_and_by_rank(published: pd.DataFrame, model: str) -> None:
    both = rank_methods(published, model=model, methods=["otprune", "divprune"])
    assert set(both.benchmarks) == {11}
    assert both.method.tolist() == ["otprune", "divprune"]
    assert both.mean_rank.is_monotonic_increasing


def made(scores: dict[str, list[float]], **more: Any) -> pd.DataFrame:
    """One model's table: a method's scores on benchmarks b0, b1, ..."""
    return pd.DataFrame(
        [
            {"model": "m", "benchmark": f"b{number}", "method": method, "metric": "acc", "value": value}
            | {"ratio": 1.0 if method == "full" else 0.1, "gamma": None}
            | more
            for method, values in scores.items()
            for number, value in enumerate(values)
            if value == value
        ]
    ).astype({"gamma": float})


values = st.lists(st.floats(0.1, 10), min_size=3, max_size=3)
tables = st.fixed_dictionaries(dict.fromkeys(("full", "a", "b", "c"), values))


@settings(max_examples=60)
@given(tables, st.lists(st.floats(0.01, 100), min_size=3, max_size=3), st.randoms())
def test_neither_scale_nor_order_matters(
    scores: dict[str, list[float]], factors: list[float], shuffle: Any
) -> None:
    plain = rank_methods(made(scores), model="m").set_index("method")
    scaled = {name: [f * v for f, v in zip(factors, row, strict=True)] for name, row in scores.items()}
    rows = list(made(scaled).index)
    shuffle.shuffle(rows)
    other = rank_methods(made(scaled).loc[rows], model="m").set_index("method").loc[plain.index]
    np.testing.assert_allclose(other.average, plain.average, rtol=1e-9)
    assert plain.mean_rank.sum() == pytest.approx(6)
    assert plain["rank"].sum() == pytest.approx(6)


def test_what_loses_nothing_has_average_one_and_a_better_method_a_smaller_rank() -> None:
    scores = {"full": [50.0, 1.0], "same": [50.0, 1.0], "worse": [40.0, 0.9]}
    found = rank_methods(made(scores), model="m").set_index("method")
    assert found.average.to_dict() == {"same": 1.0, "worse": pytest.approx(0.85)}
    assert found.mean_rank.to_dict() == {"same": 1.0, "worse": 2.0}
    swapped = rank_methods(made(scores | {"same": [40.0, 0.9], "worse": [50.0, 1.0]}), model="m")
    assert swapped.method.tolist() == ["worse", "same"]


def test_seeds_are_averaged_and_a_ratio_chooses() -> None:
    table = pd.concat([made({"full": [10.0], "a": [4.0]}, seed=0), made({"a": [6.0]}, seed=1)])
    assert rank_methods(table, model="m").average.tolist() == [0.5]
    both = pd.concat([table, made({"a": [9.0]}).assign(ratio=0.2)])
    with pytest.raises(InputError, match="a come with several ratios or gammas"):
        rank_methods(both, model="m")
    assert rank_methods(both, model="m", ratio=0.2).average.tolist() == [0.9]


def test_a_gamma_chooses_among_those_that_have_one() -> None:
    swept = [made({"a": [value]}).assign(gamma=gamma) for gamma, value in ((0.01, 8.0), (1.0, 6.0))]
    table = pd.concat([made({"full": [10.0], "b": [7.0]}), *swept])
    with pytest.raises(InputError, match=r"a come with several ratios or gammas: .* give ratio or gamma"):
        rank_methods(table, model="m")
    assert rank_methods(table, model="m", gamma=0.01).method.tolist() == ["a", "b"]
    assert rank_methods(table, model="m", gamma=1.0).method.tolist() == ["b", "a"]
    assert rank_methods(table, model="m", gamma=0.1).method.tolist() == ["b"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "other"}, "no score of other"),
        ({"model": "m", "methods": ["z"]}, "no score of z for m; it has full, a, b"),
        ({"model": "m", "methods": ["a", "full"]}, "are what methods are compared with"),
        ({"model": "m", "methods": ["a", "b"], "benchmarks": ["b0", "b1"]}, "on b1: leave"),
        ({"model": "m", "methods": ["a", "b"], "benchmarks": ["b7"]}, "on b7: leave"),
    ],
)
def test_what_cannot_be_compared_is_named(options: dict[str, Any], message: str) -> None:
    table = made({"full": [10.0, 10.0], "a": [5.0, 5.0], "b": [5.0, float("nan")]})
    assert rank_methods(table, model="m", methods=["a", "b"]).benchmarks.tolist() == [1, 1]
    with pytest.raises(InputError, match=message):
        rank_methods(table, **options)


def test_tables_without_a_basis_are_refused() -> None:
    with pytest.raises(InputError, match="method full"):
        rank_methods(made({"a": [5.0]}), model="m")
    with pytest.raises(InputError, match=r"No one-shot method .* of m on all of its 2 .*: name some"):
        rank_methods(made({"full": [1.0, 1.0], "a": [1.0]}), model="m")
    with pytest.raises(InputError, match="scores 0"):
        rank_methods(made({"full": [0.0], "a": [5.0]}), model="m")
    nan = float("nan")
    with pytest.raises(InputError, match="no benchmark has all"):
        rank_methods(
            made({"full": [1.0, 1.0], "a": [1.0, nan], "b": [nan, 1.0]}), model="m", methods=["a", "b"]
        )
    mixed = pd.concat([made({"full": [1.0]}), made({"a": [1.0]}).assign(metric="other")])
    with pytest.raises(InputError, match="b0 come with several metrics"):
        rank_methods(mixed, model="m")
    partly = pd.concat([made({"full": [1.0, 1.0], "a": [1.0, 1.0]}), mixed[mixed.metric == "other"]])
    with pytest.raises(InputError, match=r"^b0 come with several metrics"):
        rank_methods(partly.drop_duplicates(["benchmark", "method"], keep="last"), model="m")
