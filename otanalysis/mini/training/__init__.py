"""The recipe of the bundled model: trains a very small LLaVA on scenes, from a seed, on two CPU cores.

Stages, each with its checkpoint: the vision tower learns to name what every patch belongs to (labels come
with the scenes), first on crops, then on whole scenes; the projector is set on the vocabulary of the language
model; the language model learns to answer, first from object-rich subsets of the tokens, then, and to the
end, from all of them, so that it is not left indifferent to which tokens are kept.

May import: the rooms above, torch, transformers and tokenizers.
"""
