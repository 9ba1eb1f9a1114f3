"""What worlds of composed scenes have in common: pictures whose every object is known, and questions on them.

A world brings benchmarks, each a :class:`SceneBenchmark`: :mod:`otanalysis.mini` of handwritten digits,
:mod:`otanalysis.stamps` of photographed objects. Here is what both share: questions and items, the scores of
answers, the commonest answer, the dumps that a model makes of the pictures, and, in
:mod:`otanalysis.scenes.training`, what the recipes of their models share.

May import the rooms below it in ``.importlinter``; only ``training`` imports torch itself.
"""

from otanalysis.scenes.benchmark import Item, Question, SceneBenchmark, named
from otanalysis.scenes.metrics import METRICS

__all__ = ["METRICS", "Item", "Question", "SceneBenchmark", "named"]
