"""Small models of classes that show pictures in their own shapes, as grids of merged patches; see zoo.py."""

from __future__ import annotations

from typing import Any, Final

import transformers as tf
from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor

from otanalysis.vlm.model import image_only
from tests.vlm.zoo_parts import (
    MROPE,
    QWEN,
    WIDTH,
    Built,
    Species,
    qwen3_tower,
    qwen_ids,
    qwen_images,
    text_settings,
    vision_settings,
)
from tests.vlm.zoo_plain import PlainProcessor, as_soft_tokens, in_broken_rows, in_one_run, in_whole_patches


def _qwen3_5(words: Any) -> Built:
    """One layer of linear attention, and one of full."""
    linear = {
        "linear_key_head_dim": 16,
        "linear_value_head_dim": 16,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
        "layer_types": ["linear_attention", "full_attention"],
    }
    config = tf.Qwen3_5Config(
        vision_config=qwen3_tower(),
        text_config=text_settings(len(words), head_dim=16, rope_parameters=MROPE, **linear),
        **qwen_ids(words),
    )
    processor = image_only(Qwen3VLProcessor)(qwen_images(), words, None)
    return tf.Qwen3_5ForConditionalGeneration(config), processor


def _exaone4_5(words: Any) -> Built:
    ids = qwen_ids(words)
    config = tf.Exaone4_5_Config(
        vision_config=qwen3_tower(window_size=16, fullatt_block_indexes=[1], num_key_value_heads=2),
        text_config=tf.Exaone4Config(**text_settings(len(words))),
        image_token_id=ids["image_token_id"],
        video_token_id=ids["video_token_id"],
    )
    processor = image_only(tf.Exaone4_5_Processor)(qwen_images(), words, None)
    return tf.Exaone4_5_ForConditionalGeneration(config), processor


def _glm(words: Any, name: str, processor: str, **text: Any) -> Built:
    rope = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [4, 2, 2]}
    text = {"rope_parameters": rope, **text}
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "out_hidden_size": WIDTH,
        "num_heads": 2,
        "image_size": 64,
        "patch_size": 4,
        "temporal_patch_size": 2,
        "spatial_merge_size": 2,
        "initializer_range": 0.15,
    }
    config = getattr(tf, f"{name}Config")(
        vision_config=vision,
        text_config=text_settings(len(words), **text),
        image_token_id=words.image_token_id,
        video_token_id=words.video_token_id,
        image_start_token_id=words.convert_tokens_to_ids("<|begin_of_image|>"),
        image_end_token_id=words.convert_tokens_to_ids("<|end_of_image|>"),
        video_start_token_id=words.convert_tokens_to_ids("<|begin_of_video|>"),
        video_end_token_id=words.convert_tokens_to_ids("<|end_of_video|>"),
    )
    images = getattr(tf, f"{processor}ImageProcessorPil")(
        size={"shortest_edge": 24 * 24, "longest_edge": 64 * 64 * 2},
        patch_size=4,
        temporal_patch_size=2,
        merge_size=2,
    )
    made = image_only(getattr(tf, f"{processor}Processor"))(images, words, None)
    return getattr(tf, f"{name}ForConditionalGeneration")(config), made


def _video_llama_3(words: Any) -> Built:
    config = tf.VideoLlama3Config(
        vision_config=tf.VideoLlama3VisionConfig(**vision_settings(32, 4)),
        text_config=tf.Qwen2Config(**text_settings(len(words))),
        image_token_id=words.image_token_id,
        video_token_id=words.video_token_id,
    )
    images = tf.VideoLlama3ImageProcessorPil(
        size={"shortest_edge": 24 * 24, "longest_edge": 64 * 64}, patch_size=4, merge_size=2
    )
    processor = image_only(tf.VideoLlama3Processor)(images, words, None)
    return tf.VideoLlama3ForConditionalGeneration(config), processor


def _paddleocr_vl(words: Any) -> Built:
    rope = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [4, 2, 2]}
    ids = qwen_ids(words)
    config = tf.PaddleOCRVLConfig(
        vision_config=vision_settings(32, 4, spatial_merge_size=2),
        text_config=text_settings(len(words), rope_parameters=rope, head_dim=16),
        **ids,
    )
    images = tf.PaddleOCRVLImageProcessorPil(
        size={"shortest_edge": 24 * 24, "longest_edge": 64 * 64}, patch_size=4, merge_size=2
    )
    return tf.PaddleOCRVLForConditionalGeneration(config), tf.PaddleOCRVLProcessor(images, words)


def _pixtral_images() -> Any:
    return tf.PixtralImageProcessorPil(size={"longest_edge": 64}, patch_size={"height": 8, "width": 8})


def _lighton_ocr(words: Any) -> Built:
    config = tf.LightOnOcrConfig(
        vision_config=tf.PixtralVisionConfig(**vision_settings(64, 4, head_dim=16)),
        text_config=tf.Qwen3Config(**text_settings(len(words), head_dim=16)),
        image_token_id=words.image_token_id,
        spatial_merge_size=2,
    )
    processor = tf.LightOnOcrProcessor(_pixtral_images(), words, patch_size=4, spatial_merge_size=2)
    return tf.LightOnOcrForConditionalGeneration(config), processor


def _mistral3(words: Any) -> Built:
    config = tf.Mistral3Config(
        vision_config=tf.PixtralVisionConfig(**vision_settings(64, 4, head_dim=16)),
        text_config=tf.MistralConfig(**text_settings(len(words), head_dim=16)),
        image_token_index=words.image_token_id,
        spatial_merge_size=2,
    )
    return tf.Mistral3ForConditionalGeneration(config), PlainProcessor(
        _pixtral_images(), words, in_broken_rows
    )


