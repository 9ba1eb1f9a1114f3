"""Which tokens to keep: one file a method, one registry.

May import errors, tokens, transport and surrogate.
"""

from otanalysis.selection.registry import SELECTORS, select, select_batch, select_many
from otanalysis.selection.selector import Selection, Selector, StackSelector, build_selection

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
