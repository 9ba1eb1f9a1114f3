"""``otanalysis evaluate`` on both worlds of scenes, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from otanalysis.cli import app

Refused = Callable[[Result, str, Path], None]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def test_stamps_are_asked_about_when_they_are_named(stamps: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    out = tmp_path / "accuracy.csv"
    how = ("--benchmarks", "presence,list", "--methods", "first", "--ratios", "0.05", "--questions", 5)
    where = ("--out", out, "--parts", tmp_path / "parts", "--jobs", 1, "--quiet")
    done = run("--scenes", "stamps", "--stamps", stamps, *how, *where)
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == str(out)
    table = pd.read_csv(out)
    assert set(table.benchmark) == {"presence", "list"}
    assert (table.n == 5).all()
    assert (table.metric == "exact_match").all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--scenes", "letters"), "--scenes must be one of digits, stamps"),
        (("--scenes", "stamps", "--stamps", "nowhere"), "apt install tuxpaint-stamps-default"),
        (("--backgrounds", "natural"), "add --scenes stamps"),
        (("--benchmarks", "absence"), "Unknown benchmark 'absence'; known are presence"),
        (("--scenes", "stamps", "--crowding", 9), "crowding must be a number between 0.25 and 4"),
    ],
)
def test_mistakes_are_refused_in_one_sentence(
    options: tuple[object, ...], message: str, tmp_path: Path, assert_refused: Refused
) -> None:
    out = tmp_path / "accuracy.csv"
    assert_refused(run(*options, "--out", out, "--parts", tmp_path / "parts"), message, out)
