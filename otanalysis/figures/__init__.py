"""From measured tables to figures, their numbers and captions.

A figure is one file: what it needs, its table, its drawing and its caption, declared at the end. The
:mod:`~otanalysis.figures.registry` lists them; for those asked for, :func:`run` does what is missing
(measured by ``studies``), has ``stats`` compute the numbers, draws and writes. A ``draw_...`` takes a table
and returns a matplotlib ``Figure`` without touching pyplot's global state; a ``caption...`` words a table.

May import every room below ``explore``. It is the only one to import seaborn, and with ``explore`` the only
one to import matplotlib. Its names load on first use: the command line knows the figures without matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otanalysis.figures.against_random import draw_against_random
    from otanalysis.figures.build import run
    from otanalysis.figures.figure2 import caption2, draw_figure2
    from otanalysis.figures.figure3 import caption3, draw_figure3
    from otanalysis.figures.figure4 import caption4, draw_figure4
    from otanalysis.figures.figure5 import caption5, draw_figure5
    from otanalysis.figures.floor import caption_floor, draw_floor
    from otanalysis.figures.ladder import caption_ladder, draw_ladder
    from otanalysis.figures.registry import FIGURES
    from otanalysis.figures.scatter import caption_scatter, draw_scatter
    from otanalysis.figures.style import TEXT_WIDTH, figure_bytes, method_look, paper_style, use_paper_style

_FILES = {
    "against_random": ("draw_against_random",),
    "build": ("run",),
    "figure2": ("caption2", "draw_figure2"),
    "figure3": ("caption3", "draw_figure3"),
    "figure4": ("caption4", "draw_figure4"),
    "figure5": ("caption5", "draw_figure5"),
    "floor": ("caption_floor", "draw_floor"),
    "ladder": ("caption_ladder", "draw_ladder"),
    "registry": ("FIGURES",),
    "scatter": ("caption_scatter", "draw_scatter"),
    "style": ("TEXT_WIDTH", "figure_bytes", "method_look", "paper_style", "use_paper_style"),
}

__all__ = [
    "FIGURES",
    "TEXT_WIDTH",
    "caption2",
    "caption3",
    "caption4",
    "caption5",
    "caption_floor",
    "caption_ladder",
    "caption_scatter",
    "draw_against_random",
    "draw_figure2",
    "draw_figure3",
    "draw_figure4",
    "draw_figure5",
    "draw_floor",
    "draw_ladder",
    "draw_scatter",
    "figure_bytes",
    "method_look",
    "paper_style",
    "run",
    "use_paper_style",
]

_HOME = {name: file for file, names in _FILES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
