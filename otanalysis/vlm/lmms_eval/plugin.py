"""What lmms-eval's entry-point group ``lmms_eval.models`` finds."""

from __future__ import annotations

from typing import Any, Final

from otanalysis.scores.lmms_eval import PLUGIN

MODEL_ID: Final = PLUGIN
"""Name of the model for ``lmms-eval --model``, by which results files are told from those of others."""


def manifest() -> Any:
    """Return the ``ModelManifest`` by which lmms-eval finds the model, which is loaded when asked for."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return ModelManifest(
        model_id=MODEL_ID, simple_class_path="otanalysis.vlm.lmms_eval.model.PrunedImageTextModel"
    )
