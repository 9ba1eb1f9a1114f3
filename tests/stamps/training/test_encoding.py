"""Encoded scenes: the encoder's second to last layer, in files that a stopped run goes on after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from otanalysis.scenes.training.log import TrainingLog
from otanalysis.stamps.assembly.model import build_processor
from otanalysis.stamps.settings import StampSettings
from otanalysis.stamps.training import encoding
from otanalysis.stamps.training.encoding import EncodedScenes, encode
from otanalysis.stamps.training.lessons import Lessons

HALF = 1e-3  # relative: what is kept is float16


@pytest.fixture
def lessons(settings: StampSettings, small_world: Any, monkeypatch: pytest.MonkeyPatch) -> Lessons:
    """Return five lessons, two of which make a file."""
    from transformers import AutoTokenizer

    folder = small_world.adapter.parent
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file="words.gguf")
    monkeypatch.setattr(encoding, "PART", 2)
    monkeypatch.setattr(encoding, "_AT_ONCE", 2)
    return Lessons(settings, 5, build_processor(tokenizer, small_world.encoder).image_processor)


def encoded(lessons: Lessons, small_world: Any, folder: Path) -> EncodedScenes:
    with TrainingLog(folder / "training.csv") as log:
        return encode(lessons, small_world.encoder, folder, log)


def test_features_are_those_of_the_second_to_last_layer(
    lessons: Lessons, small_world: Any, tmp_path: Path
) -> None:
    scenes = encoded(lessons, small_world, tmp_path)
    assert len(scenes) == 5
    assert [len(part) for part in scenes.parts] == [2, 2, 1]
    for number in (4, 1):
        pixels, questions = lessons[number]
        with torch.inference_mode():
            hidden = small_world.encoder(pixels[None], output_hidden_states=True).hidden_states
        wanted = hidden[-2][:, 1:]
        found = scenes.features([number])
        assert float((found - wanted).norm() / wanted.norm()) < HALF
        assert float((found - hidden[-1][:, 1:]).norm() / wanted.norm()) > 10 * HALF
        assert scenes.questions[number] == questions


def test_a_stopped_run_goes_on_after_its_last_file(
    lessons: Lessons, small_world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = encoded(lessons, small_world, tmp_path / "whole")
    painted: list[int] = []
    paint = Lessons.__getitem__

    def stopped(self: Lessons, number: int) -> Any:
        if len(painted) == 3:
            painted.append(-1)
            raise KeyboardInterrupt
        painted.append(number)
        return paint(self, number)

    monkeypatch.setattr(Lessons, "__getitem__", stopped)
    with pytest.raises(KeyboardInterrupt):
        encoded(lessons, small_world, tmp_path / "stopped")
    again = encoded(lessons, small_world, tmp_path / "stopped")
    assert painted == [0, 1, 2, -1, 2, 3, 4]
    assert torch.equal(again.features(range(5)), whole.features(range(5)))
    assert again.questions == whole.questions
