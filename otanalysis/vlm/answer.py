"""Answer prompts from kept visual tokens, through the model's own code for visual tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from otanalysis.errors import InputError
from otanalysis.vlm.model import VisionLanguageModel

if TYPE_CHECKING:
    import torch

__all__ = ["answer_prompts", "prepare_inputs"]


def prepare_inputs(
    vlm: VisionLanguageModel, prompts: Sequence[str], visual_tokens: Sequence[torch.Tensor]
) -> dict[str, Any]:
    """Return the inputs of the model for prompts whose images have only some of their visual tokens.

    A prompt gets as many image placeholders as there are tokens, so that positions are renumbered from 0 as
    in LLaVA's code; the tokens take the path of freshly encoded ones. With all tokens the logits are those of
    the unpruned model, bit for bit.

    Parameters
    ----------
    vlm
        The model.
    prompts
        One text an image, each with exactly one image placeholder.
    visual_tokens
        The tokens of each image that are handed on, ascending in position: ``[k, d]`` tensors.

    Returns
    -------
    dict
        Keyword arguments for the model or its ``generate``; prompts are padded on the left.

    Raises
    ------
    InputError
        If numbers differ or a prompt does not hold exactly one placeholder.
    """
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    if len(prompts) != len(visual_tokens):
        raise InputError(
            f"One image a prompt was wanted, but {len(prompts)} prompts and {len(visual_tokens)} images came."
        )
    wrong = [prompt for prompt in prompts if prompt.count(vlm.image_token) != 1]
    if wrong:
        raise InputError(f"Prompts need exactly one {vlm.image_token}, but this came: {wrong[0]!r}.")
    expanded = [
        prompt.replace(vlm.image_token, vlm.image_token * len(tokens))
        for prompt, tokens in zip(prompts, visual_tokens, strict=True)
    ]
    inputs = vlm.processor.tokenizer(expanded, return_tensors="pt", padding=True, padding_side="left")
    inputs = inputs.to(vlm.model.device)
    encoded: Any = BaseModelOutputWithPooling()
    encoded.pooler_output = list(visual_tokens)
    return {
        "input_ids": inputs["input_ids"],
        "attention_mask": inputs["attention_mask"],
        "mm_encoder_outputs": {"image": encoded},
    }


def answer_prompts(
    vlm: VisionLanguageModel,
    prompts: Sequence[str],
    visual_tokens: Sequence[torch.Tensor],
    *,
    max_new_tokens: int = 8,
) -> list[str]:
    """Answer each prompt greedily from its image's visual tokens, all or kept ones.

    Parameters
    ----------
    vlm, prompts, visual_tokens
        As for :func:`prepare_inputs`.
    max_new_tokens
        Longest answer.

    Returns
    -------
    list of str
        The answers, without special tokens and outer blanks.

    Raises
    ------
    InputError
        As :func:`prepare_inputs` raises it.
    """
    import torch

    inputs = prepare_inputs(vlm, prompts, visual_tokens)
    with torch.inference_mode():
        output = vlm.model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)
    fresh = output[:, inputs["input_ids"].shape[1] :]
    return [text.strip() for text in vlm.processor.tokenizer.batch_decode(fresh, skip_special_tokens=True)]
