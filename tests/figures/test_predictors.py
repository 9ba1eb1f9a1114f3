"""Figure P shows its table: a number a cell, a colour where it is told from zero, a dot after Holm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from otanalysis.distances import DISTANCES
from otanalysis.errors import InputError
from otanalysis.figures.build import MATRIX_SAMPLES, run
from otanalysis.figures.predictors import agreement, caption_predictors, draw_predictors
from otanalysis.selection import SELECTORS
from otanalysis.stats.cells import MEAN
from otanalysis.stats.predictors import PredictorTables
from otanalysis.studies import read_provenance, read_sweep

MakeDump = Callable[..., Path]
BENCHMARKS = ("gqa", "pope", MEAN)
RHO = {"w2": -0.9, "trace_objective": -0.5, "quantisation_error": -0.25, "effective_rank": 0.8}


@pytest.fixture(scope="module")
def matrix() -> pd.DataFrame:
    """Return two matrices of four distances, of which the third is not told from zero."""
    rows = []
    for without_ends in (False, True):
        for name, rho in RHO.items():
            for benchmark in BENCHMARKS:
                cell = {
                    "rho": rho,
                    "low": rho - 0.3,
                    "high": rho + 0.3,
                    "p": 0.001,
                    "p_holm": abs(rho) < 0.75,
                }
                where = {"without_ends": without_ends, "distance": name, "benchmark": benchmark}
                about = {"n_methods": 20 - 2 * without_ends, "samples": 32, "ratio": 0.098}
                rows.append(
                    where | cell | about | {"closer": DISTANCES[name].closer, "normalisation": "none"}
                )
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def drawn(matrix: pd.DataFrame) -> Figure:
    return draw_predictors(matrix)


def test_every_cell_has_its_number(drawn: Figure) -> None:
    assert len(drawn.axes) == 2
    for panel in drawn.axes:
        cells = [text.get_text() for text in panel.texts if text.get_ha() == "center"]
        assert cells == [number for number in ("−90", "−50", "−25", "80") for _ in BENCHMARKS]
        names = [text.get_text() for text in panel.texts if text.get_ha() == "right"]
        assert names == ["exact W2 ↓", "trace term alone ↑", "quantisation error ↓", "effective rank ↑"]
    titles = [panel.get_title(loc="left") for panel in drawn.axes]
    assert titles == ["All 20 methods", "18 methods, without First-K and Last-K"]
    assert [label.get_text() for label in drawn.axes[1].get_xticklabels()] == ["gqa", "pope", "overall"]


def test_titles_leave_out_benchmarks_without_scores(matrix: pd.DataFrame) -> None:
    some = matrix.assign(n_methods=matrix["n_methods"].where(matrix["benchmark"] == "pope", 0))
    titles = [panel.get_title(loc="left") for panel in draw_predictors(some).axes]
    assert titles == ["All 20 methods", "18 methods, without First-K and Last-K"]
    none = draw_predictors(matrix.assign(n_methods=0))
    assert [panel.get_title(loc="left") for panel in none.axes] == 2 * ["No method has scores"]


def test_a_colour_is_where_the_interval_excludes_zero_and_says_which_way_is_closer(drawn: Figure) -> None:
    assert len(drawn.axes) == 2
    for panel in drawn.axes:
        shown = np.ma.filled(panel.images[0].get_array(), np.nan)
        assert shown[:, 0].tolist() == pytest.approx([0.9, -0.5, np.nan, 0.8], nan_ok=True)
        assert len(panel.images[0].get_array()[0]) == len(BENCHMARKS)


def test_a_dot_is_where_holm_leaves_a_small_p_value(drawn: Figure) -> None:
    assert len(drawn.axes) == 2
    for panel in drawn.axes:
        dots = [line for line in panel.lines if line.get_marker() == "o"]
        assert {round(float(line.get_ydata()[0]) + 0.26) for line in dots} == {0, 3}
        assert len(dots) == 2 * len(BENCHMARKS)


def test_agreement_is_one_where_closer_is_better(matrix: pd.DataFrame) -> None:
    overall = matrix[(matrix["benchmark"] == MEAN) & ~matrix["without_ends"]]
    assert agreement(overall).tolist() == [0.9, -0.5, 0.25, 0.8]


def test_the_caption_says_what_is_told_from_zero_and_who_is_left_out(matrix: pd.DataFrame) -> None:
    known = {"benchmark": MEAN, "score": 0.5} | dict.fromkeys(RHO, 1.0)
    points = pd.DataFrame([known | {"method": "dpp"}, known | {"method": "fps", "score": np.nan}])
    unswept = pd.DataFrame([{"benchmark": MEAN, "method": "fastv"}])
    words = caption_predictors(PredictorTables(matrix, pd.concat([points, unswept])))
    assert words.startswith("**Figure P. Which distance predicts the score?** Spearman's ρ")
    assert "9.8% of the tokens kept, raw tokens, 2 benchmarks, 32 images" in words
    assert "Holm's method over all 12 cells" in words
    assert "over all methods (20), closer kept tokens have the better score by exact W2 (−0.90) and" in words
    assert (
        "the farther ones by trace term alone (−0.50); not told from zero: quantisation error (−0.25)"
        in words
    )
    assert "without First-K and Last-K (18)" in words
    assert words.count("there remain exact W2 (−0.90) and effective rank (0.80).") == 2
    assert words.endswith("for want of a score; fastv for want of a distance.")
    blank = matrix.assign(rho=np.nan, low=np.nan, high=np.nan, p=np.nan, p_holm=np.nan, n_methods=0)
    assert "too few methods with a score" in caption_predictors(PredictorTables(blank, points))
    assert len(draw_predictors(blank).axes[0].images[0].get_array().compressed()) == 0


def test_many_benchmarks_have_colours_without_numbers(matrix: pd.DataFrame) -> None:
    own = matrix[matrix["benchmark"] != "pope"]
    many = [matrix[matrix["benchmark"] == "pope"].assign(benchmark=f"b{number}") for number in range(30)]
    panel = draw_predictors(pd.concat([own, *many])).axes[0]
    assert [text for text in panel.texts if text.get_ha() == "center"] == []
    assert panel.images[0].get_array().shape == (4, 32)


def test_a_table_without_its_columns_is_refused(matrix: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="Figure P lacks the columns p_holm"):
        draw_predictors(matrix.drop(columns="p_holm"))


def scored(folder: Path, methods: tuple[str, ...]) -> Path:
    """Write scores of these methods at 9.8 %, and of one that the package does not know."""
    head = {"model": "noise", "metric": "acc", "n": 200, "standard_error": 0.03}
    rows = [
        head | {"benchmark": benchmark, "method": method, "ratio": ratio, "value": value}
        for benchmark in ("alpha", "beta")
        for method, ratio, value in [
            ("full", 1.0, 0.9),
            *((method, 0.098, 0.3 + 0.02 * place) for place, method in enumerate((*methods, "fastv"))),
        ]
    ]
    pd.DataFrame(rows).to_csv(folder / "accuracy.csv", index=False)
    return folder / "accuracy.csv"


def test_all_distances_of_all_methods_are_measured_and_compared_as_far_as_there_are_scores(
    make_dump: MakeDump, tmp_path: Path
) -> None:
    dumps = [make_dump(name, samples=1, m=40, d=4, seed=len(name)) for name in ("alpha", "beta")]
    some = ("first", "otprune", "dpp", "uniform", "kmedoids")
    said: list[str] = []
    how: dict[str, Any] = {"jobs": 1, "results": tmp_path / "results", "progress": False, "say": said.append}
    paths = run(["predictors"], dumps, scored(tmp_path, some), tmp_path / "out", normalise="rows", **how)
    names = {f"predictors{end}" for end in (".pdf", ".png", ".csv", "_methods.csv")}
    assert {path.name for path in paths} == {*names, "captions.md", "missing_scores.sh"}
    measured = tmp_path / "results/predictors/sweep.parquet"
    swept = read_sweep(measured)
    assert set(DISTANCES) <= set(swept.columns)
    assert (set(swept["ratio"]), set(swept["normalisation"])) == ({0.098}, {"rows"})
    assert read_provenance(measured)["settings"]["limit"] == MATRIX_SAMPLES
    matrix = pd.read_csv(tmp_path / "out/predictors.csv")
    assert set(matrix["distance"]) == set(DISTANCES)
    assert matrix.groupby("without_ends")["n_methods"].unique().explode().tolist() == [5, 4]
    points = pd.read_csv(tmp_path / "out/predictors_methods.csv")
    assert set(points["method"]) == {*swept["method"], "fastv"}
    assert set(points.dropna()["method"]) == set(some)
    lacking = set(SELECTORS) & set(swept["method"]) - set(some)
    [sentence] = said
    script = (tmp_path / "out/missing_scores.sh").read_text()
    assert all(f"method={name}," in script for name in lacking)
    assert "Scores are left out of the figures" in sentence


def test_one_script_measures_what_several_figures_lack(make_dump: MakeDump, tmp_path: Path) -> None:
    dump = make_dump("alpha", samples=1, m=40, d=4)
    how: dict[str, Any] = {"jobs": 1, "results": tmp_path / "results", "progress": False, "say": len}
    run(["3", "predictors"], [dump], None, tmp_path / "out", **how)
    lines = (tmp_path / "out/missing_scores.sh").read_text().splitlines()
    assert lines[:2] == ["#!/bin/sh", "set -e"]
    assert len(lines) == len(set(lines))
    assert len([line for line in lines if "method=dpp,ratio=" in line]) == 4, "9.8 % is lacked by both"
    assert len([line for line in lines if "method=first,ratio=" in line]) == 1
