"""Attention in a captured dump: the model's own, beside the same tokens, and what pruning goes by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from otanalysis.cli import app
from otanalysis.errors import DumpError, InputError
from otanalysis.image import Image as TokenImage
from otanalysis.selection import select
from otanalysis.selection.cdprune import CDPrune
from otanalysis.tokens import open_dump, verify_dump
from otanalysis.vlm import Pruned
from otanalysis.vlm.attention import attention_sides
from otanalysis.vlm.capture.batches import encode_pictures, prepare_pictures
from otanalysis.vlm.capture.capture import capture_tokens
from otanalysis.vlm.model import VisionLanguageModel

SIZES = ((40, 60), (96, 96), (30, 30))


@pytest.fixture
def shown(zoo: Any) -> list[np.ndarray]:
    return [np.asarray(zoo.picture(*size, seed=seed)) for seed, size in enumerate(SIZES)]


def model_of(zoo: Any, kind: str) -> VisionLanguageModel:
    return VisionLanguageModel(kind, *zoo.load(kind))


def captured(vlm: VisionLanguageModel, source: Any, out: Path, **options: Any) -> Any:
    settings = {"benchmark": "photos", "dump_dtype": "float32", "batch_size": 2} | options
    capture_tokens(vlm, source, out, progress=False, **settings)
    return open_dump(out)


@pytest.mark.parametrize("kind", ["llava", "llava_next", "llava_onevision", "qwen2_5_vl", "internvl"])
def test_attention_lies_beside_the_same_tokens(
    zoo: Any, kind: str, shown: list[np.ndarray], made_up: Any, tmp_path: Path
) -> None:
    vlm = model_of(zoo, kind)
    side = attention_sides(vlm.model)
    plain = captured(vlm, made_up(shown), tmp_path / "plain")
    dump = captured(vlm, made_up(shown), tmp_path / "dump", side=side)
    assert verify_dump(dump.path).side == len(dump) == 3
    assert dump.manifest.extra["side"] == list(side)
    assert "side" not in plain.manifest.extra
    for without, sample in zip(plain, dump, strict=True):
        np.testing.assert_array_equal(without.tokens, sample.tokens)
        assert (without.side, set(sample.side)) == ({}, set(side))
    pictures = [shown[2]]  # the last batch, of one picture
    (alone,) = encode_pictures(vlm, prepare_pictures(vlm, pictures), [SIZES[2]], None, side)
    for name, values in alone.side.items():
        np.testing.assert_array_equal(dump[2].side[name], values.double().numpy())


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        ("llava", "attention"),
        ("llava_next", "attention"),
        ("qwen2_5_vl", "attention-by-received_attention"),
        ("internvl", CDPrune("cls_attention")),
        ("llava_onevision", "attention-by-received_attention"),
    ],
)
def test_a_model_keeps_what_is_chosen_of_its_dump(
    zoo: Any, kind: str, method: Any, shown: list[np.ndarray], made_up: Any, tmp_path: Path
) -> None:
    vlm = model_of(zoo, kind)
    dump = captured(vlm, made_up(shown), tmp_path / "dump", side=attention_sides(vlm.model), batch_size=1)
    for sample, pixels in zip(dump, shown, strict=True):
        inputs = zoo.inputs(kind, [zoo.prompt(kind, "what is in the picture ?")], [[Image.fromarray(pixels)]])
        with torch.inference_mode(), Pruned(vlm.model, method, ratio=0.3) as pruned:
            vlm.model(**inputs)
        assert pruned.last is not None
        wanted = select(TokenImage.of_sample(sample), method, ratio=0.3)
        np.testing.assert_array_equal(pruned.last.images[0].indices.numpy(), wanted.indices)
        assert pruned.last.images[0].method == wanted.method


def test_answers_with_all_tokens_are_those_of_the_model_alone(zoo: Any) -> None:
    model, _ = zoo.load("llava")
    inputs = zoo.inputs("llava", [zoo.prompt("llava", "which colour ?")], [[zoo.picture(40, 60)]])
    with torch.inference_mode():
        plain = model(**inputs).logits
        with Pruned(model, "attention", ratio=1.0):
            assert torch.equal(model(**inputs).logits, plain)


def test_what_a_model_cannot_give_is_said_before_anything_is_written(
    zoo: Any, shown: list[np.ndarray], made_up: Any, tmp_path: Path
) -> None:
    for kind, side, message in (
        ("paligemma", "cls_attention", "no class token: take received_attention"),
        ("llava", "text_relevance", "put that into a dump with DumpWriter.add"),
        ("llava", "attention", "cls_attention and received_attention of its tokens, not attention"),
    ):
        with pytest.raises(InputError, match=message):
            captured(model_of(zoo, kind), made_up(shown), tmp_path / "dump", side=[side])
    with pytest.raises(InputError, match="before any attention"):
        captured(model_of(zoo, "llava"), made_up(shown), tmp_path / "dump", side=["cls_attention"], layer=0)
    assert not (tmp_path / "dump").exists()
    for kind, method, message in (
        ("qwen2_vl", "attention", "no class token"),
        ("llava", "cdprune", "not text_relevance"),
    ):
        with pytest.raises(InputError, match=message):
            Pruned(zoo.load(kind)[0], method, ratio=0.3)


def test_a_capture_begun_without_attention_does_not_go_on_with_it(
    zoo: Any, shown: list[np.ndarray], made_up: Any, tmp_path: Path
) -> None:
    vlm = model_of(zoo, "llava")
    with pytest.raises(KeyboardInterrupt):
        captured(vlm, made_up(shown, stop=2), tmp_path / "dump", shard_size=1)
    with pytest.raises(DumpError, match="begun with extra="):
        captured(vlm, made_up(shown), tmp_path / "dump", shard_size=1, side=["cls_attention"])


def test_the_command_takes_both_kinds(zoo: Any, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    zoo.picture(40, 60).save(tmp_path / "photos" / "a.png")
    out = tmp_path / "dump"
    how = ["--images", tmp_path / "photos", "--out", out, "--quiet", "--device", "cpu"]
    asked = ["capture", "--model", zoo.folder("llava"), "--side", "received-attention,cls-attention", *how]
    result = CliRunner().invoke(app, [str(one) for one in asked])
    assert result.exit_code == 0, result.output
    assert list(open_dump(out)[0].side) == ["received_attention", "cls_attention"]
    assert "1 with side information" in CliRunner().invoke(app, ["verify", str(out)]).stdout
