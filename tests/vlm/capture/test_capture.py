"""A captured dump holds what the model itself makes of each picture, and says where it came from."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as tf
from packaging.version import Version
from typer.testing import CliRunner

from otanalysis.cli import app
from otanalysis.errors import InputError
from otanalysis.tokens import open_dump, verify_dump
from otanalysis.vlm.capture.capture import capture_tokens
from otanalysis.vlm.capture.provenance import model_revision
from otanalysis.vlm.capture.sources import open_pictures
from otanalysis.vlm.model import VisionLanguageModel, load_model

PACKED = ("llava_next", "llava_onevision")
ALONE = 1e-5
"""Batches round differently from single pictures; the tokens are of order one."""


@pytest.fixture
def vlm(zoo: Any, kind: str) -> VisionLanguageModel:
    model, processor = zoo.load(kind)
    return VisionLanguageModel(kind, model, processor)


def captured(vlm: VisionLanguageModel, source: Any, out: Path, **options: Any) -> Any:
    """Capture in float32 without a bar; return the dump."""
    settings = {"benchmark": "photos", "dump_dtype": "float32", "batch_size": 3, "shard_size": 4} | options
    capture_tokens(vlm, source, out, progress=False, **settings)
    assert verify_dump(out).sound
    return open_dump(out)


def features_alone(zoo: Any, kind: str, pixels: np.ndarray) -> torch.Tensor:
    """Return all rows [n, d] that the model makes of one picture, straight from its method."""
    inputs = zoo.inputs(kind, [zoo.placeholder(kind)], [[tf.image_utils.load_image(_image(pixels))]])
    with torch.inference_mode():
        parts = zoo.load(kind)[0].get_image_features(**zoo.image_inputs(inputs)).pooler_output
    return torch.cat([part.reshape(-1, part.shape[-1]) for part in parts])


def _image(pixels: np.ndarray) -> Any:
    from PIL import Image

    return Image.fromarray(pixels)


def test_tokens_are_the_models_features_without_newline_rows(
    zoo: Any, kind: str, vlm: VisionLanguageModel, pictures: list[np.ndarray], made_up: Any, tmp_path: Path
) -> None:
    """Newline rows are found here by their value, the model's parameter; the capture looks at none."""
    dump = captured(vlm, made_up(pictures), tmp_path / "dump")
    assert [sample.id for sample in dump] == [f"picture-{number}" for number in range(len(pictures))]
    for sample, pixels in zip(dump, pictures, strict=True):
        rows = features_alone(zoo, kind, pixels)
        newline = torch.zeros(len(rows), dtype=torch.bool)
        if kind in PACKED:
            newline = (rows == vlm.model.model.image_newline).all(dim=1)
            assert newline.any()
        np.testing.assert_allclose(sample.tokens, rows[~newline].numpy(), rtol=ALONE, atol=ALONE)
        assert sample.extra.get("newline_rows", []) == newline.nonzero()[:, 0].tolist()
        assert sample.extra["image_size"] == list(pixels.shape[:2])
        assert sample.extra["number"] == int(sample.id[-1])


def test_grids_and_views_cover_all_tokens(
    kind: str, vlm: VisionLanguageModel, pictures: list[np.ndarray], made_up: Any, tmp_path: Path
) -> None:
    dump = captured(vlm, made_up(pictures), tmp_path / "dump")
    assert (dump.manifest.grid is not None) == (kind in ("llava", "paligemma"))
    seen = set()
    assert len(dump) == len(pictures)
    for sample in dump:
        views = sample.extra.get("views", [{"grid": sample.grid}])
        assert sum(view["grid"][0] * view["grid"][1] for view in views) == len(sample.tokens)
        assert sample.grid == (tuple(views[0]["grid"]) if len(views) == 1 else None)
        seen.add(tuple(tuple(view["grid"]) for view in views))
    assert (len(seen) > 1) == (kind not in ("llava", "paligemma"))


def test_the_manifest_says_where_the_tokens_came_from(
    zoo: Any, kind: str, vlm: VisionLanguageModel, photos: Path, tmp_path: Path
) -> None:
    revision = model_revision(vlm, zoo.folder(kind))
    dump = captured(vlm, open_pictures(photos), tmp_path / "dump", revision=revision, limit=2)
    manifest = dump.manifest
    assert (manifest.model, manifest.benchmark, len(manifest.revision)) == (kind, "photos", 64)
    own = getattr(vlm.model.config, "vision_feature_layer", -1)
    assert manifest.layer == own
    assert manifest.extra["source"] == {"kind": "folder", "name": "photos", "pictures": 7}
    model = manifest.extra["model"]
    assert (model["kind"], model["class"]) == (kind, type(vlm.model).__name__)
    assert model["tried"] is True
    assert (model["dtype"], model["device"]) == ("float32", "cpu")
    for library in ("torch", "transformers", "pillow"):
        assert model["versions"][library] == version(library)
    settings = manifest.processor["image_processor"]
    assert settings["class"] == type(vlm.processor.image_processor).__name__
    assert settings["image_mean"] == list(vlm.processor.image_processor.image_mean)
    assert len(dump) == 2
    for sample in dump:
        file = (photos / sample.id).read_bytes()
        assert sample.extra["image_sha256"] == hashlib.sha256(file).hexdigest()


