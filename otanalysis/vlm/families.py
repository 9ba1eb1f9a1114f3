"""What is particular to a family of models: which placeholders are an image, and how patches lie in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from otanalysis.errors import InputError
from otanalysis.vlm.grouping import (
    ImageRuns,
    PlaceholderRun,
    from_first_tile,
    one_part_each,
    one_run_each,
    one_word_apart,
    until_global,
)
from otanalysis.vlm.handed import added_in_layers, added_to_the_word, as_it_is, embedded, projected
from otanalysis.vlm.layout import WHOLE
from otanalysis.vlm.merging import (
    merged_in_blocks,
    merged_in_windows,
    shuffled_in_the_connector,
    shuffled_on_the_grid,
    unmerged,
)
from otanalysis.vlm.other_ways import other_ways
from otanalysis.vlm.views import (
    Inputs,
    Known,
    Views,
    coarse_and_fine,
    found_while_packing,
    own_shape,
    shape_or_square,
    single_view,
    square,
    squares_apart,
    tiles_apart,
    tiles_between_words,
    tiles_side_by_side,
)

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Family:
    """How one family of models turns images into visual tokens.

    Attributes
    ----------
    name : str
        For people.
    group : callable
        ``(input_ids, runs, lengths) -> images``: the runs of each image, from the ids ``[B, L]``, all runs of
        placeholders in order and the number of rows of each part that the encoder returns.
    views : callable
        ``(model, inputs, images, pictures) -> views`` of each image; for families that pack newline rows the
        encoder finds them itself, see :func:`otanalysis.vlm.encode.encode_images`.
    packs : bool
        Whether features are packed with newline rows (``pack_image_features``).
    merge : callable or None
        ``(base, inputs, values) -> values``: numbers of the encoder's patches to numbers of the visual
        tokens, see :mod:`otanalysis.vlm.merging`; None where it is not known, and attention cannot be had.
    field : str
        Which field of what the encoder returns its language model takes.
    place : callable
        ``(model, rows) -> tokens``: what the language model gets in place of placeholders, of the rows
        ``[n, d]`` of that field.
    seen : callable
        ``(given) -> [B, L, d]``: what stands in the prompt, of the arguments of the language model.
    pieces : bool
        Whether a part may be a piece of a picture, so that the parts of a prompt are one image where every
        prompt is known to have one.
    """

    name: str
    group: Callable[[torch.Tensor, list[PlaceholderRun], list[int]], list[ImageRuns]]
    views: Callable[[Any, Inputs, list[ImageRuns], Known], Views]
    packs: bool = False
    merge: Callable[[Any, Inputs, torch.Tensor], torch.Tensor] | None = None
    field: str = "pooler_output"
    place: Callable[[Any, torch.Tensor], torch.Tensor] = as_it_is
    seen: Callable[[Mapping[str, Any]], torch.Tensor] = embedded
    pieces: bool = False


def family_of(model: Any) -> Family:
    """Return the family of a model: what is known of its kind, or of a kind that nobody named what most do.

    Families add knowledge, not permission: a kind that is not among :data:`FAMILIES` is taken for one whose
    images are single grids of patches, and :mod:`otanalysis.vlm.check` finds out whether pruning is right.

    Parameters
    ----------
    model
        A Hugging Face model.

    Raises
    ------
    InputError
        The model does not hand out the visual tokens of its images; the message says how it sees them
        instead, where its parts tell.
    """
    kind = str(getattr(model.config, "model_type", type(model).__name__))
    if kind in FAMILIES:
        return FAMILIES[kind]
    if not hasattr(base_of(model), "get_image_features"):
        ways = other_ways(model)
        instead = (
            f"its language model sees pictures by {ways} instead, which dropping tokens does not shorten"
            if ways
            else "so that nobody knows its visual tokens; take a class that has it"
        )
        raise InputError(
            f"{type(model).__name__} (kind {kind!r}) has no get_image_features, which hands out the visual "
            f"tokens that a prompt holds: {instead}."
        )
    return Family(kind, one_part_each, shape_or_square, pieces=True)


def encoder_of(model: Any) -> Any:
    """Return what has ``get_image_features``: the model, or the part of it that encodes images."""
    return model if hasattr(model, "get_image_features") else base_of(model)


def base_of(model: Any) -> Any:
    """Return the part of a model that encodes images: the model without its head, where that does."""
    inner = getattr(model, "base_model", model)
    return inner if hasattr(inner, "get_image_features") else model


def is_tried(model: Any) -> bool:
    """Tell whether the kind of a model is among :data:`FAMILIES`.

    See :func:`~otanalysis.vlm.encode.encode_images`.
    """
    return getattr(model.config, "model_type", None) in FAMILIES


_PIXELS = partial(own_shape, told="image_sizes")
_PLACES = partial(own_shape, told="image_position_ids")
_SQUARED = partial(square, box=WHOLE)  # the picture was resized to a square

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "llava": Family("LLaVA-1.5", one_part_each, single_view, merge=unmerged),
        "llava_next": Family("LLaVA-NeXT", one_part_each, found_while_packing, packs=True, merge=unmerged),
        "llava_onevision": Family(
            "LLaVA-OneVision", one_part_each, found_while_packing, packs=True, merge=unmerged
        ),
        "qwen2_vl": Family("Qwen2-VL", one_part_each, own_shape, merge=merged_in_blocks),
        "qwen2_5_vl": Family("Qwen2.5-VL", one_part_each, own_shape, merge=merged_in_windows),
        "internvl": Family("InternVL", one_run_each, tiles_side_by_side, merge=shuffled_on_the_grid),
        "idefics3": Family("Idefics3", until_global, tiles_between_words, merge=shuffled_in_the_connector),
        "smolvlm": Family("SmolVLM", until_global, tiles_between_words, merge=shuffled_in_the_connector),
        "paligemma": Family("PaliGemma", one_part_each, _SQUARED, merge=unmerged),
        "gemma3": Family("Gemma 3", one_part_each, _SQUARED),
        "gemma4": Family("Gemma 4", one_part_each, _PLACES),
        "aya_vision": Family("Aya Vision", one_word_apart, tiles_apart),
        "cohere2_vision": Family("Cohere 2 Vision", one_word_apart, squares_apart),
        "ovis2": Family("Ovis 2", one_word_apart, squares_apart),
        "llama4": Family("Llama 4", until_global, squares_apart, field="last_hidden_state", place=projected),
        "molmo2": Family("Molmo 2", one_part_each, coarse_and_fine, place=added_to_the_word),
        "mistral3": Family("Mistral 3", one_part_each, _PIXELS),
        "lighton_ocr": Family("LightOnOCR", one_part_each, _PIXELS),
        "qwen3_vl": Family("Qwen3-VL", one_part_each, own_shape),
        "qwen3_vl_moe": Family("Qwen3-VL-MoE", one_part_each, own_shape),
        "qwen3_omni_moe_thinker": Family("Qwen3-Omni", one_part_each, own_shape),
        "cosmos3_omni": Family("Cosmos 3 Omni", one_part_each, own_shape),
        "cohere_compass": Family("Cohere Compass", one_part_each, own_shape),
        "granite4_vision": Family(
            "Granite 4 Vision",
            one_part_each,
            found_while_packing,
            packs=True,
            field="deepstack_features",
            seen=added_in_layers,
        ),
        "granite_docling": Family("Granite Docling", from_first_tile, tiles_between_words),
        "qwen3_5": Family("Qwen3.5", one_part_each, own_shape),
        "glm4v": Family("GLM-4V", one_part_each, own_shape),
        "glm4v_moe": Family("GLM-4V-MoE", one_part_each, own_shape),
        "glm46v": Family("GLM-4.6V", one_part_each, own_shape),
        "glm_ocr": Family("GLM-OCR", one_part_each, own_shape),
        "exaone4_5": Family("EXAONE 4.5", one_part_each, own_shape),
        "paddleocr_vl": Family("PaddleOCR-VL", one_part_each, own_shape),
        "video_llama_3": Family("VideoLLaMA 3", one_part_each, own_shape),
    }
)
"""The families by Hugging Face's ``model_type``; each is tested on a small model of the real class."""
