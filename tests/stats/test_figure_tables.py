"""Figure tables against plain pandas, scipy and cases whose answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from otanalysis.errors import InputError
from otanalysis.stats.cells import MEAN
from otanalysis.stats.figure_tables import figure3_table, figure4_table, figure5_table
from otanalysis.stats.rank_tables import figure2_tables

from .conftest import BENCHMARKS

PAPER = ("first", "last", "uniform", "random", "divprune")
ROUNDING = 1e-10  # means of at most a thousand float64 numbers


def plain_mean(sweep: pd.DataFrame, column: str, benchmark: str, method: str, ratio: float) -> float:
    """Mean over samples of the mean over seeds, gamma 0.01 where there is one."""
    rows = sweep[(sweep.benchmark == benchmark) & (sweep.method == method) & (sweep.ratio == ratio)]
    rows = rows[rows.gamma.isna() | (rows.gamma == 0.01)]
    return float(rows.groupby("sample")[column].mean().mean())


def plain_score(accuracy: pd.DataFrame, benchmark: str, method: str, ratio: float) -> float:
    rows = accuracy[
        (accuracy.benchmark == benchmark) & (accuracy.method == method) & (accuracy.ratio == ratio)
    ]
    return float(rows[rows.gamma.isna() | (rows.gamma == 0.01)].value.mean())


def row_of(table: pd.DataFrame, **wanted: Any) -> dict[str, Any]:
    for column, value in wanted.items():
        table = table[table[column] == value]
    rows = table.to_dict("records")
    assert len(rows) == 1, f"{len(rows)} rows for {wanted}"
    return {str(name): value for name, value in rows[0].items()}


def test_figure2_holds_plain_means_ranks_and_scipys_correlation(tables: Any) -> None:
    found = figure2_tables(tables.sweep, tables.accuracy, methods=PAPER)
    for benchmark in BENCHMARKS[:4]:
        far = [plain_mean(tables.sweep, "w2", benchmark, name, 0.098) for name in PAPER]
        good = [plain_score(tables.accuracy, benchmark, name, 0.098) for name in PAPER]
        rows = found.points[found.points.benchmark == benchmark]
        assert list(rows.method) == list(PAPER)
        np.testing.assert_allclose(rows.distance, far, rtol=ROUNDING)
        np.testing.assert_allclose(rows.score, good, rtol=ROUNDING)
        np.testing.assert_array_equal(rows.distance_rank, stats.rankdata(far))
        np.testing.assert_array_equal(rows.score_rank, stats.rankdata([-value for value in good]))
        row = row_of(found.correlations, benchmark=benchmark)
        assert row["rho"] == pytest.approx(stats.spearmanr(far, good).statistic, abs=ROUNDING)
        assert row["rho_low"] <= row["rho_high"]
        assert row["smallest_p"] == pytest.approx(2 / 120)


def test_figure2_overall_correlates_the_means_over_benchmarks(tables: Any) -> None:
    found = figure2_tables(tables.sweep, tables.accuracy, methods=PAPER)
    each = found.points[found.points.benchmark != MEAN].groupby("method")[["distance", "score"]].mean()
    row = row_of(found.correlations, benchmark=MEAN)
    assert row["rho"] == pytest.approx(stats.spearmanr(each.distance, each.score).statistic, abs=ROUNDING)
    np.testing.assert_allclose(
        found.points[found.points.benchmark == MEAN].set_index("method").distance[each.index], each.distance
    )


@pytest.mark.parametrize(("sign", "rho"), [(-1.0, -1.0), (1.0, 1.0)])
def test_figure2_finds_the_claim_and_its_opposite(tables: Any, sign: float, rho: float) -> None:
    accuracy = tables.accuracy.copy()
    far = {name: plain_mean(tables.sweep, "w2", "presence", name, 0.098) for name in PAPER}
    for name, distance in far.items():
        accuracy.loc[accuracy.method == name, "value"] = 0.5 + sign * distance / 100
    accuracy["standard_error"] = 1e-6
    row = row_of(figure2_tables(tables.sweep, accuracy, methods=PAPER).correlations, benchmark="presence")
    assert row["rho"] == rho
    assert row["p_value"] == pytest.approx(2 / 120)


def test_figure2_with_unknown_errors_holds_the_scores_fixed(tables: Any) -> None:
    accuracy = tables.accuracy.drop(columns=["standard_error", "n"])
    points = figure2_tables(tables.sweep, accuracy, methods=PAPER).points
    np.testing.assert_array_equal(points.score_low, points.score_high)
    wider = figure2_tables(tables.sweep, tables.accuracy, methods=PAPER).points
    assert (wider.score_high > wider.score_low).all()


def test_figure3_divides_by_the_full_score_and_takes_means_of_ratios(tables: Any) -> None:
    table = figure3_table(tables.sweep, tables.accuracy)
    ratios = []
    for benchmark in BENCHMARKS[:4]:
        full = plain_score(tables.accuracy, benchmark, "full", 1.0)
        score = plain_score(tables.accuracy, benchmark, "otprune", 0.05)
        asked = {"benchmark": benchmark, "method": "otprune", "ratio": 0.05}
        row = row_of(table, quantity="relative_score", **asked)
        assert row["value"] == pytest.approx(score / full, rel=ROUNDING)
        assert row["low"] < row["value"] < row["high"]
        absolute = row_of(table, quantity="score", **asked)
        error = tables.accuracy.query(
            "benchmark == @benchmark and method == 'otprune' and ratio == 0.05 and gamma == 0.01"
        )["standard_error"].item()
        assert absolute["high"] - absolute["value"] == pytest.approx(stats.norm.ppf(0.975) * error, rel=1e-9)
        ratios.append(score / full)
    mean = row_of(table, benchmark=MEAN, method="otprune", ratio=0.05, quantity="relative_score")
    assert mean["value"] == pytest.approx(np.mean(ratios), rel=ROUNDING)
    assert row_of(table, benchmark="presence", method="full")["value"] == pytest.approx(
        plain_score(tables.accuracy, "presence", "full", 1.0)
    )


def test_figure3_averages_the_seeds_of_random(tables: Any) -> None:
    row = row_of(
        figure3_table(tables.sweep, tables.accuracy),
        benchmark="presence",
        method="random",
        ratio=0.05,
        quantity="score",
    )
    assert row["value"] == pytest.approx(plain_score(tables.accuracy, "presence", "random", 0.05))


def test_figure4_is_the_ratio_of_means(tables: Any) -> None:
    table = figure4_table(tables.sweep)
    assert "otprune" not in set(table.method)
    each = []
    for benchmark in BENCHMARKS[:4]:
        base = plain_mean(tables.sweep, "w2", benchmark, "otprune", 0.15)
        expected = plain_mean(tables.sweep, "w2", benchmark, "kmedoids", 0.15) / base
        row = row_of(table, benchmark=benchmark, method="kmedoids", ratio=0.15)
        assert row["value"] == pytest.approx(expected, rel=ROUNDING)
        assert row["low"] < expected < row["high"]
        each.append(expected)
    mean = row_of(table, benchmark=MEAN, method="kmedoids", ratio=0.15)
    assert mean["value"] == pytest.approx(np.mean(each), rel=ROUNDING)


def test_figure4_intervals_are_paired(tables: Any) -> None:
    sweep = tables.sweep[tables.sweep.method.isin(["otprune", "dpp"])].copy()
    keys = ["benchmark", "sample", "ratio"]
    base = sweep[(sweep.method == "otprune") & (sweep.gamma == 0.01)].set_index(keys).w2
    dpp = sweep.method == "dpp"
    sweep.loc[dpp, "w2"] = [2.0 * base[tuple(row)] for row in sweep.loc[dpp, keys].itertuples(index=False)]
    table = figure4_table(sweep)
    for column in ("value", "low", "high"):
        np.testing.assert_allclose(table[column], 2.0, rtol=ROUNDING)


def test_figure4_follows_the_distance_asked_for(tables: Any) -> None:
    squared = figure4_table(tables.sweep, distance="w2_squared")
    row = row_of(squared, benchmark="presence", method="uniform", ratio=0.2)
    expected = plain_mean(tables.sweep, "w2_squared", "presence", "uniform", 0.2) / plain_mean(
        tables.sweep, "w2_squared", "presence", "otprune", 0.2
    )
    assert row["value"] == pytest.approx(expected, rel=ROUNDING)
    assert set(squared.distance_kind) == {"w2_squared"}


def test_figure5_tabulates_every_gamma(tables: Any) -> None:
    both = figure5_table(tables.sweep, tables.accuracy)
    assert sorted(both[both.method == "otprune-paper"].gamma.unique()) == [0.005, 0.01, 0.05, 0.1]
    table = both[both.method == "otprune"]
    assert sorted(table.gamma.unique()) == [1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0]
    np.testing.assert_allclose(table.factor, table.gamma, rtol=ROUNDING)
    rows = tables.sweep.query("benchmark == 'presence' and method == 'otprune' and ratio == 0.05")
    for gamma in (1e-4, 10.0):
        asked = {"benchmark": "presence", "ratio": 0.05, "gamma": gamma}
        logdet = row_of(table, quantity="logdet", **asked)["value"]
        assert logdet == pytest.approx(rows[rows.gamma == gamma].logdet.mean(), rel=ROUNDING)
        score = tables.accuracy.query(
            "benchmark == 'presence' and method == 'otprune' and ratio == 0.05 and gamma == @gamma"
        )["value"].item()
        assert row_of(table, quantity="score", **asked)["value"] == pytest.approx(score, rel=ROUNDING)
    own = table[(table.quantity == "relative_distance") & (table.gamma == 0.01)]
    np.testing.assert_allclose(own[["value", "low", "high"]], 1.0, rtol=ROUNDING)


def test_figure5_puts_the_papers_gamma_where_the_released_code_has_it(tables: Any) -> None:
    """At 5 % of 576 tokens the paper's 0.01 is a factor of 0.20, at 20 % of 0.05."""
    table = figure5_table(tables.sweep, None)
    own = table[(table.method == "otprune-paper") & (table.benchmark == MEAN)]
    factors = own.drop_duplicates(["ratio", "gamma"]).set_index(["ratio", "gamma"]).factor
    assert factors.xs(0.01, level="gamma").round(3).tolist() == [0.199, 0.103, 0.067, 0.05]
    np.testing.assert_allclose(factors.xs(0.1, level="gamma"), 10 * factors.xs(0.01, level="gamma"))
    far = row_of(own, ratio=0.05, gamma=0.01, quantity="distance")["value"]
    base = row_of(table, benchmark=MEAN, method="otprune", ratio=0.05, gamma=0.01, quantity="distance")
    relative = row_of(own, ratio=0.05, gamma=0.01, quantity="relative_distance")["value"]
    assert relative == pytest.approx(far / base["value"], rel=0.05)  # the mean of ratios, not their ratio
    assert relative < 1 < far


