"""Prompts by the processor's chat template, the tokenizer's, or plain; images stand where the task says."""

from __future__ import annotations

from typing import Any

import pytest

from otanalysis.mini.training.architecture import build_processor
from otanalysis.vlm.answer import build_prompt

PARTS = (
    "{% for m in messages %}{{ m['role'] }}: {% for c in m['content'] %}{% if c['type'] == 'image' %}<image>"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %} bot:{% endif %}"
)
"""A template as LLaVA's processors have it: the message is a list of parts."""
WORDS = (
    "{% for m in messages %}{{ m['role'] }}= {{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %} bot={% endif %}"
)
"""A template of a tokenizer: the message is one text."""

CASES = [
    ("is there a 7 ?", 0, "is there a 7 ?", "is there a 7 ?"),
    ("is there a 7 ?", 1, "<image>\nis there a 7 ?", "<image>is there a 7 ?"),
    ("is there a 7 ?", 2, "<image> <image>\nis there a 7 ?", "<image><image>is there a 7 ?"),
    ("in <image> and <image> ?", 2, "in <image> and <image> ?", "in <image> and <image> ?"),
    ("<image>\n<image> same ?", 2, "<image>\n<image> same ?", "<image><image> same ?"),
    # As many placeholders as images, or they are not taken for places.
    ("in <image> and <image> ?", 1, "<image>\nin  and  ?", "<image>in  and  ?"),
    ("in <image> ?", 0, "in  ?", "in  ?"),
]


@pytest.mark.parametrize(("context", "images", "plain", "parts"), CASES)
def test_images_stand_where_the_task_says_or_in_front(
    context: str, images: int, plain: str, parts: str
) -> None:
    processor: Any = build_processor()
    assert build_prompt(processor, context, images) == plain
    processor.tokenizer.chat_template = WORDS
    assert build_prompt(processor, context, images) == f"user= {plain} bot="
    processor.chat_template = PARTS
    assert build_prompt(processor, context, images) == f"user: {parts} bot:"


def test_the_placeholder_of_the_model_replaces_that_of_the_task() -> None:
    processor: Any = build_processor()
    processor.image_token = "<picture>"
    assert build_prompt(processor, "in <image> ?", 1) == "in <picture> ?"
    assert build_prompt(processor, "what ?", 1) == "<picture>\nwhat ?"
