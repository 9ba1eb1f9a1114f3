"""Code that swallows, ignores or changes what it is handed is refused; the real models hand it on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
import transformers
from packaging.version import Version
from transformers import LlavaForConditionalGeneration, LlavaModel

from otanalysis.errors import InputError
from otanalysis.vlm import Pruned, VisionLanguageModel, answer_prompts
from otanalysis.vlm.encode import encode_images
from otanalysis.vlm.handover import FEATURES, seen_by_the_language_model

Change = Callable[[dict[str, Any]], None]
READS_PIECES = Version(transformers.__version__) >= Version("5.23")
"""Whether ``prefill_chunk_size`` reads pictures: before, unpruned logits are off by 2.7 on this model."""


def inputs_of(zoo: Any, kind: str = "llava") -> dict[str, Any]:
    made: dict[str, Any] = zoo.inputs(
        kind, [zoo.prompt(kind, "what is in the picture ?")], [[zoo.picture(40, 60)]]
    )
    return made


def changed(zoo: Any, change: Change) -> Any:
    """Return a LLaVA whose inner model changes what it is handed before it goes on."""

    class Changing(LlavaModel):
        def forward(self, input_ids: Any = None, mm_encoder_outputs: Any = None, **given: Any) -> Any:
            given |= {"input_ids": input_ids, "mm_encoder_outputs": mm_encoder_outputs}
            if mm_encoder_outputs:
                change(given)
            return super().forward(**given)

    model = zoo.fresh("llava")
    model.model.__class__ = Changing
    return model


class Swallowing(LlavaModel):
    """As the models of transformers 5.0 to 5.17: unknown arguments are passed on, and nobody takes them."""

    def forward(
        self, input_ids: Any = None, pixel_values: Any = None, attention_mask: Any = None, **given: Any
    ) -> Any:
        given.pop(FEATURES, None)
        return super().forward(input_ids, pixel_values, attention_mask, **given)


class SwallowingOutside(LlavaForConditionalGeneration):
    """The outer class names its arguments, and this is none of them."""

    def forward(self, input_ids: Any = None, pixel_values: Any = None, attention_mask: Any = None) -> Any:
        return super().forward(input_ids, pixel_values, attention_mask)


def test_a_model_that_swallows_the_tokens_is_refused_before_anything_runs(zoo: Any) -> None:
    inside, outside = zoo.fresh("llava"), zoo.fresh("llava")
    inside.model.__class__ = Swallowing
    outside.__class__ = SwallowingOutside
    for model in (inside, outside):
        with pytest.raises(
            InputError, match=r"\(with transformers .* takes no visual tokens .*mm_encoder_outputs"
        ):
            Pruned(model, keep=4)
        vlm = VisionLanguageModel("swallows", model, zoo.load("llava")[1])
        with pytest.raises(InputError, match="takes no visual tokens"):
            answer_prompts(vlm, ["<image> what ?"], [torch.zeros(3, 64)])


def ignore(given: dict[str, Any]) -> None:
    given["mm_encoder_outputs"] = None


def fill_with_the_first(given: dict[str, Any]) -> None:
    tokens = given["mm_encoder_outputs"]["image"].pooler_output
    given["mm_encoder_outputs"]["image"].pooler_output = [one[:1].expand_as(one) for one in tokens]


def another_order(given: dict[str, Any]) -> None:
    tokens = given["mm_encoder_outputs"]["image"].pooler_output
    given["mm_encoder_outputs"]["image"].pooler_output = [one.flip(0) for one in tokens]


def scale(given: dict[str, Any]) -> None:
    tokens = given["mm_encoder_outputs"]["image"].pooler_output
    given["mm_encoder_outputs"]["image"].pooler_output = [one * 1.0001 for one in tokens]


@pytest.mark.parametrize("route", ["forward", "generate", "answer_prompts"])
@pytest.mark.parametrize("change", [ignore, fill_with_the_first, another_order, scale])
def test_a_model_that_takes_the_tokens_and_uses_others_is_refused_at_the_first_call(
    zoo: Any, change: Change, route: str
) -> None:
    model, inputs = changed(zoo, change), inputs_of(zoo)
    with pytest.raises(InputError, match="did not hand the kept tokens to its language model"):
        called(zoo, model, inputs, route)


def called(zoo: Any, model: Any, inputs: dict[str, Any], route: str) -> None:
    if route == "answer_prompts":
        vlm = VisionLanguageModel("changed", model, zoo.load("llava")[1])
        answer_prompts(vlm, ["<image> what ?"], [torch.randn(3, 64)], max_new_tokens=1)
        return
    with torch.inference_mode(), Pruned(model, keep=4, check=False):
        if route == "forward":
            model(**inputs)
        else:
            model.generate(**inputs, max_new_tokens=1)


@pytest.mark.parametrize("route", ["forward", "generate"])
@pytest.mark.parametrize("how", ["left out", "renumbered"])
def test_a_model_that_gives_its_tokens_other_positions_is_refused(zoo: Any, how: str, route: str) -> None:
    def change(given: dict[str, Any]) -> None:
        positions = given.pop("position_ids")
        if how == "renumbered":
            given["position_ids"] = torch.arange(positions.shape[1])[None]

    model, inputs = changed(zoo, change), inputs_of(zoo)
    pruned = Pruned(model, keep=4, positions="original", check=False)
    with torch.inference_mode(), pruned, pytest.raises(InputError, match="other positions than those"):
        model(**inputs) if route == "forward" else model.generate(**inputs, max_new_tokens=1)


def test_a_model_whose_language_model_is_not_called_is_refused(zoo: Any) -> None:
    model, inputs = zoo.fresh("llava"), inputs_of(zoo)
    model.generate = lambda **given: given["input_ids"]
    with torch.inference_mode(), Pruned(model, ratio=1.0), pytest.raises(InputError, match="never called"):
        model.generate(**inputs)


def test_a_model_that_does_not_tell_its_language_model_is_refused(zoo: Any) -> None:
    model, inputs = zoo.fresh("llava"), inputs_of(zoo)
    model.get_decoder = lambda: None
    with torch.inference_mode(), Pruned(model, keep=4), pytest.raises(InputError, match="get_decoder"):
        model(**inputs)


def test_the_watch_sees_every_family_and_tells_other_tokens(zoo: Any, kind: str) -> None:
    """Prompts in pieces and beams too; with one number changed in one token the same call is refused."""
    model, _ = zoo.load(kind)
    inputs = inputs_of(zoo, kind)
    with torch.inference_mode():
        encoded = encode_images(model, inputs)
        handed = {**inputs, FEATURES: {"image": encoded.output}}
        handed.pop("pixel_values")
        handed.pop("pixel_attention_mask", None)
        handed.pop("image_sizes", None)
        tokens = [image.features for image in encoded.images]
        other = [tokens[0].clone()]
        other[0][-1, -1] += 1
        beams = {"max_new_tokens": 1, "num_beams": 3, "do_sample": False}
        for call in (lambda: model(**handed), lambda: model.generate(**handed, **beams)):
            with seen_by_the_language_model(model, handed, tokens):
                call()
            with (
                pytest.raises(InputError, match="did not hand"),
                seen_by_the_language_model(model, handed, other),
            ):
                call()


def test_a_prompt_that_is_read_in_pieces_is_watched_to_its_end(zoo: Any) -> None:
    """An older library, which loses the picture with all tokens kept as well, is found out on the way."""
    model, inputs = zoo.load("llava")[0], inputs_of(zoo)
    refused = pytest.raises(InputError, match="did not hand the kept tokens")
    with torch.inference_mode():
        with Pruned(model, "uniform", keep=9):
            whole = model.generate(**inputs, max_new_tokens=3, do_sample=False)
        with Pruned(model, "uniform", keep=9), nullcontext() if READS_PIECES else refused:
            pieces = model.generate(**inputs, max_new_tokens=3, do_sample=False, prefill_chunk_size=5)
            assert torch.equal(whole, pieces)


def test_a_route_is_watched_once_and_leaves_no_hook(zoo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cost of the watch is that of one comparison, not of one a call."""
    model, inputs = zoo.load("llava")[0], inputs_of(zoo)
    watched = []

    def counted(*given: Any) -> Any:
        watched.append(1)
        return seen_by_the_language_model(*given)

    monkeypatch.setattr("otanalysis.vlm.pruned.seen_by_the_language_model", counted)
    with torch.inference_mode(), Pruned(model, keep=4) as pruned:
        for _ in range(3):
            model(**inputs)
            model.generate(**inputs, max_new_tokens=1)
        assert len(watched) == 2
        assert not model.get_decoder()._forward_pre_hooks
    assert pruned.images == 6
