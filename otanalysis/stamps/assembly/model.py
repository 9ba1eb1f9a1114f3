"""One LLaVA of the parts, and its processor: ordinary classes of transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otanalysis.errors import InputError
from otanalysis.stamps.assembly.adapter import Adapter, add_changes
from otanalysis.stamps.assembly.language import LanguageModel

if TYPE_CHECKING:
    from transformers import Dinov2Model, LlavaForConditionalGeneration, LlavaProcessor

IMAGE_TOKEN: Final = "<image>"
GRID: Final = 24
"""Patches along a side of the picture that the model sees, as in LLaVA-1.5."""
PIXEL_MEAN: Final = (0.485, 0.456, 0.406)
PIXEL_STD: Final = (0.229, 0.224, 0.225)
"""Mean and deviation of the colours of ImageNet, with which DINOv2 was trained."""

CHAT_TEMPLATE: Final = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""The form of SmolLM2-Instruct without the system message that its own template puts in front."""


def join(vision: Dinov2Model, language: LanguageModel, adapter: Adapter) -> LlavaForConditionalGeneration:
    """Return one model of the three parts, float32.

    The picture's tokens are the second to last layer's, without that of the class (as LLaVA-1.5 takes them
    from CLIP). The table of words grows by a row for the image placeholder, which no answer ever needs: the
    mean of the others.

    Parameters
    ----------
    vision : transformers.Dinov2Model
        The image encoder.
    language : LanguageModel
        The language model; its weights are used up.
    adapter : Adapter
        What joins them.

    Raises
    ------
    InputError
        The adapter is of other parts.
    """
    import torch
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    words = language.config.vocab_size
    sizes = language.config.to_dict() | {"vocab_size": words + 1}
    text = {name: value for name, value in sizes.items() if not name.startswith("_")}  # no folder it was in
    config = LlavaConfig(
        vision_config=vision.config,
        text_config=text,
        image_token_index=words,
        image_seq_length=GRID * GRID,
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        projector_hidden_act="gelu",
        tie_word_embeddings=True,
    )
    add_changes(language.weights, adapter)
    table = language.weights["embed_tokens.weight"]
    language.weights["embed_tokens.weight"] = torch.cat([table, table.double().mean(0, keepdim=True).float()])
    model = LlavaForConditionalGeneration(config)
    parts = {
        "vision_tower": vision.state_dict(),
        "language_model": language.weights,
        "multi_modal_projector": adapter.projector,
    }
    try:
        for name, weights in parts.items():
            getattr(model.model, name).load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(f"The adapter {adapter.name} does not join these parts ({error}).") from error
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        setattr(model.generation_config, name, getattr(language.config, name))
    model.eval()
    return model


def build_processor(tokenizer: Any, encoder: Dinov2Model) -> LlavaProcessor:
    """Return the processor: the language model's tokenizer with a placeholder, and the pictures of DINOv2.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerFast
        It gets the placeholder as its last word.
    encoder : transformers.Dinov2Model
        Whose patches set the size of the pictures.
    """
    from transformers import CLIPImageProcessorPil, LlavaProcessor

    tokenizer.add_tokens(IMAGE_TOKEN, special_tokens=True)
    patch: Any = encoder.config.patch_size
    side = GRID * patch
    images = CLIPImageProcessorPil(
        size={"shortest_edge": side},
        crop_size={"height": side, "width": side},
        image_mean=list(PIXEL_MEAN),
        image_std=list(PIXEL_STD),
    )
    return LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=patch,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
    )
