"""From a task's words and its number of images to the prompt that the model was trained on."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["PLACEHOLDER", "build_prompt"]

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
