"""The figures, one line each: the name that ``--only`` takes, and the file that makes the figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from otanalysis.figures.declaration import Declaration

_FILES = {
    "2": "figure2",
    "3": "figure3",
    "4": "figure4",
    "5": "figure5",
    "ladder": "ladder",
    "scatter": "scatter",
    "weights": "weights",
    "floor": "floor",
    "predictors": "predictors",
    "within": "within",
    "distances": "distances",
    "positions": "positions",
    "objects": "objects",
    "worlds": "worlds",
}


class _Figures(Mapping[str, "Declaration[Any]"]):
    """The declarations by name; a file is imported when its figure is asked for.

    So the command line knows the names without loading matplotlib.
    """

    def __getitem__(self, name: str) -> Declaration[Any]:
        figure: Declaration[Any] = import_module(f"otanalysis.figures.{_FILES[name]}").FIGURE
        return figure

    def __iter__(self) -> Iterator[str]:
        return iter(_FILES)

    def __len__(self) -> int:
        return len(_FILES)


FIGURES: Mapping[str, Declaration[Any]] = _Figures()
"""Every figure by its name, in the order in which they are drawn."""

VERDICTS = "verdicts"
"""Name of what is no figure: the table of verdicts, made of the figures' tables."""