def test_another_vision_layer_is_projected_on_request(
    zoo: Any, pictures: list[np.ndarray], made_up: Any, tmp_path: Path
) -> None:
    model, processor = zoo.load("llava")
    vlm = VisionLanguageModel("llava", model, processor)
    square = made_up([pictures[4]])
    inputs = zoo.inputs("llava", ["<image>"], [[_image(pictures[4])]])
    with torch.inference_mode():
        states = model.model.vision_tower(inputs["pixel_values"], output_hidden_states=True).hidden_states
        expected = [model.model.multi_modal_projector(state[:, 1:])[0].numpy() for state in states]
    for layer in (0, 1, 2, -1, -2):
        dump = captured(vlm, square, tmp_path / str(layer), layer=layer)
        np.testing.assert_allclose(dump[0].tokens, expected[layer], rtol=ALONE, atol=ALONE)
        assert dump.manifest.layer == layer
    assert not np.allclose(expected[1], expected[2], atol=0.01)
    for layer in (3, -4):
        with pytest.raises(InputError, match=r"must lie in -3\.\.2, this model has 2 vision layers"):
            captured(vlm, square, tmp_path / "none", layer=layer)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("kind", ["llava_next", "llava_onevision", "internvl", "qwen2_vl", "idefics3"])
def test_layers_are_taken_where_the_class_takes_them(
    kind: str, vlm: VisionLanguageModel, pictures: list[np.ndarray], made_up: Any, tmp_path: Path
) -> None:
    source = made_up(pictures[:1])
    if kind in ("qwen2_vl", "idefics3"):
        with pytest.raises(InputError, match=f"'{kind}' .* always project their last vision layer"):
            captured(vlm, source, tmp_path / "dump", layer=-2)
        return
    other = 1 if kind == "llava_next" else -2
    assert vlm.model.config.vision_feature_layer == (-2 if kind == "llava_next" else -1)
    own = captured(vlm, source, tmp_path / "own")[0].tokens
    changed = captured(vlm, source, tmp_path / "other", layer=other)[0].tokens
    same = kind == "llava_next"  # of two layers, 1 and -2 are the same
    assert own.shape == changed.shape
    assert np.allclose(own, changed, atol=1e-3) == same


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_short_floats_are_stored_as_they_are(
    zoo: Any, dtype: Any, pictures: list[np.ndarray], made_up: Any, tmp_path: Path
) -> None:
    vlm = load_model(zoo.folder("llava"), dtype=dtype)
    source = made_up(pictures[:2])
    wide = captured(vlm, source, tmp_path / "wide")
    inputs = zoo.inputs("llava", ["<image>"] * 2, [[_image(pixels)] for pixels in pictures[:2]])
    with torch.inference_mode():
        rows = vlm.model.get_image_features(inputs["pixel_values"].to(vlm.model.dtype)).pooler_output
    assert rows[0].dtype == getattr(torch, dtype)
    for sample, expected in zip(wide, rows, strict=True):
        np.testing.assert_array_equal(sample.tokens, expected.float().numpy())
    assert wide.manifest.extra["model"]["dtype"] == dtype
    short = captured(vlm, source, tmp_path / "short", dump_dtype="float16")
    np.testing.assert_array_equal(short[0].tokens, wide[0].tokens.astype(np.float16).astype(np.float32))


def test_tokens_too_large_for_the_dump_are_refused(
    zoo: Any, pictures: list[np.ndarray], made_up: Any, tmp_path: Path
) -> None:
    model = zoo.fresh("llava", dtype=torch.bfloat16)
    with torch.no_grad():
        model.model.multi_modal_projector.linear_2.weight *= 1e6
    vlm = VisionLanguageModel("large", model, zoo.load("llava")[1])
    with pytest.raises(InputError, match=r"picture-0.*too large for float16.*--dump-dtype float32"):
        captured(vlm, made_up(pictures[:2]), tmp_path / "short", dump_dtype="float16")
    assert captured(vlm, made_up(pictures[:2]), tmp_path / "wide")[0].tokens.max() > np.finfo(np.float16).max


