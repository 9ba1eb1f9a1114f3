"""Small models of the real classes, with random weights and working processors; seconds to build, offline.

Every kind of model that the package supports is here at a size at which all of its paths are taken: tiles and
newline rows, pooled tiles, windows, merged patches. The fixture ``zoo`` hands out a :class:`Zoo`.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import transformers as tf
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from otanalysis.vlm.model import image_only, load_processor

SPECIAL: Final = ("<pad>", "<s>", "</s>", "<unk>")
_WORDS: Final = """
what is in the picture ? a b c d e f g h which colour how many left right compare and :
"""
WIDTH: Final = 64
_TILES: Final = (
    "<fake_token_around_image>",
    "<end_of_utterance>",
    "<global-img>",
    *(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)),
)
_NAMED: Final[dict[str, dict[str, str]]] = {
    "llava": {"image_token": "<image>"},
    "llava_next": {"image_token": "<image>"},
    "llava_onevision": {"image_token": "<image>", "video_token": "<video>"},
    "qwen2_vl": {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"},
    "qwen2_5_vl": {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"},
    "internvl": {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    },
    "idefics3": {},
    "smolvlm": {"image_token": "<image>", "video_token": "<video>"},
    "paligemma": {"image_token": "<image>"},
}
_MORE: Final[dict[str, tuple[str, ...]]] = {
    "qwen2_vl": ("<|vision_start|>", "<|vision_end|>"),
    "qwen2_5_vl": ("<|vision_start|>", "<|vision_end|>"),
    "idefics3": ("<image>", *_TILES),
    "smolvlm": _TILES,
}
_VIDEO_PARTS: Final = {
    "llava_onevision": "LlavaOnevisionVideoProcessor",
    "qwen2_vl": "Qwen2VLVideoProcessor",
    "qwen2_5_vl": "Qwen2VLVideoProcessor",
    "internvl": "InternVLVideoProcessor",
    "smolvlm": "SmolVLMVideoProcessor",
}
KINDS: Final = tuple(_NAMED)
"""The model types of transformers that the zoo holds."""


def tokenizer(kind: str) -> tf.PreTrainedTokenizerFast:
    """Build the word-level tokenizer of a kind: its special tokens come first after the common ones."""
    named = _NAMED[kind]
    special = (*SPECIAL, *named.values(), *_MORE.get(kind, ()))
    vocabulary = {word: number for number, word in enumerate((*special, "\n", *_WORDS.split()))}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    # The ends of lines are words: Idefics3's processor ends rows of tiles with them.
    lines = pre_tokenizers.Split("\n", "isolated")
    words.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(" ", "removed"), lines])
    if kind != "paligemma":  # its processor writes the token itself, behind the pictures
        words.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    made = tf.PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_special_tokens=named,
        padding_side="left",
    )
    made.add_tokens([tf.AddedToken(word, special=True) for word in _MORE.get(kind, ())], special_tokens=True)
    return made


def _text(vocabulary: int, **more: Any) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary,
        "hidden_size": WIDTH,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "initializer_range": 0.15,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        **more,
    }


def _vision(image: int, patch: int, **more: Any) -> dict[str, Any]:
    return {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": image,
        "patch_size": patch,
        **more,
    }


def _square(side: int) -> dict[str, int]:
    return {"height": side, "width": side}


def _llava(words: Any) -> tuple[Any, Any]:
    config = tf.LlavaConfig(
        vision_config=tf.CLIPVisionConfig(**_vision(48, 8)),
        text_config=tf.LlamaConfig(**_text(len(words))),
        image_token_index=words.image_token_id,
        image_seq_length=36,
        vision_feature_layer=-2,
    )
    images = tf.CLIPImageProcessorPil(size={"shortest_edge": 48}, crop_size=_square(48))
    processor = tf.LlavaProcessor(
        image_processor=images,
        tokenizer=words,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )
    return tf.LlavaForConditionalGeneration(config), processor


_PINPOINTS: Final = [[32, 64], [64, 32], [64, 64], [96, 32], [32, 96]]


def _llava_next(words: Any) -> tuple[Any, Any]:
    config = tf.LlavaNextConfig(
        vision_config=tf.CLIPVisionConfig(**_vision(32, 8)),
        text_config=tf.LlamaConfig(**_text(len(words))),
        image_token_index=words.image_token_id,
        image_grid_pinpoints=_PINPOINTS,
        image_seq_length=16,
    )
    images = tf.LlavaNextImageProcessorPil(
        size={"shortest_edge": 32}, crop_size=_square(32), image_grid_pinpoints=_PINPOINTS
    )
    processor = tf.LlavaNextProcessor(
        image_processor=images,
        tokenizer=words,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )
    return tf.LlavaNextForConditionalGeneration(config), processor


def _llava_onevision(words: Any) -> tuple[Any, Any]:
    """At most 4 tiles are kept whole; the larger pinpoints take the path that pools the rows."""
    pinpoints = [[rows * 32, columns * 32] for rows in (1, 2, 3) for columns in (1, 2, 3)]
    config = tf.LlavaOnevisionConfig(
        vision_config=tf.SiglipVisionConfig(**_vision(32, 8, vision_use_head=False)),
        text_config=tf.Qwen2Config(**_text(len(words))),
        image_token_index=words.image_token_id,
        video_token_index=words.video_token_id,
        image_grid_pinpoints=pinpoints,
        vision_aspect_ratio="anyres_max_4",
    )
    images = tf.LlavaOnevisionImageProcessorPil(size=_square(32), image_grid_pinpoints=pinpoints)
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
        text_config=_text(len(words), rope_parameters=rope),
        image_token_id=words.image_token_id,
        video_token_id=words.video_token_id,
        vision_start_token_id=words.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=words.convert_tokens_to_ids("<|vision_end|>"),
    )


def _qwen_images() -> Any:
    return tf.Qwen2VLImageProcessorPil(
        size={"shortest_edge": 24 * 24, "longest_edge": 64 * 64},
        patch_size=4,
        temporal_patch_size=2,
        merge_size=2,
    )


def _qwen2_vl(words: Any) -> tuple[Any, Any]:
    config = _qwen(words, tf.Qwen2VLConfig, {"embed_dim": 32, "hidden_size": WIDTH, "mlp_ratio": 2})
    processor = image_only(tf.Qwen2VLProcessor)(_qwen_images(), words, None)
    return tf.Qwen2VLForConditionalGeneration(config), processor


def _qwen2_5_vl(words: Any) -> tuple[Any, Any]:
    """Windows of two by two merged patches in the first layer, full attention in the second."""
    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "out_hidden_size": WIDTH,
        "window_size": 16,
        "fullatt_block_indexes": [1],
    }
    config = _qwen(words, tf.Qwen2_5_VLConfig, vision)
    processor = image_only(tf.Qwen2_5_VLProcessor)(_qwen_images(), words, None)
    return tf.Qwen2_5_VLForConditionalGeneration(config), processor


def _internvl(words: Any) -> tuple[Any, Any]:
    config = tf.InternVLConfig(
        vision_config=tf.InternVLVisionConfig(**_vision(32, 4)),
        text_config=tf.Qwen2Config(**_text(len(words))),
        image_token_id=words.context_image_token_id,
        image_seq_length=16,
        tie_word_embeddings=False,
    )
    images = tf.GotOcr2ImageProcessorPil(size=_square(32), crop_to_patches=True, max_patches=4)
    processor = image_only(tf.InternVLProcessor)(
        image_processor=images, tokenizer=words, video_processor=None, image_seq_length=16
    )
    return tf.InternVLForConditionalGeneration(config), processor


def _idefics(words: Any, name: str) -> tuple[Any, Any]:
    config = getattr(tf, f"{name}Config")(
        vision_config=_vision(32, 4),
        text_config=tf.LlamaConfig(**_text(len(words))),
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


def _paligemma(words: Any) -> tuple[Any, Any]:
    images = tf.SiglipImageProcessorPil(size=_square(32))
    images.image_seq_length = 16
    processor = tf.PaliGemmaProcessor(image_processor=images, tokenizer=words)
    config = tf.PaliGemmaConfig(
        vision_config=tf.SiglipVisionConfig(**_vision(32, 8, vision_use_head=False)),
        text_config=tf.GemmaConfig(**_text(len(words), head_dim=16)),
        image_token_index=words.image_token_id,
        projection_dim=WIDTH,
        hidden_size=WIDTH,
        vocab_size=len(words),
    )
    return tf.PaliGemmaForConditionalGeneration(config), processor


BUILDERS: Final[dict[str, Callable[[Any], tuple[Any, Any]]]] = {
    "llava": _llava,
    "llava_next": _llava_next,
    "llava_onevision": _llava_onevision,
    "qwen2_vl": _qwen2_vl,
    "qwen2_5_vl": _qwen2_5_vl,
    "internvl": _internvl,
    "idefics3": lambda words: _idefics(words, "Idefics3"),
    "smolvlm": lambda words: _idefics(words, "SmolVLM"),
    "paligemma": _paligemma,
}


def build(kind: str, folder: Path, *, seed: int = 0) -> Path:
    """Write a model of a kind and its processor into a folder with save_pretrained; return the folder."""
    tf.utils.logging.disable_progress_bar()
    torch.manual_seed(seed)
    model, processor = BUILDERS[kind](tokenizer(kind))
    model.generation_config.pad_token_id = 0
    model.generation_config.bos_token_id = 1
    model.generation_config.eos_token_id = 2
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    if kind in _VIDEO_PARTS:  # as on the Hub; it cannot be built without torchvision
        part = json.dumps({"video_processor_type": _VIDEO_PARTS[kind]})
        (folder / "video_preprocessor_config.json").write_text(part)
    return folder


def picture(height: int = 40, width: int = 60, *, seed: int = 0) -> Image.Image:
    """Return a coloured picture with structure: shaded bands under noise; another seed, another picture."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    waves = generator.uniform(0.05, 0.6, (3, 2))
    bands = np.stack([np.sin(a * rows + b * columns) for a, b in waves], axis=2)
    noisy = 127 + 80 * bands + generator.normal(0, 20, (height, width, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


class Zoo:
    """The models of all kinds under one folder, each built when it is first asked for.

    Parameters
    ----------
    folder
        Where the models are written.
    """

    kinds = KINDS
    picture = staticmethod(picture)

    def __init__(self, folder: Path) -> None:
        self._root = folder
        self._loaded: dict[str, tuple[Any, Any]] = {}

    def folder(self, kind: str) -> Path:
        """Return the folder of a kind's model."""
        path = self._root / kind
        return path if path.is_dir() else build(kind, path)

    def load(self, kind: str) -> tuple[Any, Any]:
        """Return model (float32, evaluation mode) and processor, loaded from the folder, once a session."""
        if kind not in self._loaded:
            folder = self.folder(kind)
            model = tf.AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True)
            self._loaded[kind] = (model.eval(), load_processor(folder, local_files_only=True))
        return self._loaded[kind]

    def fresh(self, kind: str, **options: Any) -> Any:
        """Return the model loaded anew, for a test that changes it; options as for from_pretrained."""
        folder = self.folder(kind)
        return tf.AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True, **options).eval()

    def placeholder(self, kind: str) -> str:
        """Return the text that stands for one picture in a prompt of this kind."""
        token = str(self.load(kind)[1].image_token)
        return f"<|vision_start|>{token}<|vision_end|>" if kind.startswith("qwen") else token

    def prompt(self, kind: str, question: str, *, images: int = 1) -> str:
        """Return a prompt: as many pictures as asked for, then the question."""
        return " ".join([*[self.placeholder(kind)] * images, question])

    def inputs(
        self, kind: str, prompts: Sequence[str], images: Sequence[Sequence[Image.Image]]
    ) -> dict[str, Any]:
        """Return the model's inputs for a batch, through the kind's processor; padded on the left.

        Parameters
        ----------
        kind
            One of :data:`KINDS`.
        prompts
            Texts with one placeholder a picture, as :meth:`prompt` writes them.
        images
            The pictures of each prompt.
        """
        _, processor = self.load(kind)
        pictures: Any = [list(one) for one in images]
        if kind.startswith(("qwen", "internvl")):
            pictures = [picture for one in pictures for picture in one]
        with warnings.catch_warnings():
            # PaliGemma's processor makes a NumPy array of a tensor in a way that NumPy deprecates.
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            made = processor(
                images=pictures, text=list(prompts), return_tensors="pt", padding=True, padding_side="left"
            )
        return {name: value for name, value in made.items() if name != "labels"}

    def image_inputs(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return those inputs that belong to the pictures: what ``get_image_features`` takes."""
        text = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")
        return {name: value for name, value in inputs.items() if name not in text}
