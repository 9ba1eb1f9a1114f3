"""``otanalysis accuracy compare``: the published table, one's own, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from otanalysis.cli import app


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["accuracy", "compare", *map(str, arguments)], env={"COLUMNS": "120"})


def test_the_published_p_stands_beside_its_readings(tmp_path: Path) -> None:
    out = tmp_path / "new" / "pairs.csv"
    result = run("otprune", "divprune", "--out", out)
    assert result.exit_code == 0, result.stderr
    assert "0.028" in result.stdout
    assert "LLaVA-1.5-13B (p_normal) gives it" in " ".join(result.stdout.split())
    assert "92.5|91.3" in result.stdout
    assert "1|2 of 6" in result.stdout
    table = pd.read_csv(out)
    assert table.loc[table.printed_by == "p_normal", "model"].tolist() == ["LLaVA-1.5-13B"]
    assert len(table) == 4 * 5  # three models and all, each whole and in four groups
    assert table.pairs.sum() == 2 * (33 + 33)


def test_one_model_as_json_says_nothing_else() -> None:
    result = run("otprune", "divprune", "--model", "LLaVA-1.5-7B", "--json")
    rows = json.loads(result.stdout)
    assert rows[0]["group"] == "all"
    assert {row["model"] for row in rows} == {"LLaVA-1.5-7B"}


def test_the_rest_and_single_benchmarks() -> None:
    rest = json.loads(run("otprune", "divprune", "--without", "captioning", "--json").stdout)
    assert [row["pairs"] for row in rest if row["group"] == "all"] == [8, 8, 8, 24]
    assert "printed_p" not in rest[0]
    single = run("otprune", "divprune", "--by", "benchmark", "--model", "LLaVA-1.5-7B")
    assert [line for line in single.stdout.splitlines() if "pope" in line and "-7.48%" in line]


def test_a_table_of_ones_own_has_no_word_on_the_paper(tmp_path: Path) -> None:
    rows = [("mine", "gqa", "x", 2.0), ("mine", "gqa", "y", 1.0)]
    table = pd.DataFrame(rows, columns=["model", "benchmark", "method", "value"])
    table.assign(ratio=0.1, metric="EM", source="here").to_csv(tmp_path / "own.csv", index=False)
    result = run("x", "y", tmp_path / "own.csv")
    assert result.exit_code == 0, result.stderr
    assert "+100.00%" in result.stdout
    assert "paper" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("otprune", "otprune"), "Two different methods"),
        (("otprune", "nobody"), "nobody"),
        (("otprune", "divprune", "--model", "none"), "No benchmark"),
        (("otprune", "divprune", "--out", "pairs.txt"), ".csv"),
        (("otprune", "divprune", "--by", "model"), "--by wants group or benchmark, got 'model'"),
        (("otprune", "divprune", "--without", "counting"), "no group or benchmark 'counting' to leave out"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_status_2(arguments: tuple[str, ...], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
