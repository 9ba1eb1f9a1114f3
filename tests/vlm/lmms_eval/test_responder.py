"""Answers are those of the slow way, one question at a time with tokens selected by hand; order is kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from PIL import Image

from otanalysis.mini.benchmarks import BENCHMARKS
from otanalysis.mini.bundled import bundled_model_path
from otanalysis.scenes import Item
from otanalysis.selection import select
from otanalysis.vlm.answer import answer_prompts
from otanalysis.vlm.lmms_eval.responder import Request, Responder, Response
from otanalysis.vlm.model import VisionLanguageModel, load_model
from otanalysis.vlm.pruned import Pruned

SHORT = {"max_new_tokens": 3}
KEPT = 56
"""Of 576 tokens at ratio 0.098."""


@pytest.fixture(scope="module")
def vlm() -> VisionLanguageModel:
    """Load the trained model: an untrained one says the same to every question."""
    return load_model(bundled_model_path())


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return [*BENCHMARKS["read-row"].items(3), *BENCHMARKS["count-colour"].items(2)]


def responder(vlm: VisionLanguageModel, batch_size: int, **pruning: Any) -> Responder:
    settings = {"selector": "otprune", "ratio": 0.098, **pruning}
    return Responder(vlm, Pruned(vlm.model, **settings), batch_size=batch_size, max_new_tokens=5)


def request(item: Item, **settings: Any) -> Request:
    return Request(item.question.text, partial(pictures, item), {**SHORT, **settings})


def pictures(*items: Item) -> list[Image.Image]:
    return [Image.fromarray(item.picture) for item in items]


def by_hand(vlm: VisionLanguageModel, item: Item, method: str) -> str:
    (tokens,) = vlm.visual_tokens([item.picture])
    if method != "full":
        tokens = tokens[torch.from_numpy(select(tokens.double().numpy(), method, ratio=0.098).indices)]
    return answer_prompts(vlm, [f"<image> {item.question.text}"], [tokens], max_new_tokens=3)[0]


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("method", ["otprune", "divprune"])
def test_answers_are_those_of_tokens_selected_by_hand(
    vlm: VisionLanguageModel, items: list[Item], method: str, batch_size: int
) -> None:
    answers = responder(vlm, batch_size, selector=method).answer([request(item) for item in items])
    assert [answer.text for answer in answers] == [by_hand(vlm, item, method) for item in items]


def test_all_tokens_give_other_answers_and_longer_inputs(vlm: VisionLanguageModel, items: list[Item]) -> None:
    whole = responder(vlm, 2, selector="full", ratio=None)
    answers = whole.answer([request(item) for item in items])
    assert [answer.text for answer in answers] == [by_hand(vlm, item, "full") for item in items]
    fewer = responder(vlm, 2).answer([request(item) for item in items])
    assert [a.input_tokens - b.input_tokens for a, b in zip(answers, fewer, strict=True)] == [576 - KEPT] * 5
    assert [answer.text for answer in answers] != [answer.text for answer in fewer]
    assert (whole.pruned.images, whole.pruned.tokens, whole.pruned.kept) == (5, 5 * 576, 5 * 576)


def test_the_order_of_questions_is_kept_whatever_their_length_and_settings(
    vlm: VisionLanguageModel, items: list[Item]
) -> None:
    requests = [request(item, max_new_tokens=2 + place % 2) for place, item in enumerate(items)]
    alone = [responder(vlm, 1).answer([one])[0] for one in requests]
    assert responder(vlm, 3).answer(requests) == alone
    assert responder(vlm, 3).answer(requests[::-1]) == alone[::-1]


def test_words_alone_several_images_and_one_share_a_batch(
    vlm: VisionLanguageModel, items: list[Item]
) -> None:
    requests = [
        Request("is there a 7 ?", list, SHORT),
        Request("<image> and <image> is there a 7 ?", partial(pictures, items[0], items[1]), SHORT),
        Request("is there a 7 ?", partial(pictures, items[2]), SHORT),
    ]
    one = responder(vlm, 3)
    answers = one.answer(requests)
    # <s> and five words; the line break is none.
    assert [answer.input_tokens for answer in answers] == [6, 7 + 2 * KEPT, 6 + KEPT]
    assert one.pruned.images == 3
    assert answers == [responder(vlm, 1).answer([request])[0] for request in requests]
    words = vlm.processor.tokenizer("is there a 7 ?", return_tensors="pt")
    output = vlm.model.generate(**words, max_new_tokens=3, do_sample=False)
    plain = vlm.processor.tokenizer.decode(output[0, 6:], skip_special_tokens=True)
    assert answers[0].text == plain.strip()


def test_random_tokens_follow_the_seed_and_not_the_batch_size(
    vlm: VisionLanguageModel, items: list[Item]
) -> None:
    def kept(seed: int, batch_size: int) -> list[Response]:
        chosen = responder(vlm, batch_size, selector="random", ratio=0.02, seed=seed)
        return chosen.answer([request(item) for item in items])

    assert kept(0, 1) == kept(0, 4) == kept(0, 4)
    assert kept(0, 4) != kept(1, 4)


def test_pictures_of_any_mode_are_read(vlm: VisionLanguageModel, items: list[Item]) -> None:
    (picture,) = pictures(items[0])
    seen = [Request("is there a 7 ?", lambda: [picture.convert("RGBA")], SHORT), request(items[0])]
    first, _ = responder(vlm, 2).answer(seen)
    assert first == responder(vlm, 1).answer([Request("is there a 7 ?", lambda: [picture], SHORT)])[0]


def test_the_length_of_an_answer_is_the_tasks_or_else_the_models(
    vlm: VisionLanguageModel, items: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vlm.model.generation_config, "eos_token_id", 10**6)  # no answer ends by itself
    requests = [request(items[0]), Request("is there a 7 ?", partial(pictures, items[0]))]
    answers = responder(vlm, 1).answer(requests)
    assert [answer.output_tokens for answer in answers] == [3, 5]


def test_an_answer_ends_where_the_model_or_the_task_ends_it(
    vlm: VisionLanguageModel, items: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vlm.model.generation_config, "eos_token_id", 10**6)
    answer = only(responder(vlm, 1).answer([request(items[0], max_new_tokens=5)]))
    words = answer.text.split()
    assert len(words) == 5
    other = next(place for place, word in enumerate(words) if word != words[0])
    stopped = only(responder(vlm, 1).answer([request(items[0], max_new_tokens=5, until=words[other])]))
    assert stopped.text.split() == words[:other]
    end = vlm.processor.tokenizer.convert_tokens_to_ids(words[other])
    monkeypatch.setattr(vlm.model.generation_config, "eos_token_id", [10**6, end])
    ended = only(responder(vlm, 1).answer([request(items[0], max_new_tokens=5)]))
    assert ended.output_tokens == other + 1


def test_a_least_length_of_the_model_counts_the_whole_prompt(
    vlm: VisionLanguageModel, items: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks one token behind <s>, 576 visual tokens and the words, and no more of fewer visual tokens."""
    asked = [request(items[3], max_new_tokens=9)]  # a number and the end
    whole, free = (
        only(responder(vlm, 1, **how).answer(asked)) for how in ({"selector": "full", "ratio": None}, {})
    )
    assert 2 <= free.output_tokens < 9
    monkeypatch.setattr(vlm.model.generation_config, "min_length", whole.input_tokens + 1)
    assert only(responder(vlm, 1).answer(asked)) == free


