"""What a model is checked on: prompts with one picture and with two, in its processor's own form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otanalysis.vlm.answer import PLACEHOLDER, build_prompt
from otanalysis.vlm.model import VisionLanguageModel, processed

_QUESTIONS = {1: "what is in the picture ?", 2: f"compare {PLACEHOLDER} and {PLACEHOLDER} : which colour ?"}
"""With words between two pictures, which some models need to tell them apart."""


def made_up_picture(height: int = 120, width: int = 180) -> NDArray[np.uint8]:
    """Return an RGB picture with structure at every place: coloured waves that cross, under noise.

    >>> made_up_picture(20, 30).shape
    (20, 30, 3)
    """
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [np.sin(rows / 7 + columns / 23), np.sin(rows / 19 - columns / 5), np.cos(rows * columns / 900)]
    noise = np.random.default_rng(0).normal(0, 20, (height, width, 3))
    pixels: NDArray[np.uint8] = (127 + 80 * np.stack(waves, axis=2) + noise).clip(0, 255).astype(np.uint8)
    return pixels


def parts_of(picture: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Return three pictures of different shapes: the whole one, its left half and its lower half."""
    height, width = picture.shape[:2]
    return [picture, picture[:, : (width + 1) // 2], picture[height // 2 :]]


def prepare(vlm: VisionLanguageModel, prompts: Sequence[Sequence[NDArray[np.uint8]]]) -> dict[str, Any]:
    """Return the inputs of prompts with one picture or two each, padded on the left, on the model's device.

    Parameters
    ----------
    vlm
        The model.
    prompts
        The pictures of every prompt.

    Raises
    ------
    Exception
        Whatever the processor raises of pictures in a list a prompt.
    """
    from PIL import Image

    images = [[Image.fromarray(np.ascontiguousarray(one)) for one in own] for own in prompts]
    texts = [build_prompt(vlm.processor, _QUESTIONS[len(own)], len(own)) for own in prompts]
    made = processed(vlm.processor, images=images, text=texts, padding_side="left")
    device = vlm.model.device
    if device.type == "meta":  # weights that wait on the disk; what loads them moves the inputs too
        device = "cpu"
    inputs = dict(made.to(device))
    inputs["pixel_values"] = inputs["pixel_values"].to(vlm.model.dtype)
    return inputs
