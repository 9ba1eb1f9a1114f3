"""What the recipes of all worlds' models share: many questions behind one picture, checkpoints and a curve.

``packing`` runs a language model on questions that stand in a row and do not see each other, ``device`` moves
a model, ``checkpoints`` keeps what is finished, ``log`` writes the training curve.

May import what :mod:`otanalysis.scenes` may, and torch, which ``packing`` and ``device`` load.
"""
