"""Small models of classes whose deeper layers get features of the pictures too (deepstack); see zoo.py."""

from __future__ import annotations

from typing import Any, Final

import transformers as tf
from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor

from otanalysis.vlm.model import image_only
from tests.vlm.zoo_parts import (
    MROPE,
    PINPOINTS,
    QWEN,
    WIDTH,
    Built,
    Species,
    qwen3_tower,
    qwen_ids,
    qwen_images,
    square,
    text_settings,
    tiled_images,
    vision_settings,
)
from tests.vlm.zoo_plain import PlainProcessor, in_merged_patches

_EXPERTS: Final = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 48}


def _qwen3(words: Any, config: type, model: type, **text: Any) -> Built:
    made = config(
        vision_config=qwen3_tower(deepstack_visual_indexes=[0, 1]),
        text_config=text_settings(len(words), head_dim=16, rope_parameters=MROPE, **text),
        **qwen_ids(words),
    )
    return model(made), image_only(Qwen3VLProcessor)(qwen_images(), words, None)


def _qwen3_vl(words: Any) -> Built:
    return _qwen3(words, tf.Qwen3VLConfig, tf.Qwen3VLForConditionalGeneration)


def _qwen3_vl_moe(words: Any) -> Built:
    return _qwen3(words, tf.Qwen3VLMoeConfig, tf.Qwen3VLMoeForConditionalGeneration, **_EXPERTS)


def _cosmos3_omni(words: Any) -> Built:
    return _qwen3(words, tf.Cosmos3OmniConfig, tf.Cosmos3OmniForConditionalGeneration)


def _cohere_compass(words: Any) -> Built:
    """One layer with a window, and one of full attention without positions."""
    config = tf.CohereCompassConfig(
        vision_config=qwen3_tower(deepstack_visual_indexes=[0, 1]),
        text_config=text_settings(
            len(words),
            sliding_window=512,
            layer_types=["sliding_attention", "full_attention"],
            rope_parameters={"sliding_attention": MROPE, "full_attention": None},
        ),
        **qwen_ids(words, _COMPASS_WORDS),
    )
    images = qwen_images(tf.CohereCompassImageProcessorPil)
    processor = image_only(tf.CohereCompassProcessor)(images, words, None)
    return tf.CohereCompassForConditionalGeneration(config), processor


def _granite4_vision(words: Any) -> Built:
    """Features of two layers of the tower go to the first two layers; those of corners also further on."""
    # The tower is as wide as one head of what samples its patches.
    vision = {**vision_settings(32, 4, vision_use_head=False), "hidden_size": 64}
    config = tf.Granite4VisionConfig(
        vision_config=tf.SiglipVisionConfig(**vision),
        text_config=text_settings(len(words), num_hidden_layers=4),
        qformer_config=tf.Blip2QFormerConfig(
            intermediate_size=64,
            num_hidden_layers=1,
            cross_attention_frequency=1,
            use_qformer_text_input=False,
            vocab_size=8,
        ),
        image_token_index=words.image_token_id,
        downsample_rate="2/4",
        deepstack_layer_map=[[-2, 1], [-1, 0]],
        spatial_target_layers=[1, 2, 3, 3],
        vision_feature_select_strategy="full",
        image_grid_pinpoints=PINPOINTS,
    )
    processor = tf.Granite4VisionProcessor(
        tiled_images(), words, patch_size=4, vision_feature_select_strategy="full", downsample_rate="2/4"
    )
    return tf.Granite4VisionForConditionalGeneration(config), processor


def _granite_docling(words: Any) -> Built:
    config = tf.GraniteDoclingConfig(
        vision_config=vision_settings(
            32, 4, scale_factor=2, out_hidden_size=WIDTH, deepstack_visual_indexes=[0, 1]
        ),
        text_config=text_settings(len(words), num_hidden_layers=3),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        pad_token_id=0,
    )
    images = tf.GraniteDoclingImageProcessorPil(size=square(32), max_patches=4)
    processor = tf.GraniteDoclingProcessor(images, words, image_seq_len=16)
    return tf.GraniteDoclingForConditionalGeneration(config), processor


def _qwen3_omni(words: Any) -> Built:
    """The part that thinks, which is a model of its own; what hears is there, but has nothing to hear."""
    made = tf.Qwen3OmniMoeThinkerConfig(
        vision_config=qwen3_tower(deepstack_visual_indexes=[0, 1]),
        audio_config={
            "num_mel_bins": 16,
            "encoder_layers": 1,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "d_model": 32,
            "output_dim": WIDTH,
            "downsample_hidden_size": 8,
        },
        text_config=text_settings(len(words), head_dim=16, rope_parameters=MROPE, **_EXPERTS),
        audio_token_id=words.convert_tokens_to_ids("<|audio_pad|>"),
        audio_start_token_id=words.convert_tokens_to_ids("<|audio_start|>"),
        **qwen_ids(words),
    )
    processor = PlainProcessor(qwen_images(), words, in_merged_patches, image_token="<|image_pad|>")
    return tf.Qwen3OmniMoeThinkerForConditionalGeneration(made), processor


_COMPASS_WORDS: Final = ("<|VISION_START|>", "<|VISION_END|>")
_COMPASS: Final[dict[str, Any]] = {
    **QWEN,
    "named": {"image_token": "<|IMAGE_PAD|>", "video_token": "<|VIDEO_PAD|>"},
    "more": _COMPASS_WORDS,
    "around": _COMPASS_WORDS,
}
_DOCLING_WORDS: Final = (
    "<image>",
    "<fake_token_around_image>",
    "<global-img>",
    *(f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5)),
)

DEEP: Final[dict[str, Species]] = {
    "qwen3_vl": Species(_qwen3_vl, **QWEN, video="Qwen3VLVideoProcessor"),
    "qwen3_vl_moe": Species(_qwen3_vl_moe, **QWEN, video="Qwen3VLVideoProcessor"),
    "cosmos3_omni": Species(_cosmos3_omni, **QWEN, video="Qwen3VLVideoProcessor"),
    "qwen3_omni_moe_thinker": Species(
        _qwen3_omni,
        **{**QWEN, "more": (*QWEN["more"], "<|audio_pad|>", "<|audio_start|>")},
        plain=True,
    ),
    "cohere_compass": Species(_cohere_compass, **_COMPASS, video="CohereCompassVideoProcessor"),
    "granite4_vision": Species(_granite4_vision),
    "granite_docling": Species(_granite_docling, named={}, more=_DOCLING_WORDS),
}
