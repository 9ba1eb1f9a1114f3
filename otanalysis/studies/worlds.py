"""The models whose measured tables are bundled: what is known of each without running it.

One of them, the bundled model, is run here, and its distances are measured from its dumps. Of the others the
tables are read: accuracies, distances of kept sets, and the test inside the image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa

from otanalysis.errors import InputError
from otanalysis.files import bundled_data
from otanalysis.mini.bundled import MODEL_NAME
from otanalysis.scores.table import read_accuracy
from otanalysis.studies.provenance import read_table
from otanalysis.surrogate.kernel import paper_factor

STAMPS: Final = "stamp-llava"
"""Folder of the tables of models made of pretrained parts, and name of the first of them."""

WITH_OBJECTS: Final = f"{STAMPS}-natural"
"""The model of which it is known where the objects of its scenes are."""

ACCURACY: Final[Mapping[str, str]] = MappingProxyType(
    {"renumbered": "accuracy.csv", "original": "accuracy_original.csv"}
)
"""Names of accuracy tables beside a model, by what becomes of the positions of kept tokens."""

DISTANCES_NAME: Final = "distances.parquet"
"""Name of the table of distances, a row a kept set and quantity."""

_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("model", "benchmark", "sample", "method")),
        ("ratio", pa.float64()),
        *((name, pa.int64()) for name in ("m", "keep")),
        ("gamma", pa.float64()),
        ("seed", pa.int64()),
        *((name, pa.string()) for name in ("normalisation", "quantity")),
        ("value", pa.float64()),
    ]
)
_KEYS: Final = _SCHEMA.names[:-2]
"""What tells one kept set, under one normalisation, from another."""

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
        """Return the distances of its kept sets, in the columns of a sweep; see :func:`read_distances`.

        Raises
        ------
        InputError
            If the table is not there or damaged, or the distances are measured from dumps.
        """
        if self.measured_here:
            raise InputError(f"No distances of {self.model} are bundled: measure its dumps with sweep().")
        return read_distances(self._file(DISTANCES_NAME, "distances"), self.model)

    def _file(self, name: str, what: str) -> Path:
        return bundled_data(f"{self.folder}/{name}", f"table of {what} of {self.model}")


WORLDS: Mapping[str, World] = MappingProxyType(
    {
        one.model: one
        for one in (
            World(MODEL_NAME, "digits", MODEL_NAME, _OF_DIGITS, measured_here=True),
            World(STAMPS, "pretrained parts, smooth backgrounds", STAMPS, _OF_STAMPS),
            World(WITH_OBJECTS, "pretrained parts, natural backgrounds", STAMPS, _OF_STAMPS),
        )
    }
)
"""Every model with bundled tables, by name."""


def read_distances(path: Path, model: str) -> pd.DataFrame:
    """Read the distances of a model's kept sets from a table that has a row a kept set and quantity.

    Parameters
    ----------
    path : path
        A table of this package with the columns ``model, benchmark, sample, method, ratio, m, keep, gamma,
        seed, normalisation, quantity, value``.
    model : str
        Whose rows are wanted.

    Returns
    -------
    DataFrame
        One row a kept set and normalisation: those columns, ``dump``, a column a quantity of this model,
        missing where it was not measured, and what follows: ``w2``, in the unit of the tokens, the root of
        ``w2_squared``; ``logdet_gamma``, the gamma in the unit of the released code.

    Raises
    ------
    InputError
        If the file is missing or another table, or has no row of the model.
    """
    table = read_table(path, _SCHEMA, cure="restore it from the repository").astype({"seed": "Int64"})
    own = table[table["model"] == model]
    if own.empty:
        known = ", ".join(sorted(table["model"].unique()))
        raise InputError(f"{path} has no distances of {model}; it has those of {known}.")
    by_quantity = {
        str(name): rows.drop(columns="quantity").rename(columns={"value": name})
        for name, rows in own.groupby("quantity", sort=False)
    }
    every = by_quantity.pop("w2_squared")  # the one that every kept set has
    wide = reduce(lambda left, right: left.merge(right, on=_KEYS, how="left"), by_quantity.values(), every)
    return wide.assign(
        dump=wide["model"] + "/" + wide["benchmark"],
        w2=np.sqrt(wide["w2_squared"]),
        logdet_gamma=_released(wide),
    )


def _released(rows: pd.DataFrame) -> pd.Series:
    """Return the gamma of every row in the unit of the released code; missing where there is none."""
    gamma = rows["gamma"].copy()
    of_paper = rows["method"] == "otprune-paper"
    settings = rows.loc[of_paper, ["gamma", "m", "keep"]].itertuples(index=False, name=None)
    gamma[of_paper] = [paper_factor(*one) for one in settings]
    return gamma
