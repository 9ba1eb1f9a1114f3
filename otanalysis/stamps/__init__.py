"""The second world: photographs of objects, and a LLaVA of pretrained parts that is asked about them.

:mod:`otanalysis.stamps.assembly` makes the model. May import the rooms below it in ``.importlinter``; only
``assembly`` imports torch, transformers, onnx and gguf.
"""
