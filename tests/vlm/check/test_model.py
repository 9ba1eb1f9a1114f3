"""Every check passes on real classes, each one fails on a model that breaks what it checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlavaForConditionalGeneration, LlavaModel

from otanalysis.vlm import VisionLanguageModel, check_model


def vlm_of(zoo: Any, kind: str, model: Any = None) -> VisionLanguageModel:
    own, processor = zoo.load(kind)
    return VisionLanguageModel(kind, model or own, processor)


@pytest.mark.parametrize("kind", ["llava_onevision", "qwen2_5_vl", "smolvlm", "paligemma"])
def test_real_classes_pass_every_check(zoo: Any, kind: str) -> None:
    report = check_model(vlm_of(zoo, kind), np.asarray(zoo.picture(60, 90)))
    assert {one.verdict for one in report.findings} == {"passed"}, str(report)
    assert "".join(one.check[0] for one in report.findings) == "aabbcdde"
    assert report.passed
    assert report.model == type(zoo.load(kind)[0]).__name__
    assert "where they lie is known" in report.notes[0]
    assert any("attend to later ones" in note for note in report.notes) == (kind == "paligemma")


ENCODER = ("model.vision_tower", "model.multi_modal_projector")
READER = ("model.language_model", "lm_head")


def spread(encoder: str, reader: str) -> dict[str, Any]:
    """Return the options that put the two halves of a LLaVA on two devices."""
    return {"device_map": {**dict.fromkeys(ENCODER, encoder), **dict.fromkeys(READER, reader)}}


@pytest.mark.parametrize(
    ("options", "digits"),
    [
        ({"dtype": torch.bfloat16}, 0.1),
        ({"dtype": torch.float16}, 0.01),
        ({"attn_implementation": "eager"}, 1e-5),
        (spread("disk", "cpu"), 1e-5),
        (spread("cpu", "disk"), 1e-5),
    ],
)
def test_other_types_attention_and_places_pass(
    zoo: Any, tmp_path: Path, options: dict[str, Any], digits: float
) -> None:
    model = zoo.fresh("llava", **options, offload_folder=tmp_path)
    report = check_model(vlm_of(zoo, "llava", model))
    assert {one.verdict for one in report.findings} == {"passed"}, str(report)
    assert max(one.difference for one in report.findings if one.difference is not None) < digits


def test_a_model_that_is_wrong_in_silence_fails_by_the_check_that_sees_it(
    zoo: Any, silent: tuple[Any, str]
) -> None:
    model, check = silent
    report = check_model(vlm_of(zoo, "llava", model))
    assert not report.passed
    assert check in [one.check for one in report.failures]
    assert f"{check}: " in str(report)


class Adorning(LlavaModel):
    """Hands its language model other tokens than its encoder hands out."""

    def get_placeholder_mask(self, input_ids: Any, inputs_embeds: Any, image_features: Any) -> Any:
        image_features += 1
        return super().get_placeholder_mask(input_ids, inputs_embeds, image_features)


class Mixing(LlavaModel):
    """Lets the pictures of a batch see each other."""

    def get_image_features(self, pixel_values: Any, **given: Any) -> Any:
        output = super().get_image_features(pixel_values, **given)
        mean = torch.stack(list(output.pooler_output)).mean(dim=0)
        output.pooler_output = [one + mean for one in output.pooler_output]
        return output


class Remembering(LlavaForConditionalGeneration):
    """Keeps what it was asked last."""

    def forward(self, *args: Any, **given: Any) -> Any:
        self.asked = given
        return super().forward(*args, **given)


class Uncached(LlavaForConditionalGeneration):
    """Writes as if every step were the first: positions start anew."""

    def prepare_inputs_for_generation(self, input_ids: Any, **kwargs: Any) -> Any:
        made = super().prepare_inputs_for_generation(input_ids, **kwargs)
        if made.get("pixel_values") is None and made["input_ids"].shape[1] == 1:
            made["position_ids"] = torch.zeros_like(made["input_ids"])
        return made


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        (Adorning, "a tokens are the model's own"),
        (Mixing, "a tokens in a batch"),
        (Remembering, "e leaving restores"),
        (Uncached, "d dropping with the cache"),
    ],
)
def test_every_check_has_a_model_that_fails_it(zoo: Any, wrong: Any, check: str) -> None:
    model = zoo.fresh("llava")
    owner = model.model if issubclass(wrong, LlavaModel) else model
    owner.__class__ = wrong
    report = check_model(vlm_of(zoo, "llava", model))
    assert check in [one.check for one in report.failures], str(report)


def test_what_the_processor_or_the_model_cannot_do_is_not_checkable_and_told(
    zoo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    vlm = vlm_of(zoo, "llava")
    prepare = check_model.__globals__["prepare"]

    def alone(*given: Any) -> Any:
        if len(given[1]) > 1:
            raise ValueError("one prompt at a time")
        return prepare(*given)

    monkeypatch.setitem(check_model.__globals__, "prepare", alone)
    report = check_model(vlm)
    verdicts = {one.check: one.verdict for one in report.findings}
    assert verdicts["d dropping in a batch"] == verdicts["a tokens in a batch"] == "not checkable"
    assert "a tokens in a batch: ValueError: one prompt at a time" in str(report)
    assert "d dropping in a batch: for the same reason" in str(report)
    assert report.passed
    monkeypatch.setattr(vlm.model, "get_decoder", lambda: None)
    refused = check_model(vlm)
    assert not refused.passed
    assert "does not tell its language model" in str(refused)
    assert refused.notes == ()
