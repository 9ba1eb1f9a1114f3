"""What the small models of the zoo are made of: tokenizers of words, settings of towers, made-up pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import transformers as tf
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors

SPECIAL: Final = ("<pad>", "<s>", "</s>", "<unk>")
_WORDS: Final = """
what is in the picture ? a b c d e f g h which colour how many left right compare and :
"""
WIDTH: Final = 64
"""Width of every language model of the zoo."""

Built = tuple[Any, Any]
"""A model and its processor."""


@dataclass(frozen=True)
class Species:
    """One class of the library: how a small one is built, and how its prompts look.

    Attributes
    ----------
    build : callable
        ``(tokenizer) -> (model, processor)``.
    named : Mapping from str to str
        Special words that the tokenizer knows by an attribute.
    more : tuple of str
        Other special words.
    video : str or None
        Class of the video processor, as files on the Hub name it; it cannot be built without torchvision.
    around : tuple of str
        Words on both sides of the placeholder of one picture.
    begins : bool
        Whether the tokenizer puts a word before every prompt; some processors do that themselves.
    flat : bool
        Whether the processor takes the pictures of all prompts in one list.
    plain : bool
        Whether the processor is one of :mod:`tests.vlm.zoo_plain`, which has no file to be loaded from.
    """

    build: Callable[[Any], Built]
    named: Mapping[str, str] = field(default_factory=lambda: {"image_token": "<image>"})
    more: tuple[str, ...] = ()
    video: str | None = None
    around: tuple[str, str] = ("", "")
    begins: bool = True
    flat: bool = False
    plain: bool = False


def tokenizer(species: Species) -> tf.PreTrainedTokenizerFast:
    """Build the word-level tokenizer of a species: its special tokens come first after the common ones."""
    special = tuple(dict.fromkeys((*SPECIAL, *species.named.values(), *species.more)))
    vocabulary = {word: number for number, word in enumerate((*special, "\n", *_WORDS.split()))}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    # The ends of lines are words: Idefics3's processor ends rows of tiles with them.
    lines = pre_tokenizers.Split("\n", "isolated")
    words.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(" ", "removed"), lines])
    if species.begins:
        words.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    made = tf.PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_special_tokens=dict(species.named),
        padding_side="left",
    )
    made.add_tokens([tf.AddedToken(word, special=True) for word in species.more], special_tokens=True)
    return made


def text_settings(vocabulary: int, **more: Any) -> dict[str, Any]:
    """Return the settings of a small language model of two layers."""
    return {
        "vocab_size": vocabulary,
        "hidden_size": WIDTH,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "initializer_range": 0.15,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        **more,
    }


def vision_settings(image: int, patch: int, **more: Any) -> dict[str, Any]:
    """Return the settings of a small vision tower of two layers for square pictures of so many pixels."""
    return {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": image,
        "patch_size": patch,
        **more,
    }


def square(side: int) -> dict[str, int]:
    """Return a square size as image processors want it."""
    return {"height": side, "width": side}


QWEN_WORDS: Final = ("<|vision_start|>", "<|vision_end|>")
QWEN: Final[dict[str, Any]] = {
    "named": {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"},
    "more": QWEN_WORDS,
    "around": QWEN_WORDS,
    "flat": True,
}
"""What prompts of the Qwen-VL classes, and of those made after them, have in common."""


def qwen_ids(words: Any, around: tuple[str, str] = QWEN_WORDS) -> dict[str, int]:
    """Return the ids that the settings of these classes name; words stand around a picture."""
    start, end = words.convert_tokens_to_ids(list(around))
    return {
        "image_token_id": words.image_token_id,
        "video_token_id": words.video_token_id,
        "vision_start_token_id": start,
        "vision_end_token_id": end,
    }


def qwen_images(kind: type = tf.Qwen2VLImageProcessorPil) -> Any:
    """Return the image processor of these classes: pictures in their own shape, patches merged by four."""
    return kind(
        size={"shortest_edge": 24 * 24, "longest_edge": 64 * 64},
        patch_size=4,
        temporal_patch_size=2,
        merge_size=2,
    )


def qwen3_tower(**more: Any) -> dict[str, Any]:
    """Return the settings of a small vision tower of Qwen3-VL, and of classes made after it."""
    return {
        "depth": 3,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "patch_size": 4,
        "temporal_patch_size": 2,
        "spatial_merge_size": 2,
        "out_hidden_size": WIDTH,
        "num_position_embeddings": 64,
        "initializer_range": 0.15,
        **more,
    }


MROPE: Final = {
    "rope_type": "default",
    "rope_theta": 10_000.0,
    "mrope_section": [4, 2, 2],
    "mrope_interleaved": True,
}
"""Positions of rows and columns of the same classes."""


PINPOINTS: Final = [[32, 64], [64, 32], [64, 64], [96, 32], [32, 96]]
"""Shapes in pixels to which tiles of LLaVA-NeXT add up."""


def llava_processor(words: Any, side: int, patch: int, *, class_tokens: int = 1) -> Any:
    """Return LLaVA's processor for pictures of a side; the tower's class tokens are dropped."""
    return tf.LlavaProcessor(
        image_processor=tf.CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size=square(side)),
        tokenizer=words,
        patch_size=patch,
        vision_feature_select_strategy="default" if class_tokens else "full",
        num_additional_image_tokens=class_tokens,
    )


def tiled_images() -> Any:
    """Return the image processor of LLaVA-NeXT: the whole picture, then tiles of it."""
    return tf.LlavaNextImageProcessorPil(
        size={"shortest_edge": 32}, crop_size=square(32), image_grid_pinpoints=PINPOINTS
    )


def picture(height: int = 40, width: int = 60, *, seed: int = 0) -> Image.Image:
    """Return a coloured picture with structure: shaded bands under noise; another seed, another picture."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    waves = generator.uniform(0.05, 0.6, (3, 2))
    bands = np.stack([np.sin(a * rows + b * columns) for a, b in waves], axis=2)
    noisy = 127 + 80 * bands + generator.normal(0, 20, (height, width, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
