"""Vision-language models: load one, capture its visual tokens, run it with the kept ones.

May import: errors, tokens, transport, surrogate, selection; and torch and transformers, which no other room
but ``otanalysis.mini.training`` imports. The heavy imports happen inside functions, so that the rest of the
package works without torch.
"""

from otanalysis.vlm.answer import Trial, try_pruning
from otanalysis.vlm.choose import KeptImage
from otanalysis.vlm.encode import encode_images
from otanalysis.vlm.families import FAMILIES
from otanalysis.vlm.model import VisionLanguageModel, load_model
from otanalysis.vlm.pruned import Pruned, PrunedCall

__all__ = [
    "FAMILIES",
    "KeptImage",
    "Pruned",
    "PrunedCall",
    "Trial",
    "VisionLanguageModel",
    "encode_images",
    "load_model",
    "try_pruning",
]
