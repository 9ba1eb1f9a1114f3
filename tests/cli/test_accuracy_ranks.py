"""``otanalysis accuracy ranks`` compares methods on the published table and on one's own."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from otanalysis.cli import app

Refused = Callable[[Result, str, Path], None]
PUBLISHED = Path(__file__).parents[2] / "data" / "published" / "accuracy.csv"
MODELS = ("LLaVA-1.5-7B", "LLaVA-1.5-13B", "LLaVA-1.6-7B")
ROUNDING = 1e-12  # relative: sums of eleven shares in another order


def run(*arguments: object, width: int = 120) -> Result:
    words = ["accuracy", "ranks", *map(str, arguments)]
    return CliRunner().invoke(app, words, env={"COLUMNS": str(width)})


def said(*arguments: object) -> list[dict[str, Any]]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    rows: list[dict[str, Any]] = json.loads(result.stdout)
    return rows


def scores_of(model: str) -> dict[str, dict[str, float]]:
    """Return the published scores of a model, by method and benchmark, from the text of the file."""
    scores: dict[str, dict[str, float]] = {}
    with PUBLISHED.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["model"] == model:
                scores.setdefault(row["method"], {})[row["benchmark"]] = float(row["value"])
    return scores


def expected(model: str, methods: list[str], benchmarks: list[str]) -> dict[str, tuple[float, float, float]]:
    """Return average, rank and mean rank, by sorting: equal scores share the middle of their places."""
    scores = scores_of(model)

    def places(values: dict[str, float]) -> dict[str, float]:
        order = sorted(values.values(), reverse=True)
        last = {value: place for place, value in enumerate(order, 1)}
        return {name: last[value] - (order.count(value) - 1) / 2 for name, value in values.items()}

    average = {name: fmean(scores[name][one] / scores["full"][one] for one in benchmarks) for name in methods}
    ranks = [places({name: scores[name][one] for name in methods}) for one in benchmarks]
    mean = {name: fmean(rank[name] for rank in ranks) for name in methods}
    return {name: (average[name], places(average)[name], mean[name]) for name in methods}


def assert_ranked(rows: list[dict[str, Any]], wanted: dict[str, tuple[float, float, float]]) -> None:
    assert [row["method"] for row in rows] == sorted(wanted, key=lambda name: wanted[name][1])
    for row in rows:
        found = (row["average"], row["rank"], row["mean_rank"])
        assert found == pytest.approx(wanted[row["method"]], rel=ROUNDING)


def test_the_published_numbers_of_every_model_by_default() -> None:
    rows = said()
    assert tuple(dict.fromkeys(row["model"] for row in rows)) == MODELS
    for model in MODELS:
        scores = scores_of(model)
        marks = ("(calibrated)", "(fine-tuned)")
        methods = [
            name for name in scores if name != "full" and not name.endswith(marks) and len(scores[name]) == 11
        ]
        own = [row for row in rows if row["model"] == model]
        assert {row["benchmarks"] for row in own} == {11}
        assert_ranked(own, expected(model, methods, [*scores["full"]]))


def test_model_methods_and_benchmarks_choose() -> None:
    options = ("--model", "LLaVA-1.5-7B", "--methods", "vtw,divprune,fastv", "--benchmarks", "gqa,pope,mme")
    rows = said(*options)
    assert {(row["model"], row["benchmarks"]) for row in rows} == {("LLaVA-1.5-7B", 3)}
    assert_ranked(rows, expected("LLaVA-1.5-7B", ["vtw", "divprune", "fastv"], ["gqa", "pope", "mme"]))


def test_people_get_a_table_a_model(tmp_path: Path) -> None:
    out = tmp_path / "tables" / "ranks.csv"
    result = run("--methods", "divprune,fastv,vtw", "--out", out)
    assert result.exit_code == 0, result.stderr
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert [line for line in lines if line.startswith("LLaVA")] == [f"{one}: 11 benchmarks" for one in MODELS]
    wanted = expected(MODELS[0], ["divprune", "fastv", "vtw"], [*scores_of(MODELS[0])["full"]])
    average, rank, mean_rank = wanted["divprune"]
    shown = next(line for line in lines if "divprune" in line).strip("│").split("│")
    assert [cell.strip() for cell in shown] == [
        "divprune",
        f"{100 * average:.1f}%",
        f"{rank:g}",
        f"{mean_rank:.2f}",
    ]
    with out.open(newline="") as file:
        written = list(csv.DictReader(file))
    rows = said("--methods", "divprune,fastv,vtw")
    assert [*written[0]] == [*rows[0]] == ["model", "method", "benchmarks", "average", "rank", "mean_rank"]
    assert [row["method"] for row in written] == [row["method"] for row in rows]
    assert float(written[0]["average"]) == pytest.approx(average, rel=1e-12)
    assert lines[-1].endswith("ranks.csv")


def test_a_table_of_ones_own_with_several_ratios_and_gammas(tmp_path: Path, assert_refused: Refused) -> None:
    table = tmp_path / "mine.csv"
    head = "model,benchmark,method,ratio,gamma,metric,value\n"
    rows = ["full,1,,EM,80", "otprune,0.1,0.01,EM,60", "otprune,0.1,1,EM,40", "otprune,0.2,0.01,EM,70"]
    rows += ["dpp,0.1,,EM,50", "dpp,0.2,,EM,72"]
    table.write_text(head + "".join(f"m,gqa,{row}\n" for row in rows))

    def order(ratio: float, gamma: float) -> list[tuple[str, float]]:
        found = said(table, "--ratio", ratio, "--gamma", gamma)
        return [(row["method"], row["average"]) for row in found]

    assert order(0.1, 0.01) == [("otprune", 0.75), ("dpp", 0.625)]
    assert order(0.1, 1) == [("dpp", 0.625), ("otprune", 0.5)]
    assert order(0.2, 0.01) == [("dpp", 0.9), ("otprune", 0.875)]
    assert_refused(run(table, "--out", tmp_path / "r.csv"), "come with several ratios", tmp_path / "r.csv")


def test_gammas_below_any_rounding_are_told_apart(tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    rows = ["full,1,,EM,80", "otprune,0.1,1e-9,EM,60", "otprune,0.1,1e-12,EM,40", "dpp,0.1,,EM,50"]
    head = "model,benchmark,method,ratio,gamma,metric,value\n"
    table.write_text(head + "".join(f"m,gqa,{row}\n" for row in rows))
    for gamma, average in (("1e-9", 0.75), ("1e-12", 0.5), ("1.0000000001e-12", 0.5)):
        found = {row["method"]: row["average"] for row in said(table, "--gamma", gamma)}
        assert found == {"otprune": average, "dpp": 0.625}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--ratio", "nan"), "The ratio must be a positive number, got nan."),
        (("--ratio", "-1"), "The ratio must be a positive number, got -1."),
        (("--gamma", "inf"), "The gamma must be a positive number, got inf."),
        (("--gamma", "1e-999"), "The gamma must be a positive number, got 0."),
        (("--model", "other"), "The table has no score of other: name one of its models."),
        (("--methods", "divprune,best"), "The table has no score of best for LLaVA-1.5-7B; it has full"),
        (("--methods", "divprune,,vtw"), "--methods wants values separated by commas"),
        (("--benchmarks", "gqa,docvqa"), "Not every method has a score of LLaVA-1.5-7B on docvqa"),
        (("--ratio", 0.5), "wants a name that ends in .csv"),
        (("absent.csv",), "The accuracy table absent.csv does not exist"),
    ],
)
def test_mistakes_are_one_sentence_and_write_nothing(
    tmp_path: Path, assert_refused: Refused, arguments: tuple[object, ...], message: str
) -> None:
    out = tmp_path / ("ranks.txt" if "ends in" in message else "ranks.csv")
    assert_refused(run(*arguments, "--out", out), message, out)
