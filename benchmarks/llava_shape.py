"""LLaVA-1.5 in its real shape with random weights, its processor and pictures; nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from otanalysis.vlm import VisionLanguageModel

__all__ = ["PROMPT", "SIDE", "TOKENS", "WIDTH", "build_llava", "write_pictures"]

SIDE, PATCH = 336, 14
TOKENS = (SIDE // PATCH) ** 2
WIDTH = 4096
_SPECIAL = ("<pad>", "<s>", "</s>", "<unk>", "<image>")
PROMPT = "USER : <image> what is shown in this picture ? answer with one word or phrase . ASSISTANT :"
_VOCABULARY = {word: place for place, word in enumerate(dict.fromkeys((*_SPECIAL, *PROMPT.split())))}


def build_llava(layers: int, dtype: str, device: str) -> VisionLanguageModel:
    """Build CLIP ViT-L/14 at 336 px, the projector to 4,096 and a language model of 7B width.

    Parameters
    ----------
    layers
        Of the language model; LLaVA-1.5-7B has 32.
    dtype, device
        Type and place of the weights.
    """
    import torch
    from transformers import AutoModelForImageTextToText, CLIPVisionConfig, LlamaConfig, LlavaConfig

    from otanalysis.vlm import VisionLanguageModel

    vision = CLIPVisionConfig(
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=24,
        num_attention_heads=16,
        image_size=SIDE,
        patch_size=PATCH,
        projection_dim=768,
    )
    language = LlamaConfig(
        vocab_size=len(_VOCABULARY),
        hidden_size=WIDTH,
        intermediate_size=11008,
        num_hidden_layers=layers,
        num_attention_heads=32,
        max_position_embeddings=4096,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=language,
        image_token_id=_VOCABULARY["<image>"],
        image_seq_length=TOKENS,
        vision_feature_layer=-2,
    )
    torch.manual_seed(0)
    with torch.device(device):
        model = AutoModelForImageTextToText.from_config(config, dtype=getattr(torch, dtype))
    model.generation_config.eos_token_id = None  # every answer has the length that was asked for
    return VisionLanguageModel("llava-1.5-shape", model.eval(), _processor())


def _processor() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import CLIPImageProcessorPil, LlavaProcessor, PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel(_VOCABULARY, unk_token="<unk>"))
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
    return LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
        ),
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )


def write_pictures(folder: Path, number: int) -> None:
    """Write photographs' stand-ins: 640 x 480 JPEG files of coloured clouds with grain, from a seed."""
    import numpy as np
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for place in range(number):
        generator = np.random.default_rng(place)
        coarse = Image.fromarray(generator.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        clouds = np.asarray(coarse.resize((640, 480), Image.Resampling.BICUBIC), dtype=float)
        grained = np.clip(clouds + generator.normal(0, 8, clouds.shape), 0, 255).astype(np.uint8)
        Image.fromarray(grained).save(folder / f"{place:04d}.jpg", quality=90)
