"""Real classes that see pictures otherwise than by tokens are refused by what is found in them."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

import pytest
import torch
import transformers as tf
from transformers.modeling_outputs import BaseModelOutputWithPooling

from otanalysis.errors import InputError
from otanalysis.vlm import Pruned, VisionLanguageModel, check_model
from otanalysis.vlm.families import family_of
from otanalysis.vlm.handed import parts_of
from otanalysis.vlm.other_ways import other_ways

_SMALL: Final = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
_WORDS: Final = {"vocab_size": 20, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def _mllama() -> Any:
    vision = {
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_global_layers": 1,
        "attention_heads": 2,
        "image_size": 16,
        "patch_size": 8,
        "vision_output_dim": 64,
        "intermediate_layers_indices": [0],
        "max_num_tiles": 1,
        "supported_aspect_ratios": [[1, 1]],
    }
    rope = {"rope_type": "default", "rope_theta": 10_000.0}
    text = {**_SMALL, **_WORDS, "num_key_value_heads": 2, "cross_attention_layers": [1]}
    config = tf.MllamaConfig(
        vision_config=vision, text_config={**text, "rope_parameters": rope}, image_token_index=19
    )
    return tf.MllamaForConditionalGeneration(config)


def _idefics(*, resampler: bool) -> Any:
    tower = {"embed_dim": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = tf.IdeficsConfig(
        **_SMALL,
        **_WORDS,
        additional_vocab_size=2,
        cross_layer_interval=1,
        use_resampler=resampler,
        vision_config={**tower, "image_size": 16, "patch_size": 8},
        perceiver_config={
            "resampler_n_latents": 4,
            "resampler_depth": 1,
            "resampler_n_heads": 2,
            "resampler_head_dim": 16,
        },
    )
    return tf.IdeficsForVisionText2Text(config)


def _blip2() -> Any:
    config = tf.Blip2Config(
        vision_config={**_SMALL, "image_size": 16, "patch_size": 8},
        qformer_config={**_SMALL, "encoder_hidden_size": 32, "vocab_size": 20},
        text_config={
            "model_type": "opt",
            "word_embed_proj_dim": 32,
            "ffn_dim": 32,
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "vocab_size": 20,
        },
        num_query_tokens=4,
        image_token_index=19,
    )
    return tf.Blip2ForConditionalGeneration(config)


def _attending_only() -> Any:
    return _idefics(resampler=False)


def _resampling_too() -> Any:
    return _idefics(resampler=True)


@pytest.mark.parametrize(
    ("build", "ways"),
    [
        (_mllama, r"cross-attention \(model\.language_model\.layers\.1\.cross_attn\)"),
        (_attending_only, r"cross-attention \(model\.gated_cross_attn_layers\)"),
        (
            _resampling_too,
            r"a resampler \(model\.perceiver_resampler\) and "
            r"cross-attention \(model\.gated_cross_attn_layers\)",
        ),
    ],
)
def test_a_model_that_attends_to_pictures_beside_the_prompt_is_told_so(
    build: Callable[[], Any], ways: str
) -> None:
    model = build().eval()
    why = rf"no get_image_features.* its language model sees pictures by {ways} instead"
    with pytest.raises(InputError, match=why) as refused:
        Pruned(model, keep=2)
    report = check_model(VisionLanguageModel("small", model, SimpleNamespace()))
    assert not report.passed
    assert {finding.verdict for finding in report.findings} == {"failed"}
    assert {finding.reason for finding in report.findings} == {str(refused.value)}
    assert str(report).count(str(refused.value)) == 1


def test_a_resampler_inside_the_call_is_refused_by_what_is_found() -> None:
    """BLIP-2 insists on pixels; an encoder that returns one vector a picture has no tokens."""
    model = _blip2().eval()
    with pytest.raises(InputError, match=r"insists on pixel_values .*by a resampler \(qformer\) inside"):
        Pruned(model, keep=2)
    seen = BaseModelOutputWithPooling(pooler_output=torch.zeros(1, 32))
    with pytest.raises(InputError, match=r"pooler_output has none.*sees pictures by a resampler \(qformer\)"):
        parts_of(model, seen, "pooler_output")
    with pytest.raises(InputError, match="last_hidden_state has none"):
        parts_of(model, BaseModelOutputWithPooling(), "last_hidden_state")


def test_features_of_deeper_layers_alone_are_refused_of_a_kind_that_nobody_named() -> None:
    """Which of them would be the tokens is known of Granite 4 Vision, and not of others."""
    seen = BaseModelOutputWithPooling()
    seen["deepstack_features"] = [(0, [torch.zeros(2, 4)])]
    with pytest.raises(
        InputError, match=r"pooler_output has none\).* by what it returns as deepstack_features,"
    ):
        parts_of(torch.nn.Linear(2, 2), seen, "pooler_output")


def test_a_model_whose_parts_tell_nothing_is_refused_all_the_same(zoo: Any) -> None:
    bare = torch.nn.Linear(2, 2)
    bare.config = SimpleNamespace(model_type="of yesterday")
    with pytest.raises(
        InputError, match=r"Linear \(kind 'of yesterday'\) has no get_image.*take a class that"
    ):
        family_of(bare)
    assert other_ways(bare) == ""
    assert other_ways(zoo.load("llava")[0]) == ""
