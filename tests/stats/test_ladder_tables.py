"""Agreement with the exact distance against scipy and loops, and on ladders whose answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from otanalysis.errors import InputError
from otanalysis.stats.cells import MEAN
from otanalysis.stats.ladder_tables import DROPPED_TERM, agreement, ladder_table, scatter_table
from otanalysis.surrogate.ladder import RUNGS

SAMPLES, RANDOMS = 6, 8
ORIGINS = ["method:otprune", "method:first", *["random"] * RANDOMS, "mixture", "swap"]


def slow_agreement(
    bad: np.ndarray[Any, Any], far: np.ndarray[Any, Any], rivals: list[int]
) -> dict[str, float]:
    favourite = int(np.argmin(bad))
    others = [rival for rival in rivals if rival != favourite]
    wins = [1.0 if far[favourite] < far[r] else 0.5 if far[favourite] == far[r] else 0.0 for r in others]
    return {
        "rho": float(spearmanr(bad, far).statistic),
        "win_rate": sum(wins) / len(wins),
        "regret": far[favourite] / far.min() - 1,
    }


def made_up(
    seed: int = 0, *, samples: int = SAMPLES, benchmarks: tuple[str, ...] = ("a", "b")
) -> pd.DataFrame:
    """A ladder with noise at every rung; rung 4 is the exact distance, rung 5 its opposite."""
    generator = np.random.default_rng(seed)
    rows = []
    for kind in ("none", "rows"):
        for ratio in (0.1, 0.2):
            for benchmark in benchmarks:
                for number in range(samples):
                    for place, origin in enumerate(ORIGINS):
                        far, noise = 1 + generator.random(), generator.normal(size=4)
                        length = 1.0 + 1e-15 * noise[0] if kind == "rows" else 1 + abs(noise[0])
                        rows.append(
                            {"dump": benchmark, "benchmark": benchmark, "sample": f"s{number}"}
                            | {"normalisation": kind, "ratio": ratio, "number": place, "origin": origin}
                            | {"gamma": 0.01, "w2": far**0.5, "w2_squared": far}
                            | {"gelbrich_w2_squared": far * np.exp(0.1 * noise[1])}
                            | {
                                "bures_w2_squared": far * np.exp(0.3 * noise[2]),
                                "trace_objective": 2 + noise[3] ** 2,
                            }
                            | {"logdet_same_tokens": 9 - far, "logdet": far, DROPPED_TERM: length}
                            | {"quantisation_error": far / 2}
                        )
    return pd.DataFrame(rows)


def test_agreement_is_what_loops_over_the_definition_give() -> None:
    generator = np.random.default_rng(0)
    rivals = np.arange(12) % 3 != 0
    for _ in range(30):
        # Few distinct distances, so that ties occur.
        far = generator.integers(1, 9, size=(4, 12)).astype(float)
        bad = generator.permuted(np.arange(12.0) + np.zeros((4, 1)), axis=1)
        found = agreement(bad, far, rivals)
        for number in range(4):
            expected = slow_agreement(bad[number], far[number], np.flatnonzero(rivals).tolist())
            for name, value in expected.items():
                assert found[name][number] == pytest.approx(value), name


def test_tied_favourites_count_in_equal_parts() -> None:
    far = np.array([[1.0, 2.0, 4.0, 4.0]])
    found = agreement(np.array([[1.0, 2.0, 1.0, 3.0]]), far, np.ones(4, dtype=bool))
    assert found["regret"][0] == pytest.approx((0 + 3) / 2)
    assert found["win_rate"][0] == pytest.approx((1 + 1 / 6) / 2)


def test_rounding_makes_no_order() -> None:
    generator = np.random.default_rng(0)
    far = 1 + generator.random((1, 12))
    dust = 1 + 1e-15 * generator.normal(size=(1, 12))
    rivals = np.ones(12, dtype=bool)
    assert all(np.isnan(values).all() for values in agreement(dust, far, rivals).values())
    assert np.isfinite(agreement(1 + 1e8 * (dust - 1), far, rivals)["rho"]).all()


def test_the_table_averages_the_samples_and_then_the_benchmarks() -> None:
    rows = made_up()
    table = ladder_table(rows, resamples=50)
    cell = rows[(rows["normalisation"] == "none") & (rows["ratio"] == 0.2)]
    for pool, chosen in (("all", cell), ("random", cell[cell["origin"] == "random"])):
        for rung in RUNGS[1:4]:
            means: dict[str, list[float]] = {"rho": [], "win_rate": [], "regret": []}
            for _, own in chosen.groupby("benchmark"):
                found = [
                    slow_agreement(
                        rung.badness(image[rung.column].to_numpy()),
                        image["w2_squared"].to_numpy(),
                        np.flatnonzero(image["origin"] == "random").tolist(),
                    )
                    for _, image in own.groupby("sample")
                ]
                for name, values in means.items():
                    values.append(float(np.mean([one[name] for one in found])))
            at = (table["normalisation"] == "none") & (table["ratio"] == 0.2) & (table["pool"] == pool)
            mine = table[at & (table["measure"] == rung.column) & (table["benchmark"] == MEAN)]
            for name, values in means.items():
                assert mine.set_index("quantity").loc[name, "value"] == pytest.approx(np.mean(values))


def overall(table: pd.DataFrame, quantity: str = "rho", pool: str = "all") -> pd.DataFrame:
    at = (table["benchmark"] == MEAN) & (table["quantity"] == quantity) & (table["pool"] == pool)
    return table[at & (table["normalisation"] == "none")].groupby("measure")[["value", "low", "high"]].mean()


def test_a_perfect_rung_and_its_opposite() -> None:
    table = ladder_table(made_up(), resamples=50)
    for pool in ("all", "random"):
        rho, win, regret = (overall(table, name, pool) for name in ("rho", "win_rate", "regret"))
        for name in ("w2_squared", "logdet_same_tokens", "quantisation_error"):
            assert rho.loc[name].tolist() == pytest.approx([1, 1, 1])
            assert regret.loc[name].tolist() == pytest.approx([0, 0, 0], abs=1e-12)
        assert rho.loc["logdet"].tolist() == pytest.approx([-1, -1, -1])
        assert win.loc["w2_squared", "value"] > 0.9
        assert win.loc["logdet", "value"] < 0.1
        assert regret.loc["logdet", "value"] > 0.3


def test_a_further_distance_has_a_row_of_its_own_in_its_own_direction() -> None:
    rows = made_up()
    opposite = rows.assign(effective_rank=-rows["w2_squared"], sliced_w2=-rows["w2_squared"])
    table = ladder_table(opposite, resamples=5)
    mean = table[(table["benchmark"] == MEAN) & (table["quantity"] == "rho")]
    assert mean.loc[mean["measure"] == "effective_rank", "value"].tolist() == pytest.approx([1.0] * 8)
    assert mean.loc[mean["measure"] == "sliced_w2", "value"].tolist() == pytest.approx([-1.0] * 8)
    known = table[~table["measure"].isin(["effective_rank", "sliced_w2"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(known, ladder_table(rows, resamples=5))
    with pytest.raises(InputError, match="finite number in every row of sliced_w2"):
        ladder_table(rows.assign(sliced_w2=np.nan))


def test_the_dropped_term_is_missing_where_it_is_constant_and_has_no_favourite() -> None:
    table = ladder_table(made_up(), resamples=50)
    own = table[table["measure"] == DROPPED_TERM]
    assert set(own["quantity"]) == {"rho"}
    assert own.loc[own["normalisation"] == "rows", ["value", "low", "high"]].isna().all(axis=None)
    assert (own.loc[own["normalisation"] == "rows", "n"] == 0).all()
    assert own.loc[own["normalisation"] == "none", "value"].notna().all()


def test_intervals_hold_the_value_and_shrink_with_more_samples() -> None:
    few, many = (ladder_table(made_up(samples=n), resamples=400) for n in (6, 60))
    widths = []
    for table in (few, many):
        row = overall(table).loc["trace_objective"]
        assert row["low"] <= row["value"] <= row["high"]
        widths.append(row["high"] - row["low"])
    assert widths[1] < 0.5 * widths[0]


def test_a_single_sample_has_no_interval() -> None:
    table = ladder_table(made_up(samples=1), resamples=20)
    assert table[["low", "high"]].isna().all(axis=None)
    assert overall(table)["value"].notna().all()


def test_the_order_of_the_rows_does_not_matter() -> None:
    rows = made_up()
    first = ladder_table(rows, resamples=20)
    # The benchmarks come in the order in which they first appear, so the first row stays.
    shuffled = pd.concat([rows.iloc[:1], rows.iloc[1:].sample(frac=1, random_state=0)])
    keys = ["normalisation", "ratio", "pool", "benchmark", "measure", "quantity"]
    again = ladder_table(shuffled, resamples=20)
    pd.testing.assert_frame_equal(
        first.sort_values(keys, ignore_index=True), again.sort_values(keys, ignore_index=True)
    )


def test_points_are_relative_to_the_random_subsets_of_their_image() -> None:
    rows = made_up()
    points = scatter_table(rows, ratio=0.2)
    assert len(points) == 3 * len(rows) / 2
    at = ["measure", "normalisation", "benchmark", "sample"]
    base = points[points["origin"] == "random"].groupby(at)[["x", "y", "length"]].mean()
    np.testing.assert_allclose(base.to_numpy(), 1.0, rtol=1e-12)
    one = rows[(rows["ratio"] == 0.2) & (rows["normalisation"] == "none") & (rows["sample"] == "s1")]
    one = one[one["benchmark"] == "b"].set_index("number")
    mine = points[
        (points["normalisation"] == "none") & (points["sample"] == "s1") & (points["benchmark"] == "b")
    ]
    bures = np.sqrt(one["bures_w2_squared"])
    expected = bures[0] / bures[one["origin"] == "random"].mean()
    assert mine.loc[mine["measure"] == "bures_w2_squared", "x"].iloc[0] == pytest.approx(expected)
    assert points.loc[points["measure"] == "logdet", "rho"].unique().tolist() == pytest.approx([-1.0])


def test_mistakes_are_named() -> None:
    rows = made_up()
    with pytest.raises(InputError, match="lacks the columns logdet"):
        ladder_table(rows.drop(columns="logdet"))
    with pytest.raises(InputError, match="has no rows"):
        ladder_table(rows.head(0))
    with pytest.raises(InputError, match=r"has 11 to 12 of them"):
        ladder_table(rows.iloc[1:])
    with pytest.raises(InputError, match="let the measurement finish"):
        ladder_table(rows[(rows["sample"] != "s0") | (rows["ratio"] != 0.1)])
    with pytest.raises(InputError, match="one dump a benchmark"):
        ladder_table(rows.assign(dump=rows["sample"]))
    with pytest.raises(InputError, match=r"no ratio 0.3 \(it has: 0.1, 0.2\)"):
        scatter_table(rows, ratio=0.3)
