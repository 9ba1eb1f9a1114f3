"""The test inside the image: planted causes are found, and where there is none, none is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr

from otanalysis.distances import DISTANCES
from otanalysis.errors import InputError
from otanalysis.selection.pool import RANDOM
from otanalysis.selection.steered import QUANTISATION_SWAPS, W2_SWAPS
from otanalysis.stats.cells import MEAN
from otanalysis.stats.within_tables import (
    DIFFERENCE,
    MAIN_PAIR,
    NOTHING,
    POOLS,
    RANKED,
    averaged,
    partial_correlation,
    swaps_table,
    within_table,
)

Array = NDArray[np.float64]
W2, QUANTISATION = MAIN_PAIR
NAMES = list(RANKED)
QUICK = 300
ORIGINS = [RANDOM] * 8 + [W2_SWAPS] * 6 + [QUANTISATION_SWAPS] * 6
STARTS = [*range(8), *([0] * 3 + [1] * 3) * 2]
SWAPS = [0] * 8 + [1, 2, 4] * 4


def made_up(
    score: Callable[[dict[str, Array], np.random.Generator], Array],
    *,
    questions: int = 40,
    per_scene: int = 1,
    seed: int = 0,
    shared: float = 0.7,
) -> pd.DataFrame:
    """Return a table whose distances share a part, with a score made of closenesses [questions, subsets]."""
    generator = np.random.default_rng(seed)
    subsets = len(ORIGINS)
    shape = questions, subsets
    common = shared * generator.standard_normal(shape)
    close = {name: common + generator.standard_normal(shape) for name in NAMES}
    signed = {name: own * (1 if DISTANCES[name].higher_is_closer else -1) for name, own in close.items()}
    number = np.tile(np.arange(subsets), questions)
    question = np.repeat(np.arange(questions), subsets)
    value = score(close, generator)
    return pd.DataFrame(
        {
            "model": "made-up",
            "ratio": 0.1,
            "positions": "original",
            "benchmark": np.where(question % 2, "odd", "even"),
            "scene": [f"scene-{one // per_scene}" for one in question],
            "sample": [f"question-{one:03d}" for one in question],
            "number": number,
            "origin": [ORIGINS[one] for one in number],
            "start": [STARTS[one] for one in number],
            "swaps": [SWAPS[one] for one in number],
            "log_probability": value.ravel(),
            "right": (value > 0).ravel(),
            **{name: own.ravel() for name, own in signed.items()},
        }
    )


def of(table: pd.DataFrame, measure: str, given: str = NOTHING, **where: str) -> pd.Series[Any]:
    """Return one row of a table of correlations."""
    wanted = {"pool": "all", "benchmark": MEAN, "measure": measure, "given": given} | where
    chosen = table[np.all([table[name] == value for name, value in wanted.items()], axis=0)]
    assert len(chosen) == 1
    return chosen.iloc[0]


def noise(close: dict[str, Array], generator: np.random.Generator) -> Array:
    return generator.standard_normal(close[W2].shape)


def by_quantisation(close: dict[str, Array], generator: np.random.Generator) -> Array:
    return close[QUANTISATION] + noise(close, generator)


def covers(row: pd.Series[Any]) -> bool:
    return bool(row["low"] <= 0 <= row["high"])


def test_a_score_of_one_distance_alone_is_laid_to_that_one() -> None:
    table = within_table(made_up(by_quantisation), resamples=QUICK)
    cause = of(table, QUANTISATION)
    assert cause["low"] > 0.5
    for pool in ("all", RANDOM):
        assert of(table, QUANTISATION, W2, pool=pool)["low"] > 0.4
    others = [name for name in NAMES if name != QUANTISATION]
    assert all(of(table, name)["low"] > 0 for name in others), "by the part that all distances share"
    given_it = [of(table, name, QUANTISATION) for name in others]
    assert np.mean([covers(row) for row in given_it]) > 0.7
    assert max(abs(row["value"]) for row in given_it) < 0.1
    assert all(of(table, QUANTISATION, name)["low"] > 0.4 for name in others)


def test_a_score_of_the_other_distance_is_laid_to_the_other() -> None:
    table = within_table(
        made_up(lambda close, generator: close[W2] - noise(close, generator)), resamples=QUICK
    )
    assert of(table, W2, QUANTISATION)["low"] > 0.4
    assert covers(of(table, QUANTISATION, W2))


def test_a_worse_answer_from_closer_sets_is_a_negative_correlation() -> None:
    table = within_table(made_up(lambda close, _: -close[W2]), resamples=QUICK)
    assert of(table, W2)["value"] == of(table, W2)["high"] == -1


def test_without_a_cause_about_95_of_100_intervals_cover_zero() -> None:
    covered = []
    for seed in range(12):
        table = within_table(made_up(noise, questions=30, seed=seed, shared=0.0), resamples=QUICK)
        covered += [covers(of(table, name, pool=pool)) for name in NAMES for pool in POOLS]
        covered += [covers(of(table, *pair)) for pair in (MAIN_PAIR, MAIN_PAIR[::-1])]
    assert len(covered) > 150
    assert 0.89 <= np.mean(covered) <= 0.99


def test_scenes_are_drawn_and_not_questions() -> None:
    """Five questions of a scene share what they say: taken as independent they would look sure."""
    generator = np.random.default_rng(0)
    signs = np.repeat(generator.choice([-1.0, 1.0], size=(20, 60)), 5, axis=0)
    values = signs + 0.1 * generator.standard_normal(signs.shape)
    scenes, questions = np.repeat(np.arange(20), 5), np.arange(100)
    covered = {}
    for name, drawn in (("scenes", scenes), ("questions", questions)):
        found = [
            numbers for _, numbers in averaged(pd.DataFrame(values, pd.Index(drawn, name="scene")), QUICK, 0)
        ]
        np.testing.assert_allclose([one["value"] for one in found], values.mean(axis=0))
        assert {(one["n"], one["scenes"]) for one in found} == {(100, len(set(drawn)))}
        covered[name] = np.mean([one["low"] <= 0 <= one["high"] for one in found])
    assert covered["scenes"] >= 0.85
    assert covered["questions"] <= 0.7


def test_correlations_are_means_of_scipys_over_questions() -> None:
    rows = made_up(by_quantisation, questions=6)
    table = within_table(rows, resamples=QUICK)
    for pool, chosen in (("all", rows), (RANDOM, rows[rows["origin"] == RANDOM])):
        for benchmark, own in ((MEAN, chosen), ("odd", chosen[chosen["benchmark"] == "odd"])):
            wanted = [
                -spearmanr(one[W2], one["log_probability"]).statistic for _, one in own.groupby("sample")
            ]
            found = of(table, W2, pool=pool, benchmark=benchmark)
            assert found["value"] == pytest.approx(np.mean(wanted))
            assert (found["n"], found["subsets"]) == (len(wanted), chosen["number"].nunique())


def test_partial_correlations_are_those_of_residuals() -> None:
    generator = np.random.default_rng(3)
    x, y, z = (rankdata(one) for one in generator.standard_normal((3, 25)) + generator.standard_normal(25))

    def rest(values: Array) -> Array:
        design = np.column_stack([np.ones_like(z), z])
        return values - design @ np.linalg.lstsq(design, values, rcond=None)[0]

    xy, xz, yz = (np.corrcoef(a, b)[0, 1] for a, b in ((x, y), (x, z), (y, z)))
    assert partial_correlation(xy, xz, yz) == pytest.approx(np.corrcoef(rest(x), rest(y))[0, 1])


def test_what_another_distance_determines_has_no_partial_correlation() -> None:
    rows = made_up(by_quantisation, questions=6)
    rows[W2] = np.exp(rows[QUANTISATION])
    table = within_table(rows, resamples=QUICK)
    assert of(table, W2)["value"] == of(table, QUANTISATION)["value"]
    for row in (of(table, W2, QUANTISATION), of(table, QUANTISATION, W2)):
        assert row["n"] == 0
        assert np.isnan(row[["value", "low", "high"]].astype(float)).all()


def test_one_scene_has_no_interval_and_a_constant_no_value() -> None:
    rows = made_up(by_quantisation, questions=3, per_scene=3)
    rows.loc[rows["sample"] == "question-001", "log_probability"] = -1.0
    found = of(within_table(rows, resamples=QUICK), QUANTISATION)
    assert (found["n"], found["scenes"]) == (2, 1)
    assert found["value"] > 0.3
    assert np.isnan(found["low"])


def test_swaps_are_compared_with_their_own_start() -> None:
    """Every swap for W2 gains 0.5, every other one 0.25, whatever the start was."""
    rows = made_up(noise, questions=8)
    begun = rows[rows["origin"] == RANDOM].set_index(["sample", "number"])
    places = pd.MultiIndex.from_frame(rows[["sample", "start"]])
    gain = rows["origin"].map({RANDOM: 0.0, W2_SWAPS: 0.5, QUANTISATION_SWAPS: 0.25}) * rows["swaps"]
    rows["log_probability"] = begun["log_probability"].loc[places].to_numpy() + gain
    rows[W2] = begun[W2].loc[places].to_numpy() * 0.9 ** rows["swaps"]
    rows["right"] = rows["origin"] == W2_SWAPS
    table = swaps_table(rows, resamples=QUICK).set_index(["benchmark", "moves", "stage", "quantity"])["value"]
    for stage, swaps in enumerate((1, 2, 4), start=1):
        for benchmark in (MEAN, "odd", "even"):
            own = table.loc[benchmark]
            assert own[W2_SWAPS, stage, "log_probability"] == pytest.approx(0.5 * swaps)
            assert own[QUANTISATION_SWAPS, stage, "log_probability"] == pytest.approx(0.25 * swaps)
            assert own[DIFFERENCE, stage, "log_probability"] == pytest.approx(0.25 * swaps)
            assert own[W2_SWAPS, stage, "right"] == own[DIFFERENCE, stage, "right"] == 1
            assert own[QUANTISATION_SWAPS, stage, "right"] == 0
    # A ratio of a negative made-up distance has no meaning; those of positive ones are what was planted.
    positive = swaps_table(rows.assign(**{W2: np.abs(rows[W2])}), resamples=QUICK)
    left = positive[(positive["quantity"] == W2) & (positive["moves"] == W2_SWAPS)]
    np.testing.assert_allclose(left["value"], 0.9 ** left["swaps"])


def test_only_as_many_swaps_are_compared_with_one_another() -> None:
    rows = made_up(noise, questions=4)
    stuck = (rows["origin"] == W2_SWAPS) & (rows["swaps"] == 4)
    rows.loc[stuck, "swaps"] = 3
    table = swaps_table(rows, resamples=QUICK)
    assert set(table.loc[table["moves"] == W2_SWAPS, "stage"]) == {1, 2, 3}
    assert set(table.loc[table["moves"] == DIFFERENCE, "stage"]) == {1, 2}


@pytest.mark.parametrize("tabulate", [within_table, swaps_table])
def test_what_is_no_whole_table_is_refused(tabulate: Callable[..., pd.DataFrame]) -> None:
    rows = made_up(noise, questions=4)
    with pytest.raises(InputError, match="lacks the columns quantisation_error"):
        tabulate(rows.drop(columns=QUANTISATION))
    with pytest.raises(InputError, match="has no rows"):
        tabulate(rows[:0])
    with pytest.raises(InputError, match="19 to 20"):
        tabulate(rows[1:])
    with pytest.raises(InputError, match="DataFrame"):
        tabulate([1])
