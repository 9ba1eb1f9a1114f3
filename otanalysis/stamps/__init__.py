"""A second world: scenes of photographed objects, eleven kinds of question, and a LLaVA of pretrained parts.

A scene is a picture of 336 x 336 pixels, 24 x 24 patches, on which photographs of objects lie before
something smooth or natural. The photographs are Tux Paint's stamps: read where the user has them, never
passed on. Eleven benchmarks ask what is there, where, how many and of what kind, in the whole sentences that
the model was taught. :mod:`otanalysis.stamps.assembly` makes the model.

May import the rooms below it in ``.importlinter``; only ``assembly`` imports torch, transformers, onnx and
gguf. Names are looked up in their modules when they are asked for.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
