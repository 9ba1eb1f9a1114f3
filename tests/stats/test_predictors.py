"""The matrix of predictors: cells against plain pandas and SciPy, planted relations found, and noise left."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from otanalysis.defaults import FULL
from otanalysis.distances import DISTANCES
from otanalysis.errors import InputError
from otanalysis.mini.bundled import bundled_accuracy_path, bundled_model_path
from otanalysis.scores.table import read_accuracy
from otanalysis.selection import TOKEN_METHODS
from otanalysis.stats import statistics
from otanalysis.stats.cells import MEAN
from otanalysis.stats.predictors import ENDS, PredictorTables, predictor_tables

RATIO = 0.1
METHODS = ("first", "last", *(f"method-{number:02d}" for number in range(18)))
BENCHMARKS = ("a", "b", "c", "d")
WRITTEN = 1e-6  # tables are written with eight digits
OTHERS = [name for name in DISTANCES if name not in ("w2", "effective_rank")]


def made_up(seed: int, *, samples: int = 5, noise: float = 0.0, **planted: Any) -> tuple[Any, Any]:
    """Return a sweep and an accuracy table of noise, but for distances that are functions of the score."""
    generator = np.random.default_rng(seed)
    scores = generator.uniform(0.2, 0.9, (len(BENCHMARKS), len(METHODS)))
    swept, scored = [], []
    for number, benchmark in enumerate(BENCHMARKS):
        head = {"model": "m", "benchmark": benchmark, "ratio": RATIO, "gamma": np.nan}
        score = {"metric": "acc", "n": 100, "standard_error": noise}
        scored.append(head | score | {"method": FULL, "ratio": 1.0, "value": 0.95})
        for place, method in enumerate(METHODS):
            value = scores[number, place]
            scored.append(head | score | {"method": method, "value": value})
            level = dict(zip(DISTANCES, generator.exponential(size=len(DISTANCES)), strict=True))
            level |= {name: function(value) for name, function in planted.items()}
            for sample in range(samples):
                spread = {name: far * (1.0 + 0.01 * generator.normal()) for name, far in level.items()}
                where = {"dump": benchmark, "sample": f"s{sample}", "normalisation": "none", "seed": 0}
                swept.append(head | where | {"method": method} | spread)
    return pd.DataFrame(swept), pd.DataFrame(scored)


@pytest.fixture(scope="module")
def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    return made_up(0, noise=0.01, w2=lambda score: 3.0 - 2.0 * score, effective_rank=np.exp)


@pytest.fixture(scope="module")
def found(tables: tuple[pd.DataFrame, pd.DataFrame]) -> PredictorTables:
    return predictor_tables(*tables, ratio=RATIO, resamples=400)


def test_a_cell_is_the_correlation_of_means_with_scores(
    tables: tuple[pd.DataFrame, pd.DataFrame], found: PredictorTables
) -> None:
    sweep, accuracy = tables
    means = sweep.groupby(["benchmark", "method"])[list(DISTANCES)].mean()
    scores = accuracy[accuracy["method"] != FULL].set_index(["benchmark", "method"])["value"]
    assert len(found.matrix) == 2 * len(DISTANCES) * (len(BENCHMARKS) + 1)
    for row in found.matrix.itertuples():
        far, good = (one if row.benchmark == MEAN else one.loc[[row.benchmark]] for one in (means, scores))
        both = far.groupby("method").mean().join(good.groupby("method").mean())
        both = both.drop(index=["first", "last"]) if row.without_ends else both
        assert row.n_methods == len(both) == 20 - 2 * row.without_ends
        assert row.rho == pytest.approx(spearmanr(both[row.distance], both["value"]).statistic)
        assert row.closer == DISTANCES[row.distance].closer
        assert row.samples == (20 if row.benchmark == MEAN else 5)
        assert row.p <= row.p_holm <= 1.0
    point = found.points.set_index(["benchmark", "method"]).loc[("b", "method-07")]
    assert point[list(DISTANCES)].tolist() == pytest.approx(means.loc[("b", "method-07")].tolist())
    assert point["score"] == scores[("b", "method-07")]


def test_what_is_a_function_of_the_score_is_found_in_its_direction(found: PredictorTables) -> None:
    planted = found.matrix[~found.matrix["distance"].isin(OTHERS)]
    assert (planted["rho"].abs() > 0.97).all()
    assert (np.sign(planted["rho"]) == np.where(planted["distance"] == "w2", -1.0, 1.0)).all()
    assert (planted["low"] * planted["high"] > 0.0).all()
    assert (planted["p_holm"] < 0.01).all()
    exact = predictor_tables(*made_up(1, samples=2, w2=lambda score: -score), ratio=RATIO, resamples=50)
    # Without noise in scores, and with little in the images, only the methods are drawn anew.
    own = exact.matrix[(exact.matrix["distance"] == "w2") & (exact.matrix["benchmark"] != MEAN)]
    assert own["rho"].to_numpy() == pytest.approx(-1.0, abs=0.02)


@pytest.fixture
def few_permutations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw as many pairings as Holm's method needs here, and no more."""
    monkeypatch.setattr(statistics, "MONTE_CARLO_PERMUTATIONS", 4000)


@pytest.mark.usefixtures("few_permutations")
def test_noise_stays_unmarked_but_for_about_one_cell_in_twenty() -> None:
    marked, significant = [], []
    for seed in range(3):
        matrix = predictor_tables(*made_up(10 + seed), ratio=RATIO, resamples=300).matrix
        own = matrix[~matrix["without_ends"] & (matrix["benchmark"] != MEAN)]
        marked += ((own["low"] > 0.0) | (own["high"] < 0.0)).tolist()
        significant.append((own["p_holm"] < 0.05).sum())
    assert len(marked) == 144
    assert 0.0 < np.mean(marked) < 0.12, "two standard errors above one in twenty, and more than none"
    assert sum(significant) == 0