def only(answers: list[Response]) -> Response:
    (answer,) = answers
    return answer


def test_a_chat_template_that_writes_the_first_token_is_not_given_another(
    vlm: VisionLanguageModel, items: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    template = (
        "{{ bos }}{% for c in messages[0]['content'] %}"
        "{{ '<image> ' if c['type'] == 'image' else c['text'] }}{% endfor %}"
    )
    monkeypatch.setattr(vlm.processor, "chat_template", template.replace("bos", "'<s> '"), raising=False)
    written = responder(vlm, 1).answer([request(items[0])])
    monkeypatch.setattr(vlm.processor, "chat_template", template.replace("bos", "''"), raising=False)
    assert responder(vlm, 1).answer([request(items[0])]) == written


def test_pictures_are_loaded_when_their_turn_comes(vlm: VisionLanguageModel, items: list[Item]) -> None:
    """Those of a whole benchmark do not fit into memory."""
    most, open_now = 0, 0

    def load(item: Item) -> list[Image.Image]:
        nonlocal most, open_now
        open_now += 1
        most = max(most, open_now)
        return pictures(item)

    one = responder(vlm, 2)
    generate: Callable[..., Any] = one._generate

    def counted(*args: Any) -> list[Response]:
        nonlocal open_now
        made: list[Response] = generate(*args)
        open_now = 0
        return made

    one._generate = counted  # type: ignore[method-assign]
    one.answer([Request(item.question.text, partial(load, item), SHORT) for item in items])
    assert most == 2


def test_the_model_is_given_back(vlm: VisionLanguageModel, items: list[Item]) -> None:
    before = dict(vars(vlm.model))
    responder(vlm, 2).answer([request(item) for item in items[:2]])
    assert vars(vlm.model) == before


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in PaliGemma's processor
def test_every_kind_of_model_answers_batches_as_it_answers_alone(
    zoo: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, processor = zoo.load(kind)
    template = (
        "{% for c in messages[0]['content'] %}"
        "{{ 'HERE' if c['type'] == 'image' else c['text'] }} {% endfor %}"
    ).replace("HERE", zoo.placeholder(kind))
    monkeypatch.setattr(processor, "chat_template", template, raising=False)
    shapes = [[(40, 60)], [(30, 70), (64, 64)], [(60, 40)], [(50, 50)]]
    requests = [
        Request("what is in the picture ?"[: 8 + 8 * place], partial(drawn, zoo, sizes), SHORT)
        for place, sizes in enumerate(shapes)
    ]
    vlm = VisionLanguageModel(kind, model, processor)
    together = responder(vlm, 4, ratio=0.25)
    alone = responder(vlm, 1, ratio=0.25)
    assert together.answer(requests) == [alone.answer([one])[0] for one in requests]
    assert together.pruned.images == alone.pruned.images == 5
    assert together.pruned.kept == alone.pruned.kept < 0.3 * together.pruned.tokens


def drawn(zoo: Any, sizes: list[tuple[int, int]]) -> list[Image.Image]:
    return [zoo.picture(*size, seed=sum(size) + place) for place, size in enumerate(sizes)]
