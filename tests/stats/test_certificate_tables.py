"""Tables of the certificates, from made-up rows whose answers are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from otanalysis.errors import InputError
from otanalysis.stats.cells import MEAN
from otanalysis.stats.certificate_tables import FLOOR, certificate_table, floor_table, greedy_table

ROUNDING = 1e-12  # means of a few numbers
# Squared distances of the samples of a benchmark; the floor is the sample's own.
SQUARED = {
    "alpha": {
        "otprune": [8.0, 16.0, 12.0],
        "random": [4.0, 6.0, 5.0],
        "kmedoids": [2.0, 4.0, 3.0],
        "best": [1.0, 2.5, 1.0],
    },
    "beta": {"otprune": [9.0, 3.0], "random": [4.0, 4.0], "kmedoids": [5.0, 5.0], "best": [2.0, 2.0]},
}
FLOORS = {"alpha": [1.0, 2.0, 0.9], "beta": [2.0, 1.0]}


def made_up(squared: Any = None, floors: Any = None, ratios: tuple[float, ...] = (0.1, 0.25)) -> pd.DataFrame:
    """Rows in which the second ratio has distances of a quarter, random has two seeds around its value."""
    rows = []
    for benchmark, methods in (squared or SQUARED).items():
        for method, values in methods.items():
            for number, value in enumerate(values):
                for place, ratio in enumerate(ratios):
                    shrink = 0.25**place
                    floor = shrink * (floors or FLOORS)[benchmark][number]
                    for seed, swing in ((0, 0.5), (1, -0.5)) if method == "random" else ((None, 0.0),):
                        far = shrink * (value + swing)
                        rows.append(
                            {"dump": benchmark, "benchmark": benchmark, "sample": f"s{number}"}
                            | {"ratio": ratio, "method": method, "seed": seed, "normalisation": "none"}
                            | {"gamma": 0.01 if method == "otprune" else None}
                            | {"w2_squared": far, "w2": far**0.5}
                            | {"floor_squared": floor, "floor": floor**0.5}
                            | {"greedy_ratio": 0.9 + 0.02 * number + 0.01 * place, "ceiling_kind": "prefix"}
                        )
    frame = pd.DataFrame(rows)
    return frame.astype({"seed": "Int64", "gamma": float})


def value(table: pd.DataFrame, **wanted: object) -> Any:
    for column, one in wanted.items():
        table = table[table[column] == one]
    assert len(table) == 1, f"{len(table)} rows for {wanted}"
    return table.iloc[0]


def test_over_floor_is_the_mean_distance_over_the_mean_floor() -> None:
    table = certificate_table(made_up(), resamples=50)
    assert list(table.columns) == [
        "benchmark",
        "method",
        "ratio",
        "quantity",
        "value",
        "low",
        "high",
        "n",
        "normalisation",
    ]
    asked = {"quantity": "over_floor", "ratio": 0.1}
    assert value(table, benchmark="alpha", method="kmedoids", **asked)["value"] == pytest.approx(9.0 / 3.9)
    assert value(table, benchmark="beta", method="kmedoids", **asked)["value"] == pytest.approx(10.0 / 3.0)
    mean = value(table, benchmark=MEAN, method="kmedoids", **asked)
    assert mean["value"] == pytest.approx((9.0 / 3.9 + 10.0 / 3.0) / 2, rel=ROUNDING)
    assert mean["n"] == 5
    assert value(table, benchmark="alpha", method="random", **asked)["value"] == pytest.approx(15.0 / 3.9)
    assert FLOOR not in set(table["method"])
    assert set(table["normalisation"]) == {"none"}


def test_gap_closed_is_the_share_of_the_way_from_random_to_the_floor() -> None:
    table = certificate_table(made_up(), resamples=50)
    for ratio in (0.1, 0.25):
        asked = {"quantity": "gap_closed", "ratio": ratio}
        closed = value(table, benchmark="alpha", method="kmedoids", **asked)["value"]
        assert closed == pytest.approx((15.0 - 9.0) / (15.0 - 3.9), rel=ROUNDING)
        assert value(table, benchmark="beta", method="kmedoids", **asked)["value"] == pytest.approx(
            -2.0 / 5.0
        )
        assert value(table, benchmark="alpha", method="otprune", **asked)["value"] < -1.0
        at_random = value(table, benchmark=MEAN, method="random", **asked)
        assert (at_random["value"], at_random["low"], at_random["high"]) == (0.0, 0.0, 0.0)
        both = [value(table, benchmark=name, method="best", **asked)["value"] for name in SQUARED]
        assert value(table, benchmark=MEAN, method="best", **asked)["value"] == pytest.approx(np.mean(both))


def test_a_method_at_the_floor_closes_the_whole_gap_in_every_resample() -> None:
    squared = {name: methods | {"best": FLOORS[name]} for name, methods in SQUARED.items()}
    table = certificate_table(made_up(squared), resamples=100)
    best = table[table["method"] == "best"]
    np.testing.assert_allclose(best[["value", "low", "high"]], 1.0, rtol=ROUNDING)


def test_intervals_are_those_of_resampled_samples() -> None:
    table = certificate_table(made_up(), resamples=4000, seed=3)
    row = value(table, benchmark="alpha", method="otprune", quantity="over_floor", ratio=0.1)
    far, floor = np.array(SQUARED["alpha"]["otprune"]), np.array(FLOORS["alpha"])
    # All 27 resamples of three samples, taken together: floor and distance of one sample stay together.
    every = np.array(np.meshgrid(*[range(3)] * 3)).reshape(3, -1)
    ratios = far[every].sum(axis=0) / floor[every].sum(axis=0)
    assert row["low"] == pytest.approx(np.quantile(ratios, 0.025, method="inverted_cdf"))
    assert row["high"] == pytest.approx(np.quantile(ratios, 0.975, method="inverted_cdf"))
    assert row["low"] < row["value"] < row["high"]
    others = table.dropna()
    assert (others["low"] <= others["value"] + ROUNDING).all()
    assert (others["value"] <= others["high"] + ROUNDING).all()


def test_equal_seeds_draw_equal_intervals_and_others_do_not() -> None:
    first, again, other = (certificate_table(made_up(), resamples=50, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first["low"].equals(other["low"])
    assert first["value"].equals(other["value"])


def test_without_random_there_is_no_share() -> None:
    rows = made_up()
    table = certificate_table(rows[rows["method"] != "random"], resamples=20)
    assert set(table["quantity"]) == {"over_floor"}
    # Missing in one benchmark alone: known in the other, unknown in the mean.
    partly = rows[(rows["method"] != "random") | (rows["benchmark"] == "alpha")]
    shares = certificate_table(partly, resamples=20).query("quantity == 'gap_closed' and method == 'best'")
    known = shares.groupby("benchmark")["value"].apply(lambda own: bool(own.notna().all()))
    assert known.to_dict() == {"alpha": True, "beta": False, MEAN: False}


def test_where_all_is_kept_every_method_is_at_its_best_and_no_way_is_left() -> None:
    nothing = {"alpha": {method: [0.0, 0.0] for method in ("otprune", "random", "best")}}
    rows = made_up(nothing, {"alpha": [0.0, 0.0]})
    rows["w2_squared"] = 0.0
    table = certificate_table(rows, resamples=10)
    over = table[table["quantity"] == "over_floor"]
    np.testing.assert_array_equal(over[["value", "low", "high"]], 1.0)
    assert table.loc[table["quantity"] == "gap_closed", "value"].isna().all()


def test_a_floor_of_zero_below_a_distance_proves_nothing() -> None:
    table = certificate_table(made_up({"alpha": SQUARED["alpha"]}, {"alpha": [0.0] * 3}), resamples=10)
    over = table[table["quantity"] == "over_floor"]
    assert (over["value"] == np.inf).all()
    asked = {"benchmark": "alpha", "quantity": "gap_closed", "ratio": 0.1, "method": "kmedoids"}
    assert value(table, **asked)["value"] == pytest.approx((15.0 - 9.0) / 15.0)


@pytest.mark.parametrize("distance", ["w2", "w2_squared"])
def test_the_floor_is_a_method_relative_to_otprune(distance: str) -> None:
    table = floor_table(made_up(), distance=distance, resamples=50)
    assert set(table["method"]) == {"random", "kmedoids", "best", FLOOR}
    power = 0.5 if distance == "w2" else 1.0
    base = np.mean(np.array(SQUARED["alpha"]["otprune"]) ** power)
    for method, squared in ((FLOOR, FLOORS["alpha"]), ("best", SQUARED["alpha"]["best"])):
        for ratio in (0.1, 0.25):
            row = value(table, benchmark="alpha", method=method, ratio=ratio)
            assert row["value"] == pytest.approx(np.mean(np.array(squared) ** power) / base, rel=ROUNDING)
            assert row["low"] <= row["value"] <= row["high"]
    both = [value(table, benchmark=name, method=FLOOR, ratio=0.1)["value"] for name in SQUARED]
    assert value(table, benchmark=MEAN, method=FLOOR, ratio=0.1)["value"] == pytest.approx(np.mean(both))
    assert set(table["distance_kind"]) == {distance}


def test_the_floor_counts_a_sample_once_however_many_rows_it_has() -> None:
    rows = made_up()
    more = rows[rows["method"] == "kmedoids"].assign(method="uniform")
    uneven = pd.concat([rows, more[more["sample"] == "s0"].assign(method="random", seed=5)])
    first, second = (floor_table(one, resamples=5) for one in (rows, uneven))
    pd.testing.assert_frame_equal(first[first["method"] == FLOOR], second[second["method"] == FLOOR])


def test_greedy_ratios_are_counted_once_a_sample_and_pooled() -> None:
    rows = made_up()
    rows.loc[(rows["benchmark"] == "beta"), "ceiling_kind"] = "factorisation"
    table = greedy_table(rows)
    assert len(table) == 6
    own = value(table, benchmark="alpha", ratio=0.25)
    assert (own["median"], own["worst"], own["n"]) == (pytest.approx(0.93), pytest.approx(0.91), 3)
    assert own["low"] == pytest.approx(np.quantile([0.91, 0.93, 0.95], 0.05))
    pooled = value(table, benchmark=MEAN, ratio=0.1)
    ratios = [0.9, 0.92, 0.94, 0.9, 0.92]
    assert pooled["n"] == 5
    assert pooled["median"] == pytest.approx(np.median(ratios))
    assert pooled["low"] == pytest.approx(np.quantile(ratios, 0.05))
    assert (own["kind"], value(table, benchmark="beta", ratio=0.1)["kind"]) == ("prefix", "factorisation")
    assert pooled["kind"] == "prefix"


@pytest.mark.parametrize("make", [certificate_table, floor_table])
def test_one_normalisation_is_wanted(make: Any) -> None:
    rows = made_up()
    mixed = pd.concat([rows, rows.assign(normalisation="rows")])
    with pytest.raises(InputError, match="one normalisation are wanted, got none, rows"):
        make(mixed)
    with pytest.raises(InputError, match="wanted, got none"):
        make(rows.iloc[:0])


def test_missing_columns_and_methods_are_named() -> None:
    rows = made_up()
    for make in (certificate_table, floor_table):
        with pytest.raises(InputError, match="lack the columns floor_squared: run otanalysis certify"):
            make(rows.drop(columns="floor_squared"))
        with pytest.raises(InputError, match="lack the columns normalisation"):
            make(rows.drop(columns="normalisation"))
    with pytest.raises(InputError, match="lack the columns greedy_ratio"):
        greedy_table(rows.drop(columns="greedy_ratio"))
    with pytest.raises(InputError, match="no row of it: add it"):
        floor_table(rows[rows["method"] != "otprune"])


def test_coverage_has_its_own_floor_in_the_same_tables() -> None:
    rows = made_up()
    error = {
        "quantisation_error": rows["w2_squared"] / 2.0,
        "quantisation_floor": rows["floor_squared"] / 3.0,
    }
    covered = rows.drop(columns=["w2", "w2_squared", "floor", "floor_squared"]).assign(**error)
    table, distances = (
        certificate_table(one, distance=name, resamples=50)
        for one, name in ((covered, "quantisation_error"), (rows, "w2_squared"))
    )
    over, before = (one[one["quantity"] == "over_floor"] for one in (table, distances))
    assert len(over) > 0
    np.testing.assert_allclose(over["value"], 1.5 * before["value"], rtol=ROUNDING)
    relative = floor_table(covered, distance="quantisation_error", resamples=50)
    own, base = covered[covered["benchmark"] == "beta"], SQUARED["beta"]["otprune"]
    assert len(own) > 0
    row = value(relative, benchmark="beta", method=FLOOR, ratio=0.1)
    assert row["value"] == pytest.approx((np.sum(FLOORS["beta"]) / 3.0) / (np.sum(base) / 2.0), rel=ROUNDING)
    assert set(relative["distance_kind"]) == {"quantisation_error"}
    with pytest.raises(InputError, match="lack the columns quantisation_floor: run otanalysis certify"):
        certificate_table(covered.drop(columns="quantisation_floor"), distance="quantisation_error")
