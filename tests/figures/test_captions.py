"""A verdict follows the numbers, whichever way they fall."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from otanalysis.figures import caption2, caption3, caption4, caption5
from otanalysis.figures.captions import questions_words
from otanalysis.stats.figure_tables import figure3_table, figure4_table, figure5_table
from otanalysis.stats.rank_tables import Figure2Tables, figure2_ratios, figure2_tables

PAPER = ("first", "last", "uniform", "random", "divprune")
PAPER_LABELS = "First-K, Last-K, Uniform, Random, DivPrune"
KEPT = ("5", "9.8", "15", "20")


def with_scores(tables: Any, slope: float) -> Figure2Tables:
    """Scores that follow the mean distance of the method with this slope."""
    accuracy = tables.accuracy.copy()
    for name in PAPER:
        far = tables.sweep[(tables.sweep.method == name) & (tables.sweep.ratio == 0.098)].w2.mean()
        accuracy.loc[accuracy.method == name, "value"] = 0.5 + slope * far
    accuracy["standard_error"] = 1e-6
    return figure2_tables(tables.sweep, accuracy, methods=PAPER)


@pytest.mark.parametrize(
    ("slope", "verdict", "number"),
    [
        (-0.01, "**Verdict.** The claim holds here", "ρ = −1.00"),
        (0.01, "The opposite of the claim", "ρ = 1.00"),
    ],
)
def test_figure2_verdict_follows_the_sign(tables: Any, slope: float, verdict: str, number: str) -> None:
    caption = caption2({"figure2": with_scores(tables, slope)})
    assert verdict in caption
    assert number in caption
    assert "exact p = 0.0167" in caption
    assert "The smallest two-sided p that 5 methods can give is 0.017." in caption


def test_figure2_is_undecided_when_the_p_value_is(tables: Any) -> None:
    found = figure2_tables(tables.sweep, tables.accuracy, methods=PAPER)
    p = found.correlations.set_index("benchmark").p_value["mean"]
    assert p > 0.05
    caption = caption2({"figure2": found, "another": found})
    assert "**Verdict.** Undecided" in caption
    assert "| `another` |" in caption


def test_figure2_says_which_sign_means_what_and_lists_every_ratio(tables: Any) -> None:
    every = figure2_ratios(tables.sweep, tables.accuracy, methods=PAPER)
    caption = caption2({"figure2": with_scores(tables, -0.01), "figure2_ranks": every})
    assert "its claim is +1 there, which is −1 here" in caption
    assert "| `figure2` | First-K, Last-K, Uniform, Random, DivPrune | W2 | 9.8% | −1.00 |" in caption
    assert "| 1.00 | 0.0167 |" in caption
    assert [caption.count(f"`figure2_ranks` | {PAPER_LABELS} | W2 | {kept}% |") for kept in KEPT] == [1] * 4


def test_figure2_without_scores_claims_nothing(tables: Any) -> None:
    caption = caption2({"figure2": figure2_tables(tables.sweep, None, methods=PAPER)})
    assert "no overall correlation" in caption
    assert "claim holds" not in caption
    assert "nan" not in caption


def test_figure3_names_the_highest(tables: Any) -> None:
    table = figure3_table(tables.sweep, tables.accuracy)
    assert "OTPrune is not highest" in caption3(table)
    own = (table.method == "otprune") & (table.quantity == "relative_score")
    raised = table.copy()
    raised.loc[own, ["value", "low", "high"]] += 5.0
    assert "OTPrune is highest; it and the next have intervals that lie apart" in caption3(raised)
    assert "no mean score" in caption3(figure3_table(tables.sweep, None))


def factor(table: pd.DataFrame, by: float) -> pd.DataFrame:
    return table.assign(**{name: by * table[name] for name in ("value", "low", "high")})


def test_figure4_verdict_in_all_three_ways(tables: Any) -> None:
    table = figure4_table(tables.sweep)
    assert "OTPrune does not have the smallest distance: 8 of 8" in caption4(table)
    assert "smallest distance at every ratio, as claimed" in caption4(factor(table, 10.0))
    one = table.method == "ot-medoids"
    mixed = caption4(pd.concat([factor(table[one], 0.1), factor(table[~one], 10.0)]))
    assert "1 of 8 methods are closer at every ratio, OT-medoids (0.03)" in mixed
    assert "farther at every ratio: DivPrune" in mixed
    wide = table.assign(low=0.1, high=10.0)
    assert "Undecided for DivPrune" in caption4(wide)
    assert ". Beside it: OTPrune, paper's γ (0.7" in caption4(table), "OTPrune is no rival of itself"


def test_figure5_states_range_and_drift(tables: Any) -> None:
    table = figure5_table(tables.sweep, tables.accuracy)
    caption = caption5(table)
    scores = table[(table.benchmark == "mean") & (table.quantity == "score") & np.isclose(table.ratio, 0.05)]
    assert f"{scores.value.min():.3f}" in caption
    assert f"{scores.value.max():.3f}" in caption
    assert "times that at γ = 0.01" in caption
    one = table[(table.gamma == 0.01) & (table.method == "otprune")]
    assert "Nothing to compare" in caption5(one)
    assert "mean score" not in caption5(figure5_table(tables.sweep, None))


def test_figure5_judges_the_sentence_on_gamma_in_the_unit_that_has_its_grid(tables: Any) -> None:
    table = figure5_table(tables.sweep, tables.accuracy)
    own = (table.quantity == "relative_score") & (table.method == "otprune-paper")
    for score, words in ((0.9, "plateau from 0.01 on: holds"), (0.5, "plateau from 0.01 on: does not hold")):
        scores = table.gamma.map({0.005: 0.85, 0.01: 0.9, 0.05: 0.9, 0.1: score})
        caption = caption5(table.assign(value=table.value.where(~own, scores)))
        assert "In the paper's unit, better from 0.005 to 0.01: holds (+0.050, +0.050 to +0.050 at" in caption
        assert words in caption


def test_figure4_without_a_rival_claims_nothing(tables: Any) -> None:
    alone = figure4_table(tables.sweep, methods=["otprune-paper"])
    assert "There is no other method to compare OTPrune with." in caption4(alone)


def certain(tables: Any) -> dict[str, str]:
    """Return the captions of Figures 2 to 5 on numbers that could not be clearer but for their intervals."""
    own = tables.sweep["method"] == "otprune"
    sweep = tables.sweep.assign(w2=tables.sweep["w2"].where(~own, tables.sweep["w2"] / 100.0))
    ranks = {name: with_scores(tables, -0.01) for name in ("figure2", "figure2_again")}
    found = {"2": caption2(ranks), "4": caption4(figure4_table(sweep, methods=["otprune", *PAPER]))}
    scores = tables.accuracy.assign(n=1)
    return found | {
        "3": caption3(figure3_table(sweep, scores)),
        "5": caption5(figure5_table(sweep, scores).query("benchmark in ('presence', 'mean')")),
    }


def test_a_single_image_or_question_decides_nothing_and_reads_well(build_tables: Any) -> None:
    one, several = (certain(build_tables(("presence",), samples=count)) for count in (1, 2))
    for caption in one.values():
        assert not re.search(r"\bnan\b", caption)
        assert not any(words in caption for words in ("lie apart", "overlap", "as claimed", "claim holds"))
    assert "**Verdict.** Undecided: ρ = −1.00 overall, without an interval or a test." in one["2"]
    assert "| −1.00 | no interval | 1.00 | – | – |" in one["2"]
    assert "The claim holds here: ρ = −1.00 overall (95% interval " in several["2"]
    assert "it and the highest have no intervals to compare" in one["3"]
    assert "**Verdict.** Undecided for " in one["4"]
    assert "; farther than OTPrune: none." in one["4"]
    assert "smallest distance at every ratio, as claimed" in several["4"]
    assert one["5"].count("with no intervals to compare") == len(KEPT)
    assert "plateau from 0.01 on: not decidable here (" in one["5"]
    assert ", no interval at " in one["5"]


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({}, " Scores are of 400 questions a benchmark."),
        ({("dpp", 0.1): 32, ("dpp", 0.2): 32}, "; those of DPP are of 32, with wider intervals."),
        ({("dpp", 0.1): 32, ("dpp", 0.2): 48}, "; those of DPP are of 32 to 48, with wider intervals."),
        ({("dpp", 0.1): 32}, "; some are of 32, with wider intervals."),  # others of DPP are of 400
    ],
)
def test_scores_of_fewer_questions_are_told(counts: dict[tuple[str, float], int], words: str) -> None:
    rows = pd.DataFrame(
        [
            {"benchmark": name, "method": method, "ratio": ratio, "n": counts.get((method, ratio), 400)}
            for name in ("gqa", "pope", "mean")
            for method in ("otprune", "dpp", "first")
            for ratio in (0.1, 0.2)
        ]
    ).assign(quantity="score", value=0.5)
    distances = rows.assign(quantity="distance", n=8)
    table = pd.concat([rows.assign(n=rows["n"].where(rows["benchmark"] != "mean", 5000)), distances])
    assert questions_words(table).endswith(words)
    assert questions_words(table).startswith(" Scores are of 400 questions a benchmark")
    assert questions_words(distances) == ""


def test_benchmarks_may_differ_in_their_questions() -> None:
    rows = {
        "benchmark": ["gqa", "pope"],
        "method": "dpp",
        "quantity": "score",
        "value": 0.5,
        "n": [12578, 9000],
    }
    assert questions_words(pd.DataFrame(rows)) == " Scores are of 9,000 to 12,578 questions a benchmark."


def test_figures_3_and_5_say_of_how_many_questions_their_scores_are(tables: Any) -> None:
    said = "questions a benchmark"
    assert said in caption3(figure3_table(tables.sweep, tables.accuracy))
    assert said in caption5(figure5_table(tables.sweep, tables.accuracy))
