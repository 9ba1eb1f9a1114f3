"""Tables to figures: this room draws and words, and computes no statistics.

It may import every room above it (``experiments``, ``scenes``, ``selection``, ``tokens``); it is the only one
that imports matplotlib. A ``draw_figureN`` takes a table and returns a matplotlib ``Figure`` without touching
pyplot's global state; :mod:`~otanalysis.figures.build` does what is missing before it and saves.
"""

from otanalysis.figures.against_random import draw_against_random
from otanalysis.figures.captions import caption2, caption4
from otanalysis.figures.figure2 import draw_figure2
from otanalysis.figures.figure4 import draw_figure4
from otanalysis.figures.ladder import draw_ladder
from otanalysis.figures.ladder_captions import caption_ladder, caption_scatter
from otanalysis.figures.scatter import draw_scatter
from otanalysis.figures.style import use_paper_style

__all__ = [
    "caption2",
    "caption4",
    "caption_ladder",
    "caption_scatter",
    "draw_against_random",
    "draw_figure2",
    "draw_figure4",
    "draw_ladder",
    "draw_scatter",
    "use_paper_style",
]
