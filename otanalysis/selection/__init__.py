"""Which tokens to keep: the methods, one registry of them, and the functions that run them.

May import the rooms below it in ``.importlinter``; of these it uses image, transport and surrogate.
"""

from otanalysis.selection.registry import SELECTORS, TOKEN_METHODS, select, select_batch, select_many
from otanalysis.selection.selector import GreedySelector, Selection, Selector, StackSelector, build_selection

__all__ = [
    "SELECTORS",
    "TOKEN_METHODS",
    "GreedySelector",
    "Selection",
    "Selector",
    "StackSelector",
    "build_selection",
    "select",
    "select_batch",
    "select_many",
]
