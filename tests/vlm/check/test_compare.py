"""Rounding is half the digits of a type; a difference is a share of the largest number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import BitsAndBytesConfig
from transformers.utils import is_bitsandbytes_available

from otanalysis.vlm import VisionLanguageModel, check_model
from otanalysis.vlm.check.compare import difference, multiplied_in, rounding_of

eight_bits = pytest.mark.skipif(not is_bitsandbytes_available(), reason="bitsandbytes is not installed")


@pytest.mark.parametrize("name", ["float16", "float32", "float64"])
def test_rounding_is_the_square_root_of_numpys_epsilon(name: str) -> None:
    assert rounding_of(getattr(torch, name)) == pytest.approx(np.sqrt(np.finfo(name).eps), rel=1e-12)


class InAnotherType(torch.nn.Linear):
    """Multiplies in a type of its own, as a layer with weights in four bits does."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__(2, 2)
        self.compute_dtype = dtype


def test_the_coarsest_type_counts_in_which_a_model_multiplies() -> None:
    half, brain, single = torch.float16, torch.bfloat16, torch.float32
    plain = torch.nn.Sequential(torch.nn.Linear(2, 2))
    assert multiplied_in(plain, single) is single
    assert multiplied_in(torch.nn.Sequential(plain, InAnotherType(half)), single) is half
    assert multiplied_in(torch.nn.Sequential(plain, InAnotherType(single)), brain) is brain
    plain.is_loaded_in_8bit = True
    assert multiplied_in(plain, single) is half
    assert multiplied_in(plain, brain) is brain


def test_a_difference_does_not_hang_on_the_scale_and_sees_one_number() -> None:
    wanted = torch.arange(-3.0, 9.0).view(3, 4)
    got = wanted.clone()
    got[1, 2] += 2
    assert difference(wanted, wanted) == 0.0
    for scale in (1.0, 1e-20, 1e20):
        assert difference(got.double() * scale, wanted.double() * scale) == pytest.approx(2 / 8)


def test_what_cannot_be_compared_is_infinitely_far() -> None:
    numbers = torch.tensor([1.0, 2.0])
    for other in (torch.ones(3), torch.tensor([1.0, torch.nan]), torch.tensor([1.0, torch.inf])):
        assert difference(other, numbers) == float("inf")
    assert difference(numbers, torch.zeros(2)) == float("inf")


def test_no_number_at_the_same_place_is_the_same() -> None:
    numbers = torch.tensor([1.0, torch.nan])
    assert difference(numbers, numbers) == 0.0
    assert difference(torch.zeros(0), torch.zeros(0)) == 0.0


@pytest.fixture(scope="module")
def in_eight_bits(zoo: Any) -> VisionLanguageModel:
    options = {"quantization_config": BitsAndBytesConfig(load_in_8bit=True), "device_map": {"": "cpu"}}
    return VisionLanguageModel("llava", zoo.fresh("llava", **options), zoo.load("llava")[1])


@eight_bits
def test_weights_in_eight_bits_pass_up_to_the_rounding_of_their_inputs(
    in_eight_bits: VisionLanguageModel,
) -> None:
    report = check_model(in_eight_bits)
    assert {one.verdict for one in report.findings} == {"passed"}, str(report)


@eight_bits
def test_a_model_in_eight_bits_that_squeezes_positions_fails(
    in_eight_bits: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = type(in_eight_bits.model.model.language_model)
    forward = reader.forward

    def squeezed(self: Any, *args: Any, **given: Any) -> Any:
        if given.get("position_ids") is not None:
            given["position_ids"] = given["position_ids"].clamp(max=given["inputs_embeds"].shape[1] - 1)
        return forward(self, *args, **given)

    monkeypatch.setattr(reader, "forward", squeezed)
    report = check_model(in_eight_bits)
    assert "c" in {one.check[0] for one in report.failures}, str(report)
