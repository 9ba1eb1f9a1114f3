"""The schedule, the order of the scenes and the words of the questions."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from otanalysis.scenes import Question
from otanalysis.stamps.assembly.language import read_language
from otanalysis.stamps.assembly.model import IMAGE_TOKEN, build_processor
from otanalysis.stamps.training.encoding import EncodedScenes
from otanalysis.stamps.training.train import AdapterRecipe, Teacher, Wording
from otanalysis.vlm.answer import question_prompt


@pytest.fixture(scope="module")
def processor(small_world: Any) -> Any:
    return build_processor(
        read_language(small_world.adapter.parent / "words.gguf").tokenizer, small_world.encoder
    )


@pytest.mark.parametrize("steps", [40, 3455])
def test_rates_warm_up_wait_and_fall(steps: int) -> None:
    recipe = AdapterRecipe(steps=steps)
    projector, change = zip(*map(recipe.rates, range(steps)), strict=True)
    alone, grown = (math.ceil(share * steps) for share in (recipe.alone, recipe.alone + recipe.growing))
    assert not any(change[:alone])
    assert all(change[alone + 1 :])
    warm = round(recipe.warm * steps)
    assert list(projector[:warm]) == sorted(projector[:warm])
    for rates, peak, start in ((projector, 1e-3, warm), (change, 8e-4, grown)):
        assert list(rates[start:]) == sorted(rates[start:], reverse=True)
        assert max(rates) <= peak
        middle = (start + steps) // 2
        cosine = 0.03 + 0.97 * math.cos(math.pi * middle / steps / 2) ** 2
        assert rates[middle] == pytest.approx(peak * cosine)
    assert change[-1] == pytest.approx(0.03 * 8e-4, rel=0.25)


def test_no_more_scenes_are_drawn_than_the_steps_want() -> None:
    assert AdapterRecipe().drawn == 24_000
    assert AdapterRecipe(steps=2).drawn == 64


def test_every_epoch_shows_every_scene_once_in_an_order_of_its_own(small_world: Any, processor: Any) -> None:
    scenes = EncodedScenes((torch.randn(6, 4, 64).half(),), ((),) * 6)
    teacher = Teacher(small_world.words.model, processor, scenes, AdapterRecipe(batch=2), 0)
    orders = []
    for epoch in range(3):
        seen = []
        for step in range(3):
            teacher.step = 3 * epoch + step
            seen += teacher.batch()
        assert sorted(seen) == list(range(6))
        orders.append(seen)
    assert orders[0] != orders[1] != orders[2]
    teacher.step = 4
    assert teacher.batch() == orders[1][2:4], "it hangs on the step alone"


def test_words_are_those_of_the_whole_prompt(processor: Any) -> None:
    wording = Wording(processor)
    [(question, answer)] = wording.fitting([Question("the th", "a th")], 100)
    image = processor.tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
    whole = processor.tokenizer(question_prompt(processor, "the th") + "a th<|im_end|>")["input_ids"]
    assert [*wording.first, image, *question, *answer] == whole


def test_questions_that_do_not_fit_are_left_out_and_shorter_ones_after_them_are_not(processor: Any) -> None:
    wording = Wording(processor)
    questions = [Question("a" * 3, "b"), Question("c" * 200, "d"), Question("e", "f")]
    everything = wording.fitting(questions, 10_000)
    length = [len(question) + len(answer) - 1 for question, answer in everything]
    room = length[0] + length[2]
    assert wording.fitting(questions, room) == [everything[0], everything[2]]
    assert wording.fitting(questions, room - 1) == everything[:1]
