"""One question asked twice: the answers are the model's, and the evidence says what was kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from otanalysis.errors import InputError
from otanalysis.mini.benchmarks import BENCHMARKS
from otanalysis.vlm import VisionLanguageModel, load_model, try_pruning
from otanalysis.vlm.answer import answer_prompts, build_prompt, question_prompt
from otanalysis.vlm.layout import layers_of


@pytest.fixture(scope="module")
def vlm(untrained: Path) -> VisionLanguageModel:
    return load_model(untrained, name="untrained")


def test_both_answers_are_those_of_prompts_with_all_and_with_kept_tokens(vlm: VisionLanguageModel) -> None:
    """Against the other path to a pruned answer, which the accuracies of the bundled model take."""
    (item,) = BENCHMARKS["presence"].items(1)
    trial = try_pruning(vlm, item.picture, item.question.text, selector="divprune", keep=40, max_new_tokens=5)
    (tokens,) = vlm.visual_tokens([item.picture])
    prompt = f"<image> {item.question.text}"
    kept = tokens[trial.image.indices]
    answers = [answer_prompts(vlm, [prompt], [one], max_new_tokens=5)[0] for one in (tokens, kept)]
    assert [trial.full.text, trial.pruned.text] == answers
    assert (trial.image.keep, trial.image.m, trial.prompt.split()) == (40, 576, prompt.split())
    assert min(trial.full.seconds, trial.pruned.seconds) > 0
    (layer,) = layers_of(trial.image.views)
    assert layer.grid == (24, 24)


def test_a_model_is_as_before_afterwards(vlm: VisionLanguageModel) -> None:
    (item,) = BENCHMARKS["presence"].items(1)
    before = dict(vars(vlm.model))
    try_pruning(vlm, item.picture, "is there a 7 ?", selector="uniform", ratio=0.1, max_new_tokens=1)
    assert vars(vlm.model) == before


def test_tiles_of_a_real_tiling_processor_are_drawn_together(zoo: Any) -> None:
    model, processor = zoo.load("internvl")
    vlm = VisionLanguageModel("internvl", model, processor)
    picture = np.asarray(zoo.picture(40, 80, seed=4))
    prompt = zoo.prompt("internvl", "which colour ?")
    trial = try_pruning(vlm, picture, prompt, selector="uniform", ratio=0.5, max_new_tokens=2)
    layers = layers_of(trial.image.views)
    assert len(layers) == 2
    assert sorted(patch for layer in layers for patch in layer.patches) == list(range(trial.image.m))


def test_a_question_is_asked_as_a_task_asks_it_unless_it_is_a_whole_prompt(vlm: VisionLanguageModel) -> None:
    asked = question_prompt(vlm.processor, "why ?")
    assert asked == build_prompt(vlm.processor, "why ?", images=1) != "why ?"
    assert question_prompt(vlm.processor, "<image> why ?") == "<image> why ?"


def test_two_placeholders_for_one_picture_are_refused(vlm: VisionLanguageModel) -> None:
    picture = np.zeros((192, 192, 3), np.uint8)
    with pytest.raises(InputError, match="One picture wants one <image>"):
        try_pruning(vlm, picture, "<image> <image> is there a 7 ?", keep=4)


def test_an_image_on_disk_gives_the_same_tokens(vlm: VisionLanguageModel, tmp_path: Path) -> None:
    (item,) = BENCHMARKS["presence"].items(1)
    Image.fromarray(item.picture).save(tmp_path / "scene.png")
    again = np.asarray(Image.open(tmp_path / "scene.png"))
    first, second = (vlm.visual_tokens([picture])[0] for picture in (item.picture, again))
    assert torch.equal(first, second)
