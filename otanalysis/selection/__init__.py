"""Which tokens to keep: one file a method, one registry.

May import errors, tokens, transport and surrogate.
"""

from otanalysis.selection.base import Selection, Selector, StackSelector, build_selection
from otanalysis.selection.batch import select_batch
from otanalysis.selection.registry import SELECTORS, select, select_many

__all__ = [
    "SELECTORS",
    "Selection",
    "Selector",
    "StackSelector",
    "build_selection",
    "select",
    "select_batch",
    "select_many",
]
