"""One question about one picture, answered with all visual tokens and with the kept ones."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otanalysis.errors import InputError
from otanalysis.vlm.choose import KeptImage
from otanalysis.vlm.layout import Picture
from otanalysis.vlm.model import VisionLanguageModel
from otanalysis.vlm.prompts import build_prompt
from otanalysis.vlm.pruned import Pruned, PrunedCall

__all__ = ["Answer", "Trial", "question_prompt", "try_pruning"]


@dataclass(frozen=True)
class Answer:
    """What the model said, and how long that took.

    Attributes
    ----------
    text : str
        Without the prompt and special tokens.
    seconds : float
        From the pixels to the last word: encoding, selection and generation.
    new_tokens : int
        Number of words or parts of words generated, the end mark among them.
    """

    text: str
    seconds: float
    new_tokens: int


@dataclass(frozen=True, eq=False)
class Trial:
    """One question, two answers.

    Attributes
    ----------
    full, pruned : Answer
        With all visual tokens, and with the kept ones.
    call : PrunedCall
        What was kept.
    prompt : str
        What the processor was given.
    """

    full: Answer
    pruned: Answer
    call: PrunedCall
    prompt: str

    @property
    def image(self) -> KeptImage:
        """What was kept of the picture."""
        return self.call.images[0]


def question_prompt(processor: Any, question: str) -> str:
    """Return the prompt that asks about one picture: by the processor's chat template, if it has one.

    Parameters
    ----------
    processor
        The model's processor.
    question
        What is asked; taken as the whole prompt if it holds the image placeholder already.
    """
    whole = str(processor.image_token) in question
    return question if whole else build_prompt(processor, question, images=1)


def try_pruning(
    vlm: VisionLanguageModel,
    picture: NDArray[np.uint8],
    question: str,
    *,
    max_new_tokens: int = 64,
    **pruning: Any,
) -> Trial:
    """Answer a question with all visual tokens and with the kept ones, decoding greedily.

    A short answer goes before both and is not timed: the first call of a model takes longer.

    Parameters
    ----------
    vlm
        The model.
    picture
        RGB, ``uint8`` of shape ``[h, w, 3]``.
    question
        As for :func:`question_prompt`.
    max_new_tokens
        Longest answer.
    **pruning
        As for :class:`~otanalysis.vlm.pruned.Pruned`: ``selector``, ``ratio`` and others.

    Returns
    -------
    Trial

    Raises
    ------
    InputError
        As :class:`~otanalysis.vlm.pruned.Pruned` raises it, or if the prompt holds more than one placeholder.
    """
    from PIL import Image

    prompt = question_prompt(vlm.processor, question)
    if prompt.count(vlm.image_token) != 1:
        raise InputError(f"One picture wants one {vlm.image_token} in the prompt; got {prompt!r}.")
    height, width = picture.shape[:2]
    pruned = Pruned(vlm.model, pictures=[Picture.through(vlm.processor, height, width)], **pruning)
    inputs = vlm.processor(images=[Image.fromarray(picture)], text=[prompt], return_tensors="pt")
    inputs = dict(inputs.to(vlm.model.device))
    if "pixel_values" in inputs:
        inputs["pixel_values"] = inputs["pixel_values"].to(vlm.model.dtype)
    _answer(vlm, inputs, max_new_tokens=2)
    full = _answer(vlm, inputs, max_new_tokens=max_new_tokens)
    with pruned:
        kept = _answer(vlm, inputs, max_new_tokens=max_new_tokens)
    if pruned.last is None:
        raise InputError(f"The processor of {vlm.name} made no pixel_values of the picture.")
    return Trial(full, kept, pruned.last, prompt)


def _answer(vlm: VisionLanguageModel, inputs: dict[str, Any], *, max_new_tokens: int) -> Answer:
    import torch

    start = perf_counter()
    with torch.inference_mode():
        output = vlm.model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)
        fresh = output[:, inputs["input_ids"].shape[1] :].cpu()
    seconds = perf_counter() - start
    text = vlm.processor.tokenizer.batch_decode(fresh, skip_special_tokens=True)[0].strip()
    return Answer(text, seconds, fresh.shape[1])
