"""The language model comes out of GGUF as it went in but for rounding, and as transformers reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from otanalysis.stamps.assembly.language import LanguageModel, read_language


@pytest.fixture(scope="module")
def file(small_world: Any) -> Path:
    return Path(small_world.adapter).with_name("words.gguf")


@pytest.fixture(scope="module")
def read(file: Path) -> LanguageModel:
    return read_language(file)


def test_the_sizes_are_those_of_the_file(read: LanguageModel, small_world: Any) -> None:
    wanted = small_world.words.config
    for name in (
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "max_position_embeddings",
        "rms_norm_eps",
        "tie_word_embeddings",
        "bos_token_id",
        "eos_token_id",
        "pad_token_id",
    ):
        assert getattr(read.config, name) == pytest.approx(getattr(wanted, name)), name
    assert read.config.rope_parameters["rope_theta"] == wanted.rope_parameters["rope_theta"]


def test_weights_are_those_that_went_in_but_for_quantisation(read: LanguageModel, small_world: Any) -> None:
    wanted = small_world.words.model.state_dict()
    assert read.weights.keys() == wanted.keys()
    for name, value in wanted.items():
        array = value.numpy()
        if "mlp" in name:
            kind = gguf.GGMLQuantizationType.Q4_1
            array = gguf.dequantize(gguf.quantize(array, kind), kind)
            assert not np.array_equal(array, value.numpy())
        np.testing.assert_array_equal(read.weights[name].numpy(), array, err_msg=name)


def test_transformers_reads_the_same(read: LanguageModel, file: Path) -> None:
    pytest.importorskip("accelerate")
    other = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    for name, value in other.model.state_dict().items():
        assert torch.equal(read.weights[name], value), name


def test_the_tokenizer_knows_special_words_bytes_and_merges(read: LanguageModel) -> None:
    tokenizer = read.tokenizer
    assert tokenizer.convert_ids_to_tokens(tokenizer("<|im_start|>th t\n<|im_end|>")["input_ids"]) == [
        "<|im_start|>",
        "th",
        "Ġ",
        "t",
        "Ċ",
        "<|im_end|>",
    ]
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|im_end|>")
    assert tokenizer.decode(tokenizer("Ärger 7")["input_ids"]) == "Ärger 7"
