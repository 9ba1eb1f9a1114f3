"""Small models of classes that show square pictures: one, or several tiles of one size; see zoo.py."""

from __future__ import annotations

from typing import Any, Final

import torch
import transformers as tf

from tests.vlm.zoo_parts import WIDTH, Built, Species, llava_processor, square, text_settings, vision_settings
from tests.vlm.zoo_plain import PlainProcessor, coarse_and_fine, in_rows_of_tiles, in_square, in_tiles


def _vipllava(words: Any) -> Built:
    config = tf.VipLlavaConfig(
        vision_config=tf.CLIPVisionConfig(**vision_settings(32, 8)),
        text_config=tf.LlamaConfig(**text_settings(len(words))),
        image_token_index=words.image_token_id,
        image_seq_length=16,
        vision_feature_layers=[-2, -1, 1],
        vision_feature_layer=[-2, -1, 1],
    )
    return tf.VipLlavaForConditionalGeneration(config), llava_processor(words, 32, 8)


def _gemma3(words: Any) -> Built:
    config = tf.Gemma3Config(
        vision_config=tf.SiglipVisionConfig(**vision_settings(32, 4, vision_use_head=False)),
        text_config=tf.Gemma3TextConfig(
            **text_settings(len(words), head_dim=16, query_pre_attn_scalar=16, sliding_window=512)
        ),
        mm_tokens_per_image=16,
        boi_token_index=words.boi_token_id,
        eoi_token_index=words.eoi_token_id,
        image_token_index=words.image_token_id,
    )
    images = tf.Gemma3ImageProcessorPil(size=square(32))
    processor = tf.Gemma3Processor(image_processor=images, tokenizer=words, image_seq_length=16)
    model = tf.Gemma3ForConditionalGeneration(config)
    # Zero from the start, so that all visual tokens would be the same.
    torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight, std=0.15)
    return model, processor


def _aya_vision(words: Any) -> Built:
    config = tf.AyaVisionConfig(
        vision_config=tf.SiglipVisionConfig(**vision_settings(32, 4, vision_use_head=False)),
        text_config=tf.Cohere2Config(**text_settings(len(words), sliding_window=512, head_dim=16)),
        image_token_index=words.convert_tokens_to_ids("<|IMG_PATCH|>"),
        downsample_factor=2,
    )
    images = tf.GotOcr2ImageProcessorPil(size=square(32), crop_to_patches=True, max_patches=4)
    processor = tf.AyaVisionProcessor(images, words, patch_size=4, img_size=32, downsample_factor=2)
    return tf.AyaVisionForConditionalGeneration(config), processor


def _ovis2(words: Any) -> Built:
    marks = ("<IMG_START>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>", "<IMG_END>")
    config = tf.Ovis2Config(
        vision_config=tf.Ovis2VisionConfig(**vision_settings(32, 4, hidden_stride=2, vocab_size=40)),
        text_config=tf.Qwen2Config(**text_settings(len(words))),
        image_token_id=words.convert_tokens_to_ids("<IMG_ATOM>"),
        visual_indicator_token_ids=words.convert_tokens_to_ids(list(marks)),
        vocab_size=len(words),
        hidden_size=WIDTH,
    )
    images = tf.Ovis2ImageProcessorPil(size=square(32), crop_to_patches=True, max_patches=4)
    return tf.Ovis2ForConditionalGeneration(config), tf.Ovis2Processor(images, words, image_seq_length=16)


def _janus(words: Any) -> Built:
    vision = vision_settings(32, 8, projection_dim=WIDTH, num_image_tokens=16, mlp_ratio=2)
    quantiser = {
        "embed_dim": 4,
        "num_embeddings": 8,
        "latent_channels": 32,
        "base_channels": 32,
        "channel_multiplier": [1],
        "num_res_blocks": 1,
        "num_patches": 4,
        "projection_dim": WIDTH,
        "image_token_embed_dim": WIDTH,
    }
    config = tf.JanusConfig(
        vision_config=vision,
        text_config=tf.LlamaConfig(**text_settings(len(words))),
        vq_config=quantiser,
        image_token_id=words.image_token_id,
    )
    images = tf.JanusImageProcessorPil(size=square(32), min_size=8)
    return tf.JanusForConditionalGeneration(config), tf.JanusProcessor(images, words, num_image_tokens=16)


def _fast_vlm(words: Any) -> Built:
    config = tf.FastVlmConfig(
        vision_config=tf.ConvNextConfig(
            hidden_sizes=[8, 16, 24, 32], hidden_size=32, depths=[1, 1, 1, 1], image_size=64, patch_size=2
        ),
        text_config=tf.Qwen2Config(**text_settings(len(words))),
        image_token_index=words.image_token_id,
        image_seq_length=16,
    )
    return tf.FastVlmForConditionalGeneration(config), llava_processor(words, 64, 16, class_tokens=0)


