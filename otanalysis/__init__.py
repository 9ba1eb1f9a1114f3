"""Theory and analysis of visual-token pruning through optimal transport."""

__version__ = "0.1.0"
