"""Load a vision-language model and its processor, and take the visual tokens of pictures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from otanalysis.errors import InputError, MissingDependencyError
from otanalysis.tokens.storage import sha256_of_file

if TYPE_CHECKING:
    import torch

__all__ = ["VisionLanguageModel", "load_model", "model_fingerprint"]

_CONFIGURATION = ("config.json", "processor_config.json", "tokenizer.json", "tokenizer_config.json")
_NOT_IMAGE_INPUTS = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")


@dataclass(frozen=True, eq=False)
class VisionLanguageModel:
    """A Hugging Face image-text model with its processor.

    Attributes
    ----------
    name
        Name under which tables list the model.
    model
        The model, in evaluation mode, with ``get_image_features`` and ``generate``.
    processor
        Its processor.
    """

    name: str
    model: Any
    processor: Any

    @property
    def image_token(self) -> str:
        """The placeholder word that stands for one image in a prompt."""
        return str(self.processor.image_token)

    def visual_tokens(self, pictures: Sequence[NDArray[np.uint8]]) -> list[torch.Tensor]:
        """Encode pictures to the tokens that the language model gets (after the projector).

        Parameters
        ----------
        pictures
            RGB pictures, ``uint8`` of shape ``[h, w, 3]``.

        Returns
        -------
        list of torch.Tensor
            One ``[m, d]`` tensor a picture, in the model's dtype and on its device.
        """
        import torch
        from PIL import Image

        images = [Image.fromarray(picture) for picture in pictures]
        prompts = [self.image_token] * len(images)
        inputs = self.processor(images=images, text=prompts, return_tensors="pt", padding=True)
        inputs = inputs.to(self.model.device)
        vision = {name: value for name, value in inputs.items() if name not in _NOT_IMAGE_INPUTS}
        with torch.inference_mode():
            return list(self.model.get_image_features(**vision).pooler_output)


def load_model(path: str | PathLike[str], *, name: str | None = None) -> VisionLanguageModel:
    """Load a local image-text model folder in float32 on the CPU.

    Parameters
    ----------
    path
        Folder in Hugging Face format, with the processor beside the weights.
    name
        Name for tables; by default that of the folder.

    Raises
    ------
    InputError
        If the folder is missing or holds no image-text model.
    MissingDependencyError
        If torch or transformers is not installed.
    """
    folder = Path(path)
    if not (folder / "config.json").is_file():
        raise InputError(
            f"A folder with a Hugging Face model (config.json, weights, processor) was wanted, but {folder} "
            "holds no config.json: give the folder that save_pretrained wrote."
        )
    try:
        import torch
        from transformers import AutoModelForImageTextToText, AutoProcessor
        from transformers.utils import logging
    except ImportError as error:
        raise MissingDependencyError(
            f"Running a model needs torch and transformers ({error.name} is not installed): "
            "pip install 'otanalysis[vlm]'"
        ) from error
    logging.disable_progress_bar()
    try:
        model = AutoModelForImageTextToText.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True
        )
        processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise InputError(f"{folder} holds no image-text model that transformers can load: {first}") from error
    return VisionLanguageModel(name or folder.resolve().name, model.eval(), processor)


def model_fingerprint(path: str | PathLike[str]) -> str:
    """Return a SHA-256 over weights, configuration, tokenizer and processor of a local model folder."""
    files = sorted(Path(path).glob("*.safetensors")) + [Path(path) / name for name in _CONFIGURATION]
    content = [[file.name, sha256_of_file(file)] for file in files if file.is_file()]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
