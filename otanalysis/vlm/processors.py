"""Load processors, those too whose part for videos lacks its library: pictures need no torchvision."""

from __future__ import annotations

import sys
from os import PathLike
from typing import Any, NoReturn

from otanalysis.errors import MissingDependencyError

__all__ = ["image_only", "load_processor"]

_WITH_VIDEO = ["image_processor", "tokenizer", "video_processor"]


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
    """
    from transformers import AutoConfig, AutoProcessor
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

    try:
        return AutoProcessor.from_pretrained(source, **options)
    except (OSError, ValueError, ImportError):
        whole: Any = PROCESSOR_MAPPING.get(type(AutoConfig.from_pretrained(source, **options)), None)
        if whole is None or whole.get_attributes() != _WITH_VIDEO:
            raise
    return image_only(whole).from_pretrained(source, **options)


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