def test_without_accuracy_distances_stay_and_scores_are_missing(tables: Any) -> None:
    table = figure3_table(tables.sweep, None)
    assert table.loc[table.quantity == "score", "value"].isna().all()
    assert table.loc[table.quantity == "relative_distance", "value"].notna().all()
    found = figure2_tables(tables.sweep, None, methods=PAPER)
    assert found.correlations.rho.isna().all()
    assert found.points.distance.notna().all()


def test_a_mean_over_benchmarks_is_missing_where_one_of_them_is(tables: Any) -> None:
    lacking = (tables.accuracy.benchmark == "presence") & (tables.accuracy.method == "dpp")
    table = figure3_table(tables.sweep, tables.accuracy[~lacking])
    scores = table[(table.quantity == "relative_score") & (table.benchmark == MEAN)]
    assert scores[scores.method == "dpp"].value.isna().all()
    assert scores[scores.method == "divprune"].value.notna().all()


def test_scores_on_different_scales_have_no_raw_mean(tables: Any) -> None:
    accuracy = tables.accuracy.copy()
    accuracy.loc[accuracy.benchmark == "presence", ["value", "standard_error"]] *= 1500
    table = figure3_table(tables.sweep, accuracy)
    mean = table[(table.benchmark == MEAN) & (table.method == "dpp")]
    assert "score" not in set(mean.quantity)
    relative = figure3_table(tables.sweep, tables.accuracy).query(
        "benchmark == @MEAN and method == 'dpp' and quantity == 'relative_score'"
    )
    np.testing.assert_allclose(
        mean[mean.quantity == "relative_score"].value, relative.value, rtol=ROUNDING
    )  # a change of unit does not change the share
    points = figure2_tables(tables.sweep, accuracy, methods=PAPER).points
    assert set(points[points.benchmark == MEAN].score_kind) == {"relative_score"}


