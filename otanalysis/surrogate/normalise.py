"""Normalisation of tokens before a kernel; the distances share it, so its code lives with the tokens."""

from otanalysis.arrays import Normalisation, normalise_tokens

__all__ = ["Normalisation", "normalise_tokens"]
