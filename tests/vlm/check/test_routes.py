"""Routes lead where they say: masks hide, cuts are what is left, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from otanalysis.vlm.check.report import NotCheckableError
from otanalysis.vlm.check.routes import Routes, at_rest
from otanalysis.vlm.shorten import shortened_places

Make = Callable[..., Routes]
CLOSE = {"rtol": 1e-4, "atol": 1e-4}
"""Single precision: matrix products of other shapes round differently."""


@pytest.mark.parametrize("kind", ["llava", "qwen2_vl"])
def test_where_all_stay_every_route_is_the_whole_prompt(routes: Make, kind: str) -> None:
    made = routes(kind)
    stays = torch.ones_like(made.prompts["input_ids"], dtype=torch.bool)
    real = made.prompts["attention_mask"].bool()
    with torch.no_grad():
        whole = made.run()
        masked = made.masked(whole.positions, stays)
        index, own = shortened_places(made.prompts, stays, side="right")
        cut = made.cut(whole, index, own)
    torch.testing.assert_close(masked.logits[real], whole.logits[real], **CLOSE)
    torch.testing.assert_close(cut[own], whole.states[real], **CLOSE)


def test_what_is_masked_out_is_not_seen_and_the_rest_is(routes: Make) -> None:
    """Another picture under the mask changes nothing, without the mask it changes the words."""
    made = routes("llava")
    other = Routes(made.model, {**made.inputs, "pixel_values": made.inputs["pixel_values"].flip(-1) + 1})
    placeholders = made.prompts["input_ids"] == made.model.config.image_token_id
    with torch.no_grad():
        runs = [one.masked(one.run().positions, ~placeholders).logits[made.words] for one in (made, other)]
        seen = [one.run().logits[made.words] for one in (made, other)]
    torch.testing.assert_close(*runs, **CLOSE)
    assert not torch.allclose(*seen, **CLOSE)


def test_only_arguments_of_the_prompts_are_taken(routes: Make) -> None:
    made = routes("llava")
    more = {**made.inputs, "labels": made.inputs["input_ids"], "max_new_tokens": 3}
    assert set(Routes(made.model, more).prompts) == {"input_ids", "attention_mask", "pixel_values"}
    bare = {name: value for name, value in made.inputs.items() if name != "attention_mask"}
    assert bool(Routes(made.model, bare).prompts["attention_mask"].all())


def test_a_language_model_that_is_not_called_or_gets_more_is_told(routes: Make) -> None:
    made = routes("llava")
    with pytest.raises(NotCheckableError, match="was not called"):
        Routes(made.model, made.inputs, lambda **_given: None).run()
    with torch.no_grad():
        whole = made.run()
    whole.given["tables"] = torch.zeros(7)
    index, real = shortened_places(made.prompts, made.words, side="right")
    with pytest.raises(NotCheckableError, match=r"gets tables of shape \[7\]"):
        made.cut(whole, index, real)
    whole.given["attention_mask"] = {"full_attention": None}
    with pytest.raises(NotCheckableError, match="masks that say more"):
        made.cut(whole, index, real)


def test_windows_are_widened_where_they_are_shorter_than_the_prompt_and_given_back(
    routes: Make, zoo: Any
) -> None:
    made = routes("llava", zoo.fresh("llava"))
    config, length = made.model.config.get_text_config(), made.prompts["input_ids"].shape[1]
    config.sliding_window, config.attention_chunk_size = length - 1, length
    with made.wide_windows() as narrow:
        assert narrow == ("sliding_window",)
        assert config.sliding_window > length
    assert (config.sliding_window, config.attention_chunk_size) == (length - 1, length)


def test_calls_at_rest_leave_no_trace(routes: Make, zoo: Any) -> None:
    model = zoo.fresh("qwen2_vl")
    model.train()
    model.lm_head.eval()
    model.base_model.rope_deltas = remembered = torch.zeros(2, 1)
    before = {name: module.training for name, module in model.named_modules()}
    with at_rest(model):
        assert not any(module.training for module in model.modules())
        assert not routes("qwen2_vl", model).run().logits.requires_grad
        assert model.base_model.rope_deltas is not remembered
    assert {name: module.training for name, module in model.named_modules()} == before
    assert model.base_model.rope_deltas is remembered
    assert not model.get_decoder()._forward_hooks
