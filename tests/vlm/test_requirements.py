"""A transformers that is too old is named in one sentence, by the calls of Python and on the command line."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from otanalysis.cli import app
from otanalysis.errors import InputError, MissingDependencyError
from otanalysis.vlm import Pruned, VisionLanguageModel, answer_prompts, best_device, encode_images, load_model
from otanalysis.vlm.model import load_processor
from otanalysis.vlm.requirements import OLDEST_TRANSFORMERS, TRIED_TRANSFORMERS

# By name: loading a model may put transformers anew into sys.modules.
VERSION = "transformers.__version__"
OLD = ("4.57.6", "5.0.0", "5.17.0", "5.18.0")
ROOT = Path(__file__).parents[2]


def calls(zoo: Any) -> dict[str, Callable[[], object]]:
    model, processor = zoo.load("llava")
    folder = zoo.folder("llava")
    vlm = VisionLanguageModel("llava", model, processor)
    return {
        "load_model": lambda: load_model(folder),
        "load_processor": lambda: load_processor(folder),
        "Pruned": lambda: Pruned(model, ratio=1.0),
        "encode_images": lambda: encode_images(model, {}),
        "answer_prompts": lambda: answer_prompts(vlm, ["<image>"], [torch.zeros(3, 64)]),
        "best_device": best_device,
    }


@pytest.mark.parametrize("version", OLD)
def test_every_first_call_names_a_version_that_is_too_old(
    zoo: Any, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = calls(zoo)
    monkeypatch.setattr(VERSION, version)
    wanted = rf"^Running a model needs transformers {re.escape(OLDEST_TRANSFORMERS)} or newer, but "
    wanted += rf"{re.escape(version)} is installed: pip"
    for call in made.values():
        with pytest.raises(MissingDependencyError, match=wanted):
            call()


@pytest.mark.parametrize("version", ["5.19.0", "5.20.0.dev0", "6.0.0"])
def test_newer_versions_are_let_through(zoo: Any, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = zoo.load("llava")
    monkeypatch.setattr(VERSION, version)
    assert Pruned(model, ratio=1.0).images == 0  # none yet, and no refusal


@pytest.mark.parametrize("command", ["capture", "train-mini", "train-stamps"])
def test_the_command_line_says_it_in_a_sentence(
    zoo: Any, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = tmp_path / "photos" / "black.png"
    picture.parent.mkdir()
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(picture)
    arguments = {
        "capture": [
            "capture",
            "--images",
            str(picture.parent),
            "--model",
            str(zoo.folder("llava")),
            "--out",
            str(tmp_path / "out"),
        ],
        **{
            name: [name, "--out", str(tmp_path / "out"), "--work", str(tmp_path / "work")]
            for name in ("train-mini", "train-stamps")
        },
    }
    monkeypatch.setattr(VERSION, "4.57.6")
    done = CliRunner().invoke(app, arguments[command])
    assert done.exit_code == 2
    wanted = f"needs transformers {OLDEST_TRANSFORMERS} or newer, but 4.57.6 is installed"
    assert wanted in " ".join(done.stderr.split())
    assert "Traceback" not in done.output
    assert not (tmp_path / "out").exists()


def test_the_oldest_version_is_the_one_that_the_package_asks_for() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    asked = [line for lines in extras.values() for line in lines if re.match(r"transformers\b", line)]
    assert asked == [f"transformers>={OLDEST_TRANSFORMERS}"] * 2


def test_the_version_that_is_advised_is_the_pinned_one() -> None:
    pinned = re.search(r"^transformers==(\d+\.\d+)\.", (ROOT / "constraints.txt").read_text(), flags=re.M)
    assert pinned is not None
    assert pinned[1] == TRIED_TRANSFORMERS


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(
        MissingDependencyError, match=r"torch and transformers \(transformers is not installed\)"
    ):
        best_device()


def test_a_model_whose_whole_call_is_compiled_is_refused_and_told_what_can_be(zoo: Any) -> None:
    around, in_place = torch.compile(zoo.fresh("llava"), backend="eager"), zoo.fresh("llava")
    in_place.compile(backend="eager")
    for model in (around, in_place):
        with pytest.raises(InputError, match=r"model\.forward = torch\.compile\(model\.forward\)"):
            Pruned(model, keep=4)
