"""The bundled model's architecture, initialisation, tokenizer and processor."""

from __future__ import annotations

import math
from typing import Any, Final

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor, nn
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from otanalysis.mini.geometry import GRID, PATCH
from otanalysis.mini.questions import WORDS

SPECIAL: Final = ("<pad>", "<s>", "</s>", "<unk>", "<image>")
PIXEL_MEAN: Final = 0.25
PIXEL_STD: Final = 0.25
VISION_WIDTH: Final = 96
VISION_LAYERS: Final = 4
LANGUAGE_WIDTH: Final = 128
LANGUAGE_LAYERS: Final = 4


def position_table(grid: int = GRID, width: int = VISION_WIDTH) -> Tensor:
    """Two-dimensional sine-cosine position codes, shape ``[grid, grid, width]``.

    Wavelengths run from 5 to 100 patches, so that neighbours differ and the whole grid is told apart.
    """
    pairs = width // 4
    wavelengths = torch.logspace(math.log10(5), math.log10(100), pairs)
    phases = 2 * math.pi * torch.arange(grid)[:, None] / wavelengths
    axis = torch.cat([phases.sin(), phases.cos()], dim=1)
    rows = axis[:, None, :].expand(grid, grid, -1)
    columns = axis[None, :, :].expand(grid, grid, -1)
    return torch.cat([rows, columns], dim=2)


def _orthogonal_heads(
    attention: nn.Module, names: tuple[str, str, str, str], *, query: float, value: float
) -> None:
    """Set query = key, and output = transposed value, on random orthogonal bases (mimetic initialisation).

    Tokens then attend to tokens like themselves (for sine-cosine codes: to their neighbours) and copy them,
    which a small model does not find by itself in the time there is (Trockman and Kolter, ICML 2023).
    """
    q, k, v, o = (getattr(attention, name) for name in names)
    width = q.weight.shape[1]
    basis = torch.linalg.qr(torch.randn(width, width))[0]
    other = torch.linalg.qr(torch.randn(width, width))[0]
    with torch.no_grad():
        q.weight.copy_(query * basis)
        k.weight.copy_(query * basis)
        v.weight.copy_(value * other)
        o.weight.copy_(value * other.T)


def _initialise_vision(tower: CLIPVisionModel) -> None:
    with torch.no_grad():
        embeddings = tower.embeddings
        nn.init.normal_(embeddings.patch_embedding.weight, std=(3 * PATCH * PATCH) ** -0.5)
        table = position_table().reshape(-1, VISION_WIDTH)
        embeddings.position_embedding.weight.copy_(torch.cat([torch.zeros(1, VISION_WIDTH), table]))
        layers: list[Any] = list(tower.encoder.layers)
        for layer in layers:
            _orthogonal_heads(
                layer.self_attn, ("q_proj", "k_proj", "v_proj", "out_proj"), query=1.2, value=0.6
            )
            for linear in (layer.mlp.fc1, layer.mlp.fc2):
                nn.init.normal_(linear.weight, std=0.7 * linear.weight.shape[1] ** -0.5)


def _initialise_language(model: LlavaForConditionalGeneration) -> None:
    language = model.model.language_model
    with torch.no_grad():
        nn.init.normal_(language.embed_tokens.weight, std=0.09)
        for layer in language.layers:
            _orthogonal_heads(layer.self_attn, ("q_proj", "k_proj", "v_proj", "o_proj"), query=1.0, value=0.5)
            for linear in (layer.mlp.gate_proj, layer.mlp.up_proj):
                nn.init.normal_(linear.weight, std=linear.weight.shape[1] ** -0.5)
            nn.init.normal_(layer.mlp.down_proj.weight, std=0.3 * layer.mlp.down_proj.weight.shape[1] ** -0.5)


def build_model(seed: int) -> LlavaForConditionalGeneration:
    """Build the untrained model from a seed."""
    torch.manual_seed(seed)
    vision = CLIPVisionConfig(
        hidden_size=VISION_WIDTH,
        intermediate_size=3 * VISION_WIDTH,
        num_hidden_layers=VISION_LAYERS,
        num_attention_heads=4,
        image_size=GRID * PATCH,
        patch_size=PATCH,
        projection_dim=VISION_WIDTH,
    )
    language = LlamaConfig(
        vocab_size=len(SPECIAL) + len(WORDS),
        hidden_size=LANGUAGE_WIDTH,
        intermediate_size=3 * LANGUAGE_WIDTH,
        num_hidden_layers=LANGUAGE_LAYERS,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=1024,
        rope_parameters={"rope_type": "default", "rope_theta": 100_000.0},
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=language,
        image_token_index=SPECIAL.index("<image>"),
        image_seq_length=GRID * GRID,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=True,
    )
    model = LlavaForConditionalGeneration(config)
    _initialise_vision(model.model.vision_tower)
    _initialise_language(model)
    model.generation_config.pad_token_id = 0
    model.generation_config.bos_token_id = 1
    model.generation_config.eos_token_id = 2
    return model


def build_processor() -> LlavaProcessor:
    """Build the processor: a word-level tokenizer, and pixel normalisation without resizing or cropping."""
    vocabulary = {word: number for number, word in enumerate((*SPECIAL, *WORDS))}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_special_tokens={"image_token": "<image>"},
        padding_side="left",
    )
    side = GRID * PATCH
    images = CLIPImageProcessorPil(
        size={"height": side, "width": side},
        do_center_crop=False,
        image_mean=[PIXEL_MEAN] * 3,
        image_std=[PIXEL_STD] * 3,
    )
    return LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )
