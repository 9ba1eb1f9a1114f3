"""Small models of the nine classes whose families came first; see zoo.py."""

from __future__ import annotations

from typing import Any, Final

import transformers as tf

from otanalysis.vlm.model import image_only
from tests.vlm.zoo_parts import (
    PINPOINTS,
    QWEN,
    WIDTH,
    Built,
    Species,
    llava_processor,
    qwen_ids,
    qwen_images,
    square,
    text_settings,
    tiled_images,
    vision_settings,
)


def _llava(words: Any) -> Built:
    config = tf.LlavaConfig(
        vision_config=tf.CLIPVisionConfig(**vision_settings(48, 8)),
        text_config=tf.LlamaConfig(**text_settings(len(words))),
        image_token_index=words.image_token_id,
        image_seq_length=36,
        vision_feature_layer=-2,
    )
    return tf.LlavaForConditionalGeneration(config), llava_processor(words, 48, 8)


def _llava_next(words: Any) -> Built:
    config = tf.LlavaNextConfig(
        vision_config=tf.CLIPVisionConfig(**vision_settings(32, 8)),
        text_config=tf.LlamaConfig(**text_settings(len(words))),
        image_token_index=words.image_token_id,
        image_grid_pinpoints=PINPOINTS,
        image_seq_length=16,
    )
    processor = tf.LlavaNextProcessor(
        image_processor=tiled_images(),
        tokenizer=words,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )
    return tf.LlavaNextForConditionalGeneration(config), processor


def _llava_onevision(words: Any) -> Built:
    """At most 4 tiles are kept whole; the larger pinpoints take the path that pools the rows."""
    pinpoints = [[rows * 32, columns * 32] for rows in (1, 2, 3) for columns in (1, 2, 3)]
    config = tf.LlavaOnevisionConfig(
        vision_config=tf.SiglipVisionConfig(**vision_settings(32, 8, vision_use_head=False)),
        text_config=tf.Qwen2Config(**text_settings(len(words))),
        image_token_index=words.image_token_id,
        video_token_index=words.video_token_id,
        image_grid_pinpoints=pinpoints,
        vision_aspect_ratio="anyres_max_4",
    )
    images = tf.LlavaOnevisionImageProcessorPil(size=square(32), image_grid_pinpoints=pinpoints)
    processor = image_only(tf.LlavaOnevisionProcessor)(
        image_processor=images,
        tokenizer=words,
        video_processor=None,
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        vision_aspect_ratio="anyres_max_4",
    )
    return tf.LlavaOnevisionForConditionalGeneration(config), processor


def _qwen(words: Any, config_class: Any, vision: dict[str, Any]) -> Any:
    rope = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 3, 3]}
    return config_class(
        vision_config={
            "depth": 2,
            "num_heads": 2,
            "patch_size": 4,
            "temporal_patch_size": 2,
            "spatial_merge_size": 2,
            "initializer_range": 0.15,
            **vision,
        },
        text_config=text_settings(len(words), rope_parameters=rope),
        **qwen_ids(words),
    )


def _qwen2_vl(words: Any) -> Built:
    config = _qwen(words, tf.Qwen2VLConfig, {"embed_dim": 32, "hidden_size": WIDTH, "mlp_ratio": 2})
    processor = image_only(tf.Qwen2VLProcessor)(qwen_images(), words, None)
    return tf.Qwen2VLForConditionalGeneration(config), processor


def _qwen2_5_vl(words: Any) -> Built:
    """Windows of two by two merged patches in the first layer, full attention in the second."""
    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "out_hidden_size": WIDTH,
        "window_size": 16,
        "fullatt_block_indexes": [1],
    }
    config = _qwen(words, tf.Qwen2_5_VLConfig, vision)
    processor = image_only(tf.Qwen2_5_VLProcessor)(qwen_images(), words, None)
    return tf.Qwen2_5_VLForConditionalGeneration(config), processor


def _internvl(words: Any) -> Built:
    config = tf.InternVLConfig(
        vision_config=tf.InternVLVisionConfig(**vision_settings(32, 4)),
        text_config=tf.Qwen2Config(**text_settings(len(words))),
        image_token_id=words.context_image_token_id,
        image_seq_length=16,
        tie_word_embeddings=False,
    )
    images = tf.GotOcr2ImageProcessorPil(size=square(32), crop_to_patches=True, max_patches=4)
    processor = image_only(tf.InternVLProcessor)(
        image_processor=images, tokenizer=words, video_processor=None, image_seq_length=16
    )
    return tf.InternVLForConditionalGeneration(config), processor


def _idefics(words: Any, name: str) -> Built:
    config = getattr(tf, f"{name}Config")(
        vision_config=vision_settings(32, 4),
        text_config=tf.LlamaConfig(**text_settings(len(words))),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=0,
    )
    images = getattr(tf, f"{name}ImageProcessorPil")(
        size={"longest_edge": 64}, max_image_size={"longest_edge": 32}
    )
    if name == "SmolVLM":
        processor = image_only(tf.SmolVLMProcessor)(images, words, None, image_seq_len=16)
    else:
        processor = tf.Idefics3Processor(images, words, image_seq_len=16)
    return getattr(tf, f"{name}ForConditionalGeneration")(config), processor


def _paligemma(words: Any) -> Built:
    images = tf.SiglipImageProcessorPil(size=square(32))
    images.image_seq_length = 16
    processor = tf.PaliGemmaProcessor(image_processor=images, tokenizer=words)
    config = tf.PaliGemmaConfig(
        vision_config=tf.SiglipVisionConfig(**vision_settings(32, 8, vision_use_head=False)),
        text_config=tf.GemmaConfig(**text_settings(len(words), head_dim=16)),
        image_token_index=words.image_token_id,
        projection_dim=WIDTH,
        hidden_size=WIDTH,
        vocab_size=len(words),
    )
    return tf.PaliGemmaForConditionalGeneration(config), processor


_TILES: Final = (
    "<fake_token_around_image>",
    "<end_of_utterance>",
    "<global-img>",
    *(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)),
)
_VIDEO: Final = {"image_token": "<image>", "video_token": "<video>"}
_INTERNVL: Final = {
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "context_image_token": "<IMG_CONTEXT>",
    "video_token": "<video>",
}

NINE: Final[dict[str, Species]] = {
    "llava": Species(_llava),
    "llava_next": Species(_llava_next),
    "llava_onevision": Species(_llava_onevision, named=_VIDEO, video="LlavaOnevisionVideoProcessor"),
    "qwen2_vl": Species(_qwen2_vl, **QWEN, video="Qwen2VLVideoProcessor"),
    "qwen2_5_vl": Species(_qwen2_5_vl, **QWEN, video="Qwen2VLVideoProcessor"),
    "internvl": Species(_internvl, named=_INTERNVL, video="InternVLVideoProcessor", flat=True),
    "idefics3": Species(lambda words: _idefics(words, "Idefics3"), named={}, more=("<image>", *_TILES)),
    "smolvlm": Species(
        lambda words: _idefics(words, "SmolVLM"), named=_VIDEO, more=_TILES, video="SmolVLMVideoProcessor"
    ),
    "paligemma": Species(_paligemma, begins=False),
}
