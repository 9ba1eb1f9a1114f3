"""The models whose measured tables are bundled: what is known of each without running it.

One of them, the bundled model, is run here, and its distances are measured from its dumps. Of the others the
tables are read: accuracies, distances of kept sets, and the test inside the image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pandas as pd

from otanalysis.errors import InputError
from otanalysis.files import bundled_data
from otanalysis.mini.bundled import MODEL_NAME
from otanalysis.scores.table import read_accuracy
from otanalysis.studies.ladder import read_ladder_summary
from otanalysis.studies.world_distances import read_distances

STAMPS: Final = "stamp-llava"
"""Folder of the tables of models made of pretrained parts, and name of the first of them."""

ACCURACY: Final[Mapping[str, str]] = MappingProxyType(
    {"renumbered": "accuracy.csv", "original": "accuracy_original.csv"}
)
"""Names of accuracy tables beside a model, by what becomes of the positions of kept tokens."""

LADDER_NAME: Final = "ladder_{}.csv"
"""Name of the summary of the ladder, with the name of the model in place of the braces."""

DISTANCES_NAME: Final = "distances.parquet"
"""Name of the table of distances, a row a kept set and normalisation."""

_OF_DIGITS: Final = MappingProxyType(
    {
        "place": ("corner-digit", "digit-place", "read-row"),
        "content": ("presence", "digit-colour", "shape-colour", "colour-digit", "largest-digit"),
        "count": ("count-digits", "count-colour", "mosaic-majority"),
    }
)
_OF_STAMPS: Final = MappingProxyType(
    {
        "place": ("place", "where", "category", "leftof", "list"),
        "content": ("presence", "largest", "either"),
        "count": ("count", "more", "majority"),
    }
)
"""What a benchmark's questions turn on: where something is (or what is somewhere), what it is, how many."""


@dataclass(frozen=True)
class World:
    """A model with the scenes that it was asked about, and where its measured tables are.

    Attributes
    ----------
    model : str
        As tables name it.
    words : str
        What it is, in a few words for figures.
    folder : str
        Of its tables, in the data folder.
    kinds : mapping
        From a kind of question (place, content, count) to the benchmarks of that kind.
    measured_here : bool
        Whether its distances are measured from its dumps; those of the others are read.

    Examples
    --------
    >>> scores = WORLDS["stamp-llava-natural"].scores("original").set_index(["method", "benchmark"])["value"]
    >>> [round(float(scores[method].mean()), 3) for method in ("full", "majority", "no-image")]
    [0.875, 0.17, 0.19]
    """

    model: str
    words: str
    folder: str
    kinds: Mapping[str, tuple[str, ...]]
    measured_here: bool = False

    def scores(self, positions: str = "renumbered") -> pd.DataFrame:
        """Return its accuracies with renumbered or original positions of the kept tokens.

        Raises
        ------
        InputError
            If the table is not there or damaged.
        """
        table = read_accuracy(self._file(ACCURACY[positions], "accuracies"))
        return table[table["model"] == self.model].reset_index(drop=True)

    def distances(self) -> pd.DataFrame:
        """Return the distances of its kept sets, in the columns of a sweep.

        See :func:`~otanalysis.studies.world_distances.read_distances`.

        Raises
        ------
        InputError
            If the table is not there or damaged, or the distances are measured from dumps.
        """
        if self.measured_here:
            raise InputError(f"No distances of {self.model} are bundled: measure its dumps with sweep().")
        return read_distances(self._file(DISTANCES_NAME, "distances"), self.model)

    def ladder(self) -> pd.DataFrame:
        """Return how well every rung of the ladder agrees with the exact distance on its tokens.

        See :func:`~otanalysis.stats.ladder_tables.ladder_table`.

        Raises
        ------
        InputError
            If the table is not there or damaged.
        """
        return read_ladder_summary(self._file(LADDER_NAME.format(self.model), "the ladder"))

    def _file(self, name: str, what: str) -> Path:
        return bundled_data(f"{self.folder}/{name}", f"table of {what} of {self.model}")


WORLDS: Mapping[str, World] = MappingProxyType(
    {
        one.model: one
        for one in (
            World(MODEL_NAME, "digits", MODEL_NAME, _OF_DIGITS, measured_here=True),
            World(STAMPS, "pretrained parts, smooth backgrounds", STAMPS, _OF_STAMPS),
            World(f"{STAMPS}-natural", "pretrained parts, natural backgrounds", STAMPS, _OF_STAMPS),
        )
    }
)
"""Every model with bundled tables, by name."""
