"""``otanalysis train-stamps``: its options reach the training, and what is missing is one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from otanalysis.cli import app

Refused = Callable[[Result, str, Path], None]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["train-stamps", *map(str, arguments)])


def test_every_option_reaches_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from otanalysis.stamps import StampSettings
    from otanalysis.stamps.training import export
    from otanalysis.stamps.training.train import AdapterRecipe

    asked: dict[str, Any] = {}

    def train(out: Path, **given: Any) -> Path:
        asked.update(given)
        return out / "adapter.safetensors"

    monkeypatch.setattr(export, "train_adapter", train)
    where = ("--out", tmp_path, "--work", tmp_path / "work", "--wheels", tmp_path / "w", "--stamps", "s")
    how = ("--backgrounds", "natural", "--hold-out", "--seed", 2, "--steps", 7, "--device", "cuda")
    done = run(*where, *how, "--jobs", 3, "--wait")
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{tmp_path / 'adapter.safetensors'}\n"
    assert asked == {
        "work": tmp_path / "work",
        "settings": StampSettings(Path("s"), "natural", hold_out=True),
        "recipe": AdapterRecipe(steps=7),
        "seed": 2,
        "device": "cuda",
        "wheels": tmp_path / "w",
        "jobs": 3,
        "wait": True,
    }
    run("--out", tmp_path)
    assert asked["recipe"] == AdapterRecipe()


def test_missing_photographs_are_one_sentence(tmp_path: Path, assert_refused: Refused) -> None:
    pytest.importorskip("torch")
    out = tmp_path / "adapter"
    done = run("--stamps", tmp_path / "nowhere", "--out", out, "--work", tmp_path / "work")
    assert_refused(done, "apt install tuxpaint-stamps-default", out)
