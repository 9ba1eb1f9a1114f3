"""A figure to be made: of what, and its tables once somebody looks at them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from otanalysis.figures.declaration import Declaration, Given
from otanalysis.figures.record import key_of
from otanalysis.figures.registry import FIGURES


class Work:
    """One figure of what was given, which is asked for only where it is needed.

    Parameters
    ----------
    name : str
        Of the figure, in :data:`~otanalysis.figures.registry.FIGURES`.
    made_of : object
        All that decides what is given, as for :func:`~otanalysis.figures.record.key_of`.
    give : callable
        Returns what is given; called once at most.
    """

    def __init__(self, name: str, made_of: object, give: Callable[[], Given]) -> None:
        self.name, self._made_of, self._give = name, made_of, give

    @classmethod
    def of(cls, name: str, given: Given) -> Work:
        """Return the work of a figure of what is at hand."""
        return cls(name, vars(given), lambda: given)

    @property
    def figure(self) -> Declaration[Any]:
        """Its declaration."""
        return FIGURES[self.name]

    @cached_property
    def given(self) -> Given:
        """What the tables are made of."""
        return self._give()

    @cached_property
    def tables(self) -> dict[str, Any]:
        """The tables of the figure and its further versions, by file name."""
        return self.figure.tables(self.given)

    @cached_property
    def key(self) -> str:
        """The digest of all that its tables, pictures and caption depend on; one file has their code."""
        return key_of(self._made_of, self.figure.draw)
