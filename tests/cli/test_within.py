"""``otanalysis within`` prints what it writes, takes lists of questions, and goes wrong in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner, Result

from otanalysis.cli.within import within
from otanalysis.mini import write_pictures
from otanalysis.progress import reported

pytest.importorskip("torch")

Refused = Callable[[Result, str, Path], None]
SMALL = ("--subsets", "7", "--positions", "original", "--jobs", "1", "--quiet")


def run(*arguments: object) -> Result:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(reported()(within))
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_printed_numbers_are_those_of_the_written_summaries(tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run(*SMALL, "--limit", 3, "--out", out)
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    summary = pd.read_csv(out / "within_summary.csv")
    overall = summary[(summary["benchmark"] == "mean") & (summary["given"] == "nothing")]
    row = overall[(overall["measure"] == "quantisation_error") & (overall["pool"] == "all")].iloc[0]
    line = next(words for words in result.stdout.splitlines() if words.startswith(" quantisation error"))
    assert f"{row['value']:.2f} [{row['low']:.2f},{row['high']:.2f}]" in line
    assert row["n"] == 3
    swaps = pd.read_csv(out / "within_swaps.csv")
    gain = swaps[(swaps["benchmark"] == "mean") & (swaps["quantity"] == "log_probability")].iloc[0]
    assert f"{gain['value']:.2f} [{gain['low']:.2f},{gain['high']:.2f}]" in result.stdout
    said = json.loads(run(*SMALL, "--limit", 3, "--out", out, "--json").stdout)
    assert len(said["correlations"]) == (summary["benchmark"] == "mean").sum()
    assert len(said["swaps"]) == (swaps["benchmark"] == "mean").sum()


def test_questions_of_ones_own_are_asked(tmp_path: Path) -> None:
    asked = write_pictures(tmp_path / "mine", "presence", 2)
    out = tmp_path / "out"
    result = run(*SMALL, "--questions-file", asked, "--questions", 1, "--out", out)
    assert result.exit_code == 0, result.stderr
    rows = pd.read_parquet(out / "within.parquet")
    assert set(rows["sample"]) == {"presence-test-00000"}
    assert set(rows["benchmark"]) == {"questions"}


def test_questions_about_stamps_are_asked(stamps: Path, tmp_path: Path) -> None:
    world = ("--scenes", "stamps", "--stamps", stamps)
    result = run(*SMALL, *world, "--questions", 1, "--limit", 1, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    rows = pd.read_parquet(tmp_path / "out" / "within.parquet")
    assert rows["sample"].str.startswith("stamps-presence-test-").all()
    assert len(rows) == 7


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--limit", "0"), "--limit must be at least 1 question"),
        (("--subsets", "3"), "subsets must be an integer from 7 on"),
        (("--positions", "left"), "positions must be one of"),
        (("--questions-file", "nowhere.csv"), "nowhere.csv cannot be read"),
        ((".", "--limit", "1"), "holds no config.json"),
    ],
)
def test_mistakes_are_refused_in_one_sentence(
    arguments: tuple[str, ...], said: str, tmp_path: Path, assert_refused: Refused
) -> None:
    result = run(*arguments, "--quiet", "--out", tmp_path / "out")
    assert_refused(result, said, tmp_path / "out")