def test_thumbnails_show_what_the_grid_lies_on(
    zoo: Any, pictures: list[np.ndarray], made_up: Any, tmp_path: Path
) -> None:
    """LLaVA sees the middle of a picture, Qwen all of it, InternVL several views."""
    wide = np.zeros((40, 120, 3), np.uint8)
    wide[:, 40:80] = 200  # the middle, which is all that LLaVA sees
    shown = {}
    for kind in ("llava", "qwen2_vl", "internvl"):
        vlm = VisionLanguageModel(kind, *zoo.load(kind))
        shown[kind] = captured(vlm, made_up([wide]), tmp_path / kind, thumbnails=True)[0].thumbnail
    assert shown["llava"].shape == (40, 40, 3)
    assert abs(shown["llava"].astype(int) - 200).max() < 10
    assert shown["qwen2_vl"].shape == shown["internvl"].shape == wide.shape
    vlm = VisionLanguageModel("llava", *zoo.load("llava"))
    assert captured(vlm, made_up(pictures[:1]), tmp_path / "without")[0].thumbnail is None


vip_llava_works = pytest.mark.skipif(
    Version(tf.__version__) < Version("5.23"),
    reason="transformers before 5.23: get_image_features of ViP-LLaVA itself raises an IndexError",
)


def vip_llava(zoo: Any) -> VisionLanguageModel:
    torch.manual_seed(0)
    llava, processor = zoo.load("llava")
    config = tf.VipLlavaConfig(
        vision_config=llava.config.vision_config,
        text_config=llava.config.text_config,
        image_token_index=llava.config.image_token_id,
        image_seq_length=36,
        vision_feature_layer=[-2, 1],
    )
    return VisionLanguageModel("vip", tf.VipLlavaForConditionalGeneration(config).eval(), processor)


@vip_llava_works
def test_the_command_tells_of_kinds_that_nobody_tried(zoo: Any, photos: Path, tmp_path: Path) -> None:
    vlm = vip_llava(zoo)
    vlm.model.save_pretrained(tmp_path / "vip")
    vlm.processor.save_pretrained(tmp_path / "vip")
    for folder, told in ((tmp_path / "vip", "'vipllava' were not tried"), (zoo.folder("llava"), "")):
        words = ("--model", folder, "--images", photos, "--out", tmp_path / f"dump-{folder.name}", "--quiet")
        result = CliRunner().invoke(app, ["capture", *map(str, words), "--device", "cpu", "--limit", "1"])
        assert result.exit_code == 0, result.output
        assert told in result.stderr
        assert bool(told) == bool(result.stderr)


@vip_llava_works
def test_a_class_that_nobody_tried_is_captured_by_its_method(
    zoo: Any, pictures: list[np.ndarray], made_up: Any, tmp_path: Path
) -> None:
    """ViP-LLaVA projects several vision layers together."""
    vlm = vip_llava(zoo)
    dump = captured(vlm, made_up(pictures), tmp_path / "dump")
    inputs = zoo.inputs("llava", ["<image>"], [[_image(pictures[2])]])
    with torch.inference_mode():
        expected = vlm.model.get_image_features(inputs["pixel_values"]).pooler_output[0]
    np.testing.assert_allclose(dump[2].tokens, expected.numpy(), rtol=ALONE, atol=ALONE)
    assert dump.manifest.grid == (6, 6)
    assert dump.manifest.extra["model"]["tried"] is False
    with pytest.raises(InputError, match=r"'vipllava' .* wants the vision layers \[-2, 1\] together"):
        captured(vlm, made_up(pictures), tmp_path / "none", layer=-1)


def test_kinds_without_visual_tokens_are_named(
    zoo: Any, pictures: list[np.ndarray], made_up: Any, tmp_path: Path
) -> None:
    small = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = tf.GitConfig(vision_config={**small, "image_size": 32, "patch_size": 8}, vocab_size=50, **small)
    _, processor = zoo.load("llava")
    vlm = VisionLanguageModel("git", tf.GitForCausalLM(config), processor)
    with pytest.raises(InputError, match=r"kind 'git' \(GitForCausalLM\) cannot be captured.*llava"):
        captured(vlm, made_up(pictures), tmp_path / "dump")
    llava, _ = zoo.load("llava")
    speechless = VisionLanguageModel("llava", llava, object())
    with pytest.raises(InputError, match=r"kind 'llava' .* there is no processor\.image_token"):
        captured(speechless, made_up(pictures), tmp_path / "dump")
    llava = zoo.fresh("llava")
    llava.config.model_type = "unheard_of"
    llava.config.image_token_id = 1  # a word that the prompts hold once, not 36 times
    with pytest.raises(InputError, match=r"kind 'unheard_of' .* do not fit the placeholders"):
        captured(VisionLanguageModel("x", llava, processor), made_up(pictures), tmp_path / "dump")
    assert not (tmp_path / "dump").exists()


@pytest.mark.parametrize("option", ["batch_size", "limit"])
def test_counts_must_be_positive(zoo: Any, made_up: Any, tmp_path: Path, option: str) -> None:
    vlm = VisionLanguageModel("llava", *zoo.load("llava"))
    with pytest.raises(InputError, match=f"{option} must be at least 1, got 0"):
        captured(vlm, made_up([]), tmp_path / "dump", **{option: 0})
