"""``otanalysis ladder`` prints what it writes, and goes wrong in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner, Result

from otanalysis.cli.ladder import ladder
from otanalysis.defaults import COMPARED_METHODS
from otanalysis.progress import reported

Refused = Callable[[Result, str, Path], None]
MakeDump = Callable[..., Path]
SMALL = ("--ratios", "0.25", "--normalise", "none,rows", "--subsets", "8", "--jobs", "1", "--quiet")


def run(*arguments: object) -> Result:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(reported()(ladder))
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_printed_numbers_are_those_of_the_written_summary(make_dump: MakeDump, tmp_path: Path) -> None:
    dumps = [make_dump("a", samples=2), make_dump("b", samples=2, seed=1)]
    result = run(*dumps, *SMALL, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    rows = pd.read_parquet(tmp_path / "out" / "ladder.parquet")
    assert len(rows) == 4 * 2 * (len(COMPARED_METHODS) + 8)
    summary = pd.read_csv(tmp_path / "out" / "ladder_summary.csv")
    own = summary[(summary["benchmark"] == "mean") & (summary["measure"] == "trace_objective")]
    own = own[own["normalisation"] == "none"].set_index(["pool", "quantity"])
    line = next(words for words in result.stdout.splitlines() if "trace term alone" in words)
    low, high = own.loc[("all", "rho"), ["low", "high"]]
    for shown in (
        f"{own.loc[('all', 'rho'), 'value']:.2f} ({low:.2f} to {high:.2f})",
        f"{own.loc[('random', 'rho'), 'value']:.2f}",
        f"{100 * own.loc[('all', 'win_rate'), 'value']:.0f}%",
        f"{own.loc[('all', 'regret'), 'value']:.2f}",
    ):
        assert shown in line
    assert "constant" in result.stdout  # tr Sigma_C on rows of one length
    assert str(tmp_path / "out" / "ladder_summary.csv") in result.stdout.replace("\n", "")


def test_a_further_distance_has_its_line(make_dump: MakeDump, tmp_path: Path) -> None:
    result = run(
        make_dump("a", samples=2), *SMALL, "--out", tmp_path / "out", "--distances", "effective_rank"
    )
    assert result.exit_code == 0, result.stderr
    summary = pd.read_csv(tmp_path / "out" / "ladder_summary.csv").query("benchmark == 'mean'")
    own = summary.query("measure == 'effective_rank' and pool == 'random' and quantity == 'rho'")
    lines = [words for words in result.stdout.splitlines() if "effective rank" in words]
    assert len(lines) == len(own) == 2
    assert all(f"{value:.2f}" in line for line, value in zip(lines, own["value"], strict=True))


def test_json_holds_the_overall_rows(make_dump: MakeDump, tmp_path: Path) -> None:
    result = run(make_dump("a", samples=2), *SMALL, "--out", tmp_path / "out", "--json", "--limit", 1)
    assert result.exit_code == 0, result.stderr
    said = pd.DataFrame(json.loads(result.stdout))
    assert (said["n"].isin([0, 1])).all()
    assert len(said) == 2 * 2 * (7 * 3 + 1)
    assert said["low"].isna().all()


def test_the_papers_gamma_reaches_the_study(make_dump: MakeDump, tmp_path: Path) -> None:
    dump = make_dump("a", samples=1)
    for gamma_of in ("released", "paper"):
        assert run(dump, *SMALL, "--gamma-of", gamma_of, "--out", tmp_path / gamma_of).exit_code == 0
    released, paper = (pd.read_parquet(tmp_path / one / "ladder.parquet") for one in ("released", "paper"))
    assert (released["w2"] == paper["w2"]).all()
    assert (released["logdet"] < paper["logdet"]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--ratios", "a"], "--ratios"),
        (["--ratios", "2"], "(0, 1]"),
        (["--normalise", "cells"], "Unknown normalisation 'cells'"),
        (["--subsets", "1"], "At least 4 subsets"),
        (["--jobs", "0"], "jobs must be at least 1"),
        (["--gamma", "0"], "gamma"),
        (["--gamma-of", "mine"], "gamma_of must be one of released, paper"),
    ],
)
def test_mistakes_are_one_sentence(
    make_dump: MakeDump, assert_refused: Refused, tmp_path: Path, options: list[str], message: str
) -> None:
    assert_refused(run(make_dump("a"), *options, "--out", tmp_path / "out"), message, tmp_path / "out")
