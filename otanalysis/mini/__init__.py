"""The bundled mini benchmark: composed scenes of real handwriting, and eleven kinds of question about them.

A scene is a square of 24 x 24 patches (192 x 192 pixels) on which handwritten digits and coloured shapes lie
on a textured background. Eleven benchmarks ask short questions about such scenes; they span sparse to dense
scenes and local to global questions. The room makes scenes and questions, scores answers, knows where the
bundled model lies and holds, in :mod:`otanalysis.mini.training`, the recipe by which it was trained.

May import: errors, tokens, transport, surrogate, selection, vlm. Only ``recipe`` imports torch and
transformers itself.
"""

from otanalysis.mini.bundled import (
    bundled_accuracy_path,
    bundled_dumps,
    bundled_model_path,
    write_bundled_dumps,
)
from otanalysis.mini.export import write_pictures, write_results

__all__ = [
    "bundled_accuracy_path",
    "bundled_dumps",
    "bundled_model_path",
    "write_bundled_dumps",
    "write_pictures",
    "write_results",
]
