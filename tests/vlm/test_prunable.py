"""Calls whose prompts cannot be shortened are refused in a sentence, whatever form ids and masks have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import GenerationConfig

from otanalysis.errors import InputError
from otanalysis.vlm import Pruned
from otanalysis.vlm.prunable import require_prunable, setting_of


@pytest.fixture
def inputs(zoo: Any) -> dict[str, Any]:
    """Return two prompts of different lengths, so that there is padding."""
    pictures = [[zoo.picture(40, 60)], [zoo.picture(40, 60, seed=1), zoo.picture(40, 60, seed=2)]]
    prompts = [zoo.prompt("llava", "what ?"), zoo.prompt("llava", "which colour ?", images=2)]
    made: dict[str, Any] = zoo.inputs("llava", prompts, pictures)
    return made


def four_dimensional(mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return which token sees which: causal, without padding; added to scores or true and false."""
    length = mask.shape[1]
    seen = torch.ones(length, length).tril().bool() & mask[:, None, None, :].bool()
    return seen if dtype == torch.bool else (~seen).to(dtype) * torch.finfo(dtype).min


MASKS = {
    "added, 4-D": lambda mask: four_dimensional(mask, torch.float32),
    "true and false, 4-D": lambda mask: four_dimensional(mask, torch.bool),
    "3-D": lambda mask: four_dimensional(mask, torch.float16)[:, 0],
    "1-D": lambda mask: mask[0],
    "one prompt": lambda mask: mask[:1],
    "short": lambda mask: mask[:, 1:],
    "added, 2-D": lambda mask: (1.0 - mask) * torch.finfo(torch.float32).min,
    "not a number": lambda mask: mask.float().masked_fill(mask == 0, torch.nan),
    "a list": lambda mask: mask.tolist(),
    "an array": lambda mask: mask.numpy(),
    "of each layer": lambda mask: {"full_attention": four_dimensional(mask, torch.float32)},
}
OTHERS: dict[str, tuple[str, Any]] = {
    "ids, 1-D": ("input_ids", lambda inputs: inputs["input_ids"][0]),
    "ids, 3-D": ("input_ids", lambda inputs: inputs["input_ids"][None]),
    "ids of floats": ("input_ids", lambda inputs: inputs["input_ids"].float()),
    "ids in a list": ("input_ids", lambda inputs: inputs["input_ids"].tolist()),
    "ids in an array": ("input_ids", lambda inputs: inputs["input_ids"].numpy()),
    "positions of one prompt": ("position_ids", lambda inputs: torch.arange(inputs["input_ids"].shape[1])),
    "positions, short": ("position_ids", lambda inputs: inputs["input_ids"][:, 1:]),
    "positions, 4-D": ("position_ids", lambda inputs: inputs["input_ids"][None, None]),
    "positions in a list": ("position_ids", lambda inputs: inputs["input_ids"].tolist()),
    "positions of floats": ("position_ids", lambda inputs: inputs["input_ids"].float()),
}


@pytest.mark.parametrize("how", MASKS)
@pytest.mark.parametrize("pruning", [{"keep": 4}, {"selector": "full"}])
def test_masks_of_another_form_are_refused(
    zoo: Any, inputs: dict[str, Any], how: str, pruning: dict[str, Any]
) -> None:
    model, _ = zoo.load("llava")
    given = {**inputs, "attention_mask": MASKS[how](inputs["attention_mask"])}
    with torch.inference_mode(), Pruned(model, **pruning):
        for call in (model, model.generate):
            with pytest.raises(
                InputError, match=r"attention_mask must have .*1 for tokens and 0 for padding; got"
            ):
                call(**given)


@pytest.mark.parametrize("dtype", [torch.bool, torch.int32, torch.float32])
def test_masks_of_ones_and_zeros_of_any_type_are_the_same(
    zoo: Any, inputs: dict[str, Any], dtype: torch.dtype
) -> None:
    model, _ = zoo.load("llava")
    with torch.inference_mode(), Pruned(model, "uniform", keep=4):
        wanted = model(**inputs).logits
        got = model(**{**inputs, "attention_mask": inputs["attention_mask"].to(dtype)}).logits
    assert torch.equal(got, wanted)


@pytest.mark.parametrize("how", OTHERS)
def test_ids_and_positions_of_another_form_are_refused(zoo: Any, inputs: dict[str, Any], how: str) -> None:
    model, _ = zoo.load("llava")
    name, make = OTHERS[how]
    with torch.inference_mode(), Pruned(model, keep=4), pytest.raises(InputError, match=f"{name} must be"):
        model(**{**inputs, name: make(inputs)})


def test_what_came_is_told(inputs: dict[str, Any], zoo: Any) -> None:
    model, _ = zoo.load("llava")
    length = inputs["input_ids"].shape[1]
    mask = four_dimensional(inputs["attention_mask"], torch.float32)
    with pytest.raises(InputError, match=rf"got float32 of shape \[2, 1, {length}, {length}\]"):
        require_prunable(model, {**inputs, "attention_mask": mask}, generating=False)
    with pytest.raises(InputError, match="got a list"):
        require_prunable(model, {"input_ids": [[1, 2]]}, generating=False)
    with pytest.raises(InputError, match=r"got int64 of shape \[1\]"):
        require_prunable(model, {"input_ids": np.array([1])}, generating=False)


def test_padding_that_no_mask_tells_is_refused_while_generating(zoo: Any, inputs: dict[str, Any]) -> None:
    """Unpruned, ``generate`` takes it from the ids; a plain call takes all ids for words, pruned or not."""
    model, _ = zoo.load("llava")
    bare = {name: value for name, value in inputs.items() if name != "attention_mask"}
    padding = int((inputs["attention_mask"] == 0).sum())
    assert padding > 0
    with torch.inference_mode(), Pruned(model, "uniform", keep=4) as pruned:
        with pytest.raises(InputError, match=f"padding id 0 at {padding} places"):
            model.generate(**bare, max_new_tokens=1)
        model(**bare)
        assert pruned.last is not None
        alone = {**bare, "input_ids": bare["input_ids"][1:], "pixel_values": bare["pixel_values"][1:]}
        model.generate(**alone, max_new_tokens=1)
        assert len(pruned.last.images) == 2


def test_a_setting_that_rewrites_the_prompt_is_refused(zoo: Any, inputs: dict[str, Any]) -> None:
    model, _ = zoo.load("llava")
    with torch.inference_mode(), Pruned(model, keep=4):
        for given in ({"token_healing": True}, {"generation_config": GenerationConfig(token_healing=True)}):
            with pytest.raises(InputError, match="token_healing rewrites the prompt"):
                model.generate(**inputs, **given)


def test_settings_are_those_of_the_call_then_of_its_config_then_of_the_model(zoo: Any) -> None:
    model, _ = zoo.load("llava")
    own = GenerationConfig(pad_token_id=5)
    assert setting_of(model, {}, "pad_token_id") == 0
    assert setting_of(model, {"generation_config": own}, "pad_token_id") == 5
    assert setting_of(model, {"generation_config": own, "pad_token_id": 6}, "pad_token_id") == 6
    assert setting_of(model, {}, "no such setting") is None
