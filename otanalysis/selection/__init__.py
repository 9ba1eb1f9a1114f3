"""Which tokens to keep: one file a method, one registry.

May import errors, tokens, transport and surrogate.
"""

from otanalysis.selection.base import Selection, Selector, build_selection
from otanalysis.selection.registry import SELECTORS, select, select_many

__all__ = ["SELECTORS", "Selection", "Selector", "build_selection", "select", "select_many"]
