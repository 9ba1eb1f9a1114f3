"""Gains and the signed-rank test: by all signs, against SciPy, and on the published table."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import rankdata, wilcoxon

from otanalysis.errors import InputError
from otanalysis.scores import read_accuracy
from otanalysis.stats.paired_scores import ALL, PRINTED_P, compare_scores, signed_rank_p, with_printed_p
from otanalysis.stats.score_ranks import rank_methods

PUBLISHED = Path(__file__).parents[2] / "data" / "published" / "accuracy.csv"
FOUR_DIGITS = 5e-5
ROUNDING = 1e-12  # sums of at most 2**10 powers of two


@pytest.fixture(scope="module")
def published() -> pd.DataFrame:
    return read_accuracy(PUBLISHED)


@pytest.fixture(scope="module")
def found(published: pd.DataFrame) -> pd.DataFrame:
    return compare_scores(published, "otprune", "divprune").set_index(["model", "group"])


def made(scores: dict[str, list[float]], model: str = "m") -> pd.DataFrame:
    rows = [
        {"model": model, "benchmark": f"b{number}", "method": method, "metric": "acc", "value": value}
        for method, values in scores.items()
        for number, value in enumerate(values)
    ]
    return pd.DataFrame(rows).assign(ratio=np.nan, gamma=np.nan, seed=np.nan)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=10))
@settings(max_examples=60)
def test_the_exact_p_counts_all_signs_ties_and_zeros_included(gains: list[int]) -> None:
    kept = np.array([gain for gain in gains if gain])
    if not kept.size:
        assert np.isnan(signed_rank_p(np.array(gains)))
        return
    ranks = rankdata(np.abs(kept))
    reached = [
        ranks[np.array(signs)].sum() >= ranks[kept > 0].sum()
        for signs in itertools.product([False, True], repeat=kept.size)
    ]
    assert signed_rank_p(np.array(gains)) == pytest.approx(np.mean(reached), rel=ROUNDING)


@pytest.mark.parametrize("count", [1, 5, 11, 33])
def test_without_ties_it_is_scipys_exact_p(count: int) -> None:
    gains = np.random.default_rng(count).normal(0.3, 1.0, count)
    theirs = wilcoxon(gains, alternative="greater", method="exact").pvalue
    assert signed_rank_p(gains) == pytest.approx(theirs, rel=1e-9)


def test_the_papers_p_is_one_of_four_readings(found: pd.DataFrame) -> None:
    """The readings as recomputed from the printed cells; only one model gives the printed number."""
    normal = found.xs(ALL, level="group")["p_normal"]
    exact = found.xs(ALL, level="group")["p_exact"]
    assert exact["LLaVA-1.5-7B"] == pytest.approx(0.1602, abs=FOUR_DIGITS)
    assert exact["LLaVA-1.5-13B"] == pytest.approx(0.0269, abs=FOUR_DIGITS)
    assert normal["LLaVA-1.5-13B"] == pytest.approx(0.0280, abs=FOUR_DIGITS)
    assert exact["LLaVA-1.6-7B"] == pytest.approx(0.0137, abs=FOUR_DIGITS)
    assert normal[ALL] == pytest.approx(0.0012, abs=FOUR_DIGITS)


def test_the_printed_p_stands_beside_the_readings_and_nowhere_else(published: pd.DataFrame) -> None:
    beside = with_printed_p(compare_scores(published, "otprune", "divprune")).set_index(["model", "group"])
    readings = beside[beside.printed_p.notna()]
    assert readings.index.get_level_values("group").unique().tolist() == [ALL]
    assert set(readings.printed_p) == {PRINTED_P}
    assert readings.printed_by.droplevel("group").to_dict() == {
        "LLaVA-1.5-7B": "",
        "LLaVA-1.5-13B": "p_normal",
        "LLaVA-1.6-7B": "",
        ALL: "",
    }
    assert not beside[beside.printed_p.isna()].printed_by.any()
    swapped = with_printed_p(compare_scores(published, "divprune", "otprune"))
    assert not swapped.printed_by.any()


def test_the_gain_is_in_captioning_and_pope_loses(published: pd.DataFrame, found: pd.DataFrame) -> None:
    captioning = found.loc[(ALL, "captioning")]
    assert (captioning.pairs, captioning.better, captioning.worse) == (9, 8, 0)
    assert captioning.median_gain == pytest.approx(0.063, abs=5e-4)
    rest = compare_scores(published, "otprune", "divprune", without=["captioning"])
    rest = rest.set_index(["model", "group"]).loc[(ALL, ALL)]
    assert rest.pairs == 24
    assert rest.median_gain == pytest.approx(0.0035, abs=5e-5)
    assert rest.p_exact == pytest.approx(0.0604, abs=FOUR_DIGITS)
    single = compare_scores(published, "otprune", "divprune", by="benchmark")
    assert set(single.pairs[(single.group != ALL) & (single.model != ALL)]) == {1}
    pope = single[single.group == "pope"].set_index("model")
    for model, gain in {"LLaVA-1.5-7B": -0.075, "LLaVA-1.5-13B": -0.048, "LLaVA-1.6-7B": -0.019}.items():
        assert pope.median_gain[model] == pytest.approx(gain, abs=5e-4)


@pytest.mark.parametrize("model", ["LLaVA-1.5-7B", "LLaVA-1.5-13B", "LLaVA-1.6-7B"])
def test_averages_and_ranks_are_those_of_the_one_shot_methods(published: pd.DataFrame, model: str) -> None:
    row = compare_scores(published, "divprune", "vtw", models=[model]).iloc[0]
    ranks = rank_methods(published, model=model).set_index("method")
    assert row.ranked == len(ranks)
    for name, prefix in (("divprune", ""), ("vtw", "baseline_")):
        assert row[f"{prefix}average"] == pytest.approx(ranks.average[name], rel=ROUNDING)
        assert row[f"{prefix}rank"] == ranks["rank"][name]


def test_averages_need_all_tokens_and_a_bystander_of_several_settings_is_not_ranked() -> None:
    table = made({"a": [2.0, 2.0], "b": [1.0, 2.0]})
    bare = compare_scores(table, "a", "b").iloc[0]
    assert bare.ranked == 0
    assert np.isnan([bare.average, bare.baseline_average, bare["rank"], bare.baseline_rank]).all()
    full = pd.concat([table, made({"full": [4.0, 4.0], "c": [4.0, 4.0]})])
    row = compare_scores(full, "a", "b").iloc[0]
    assert (row.average, row.baseline_average) == (0.5, 0.375)
    assert (row["rank"], row.baseline_rank, row.ranked) == (2, 3, 3)
    several = pd.concat([full, made({"c": [3.0, 3.0]}).assign(ratio=0.2)])
    row = compare_scores(several, "a", "b").iloc[0]
    assert (row["rank"], row.baseline_rank, row.ranked) == (1, 2, 2)


@pytest.mark.parametrize(
    ("without", "said"), [(["b7"], "no group or benchmark 'b7'.*b0, b1"), (["other"], "no pair is left")]
)
def test_what_cannot_be_left_out_is_said(without: list[str], said: str) -> None:
    table = made({"a": [2.0, 1.0], "b": [1.0, 2.0]})
    with pytest.raises(InputError, match=said):
        compare_scores(table, "a", "b", without=without)
    assert compare_scores(table, "a", "b", without=["b1"]).median_gain.tolist() == [1.0]


def test_swapped_methods_swap_the_counts_and_the_direction(published: pd.DataFrame) -> None:
    one = compare_scores(published, "otprune", "divprune", models=["LLaVA-1.5-13B"]).iloc[0]
    other = compare_scores(published, "divprune", "otprune", models=["LLaVA-1.5-13B"]).iloc[0]
    assert (one.better, one.equal, one.worse) == (other.worse, other.equal, other.better)
    assert one.p_exact < 0.05 < 0.9 < other.p_exact


def test_groups_are_those_given_and_the_rest_is_other() -> None:
    table = made({"a": [2.0, 2.0, 1.0], "b": [1.0, 1.0, 2.0]})
    rows = compare_scores(table, "a", "b", groups={"b0": "easy", "b1": "easy"})
    assert rows[["group", "pairs", "better", "worse"]].to_numpy().tolist() == [
        [ALL, 3, 2, 1],
        ["easy", 2, 2, 0],
        ["other", 1, 0, 1],
    ]
    assert set(rows.model) == {"m"}  # one model: no rows over all models


def test_equal_scores_have_no_p() -> None:
    rows = compare_scores(made({"a": [1.0, 2.0], "b": [1.0, 2.0]}), "a", "b")
    assert rows.equal.tolist() == [2]
    assert rows[["p_exact", "p_normal"]].isna().all(axis=None)


def test_models_that_lack_one_of_the_methods_are_left_out_of_all() -> None:
    table = pd.concat(
        [made({"a": [2.0], "b": [1.0]}), made({"a": [2.0]}, "half"), made({"a": [1.0], "b": [3.0]}, "n")]
    )
    assert compare_scores(table, "a", "b").model.tolist() == ["m", "n", ALL]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "b"}, "different methods"),
        ({"method": "c"}, "No benchmark has scores of both c and b"),
        ({"models": []}, "At least one model"),
        ({"models": ["n"]}, "No benchmark has scores of both"),
    ],
)
def test_what_cannot_be_compared_is_said(options: dict[str, object], said: str) -> None:
    arguments = {"method": "a", "baseline": "b"} | options
    with pytest.raises(InputError, match=said):
        compare_scores(made({"a": [2.0], "b": [1.0]}), **arguments)  # type: ignore[arg-type]


def test_a_baseline_of_zero_has_no_relative_gain() -> None:
    with pytest.raises(InputError, match=r"Positive scores of b are wanted.*b1"):
        compare_scores(made({"a": [2.0, 1.0], "b": [1.0, 0.0]}), "a", "b")


def test_several_settings_of_a_method_are_not_mixed() -> None:
    few = made({"a": [2.0], "b": [1.0]}).assign(ratio=0.05)
    table = pd.concat([few, made({"a": [3.0]}).assign(ratio=0.2)])
    with pytest.raises(InputError, match="several ratios"):
        compare_scores(table, "a", "b")
    assert compare_scores(table, "a", "b", ratio=0.05).median_gain.tolist() == [1.0]


def test_the_p_against_is_that_of_the_gains_with_the_other_sign(found: pd.DataFrame) -> None:
    rows = found.xs(ALL, level="group")
    assert len(rows) == 4
    # Both count the observed sum of ranks, and so exceed one together.
    assert (rows.p_exact + rows.p_against > 1.0).all()
    gains = np.random.default_rng(0).normal(-0.5, 1.0, 12)
    table = made({"a": [*(1.0 + 0.1 * gains)], "b": [1.0] * 12})
    row = compare_scores(table, "a", "b").iloc[0]
    assert row.p_against == pytest.approx(wilcoxon(gains, alternative="less", method="exact").pvalue)
    assert row.p_against < 0.05 < row.p_exact
