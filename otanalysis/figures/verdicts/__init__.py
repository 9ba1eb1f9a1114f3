"""A verdict on every claim of arXiv:2602.20205, from measured tables, by rules.

:mod:`~otanalysis.figures.verdicts.claim` says what a claim and its verdict are; ``measured``, ``theory`` and
``published`` list the claims by what they rest on: the tables of the figures, the theorem's checks, and the
numbers that the paper prints. ``python -m otanalysis.figures --only verdicts`` writes them.
"""

from otanalysis.figures.verdicts.claim import as_markdown, verdict_table

__all__ = ["as_markdown", "verdict_table"]
