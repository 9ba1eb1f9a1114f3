"""Pruned models inside evaluation harnesses: the plug-in for lmms-eval.

May import what :mod:`otanalysis.vlm` may, and lmms-eval, which only the modules ``plugin`` and ``model``
load. ``pip install 'otanalysis[lmms-eval]'`` brings it, and ``lmms-eval --model otanalysis_hf`` then finds
the model by its entry-point group ``lmms_eval.models``.
"""