def test_the_seed_moves_intervals_and_nothing_else(tables: Any) -> None:
    first, again, other = (figure4_table(tables.sweep, seed=seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first, again)
    np.testing.assert_array_equal(first.value, other.value)
    assert (first.low != other.low).any()


def test_samples_that_lack_a_setting_are_left_out_of_all(tables: Any) -> None:
    sweep = tables.sweep
    gone = (sweep.benchmark == "presence") & (sweep["sample"] == "s0") & (sweep.method == "dpp")
    table = figure4_table(sweep[~gone])
    expected = figure4_table(sweep[~((sweep.benchmark == "presence") & (sweep["sample"] == "s0"))])
    pd.testing.assert_frame_equal(table, expected)
    assert row_of(table, benchmark="presence", method="last", ratio=0.05)["n"] == 11


def test_wrong_tables_are_refused_in_words(tables: Any) -> None:
    sweep, accuracy = tables.sweep, tables.accuracy
    twice = pd.concat([sweep, sweep.assign(dump="elsewhere")])
    models = pd.concat([accuracy, accuracy.assign(model="another")])
    metrics = pd.concat([accuracy, accuracy.assign(metric="f1")])
    cases = [
        (lambda: figure4_table(sweep, normalise="rows"), "no row with normalisation 'rows'"),
        (lambda: figure4_table(twice), "one dump per benchmark"),
        (lambda: figure4_table(sweep[sweep.method != "otprune"]), "otprune"),
        (lambda: figure4_table(sweep.drop(columns="w2")), "lacks the columns w2"),
        (lambda: figure4_table(sweep.drop(columns="gamma")), "lacks the columns gamma"),
        (lambda: figure5_table(sweep.drop(columns="logdet_gamma"), None), "lacks the column logdet_gamma"),
        (lambda: figure3_table(sweep, models), "one model"),
        (lambda: figure3_table(sweep, metrics), "one metric"),
        (lambda: figure3_table(sweep, accuracy.assign(benchmark="gqa")), "none of the benchmarks"),
        (lambda: figure2_tables(sweep, accuracy, methods=PAPER, ratio=0.5), "ratio 0.5"),
    ]
    for call, words in cases:
        with pytest.raises(InputError, match=words):
            call()


def test_a_benchmark_without_one_complete_sample_is_refused(tables: Any) -> None:
    sweep = tables.sweep[tables.sweep.benchmark == "presence"].copy()
    for number, method in enumerate(("dpp", "last")):
        half = sweep["sample"].str[1:].astype(int) % 2 == number
        sweep = sweep[~(half & (sweep.method == method))]
    with pytest.raises(InputError, match="no sample"):
        figure4_table(sweep)


def test_a_single_image_or_question_has_a_value_and_no_interval(build_tables: Any) -> None:
    made = build_tables(("presence",), samples=1)
    accuracy = made.accuracy.assign(n=1)
    for table in (figure3_table(made.sweep, accuracy), figure5_table(made.sweep, accuracy)):
        assert {"score", "relative_score", "distance"} < set(table.quantity)
        assert table.value.notna().any()
        assert table[["low", "high"]].isna().all(axis=None)
    asked = figure3_table(made.sweep, made.accuracy).query("quantity == 'score'")
    assert asked[["low", "high"]].notna().all(axis=None), "of 400 questions the score has one"


def test_scores_are_those_of_every_methods_own_default_gamma(
    tables: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one unit and the other: were the paper's default 0.05, its method would stand with that."""
    moved = {"otprune": 0.01, "otprune-paper": 0.05}
    monkeypatch.setattr("otanalysis.stats.cells.DEFAULT_GAMMAS", moved)
    table = figure3_table(tables.sweep, tables.accuracy, resamples=5)
    for method, gamma in moved.items():
        own = {"benchmark": "presence", "method": method, "ratio": 0.05}
        score = row_of(tables.accuracy, gamma=gamma, **own)["value"]
        assert row_of(table, quantity="score", **own)["value"] == pytest.approx(score, rel=ROUNDING)
    points = figure2_tables(tables.sweep, tables.accuracy, methods=[*moved], ratio=0.05, resamples=5).points
    one, other = (row_of(points, benchmark="presence", method=name)["score"] for name in moved)
    assert (one, other) == tuple(
        row_of(table, benchmark="presence", method=name, ratio=0.05, quantity="score")["value"]
        for name in moved
    )
