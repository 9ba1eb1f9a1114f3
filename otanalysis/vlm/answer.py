"""Ask a model: the prompts that processors want, answers from kept tokens, and the same question twice.

:func:`build_prompt` puts a task's words and images into the form of a processor. :func:`answer_prompts` hands
chosen visual tokens to the language model, through the model's own code for them. :func:`try_pruning` answers
one question with all tokens and, within :class:`~otanalysis.vlm.pruned.Pruned`, with the kept ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from otanalysis.defaults import FULL
from otanalysis.errors import InputError
from otanalysis.vlm.choose import KeptImage
from otanalysis.vlm.handover import FEATURES, require_takes_features, seen_by_the_language_model
from otanalysis.vlm.layout import Picture
from otanalysis.vlm.model import VisionLanguageModel
from otanalysis.vlm.pruned import Pruned, PrunedCall

if TYPE_CHECKING:
    import torch

PLACEHOLDER: Final = "<image>"
"""Where tasks of lmms-eval say that an image stands in their words, if they say so."""

_IMAGE: Final = {"type": "image"}


def build_prompt(processor: Any, context: str, images: int) -> str:
    r"""Return the text for a processor: the chat template where it has one, else placeholders and words.

    Parameters
    ----------
    processor
        A Hugging Face processor.
    context : str
        The task's words. If they hold as many ``<image>`` as there are images, the images stand there; else
        these are taken out, and the images stand in front of the words.
    images : int
        Number of images, 0 for words alone.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> plain = SimpleNamespace(image_token="<image>", tokenizer=SimpleNamespace())
    >>> build_prompt(plain, "is there a 7 ?", 2)
    '<image> <image>\nis there a 7 ?'
    """
    inside = images > 0 and context.count(PLACEHOLDER) == images
    words = context if inside else context.replace(PLACEHOLDER, "").strip()
    if getattr(processor, "chat_template", None):
        content = _interleaved(words) if inside else [_IMAGE] * images + [_text(words)]
        return _templated(processor, content)
    token = str(getattr(processor, "image_token", PLACEHOLDER))
    front = " ".join([token] * images) + "\n" if images and not inside else ""
    text = front + (words.replace(PLACEHOLDER, token) if inside else words)
    if getattr(processor.tokenizer, "chat_template", None):
        return _templated(processor.tokenizer, text)
    return text


def _templated(owner: Any, content: Any) -> str:
    message = {"role": "user", "content": content}
    return str(owner.apply_chat_template([message], tokenize=False, add_generation_prompt=True))


def _interleaved(words: str) -> list[dict[str, str]]:
    """Return the parts of a message whose images stand among the words."""
    first, *others = words.split(PLACEHOLDER)
    parts = [_text(first)] if first.strip() else []
    for other in others:
        parts += [_IMAGE, *([_text(other)] if other.strip() else [])]
    return parts


def _text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


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


@dataclass(frozen=True)
class Places:
    """Where the kept tokens of an image stood among all of them.

    Attributes
    ----------
    kept : ndarray [k]
        Their places, ascending, from 0.
    of : int
        Number of all tokens of the image.
    """

    kept: NDArray[np.int64]
    of: int


def prepare_inputs(
    vlm: VisionLanguageModel,
    prompts: Sequence[str],
    visual_tokens: Sequence[torch.Tensor],
    places: Sequence[Places] | None = None,
) -> dict[str, Any]:
    """Return the inputs of the model for prompts whose images have only some of their visual tokens.

    A prompt gets as many image placeholders as there are tokens, so that positions are renumbered from 0 as
    in LLaVA's code, unless places are given; the tokens take the path of freshly encoded ones. With all
    tokens the logits are those of the unpruned model, bit for bit.

    Parameters
    ----------
    vlm
        The model.
    prompts
        One text an image, each with exactly one image placeholder.
    visual_tokens
        The tokens of each image that are handed on, ascending in position: ``[k, d]`` tensors.
    places
        Of every image where these stood: all tokens of a prompt then keep the positions of the whole one.

    Returns
    -------
    dict
        Keyword arguments for the model or its ``generate``; prompts are padded on the left.

    Raises
    ------
    InputError
        If numbers differ, a prompt does not hold exactly one placeholder, or the model's code takes no tokens
        that were encoded before.
    """
    require_takes_features(vlm.model)
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
    call = {
        "input_ids": inputs["input_ids"],
        "attention_mask": inputs["attention_mask"],
        FEATURES: {"image": encoded},
    }
    if places is not None:
        token = vlm.processor.tokenizer.convert_tokens_to_ids(vlm.image_token)
        call["position_ids"] = _whole_positions(call["input_ids"] == token, call["attention_mask"], places)
    return call


def _whole_positions(
    of_image: torch.Tensor, attended: torch.Tensor, places: Sequence[Places]
) -> torch.Tensor:
    """Return the positions [B, L] that the tokens of shortened prompts have in the whole ones.

    Parameters
    ----------
    of_image, attended
        Which of the places [B, L] of the shortened prompts are tokens of the image, and which are not padded.
    places
        Of every prompt's image.
    """
    import torch

    positions = (attended.long().cumsum(-1) - 1).clamp(min=0)
    for row, own, image in zip(positions, of_image, places, strict=True):
        kept = torch.from_numpy(image.kept).to(row.device)
        behind = own.long().cumsum(-1) == len(kept)
        row[behind & ~own] += image.of - len(kept)
        row[own] = row[own][:1] + kept
    return positions


def answer_prompts(
    vlm: VisionLanguageModel,
    prompts: Sequence[str],
    visual_tokens: Sequence[torch.Tensor],
    places: Sequence[Places] | None = None,
    *,
    max_new_tokens: int = 8,
) -> list[str]:
    """Answer each prompt greedily from its image's visual tokens, all or kept ones; see :func:`try_pruning`.

    Parameters
    ----------
    vlm, prompts, visual_tokens, places
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
        As :func:`prepare_inputs` raises it; if the model's settings have a ``min_length``, which counts
        the prompt and so would ask longer answers of fewer tokens; or if its language model is handed more
        than the tokens, such as features for deeper layers.
    """
    inputs = prepare_inputs(vlm, prompts, visual_tokens, places)
    if vlm.model.generation_config.min_length:
        raise InputError(
            f"The model's generation_config has min_length={vlm.model.generation_config.min_length}, which "
            "counts the prompt, so that prompts with fewer tokens would get longer answers: set "
            "min_new_tokens in its place."
        )
    with seen_by_the_language_model(vlm.model, inputs, visual_tokens):
        try:
            fresh = _generated(vlm, inputs, max_new_tokens)
        except (AttributeError, KeyError, TypeError) as error:
            raise InputError(
                f"{type(vlm.model).__name__} does not answer from visual tokens alone, as its language model "
                f"is handed more than these ({error}): use otanalysis.vlm.Pruned, which hands on all of it."
            ) from error
    return _decoded(vlm, fresh)


def _generated(vlm: VisionLanguageModel, inputs: dict[str, Any], max_new_tokens: int) -> torch.Tensor:
    """Decode greedily; return the new tokens alone, on the host."""
    import torch

    with torch.inference_mode():
        output = vlm.model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)
        fresh: torch.Tensor = output[:, inputs["input_ids"].shape[1] :].cpu()
    return fresh


def _decoded(vlm: VisionLanguageModel, fresh: torch.Tensor) -> list[str]:
    return [text.strip() for text in vlm.processor.tokenizer.batch_decode(fresh, skip_special_tokens=True)]


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
    """One question, two answers; see :func:`try_pruning`.

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


