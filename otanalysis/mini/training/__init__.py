"""The recipe of the bundled model: trains a very small LLaVA on scenes, from a seed, on two CPU cores.

Stages, each with its checkpoint: the vision tower learns to name what every patch belongs to (labels come
with the scenes), first on crops, then on whole scenes; the projector is set on the vocabulary of the language
model; the language model learns to answer, first from object-rich subsets of the tokens, then, and to the
end, from all of them, so that it is not left indifferent to which tokens are kept.

``train`` runs the stages of ``vision`` and ``language`` on the model of ``architecture``, ``export`` writes
the folder of the finished model; :mod:`otanalysis.scenes.training` has what other worlds' recipes share. May
import what :mod:`otanalysis.mini` may, and torch, transformers and tokenizers, which every module loads.
"""
