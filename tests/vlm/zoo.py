"""Small models of the real classes, with random weights and working processors; seconds to build, offline.

The nine kinds whose families came first are here at a size at which all of their paths are taken: tiles and
newline rows, pooled tiles, windows, merged patches. Then there is one model of every other class that can be
built small. The fixture ``zoo`` hands out a :class:`Zoo`.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
import transformers as tf
from PIL import Image

from otanalysis.vlm.model import load_processor
from tests.vlm.zoo_deep import DEEP
from tests.vlm.zoo_grids import GRIDS
from tests.vlm.zoo_nine import NINE
from tests.vlm.zoo_parts import Species, picture, tokenizer
from tests.vlm.zoo_squares import SQUARES

SPECIES: Final[dict[str, Species]] = {**NINE, **SQUARES, **DEEP, **GRIDS}
"""Every class of the zoo by its model type."""
KINDS: Final = tuple(NINE)
"""The model types that all tests go through."""
MORE_KINDS: Final = (*SQUARES, *DEEP, *GRIDS)
"""The others, which have one test of everything."""


def build(kind: str, folder: Path, *, seed: int = 0) -> Path:
    """Write a model of a kind and its processor into a folder with save_pretrained; return the folder."""
    tf.utils.logging.disable_progress_bar()
    torch.manual_seed(seed)
    species = SPECIES[kind]
    model, processor = species.build(tokenizer(species))
    model.generation_config.pad_token_id = 0
    model.generation_config.bos_token_id = 1
    model.generation_config.eos_token_id = 2
    model.save_pretrained(folder)
    if not species.plain:
        processor.save_pretrained(folder)
    if species.video is not None:  # as on the Hub; it cannot be built without torchvision
        part = json.dumps({"video_processor_type": species.video})
        (folder / "video_preprocessor_config.json").write_text(part)
    return folder


class Zoo:
    """The models of all kinds under one folder, each built when it is first asked for.

    Parameters
    ----------
    folder
        Where the models are written.
    """

    kinds = KINDS
    more_kinds = MORE_KINDS
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
            self._loaded[kind] = (model.eval(), self._processor(kind))
        return self._loaded[kind]

    def _processor(self, kind: str) -> Any:
        if SPECIES[kind].plain:  # the library's is not to be had without torchvision
            return SPECIES[kind].build(tokenizer(SPECIES[kind]))[1]
        return load_processor(self.folder(kind), local_files_only=True)

    def fresh(self, kind: str, **options: Any) -> Any:
        """Return the model loaded anew, for a test that changes it; options as for from_pretrained."""
        folder = self.folder(kind)
        return tf.AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True, **options).eval()

    def placeholder(self, kind: str) -> str:
        """Return the text that stands for one picture in a prompt of this kind."""
        before, behind = SPECIES[kind].around
        return f"{before}{self.load(kind)[1].image_token}{behind}"

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
            One of :data:`SPECIES`.
        prompts
            Texts with one placeholder a picture, as :meth:`prompt` writes them.
        images
            The pictures of each prompt.
        """
        _, processor = self.load(kind)
        pictures: Any = [list(one) for one in images]
        if SPECIES[kind].flat:
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
