"""The bundled mini benchmark: composed scenes of real handwriting, and eleven kinds of question about them.

A scene is a square of 24 x 24 patches (192 x 192 pixels) on which handwritten digits and coloured shapes lie
on a textured background. Eleven benchmarks ask short questions about such scenes; they span sparse to dense
scenes and local to global questions. The room makes scenes and questions, scores answers, knows where the
bundled model and its dumps lie, exports its benchmarks in the forms of real ones and holds, in
:mod:`otanalysis.mini.training`, the recipe by which the model was trained.

May import the rooms below it in ``.importlinter``. Only ``training`` imports torch and transformers itself.
Names are looked up in their modules when they are asked for.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