def _lfm2_vl(words: Any) -> Built:
    """One layer of short convolution, and one of attention."""
    vision = vision_settings(32, 4, num_patches=64, vision_use_head=False)
    text = text_settings(len(words), layer_types=["conv", "full_attention"], block_multiple_of=8)
    config = tf.Lfm2VlConfig(
        vision_config=tf.Siglip2VisionConfig(**vision),
        text_config=tf.Lfm2Config(**text),
        image_token_id=words.image_token_id,
        projector_hidden_size=32,
    )
    return tf.Lfm2VlForConditionalGeneration(config), PlainProcessor(_pixtral_images(), words, in_one_run)


def _kimi_k25(words: Any) -> Built:
    """DeepSeek-V3's language model: one dense layer, and one of experts, keys and values compressed."""
    text = text_settings(
        len(words),
        num_key_value_heads=4,
        kv_lora_rank=16,
        q_lora_rank=16,
        qk_rope_head_dim=8,
        qk_nope_head_dim=8,
        v_head_dim=16,
        first_k_dense_replace=1,
        n_routed_experts=4,
        num_experts_per_tok=2,
        n_group=1,
        topk_group=1,
        moe_intermediate_size=48,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
    )
    vision = {**vision_settings(32, 4), "pos_emb_height": 8, "pos_emb_width": 8}
    del vision["image_size"]
    config = tf.Kimi_K25Config(
        text_config=tf.DeepseekV3Config(**text),
        vision_config=vision,
        projection_hidden_size=32,
        image_token_id=words.image_token_id,
        video_token_id=words.convert_tokens_to_ids("<video>"),
        vision_start_token_id=words.convert_tokens_to_ids("<start>"),
        vision_end_token_id=words.convert_tokens_to_ids("<end>"),
    )
    processor = PlainProcessor(_pixtral_images(), words, in_whole_patches)
    return tf.Kimi_K25ForConditionalGeneration(config), processor


def _gemma4(words: Any) -> Built:
    vision = {**vision_settings(32, 4), "head_dim": 16, "pooling_kernel_size": 2, "num_key_value_heads": 2}
    text = text_settings(
        len(words),
        head_dim=16,
        global_head_dim=16,
        sliding_window=512,
        hidden_size_per_layer_input=8,
        vocab_size_per_layer_input=len(words),
        use_bidirectional_attention="vision",
        layer_types=["sliding_attention", "full_attention"],
    )
    config = tf.Gemma4Config(
        vision_config=vision,
        text_config=text,
        audio_config=None,
        image_token_id=words.image_token_id,
        video_token_id=words.convert_tokens_to_ids("<video>"),
        audio_token_id=words.convert_tokens_to_ids("<audio>"),
        boi_token_id=words.convert_tokens_to_ids("<start>"),
        eoi_token_id=words.convert_tokens_to_ids("<end>"),
    )
    images = tf.Gemma4ImageProcessorPil(patch_size=4, max_soft_tokens=70, pooling_kernel_size=2)
    processor = PlainProcessor(
        images, words, as_soft_tokens, types="mm_token_type_ids", image_id=words.image_token_id
    )
    return tf.Gemma4ForConditionalGeneration(config), processor


_GLM: Final[dict[str, Any]] = {
    "named": {"image_token": "<|image|>", "video_token": "<|video|>"},
    "more": ("<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>", "<|end_of_video|>"),
    "around": ("<|begin_of_image|>", "<|end_of_image|>"),
    "flat": True,
}
_GLM_EXPERTS: Final[dict[str, Any]] = {
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 48,
    "n_shared_experts": 1,
    "head_dim": 16,
    "rope_parameters": {
        "rope_type": "default",
        "rope_theta": 10_000.0,
        "mrope_section": [2, 1, 1],
        "partial_rotary_factor": 0.5,
    },
}
_AROUND: Final = ("<start>", "<end>")
_PIXTRAL: Final = {"image_token": "<image>", "image_break_token": "<break>", "image_end_token": "<end>"}

GRIDS: Final[dict[str, Species]] = {
    "qwen3_5": Species(_qwen3_5, **QWEN, video="Qwen3VLVideoProcessor"),
    "exaone4_5": Species(_exaone4_5, **QWEN, video="Qwen2VLVideoProcessor"),
    "glm4v": Species(lambda words: _glm(words, "Glm4v", "Glm4v"), **_GLM, video="Glm4vVideoProcessor"),
    "glm4v_moe": Species(
        lambda words: _glm(words, "Glm4vMoe", "Glm4v", **_GLM_EXPERTS), **_GLM, video="Glm4vVideoProcessor"
    ),
    "glm46v": Species(lambda words: _glm(words, "Glm46V", "Glm46V"), **_GLM, video="Glm46VVideoProcessor"),
    "glm_ocr": Species(
        lambda words: _glm(words, "GlmOcr", "Glm46V", head_dim=16), **_GLM, video="Glm46VVideoProcessor"
    ),
    "video_llama_3": Species(_video_llama_3, **QWEN, video="VideoLlama3VideoProcessor"),
    "paddleocr_vl": Species(_paddleocr_vl, **QWEN),
    "lighton_ocr": Species(_lighton_ocr, named=_PIXTRAL, flat=True),
    "mistral3": Species(_mistral3, named=_PIXTRAL, plain=True),
    "lfm2_vl": Species(_lfm2_vl, more=_AROUND, plain=True),
    "kimi_k25": Species(_kimi_k25, more=(*_AROUND, "<video>"), plain=True),
    "gemma4": Species(_gemma4, more=(*_AROUND, "<video>", "<audio>"), plain=True),
}
