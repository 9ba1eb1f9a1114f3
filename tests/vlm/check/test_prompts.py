"""The pictures and prompts that models are checked on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from otanalysis.vlm import VisionLanguageModel
from otanalysis.vlm.check.prompts import made_up_picture, parts_of, prepare


def test_pictures_are_three_parts_with_structure_everywhere() -> None:
    whole, left, lower = parts_of(made_up_picture(21, 31))
    assert [one.shape[:2] for one in (whole, left, lower)] == [(21, 31), (21, 16), (11, 31)]
    assert np.array_equal(whole[:, :16], left)
    assert np.array_equal(whole[10:], lower)
    blocks = made_up_picture(120, 180).reshape(8, 15, 12, 15, 3).std(axis=(1, 3))
    assert blocks.min() > 10


def test_every_picture_has_its_placeholders_and_pixels_the_models_type(zoo: Any) -> None:
    model = zoo.fresh("llava", dtype=torch.bfloat16)
    vlm = VisionLanguageModel("llava", model, zoo.load("llava")[1])
    parts = parts_of(made_up_picture())
    inputs = prepare(vlm, [parts[:1], parts[1:]])
    assert inputs["pixel_values"].dtype == torch.bfloat16
    counts = (inputs["input_ids"] == model.config.image_token_id).sum(dim=1)
    assert counts.tolist() == [36, 72]
    assert inputs["attention_mask"][:, 0].tolist() == [0, 1]
