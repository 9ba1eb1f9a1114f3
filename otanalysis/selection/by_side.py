"""Methods that choose by side information: what they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from otanalysis.errors import InputError
from otanalysis.scalars import shown
from otanalysis.selection.selector import Selector
from otanalysis.side import is_side_name


@dataclass(frozen=True)
class BySide(Selector):
    """A method whose parameter says which side information it chooses by.

    Attributes
    ----------
    by : str
        Name of the side information, in any unit; more is better.

    Raises
    ------
    InputError
        If ``by`` is no name.
    """

    by: str

    method: ClassVar[str]
    """Name of the method with the usual side information."""
    usual: ClassVar[str]
    """Name of that side information."""

    def __post_init__(self) -> None:
        if not is_side_name(self.by):
            raise InputError(
                f"by must be a name of side information such as {self.usual!r}; got {shown(self.by)}."
            )

    @property
    def name(self) -> str:  # type: ignore[override]
        """Name in the registry and in tables, which have to tell methods by different information apart."""
        return self.method if self.by == self.usual else f"{self.method}-by-{self.by}"

    @property
    def needs(self) -> tuple[str, ...]:
        """The side information that decides."""
        return (self.by,)