@pytest.mark.usefixtures("few_permutations")
def test_methods_are_drawn_anew_too() -> None:
    sweep, accuracy = made_up(2, samples=2)
    matrix = predictor_tables(sweep, accuracy, ratio=RATIO, resamples=400).matrix
    width = (matrix["high"] - matrix["low"]).mean()
    assert 0.6 < width < 1.1, "about four standard errors of a correlation over twenty methods"
    again = predictor_tables(sweep, accuracy, ratio=RATIO, resamples=400).matrix
    pd.testing.assert_frame_equal(again, matrix)
    other = predictor_tables(sweep, accuracy, ratio=RATIO, resamples=400, seed=1).matrix
    assert (other["low"] != matrix["low"]).any()


def test_only_methods_with_distance_and_score_are_compared(
    tables: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    sweep, accuracy = tables
    unscored = (accuracy["method"] == "method-03") & (accuracy["benchmark"] == "b")
    swept = sweep[sweep["method"] != "method-05"].drop(columns=OTHERS)
    found = predictor_tables(swept, accuracy[~unscored], ratio=RATIO, resamples=20)
    counts = found.matrix[~found.matrix["without_ends"]].set_index("benchmark")["n_methods"]
    assert set(found.matrix["distance"]) == {"w2", "effective_rank"}
    assert counts.groupby(level=0).first().to_dict() == {"a": 19, "b": 18, "c": 19, "d": 19, MEAN: 18}
    overall = found.points[found.points["benchmark"] == MEAN].set_index("method")
    assert overall.index[overall["score"].isna() & overall["w2"].notna()].tolist() == ["method-03"]
    assert overall.index[overall["w2"].isna()].tolist() == ["method-05"]


def test_one_image_has_a_correlation_and_neither_interval_nor_test() -> None:
    sweep, accuracy = made_up(1, samples=2, w2=lambda score: -score)
    alone = sweep[(sweep["benchmark"] != "a") | (sweep["sample"] == "s0")]
    matrix = predictor_tables(alone, accuracy, ratio=RATIO, resamples=20).matrix
    w2 = matrix[matrix["distance"] == "w2"].set_index("benchmark")
    assert (w2["rho"] < -0.9).all()
    unknown = w2[["low", "high", "p", "p_holm"]].isna()
    assert unknown.loc[["a", MEAN]].all(axis=None), "and so has a mean that it is part of"
    assert not unknown.drop(index=["a", MEAN]).any(axis=None)


def test_without_scores_nothing_is_known(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    found = predictor_tables(tables[0], None, ratio=RATIO, resamples=20)
    assert found.matrix[["rho", "low", "high", "p", "p_holm"]].isna().all(axis=None)
    assert (found.matrix["n_methods"] == 0).all()
    assert found.points["w2"].notna().all()


def test_two_methods_make_no_correlation() -> None:
    sweep, accuracy = made_up(3, samples=2)
    few = sweep[sweep["method"].isin(["first", "last", "method-00", "method-01"])]
    matrix = predictor_tables(few, accuracy, ratio=RATIO, resamples=20).matrix
    assert matrix.loc[~matrix["without_ends"], "rho"].notna().all()
    assert matrix.loc[matrix["without_ends"], ["rho", "p_holm"]].isna().all(axis=None)


def test_mistakes_are_named(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    sweep, accuracy = tables
    with pytest.raises(InputError, match="none of the distances w2, "):
        predictor_tables(sweep.drop(columns=list(DISTANCES)), accuracy, ratio=RATIO)
    with pytest.raises(InputError, match=r"no row of .* at ratio 0\.5"):
        predictor_tables(sweep, accuracy, ratio=0.5)
    with pytest.raises(InputError, match="no row with normalisation 'rows'"):
        predictor_tables(sweep, accuracy, ratio=RATIO, normalise="rows")
    with pytest.raises(InputError, match="must be a DataFrame"):
        predictor_tables(None, accuracy)  # type: ignore[arg-type]


def test_the_bundled_matrix_is_that_of_its_methods_and_of_their_scores() -> None:
    """By SciPy from the means beside it, and these from the table of accuracies."""
    accuracy = read_accuracy(bundled_accuracy_path())
    matrix, points = (
        pd.read_csv(bundled_model_path() / f"{name}.csv") for name in ("predictors", "predictors_methods")
    )
    chosen = accuracy[(accuracy.ratio == 0.098) & (accuracy.gamma.isna() | (accuracy.gamma == 0.01))]
    scores = chosen.groupby(["benchmark", "method"]).value.mean().unstack("benchmark")
    scores[MEAN] = scores.mean(axis=1)
    known = points.dropna(subset=["w2"])
    expected = [scores.loc[row.method, row.benchmark] for row in known.itertuples()]
    np.testing.assert_allclose(known.score, expected, rtol=WRITTEN)
    assert set(known.method) == set(TOKEN_METHODS)
    assert len(matrix) == 2 * len(DISTANCES) * known.benchmark.nunique()
    for cell in matrix.itertuples():
        own = known[(known.benchmark == cell.benchmark) & ~(cell.without_ends & known.method.isin(ENDS))]
        assert cell.rho == pytest.approx(spearmanr(own[cell.distance], own.score).statistic, abs=WRITTEN)
        assert cell.n_methods == len(own)
