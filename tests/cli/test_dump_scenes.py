"""``otanalysis dump-scenes``: from photographs of objects to dumps that the other commands read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from otanalysis.cli import app
from otanalysis.mini.bundled import bundled_model_path
from otanalysis.tokens import open_dump

Refused = Callable[[Result, str, Path], None]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_dumps_of_stamps_are_read_by_verify(stamps: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    how = ("--benchmarks", "list,count", "--limit", 2, "--object-size", 0.8, "--quiet")
    done = run("dump-scenes", "--model", bundled_model_path(), "--stamps", stamps, "--out", tmp_path, *how)
    assert done.exit_code == 0, done.output
    assert done.stdout.split() == [str(tmp_path / "list"), str(tmp_path / "count")]
    assert open_dump(tmp_path / "list").manifest.extra["object_size"] == 0.8
    assert "2 samples" in run("verify", tmp_path / "list").stdout


def test_missing_photographs_are_one_sentence(tmp_path: Path, assert_refused: Refused) -> None:
    pytest.importorskip("torch")
    out = tmp_path / "dumps"
    how = ("--stamps", tmp_path / "nowhere", "--out", out)
    done = run("dump-scenes", "--model", bundled_model_path(), *how)
    assert_refused(done, "apt install tuxpaint-stamps-default", out)