def try_pruning(
    vlm: VisionLanguageModel,
    picture: NDArray[np.uint8],
    question: str,
    *,
    max_new_tokens: int = 64,
    **pruning: Any,
) -> Trial:
    """Answer a question with all visual tokens and with the kept ones, decoding greedily.

    A short answer goes before both and is not timed: the first call of a model takes longer, and is checked.

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

    Examples
    --------
    >>> import numpy as np
    >>> from otanalysis.mini import bundled_model_path
    >>> from otanalysis.vlm import load_model
    >>> vlm, picture = load_model(bundled_model_path()), np.zeros((192, 192, 3), np.uint8)
    >>> trial = try_pruning(vlm, picture, "is there a 7 ?", ratio=0.1, max_new_tokens=2)
    >>> trial.full.text, trial.image.keep
    ('no', 58)
    >>> answer_prompts(vlm, ["<image> is there a 7 ?"], vlm.visual_tokens([picture]))
    ['no']
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
    with Pruned(vlm.model, FULL):
        _generated(vlm, inputs, 2)
    full = _timed(vlm, inputs, max_new_tokens)
    with pruned:
        kept = _timed(vlm, inputs, max_new_tokens)
    if pruned.last is None:
        raise InputError(f"The processor of {vlm.name} made no pixel_values of the picture.")
    return Trial(full, kept, pruned.last, prompt)


def _timed(vlm: VisionLanguageModel, inputs: dict[str, Any], max_new_tokens: int) -> Answer:
    start = perf_counter()
    fresh = _generated(vlm, inputs, max_new_tokens)
    seconds = perf_counter() - start
    return Answer(_decoded(vlm, fresh)[0], seconds, fresh.shape[1])