def _cohere2_vision(words: Any) -> Built:
    config = tf.Cohere2VisionConfig(
        vision_config=tf.SiglipVisionConfig(**vision_settings(32, 4, vision_use_head=False)),
        text_config=tf.Cohere2Config(**text_settings(len(words), sliding_window=16, head_dim=16)),
        image_token_id=words.convert_tokens_to_ids("<patch>"),
        downsample_factor=2,
        alignment_intermediate_size=64,
    )
    images = tf.GotOcr2ImageProcessorPil(size=square(32), crop_to_patches=True, max_patches=4)
    prepare = in_tiles("<patch>", ("<start>", "<end>"), "<break>")
    return tf.Cohere2VisionForConditionalGeneration(config), PlainProcessor(images, words, prepare)


def _llama4(words: Any) -> Built:
    vision = vision_settings(
        32,
        4,
        pixel_shuffle_ratio=0.5,
        vision_output_dim=WIDTH,
        projector_input_dim=WIDTH,
        projector_output_dim=WIDTH,
    )
    config = tf.Llama4Config(
        vision_config={**vision, "intermediate_size": 128},
        text_config=text_settings(
            len(words),
            head_dim=16,
            intermediate_size_mlp=96,
            num_local_experts=2,
            attention_chunk_size=64,
            no_rope_layers=[1, 0],
        ),
        boi_token_index=words.convert_tokens_to_ids("<|image_start|>"),
        eoi_token_index=words.convert_tokens_to_ids("<|image_end|>"),
        image_token_index=words.convert_tokens_to_ids("<|patch|>"),
    )
    images = tf.GotOcr2ImageProcessorPil(size=square(32), crop_to_patches=True, max_patches=4)
    processor = PlainProcessor(images, words, in_rows_of_tiles, image_token="<picture>")
    return tf.Llama4ForConditionalGeneration(config), processor


def _molmo2(words: Any) -> Built:
    vision = {**vision_settings(16, 4), "image_size": [16, 16], "num_position_embeddings": 16}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16}
    config = tf.Molmo2Config(
        vision_config={**vision, **heads},
        adapter_config={
            "vision_feature_layer": [-1, -2],
            "hidden_size": 32,
            "intermediate_size": 48,
            "text_hidden_size": WIDTH,
            **heads,
        },
        text_config=text_settings(len(words), additional_vocab_size=0, head_dim=16),
        image_patch_id=words.convert_tokens_to_ids("<im_patch>"),
        image_start_token_id=words.convert_tokens_to_ids("<im_start>"),
        low_res_image_start_token_id=words.convert_tokens_to_ids("<low_start>"),
        image_end_token_id=words.convert_tokens_to_ids("<im_end>"),
    )
    processor = PlainProcessor(
        tf.SiglipImageProcessorPil(size=square(16)),
        words,
        coarse_and_fine,
        types="mm_token_type_ids",
        image_id=config.image_patch_id,
    )
    return tf.Molmo2ForConditionalGeneration(config), processor


def _perception_lm(words: Any) -> Built:
    vision = tf.SiglipVisionConfig(
        **vision_settings(32, 4, vision_use_head=False), model_args={"embed_dim": 32}
    )
    config = tf.PerceptionLMConfig(
        vision_config=vision,
        text_config=tf.LlamaConfig(**text_settings(len(words))),
        vision_use_cls_token=False,
        projector_pooling_ratio=2,
        image_token_id=words.image_token_id,
    )
    images = tf.SiglipImageProcessorPil(size=square(32))
    return tf.PerceptionLMForConditionalGeneration(config), PlainProcessor(
        images, words, in_square(16, tiles=True)
    )


_AYA_WORDS: Final = (
    "<|IMG_PATCH|>",
    "<|START_OF_IMG|>",
    "<|END_OF_IMG|>",
    "<|IMG_LINE_BREAK|>",
    "TILE",
    "TILE_GLOBAL",
    *(f"TILE_{number}" for number in range(1, 7)),
)
_OVIS_WORDS: Final = ("<IMG_ATOM>", "<IMG_START>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>", "<IMG_END>")
_GEMMA: Final = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<im>"}
_JANUS: Final = {"image_token": "<image>", "boi_token": "<boi>", "eoi_token": "<eoi>"}
_LLAMA_WORDS: Final = (
    "<|patch|>",
    "<|image|>",
    "<|image_start|>",
    "<|image_end|>",
    "<|tile_x_separator|>",
    "<|tile_y_separator|>",
)
_MOLMO_WORDS: Final = ("<im_patch>", "<im_col>", "<im_start>", "<low_start>", "<im_end>")

SQUARES: Final[dict[str, Species]] = {
    "vipllava": Species(_vipllava),
    "fast_vlm": Species(_fast_vlm),
    "perception_lm": Species(_perception_lm, plain=True),
    "janus": Species(_janus, named=_JANUS),
    "gemma3": Species(_gemma3, named=_GEMMA),
    "aya_vision": Species(_aya_vision, more=_AYA_WORDS),
    "cohere2_vision": Species(_cohere2_vision, more=("<patch>", "<start>", "<end>", "<break>"), plain=True),
    "ovis2": Species(_ovis2, more=_OVIS_WORDS),
    "llama4": Species(_llama4, more=_LLAMA_WORDS, plain=True),
    "molmo2": Species(_molmo2, more=_MOLMO_WORDS, plain=True),
}
