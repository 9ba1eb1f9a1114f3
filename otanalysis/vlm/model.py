"""Load a vision-language model and its processor, encode pictures to its tokens, tell its weights apart."""

from __future__ import annotations

import hashlib
import json
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, get_args

import numpy as np
from numpy.typing import NDArray

from otanalysis.errors import InputError, MissingDependencyError
from otanalysis.files import sha256_of_file
from otanalysis.progress import progress_bar
from otanalysis.vlm.encode import encode_images, vision_inputs
from otanalysis.vlm.families import encoder_of, family_of, is_tried
from otanalysis.vlm.handed import parts_of
from otanalysis.vlm.layout import ImageTokens
from otanalysis.vlm.requirements import require_transformers

if TYPE_CHECKING:
    import torch

_WITH_VIDEO = ["image_processor", "tokenizer", "video_processor"]
_CONFIGURATION = ("config.json", "processor_config.json", "tokenizer.json", "tokenizer_config.json")
Dtype = Literal["float32", "bfloat16", "float16", "auto"]
"""Types of weights that a model can be loaded in."""


@dataclass(frozen=True, eq=False)
class VisionLanguageModel:
    """A Hugging Face image-text model with its processor; see :class:`~otanalysis.vlm.pruned.Pruned`.

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

        inputs = self._inputs(pictures)
        with torch.inference_mode():
            output = encoder_of(self.model).get_image_features(**vision_inputs(self.model, inputs))
            family = family_of(self.model)
            return [family.place(self.model, part) for part in parts_of(self.model, output, family.field)]

    def image_tokens(
        self, pictures: Sequence[NDArray[np.uint8]], *, side: Sequence[str] = ()
    ) -> tuple[ImageTokens, ...]:
        """Encode pictures to the same tokens, with what is known of them.

        Parameters
        ----------
        pictures
            As for :meth:`visual_tokens`.
        side
            Names of attention to take beside the tokens, see :mod:`otanalysis.vlm.attention`.

        Returns
        -------
        tuple of ImageTokens
            One a picture.

        Raises
        ------
        InputError
            The model's image encoder has no such attention.
        """
        import torch

        with torch.inference_mode():
            return encode_images(
                self.model, self._inputs(pictures), untried=not is_tried(self.model), side=side
            ).images

    def _inputs(self, pictures: Sequence[NDArray[np.uint8]]) -> Any:
        """Return what the processor makes of pictures, each in a prompt that is its placeholder alone."""
        from PIL import Image

        images = [Image.fromarray(picture) for picture in pictures]
        prompts = [self.image_token] * len(images)
        inputs = self.processor(images=images, text=prompts, return_tensors="pt", padding=True)
        return inputs.to(self.model.device)


def load_model(
    source: str | PathLike[str],
    *,
    name: str | None = None,
    revision: str | None = None,
    dtype: Dtype = "float32",
    device: str = "cpu",
) -> VisionLanguageModel:
    """Load an image-text model and its processor, from a folder or by its name on the Hub.

    A folder is loaded without asking the network for anything. A name is looked up in the local cache of the
    Hub first, and downloaded if it is not there; see :class:`~otanalysis.vlm.pruned.Pruned`.

    Parameters
    ----------
    source
        Folder in Hugging Face format, with the processor beside the weights; or a name such as
        ``"llava-hf/llava-1.5-7b-hf"``.
    name
        Name for tables; by default the last part of ``source``.
    revision
        Branch, tag or commit on the Hub; a folder has none.
    dtype
        Type of the weights; ``"auto"`` takes the one that they are stored in.
    device
        Such as ``"cpu"``, ``"cuda"`` or ``"cuda:1"``; ``"auto"`` spreads the model over all devices (needs
        accelerate).

    Raises
    ------
    InputError
        There is no such folder or model, it is no image-text model, or an option does not fit.
    MissingDependencyError
        torch or transformers is missing or too old.
    """
    local = Path(source).exists()
    if local and not (Path(source) / "config.json").is_file():
        raise InputError(
            f"A folder with a Hugging Face model (config.json, weights, processor) was wanted, but {source} "
            "holds no config.json: give the folder that save_pretrained wrote."
        )
    if local and revision is not None:
        raise InputError(f"{source} is a folder and has no revision {revision!r}; leave revision out.")
    require_transformers()
    _check_options(dtype, device)
    options: dict[str, Any] = {"local_files_only": True}
    if revision is not None:
        options["revision"] = revision
    try:
        model, processor = _load(source, options, dtype, device)
    except (OSError, ValueError) as error:
        if local:
            raise InputError(
                f"{source} holds no image-text model that transformers can load: {_first_line(error)}"
            ) from error
        model, processor = _download(source, options, dtype, device)
    label = name or (Path(source).resolve().name if local else str(source).rsplit("/", 1)[-1])
    return VisionLanguageModel(label, model.eval(), processor)


def _load(
    source: str | PathLike[str], options: Mapping[str, Any], dtype: str, device: str
) -> tuple[Any, Any]:
    from transformers import AutoModelForImageTextToText
    from transformers.utils import logging

    logging.disable_progress_bar()
    processor = load_processor(source, **options)
    spread: dict[str, Any] = {"device_map": "auto"} if device == "auto" else {}
    model: Any = AutoModelForImageTextToText.from_pretrained(source, dtype=dtype, **options, **spread)
    return model if spread else model.to(device), processor


def _download(
    source: str | PathLike[str], options: Mapping[str, Any], dtype: str, device: str
) -> tuple[Any, Any]:
    """Load a model that the cache does not hold whole."""
    try:
        return _load(source, {**options, "local_files_only": False}, dtype, device)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{str(source)!r} is no folder, and no image-text model of that name could be loaded from the "
            f"Hub or its local cache: {_first_line(error)} Check the name and the network, or give a folder."
        ) from error


def _check_options(dtype: str, device: str) -> None:
    import torch

    if dtype not in get_args(Dtype):
        raise InputError(f"dtype must be one of {', '.join(get_args(Dtype))}; got {dtype!r}.")
    if device == "auto":
        return
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise InputError(f"device must be such as cpu, cuda or cuda:1; got {device!r}.") from error
    if kind == "cuda" and not torch.cuda.is_available():
        raise InputError(f"The device {device!r} was asked for, but torch sees no GPU here; use cpu.")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def load_processor(source: str | PathLike[str], **options: Any) -> Any:
    """Load the processor of a model; without its part for videos where that cannot be had.

    transformers (v5) demands a video processor, and with it torchvision (and num2words for SmolVLM), of every
    class that could take videos: LLaVA-OneVision, Qwen2-VL, Qwen2.5-VL, InternVL, SmolVLM among others.

    Parameters
    ----------
    source
        A model's folder, or its name on the Hub.
    **options
        For ``AutoProcessor.from_pretrained``, for instance ``revision`` or ``local_files_only``.

    Returns
    -------
    ProcessorMixin
        What ``AutoProcessor`` gives; else the class that it would give, by :func:`image_only`.

    Raises
    ------
    OSError, ValueError, ImportError
        As ``AutoProcessor`` raises them, if the video processor is not what is missing.
    MissingDependencyError
        torch or transformers is missing or too old.
    """
    require_transformers()
    from transformers import AutoConfig, AutoProcessor
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

    try:
        return AutoProcessor.from_pretrained(source, **options)
    except (OSError, ValueError, ImportError):
        whole: Any = PROCESSOR_MAPPING.get(type(AutoConfig.from_pretrained(source, **options)), None)
        whole = whole or _named_processor(source, options)
        if whole is None or whole.get_attributes() != _WITH_VIDEO:
            raise
    return image_only(whole).from_pretrained(source, **options)


def _named_processor(source: str | PathLike[str], options: Mapping[str, Any]) -> Any:
    """Return the class that a processor's own file names; some models use that of another kind (GLM-OCR)."""
    import transformers

    settings, _ = transformers.ProcessorMixin.get_processor_dict(source, **options)
    return getattr(transformers, str(settings.get("processor_class")), None)


