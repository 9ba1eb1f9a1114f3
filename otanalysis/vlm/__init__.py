"""Vision-language models: load one, capture its visual tokens, run it with the kept ones.

:func:`load_model` loads model and processor, :class:`Pruned` runs any supported family on the kept tokens and
:func:`try_pruning` shows the difference on one question; :mod:`otanalysis.vlm.capture` writes the tokens of
pictures into dumps, :mod:`otanalysis.vlm.lmms_eval` is the plug-in for that harness.

May import the rooms below it in ``.importlinter``, and torch and transformers, which no other room but
``otanalysis.mini.training`` imports: here inside functions, so that the rest of the package works without.
"""

from otanalysis.vlm.answer import Trial, answer_prompts, try_pruning
from otanalysis.vlm.check.model import check_model
from otanalysis.vlm.check.report import Finding, ModelReport
from otanalysis.vlm.choose import KeptImage
from otanalysis.vlm.encode import encode_images
from otanalysis.vlm.families import FAMILIES, is_tried
from otanalysis.vlm.layout import layers_of
from otanalysis.vlm.likelihood import AskedPicture, Likelihood
from otanalysis.vlm.model import Dtype, VisionLanguageModel, best_device, load_model, model_fingerprint
from otanalysis.vlm.pruned import Pruned, PrunedCall

__all__ = [
    "FAMILIES",
    "AskedPicture",
    "Dtype",
    "Finding",
    "KeptImage",
    "Likelihood",
    "ModelReport",
    "Pruned",
    "PrunedCall",
    "Trial",
    "VisionLanguageModel",
    "answer_prompts",
    "best_device",
    "check_model",
    "encode_images",
    "is_tried",
    "layers_of",
    "load_model",
    "model_fingerprint",
    "try_pruning",
]