def processed(processor: Any, **given: Any) -> Any:
    """Call a processor, without the warning that PaliGemma's causes: NumPy deprecates how it makes an array.

    Parameters
    ----------
    processor
        A Hugging Face processor.
    **given
        Its arguments.

    Returns
    -------
    BatchFeature
        Tensors.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        return processor(**given, return_tensors="pt", padding=True)


def image_only(processor_class: type[Any]) -> type[Any]:
    """Return a processor class without its part for videos; what it does with text and pictures stays.

    Parameters
    ----------
    processor_class
        A class such as ``Qwen2VLProcessor``, made of image processor, tokenizer and video processor.

    Returns
    -------
    type
        A subclass of the same name whose ``video_processor`` is ``None``.
    """
    from transformers import ProcessorMixin

    module = sys.modules[processor_class.__module__]
    if getattr(module, "num2words", ...) is None:  # SmolVLM asks for it at once and uses it for videos only
        vars(module)["num2words"] = _refuse_video

    class ImageOnly(processor_class):  # type: ignore[misc]
        @classmethod
        def get_attributes(cls) -> list[str]:
            return _WITH_VIDEO[:2]

        @classmethod
        def from_args_and_dict(cls, args: list[Any], processor_dict: dict[str, Any], **kwargs: Any) -> Any:
            settings = {name: value for name, value in processor_dict.items() if name != "video_processor"}
            return super().from_args_and_dict([*args, None], settings, **kwargs)

        def apply_chat_template(self, *args: Any, **kwargs: Any) -> Any:
            # SmolVLM's own asks its video processor for numbers whether there is a video or not.
            return ProcessorMixin.apply_chat_template(self, *args, **kwargs)

    ImageOnly.__name__ = ImageOnly.__qualname__ = processor_class.__name__
    return ImageOnly


def _refuse_video(*_: Any, **__: Any) -> NoReturn:
    raise MissingDependencyError("Prompts with videos need num2words: pip install num2words")


def best_device() -> str:
    """Return ``"cuda"`` if torch sees a GPU, else ``"cpu"``.

    Raises
    ------
    MissingDependencyError
        torch or transformers is missing or too old.

    Examples
    --------
    >>> best_device() in ("cpu", "cuda")
    True
    """
    require_transformers()
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def model_fingerprint(path: str | PathLike[str], *, progress: bool = False) -> str:
    """Return a SHA-256 over weights, configuration, tokenizer and processor of a local model folder.

    Parameters
    ----------
    path
        Folder in Hugging Face format.
    progress
        Show a bar with the time left on stderr; the weights of a large model take a while to read.

    Returns
    -------
    str
        64 hexadecimal digits; of files that are not there nothing enters.

    Examples
    --------
    >>> from otanalysis.mini import bundled_model_path
    >>> len(model_fingerprint(bundled_model_path()))
    64
    """
    named = sorted(Path(path).glob("*.safetensors")) + [Path(path) / name for name in _CONFIGURATION]
    files = [file for file in named if file.is_file()]
    size = sum(file.stat().st_size for file in files) / 1e6
    with progress_bar("checksum of the model", "MB", shown=progress) as bar:
        task = bar.add_task("checksum", total=size)
        content = [
            [file.name, sha256_of_file(file, advance=lambda read: bar.advance(task, read / 1e6))]
            for file in files
        ]
        bar.update(task, completed=size)
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
