"""Weights study: how far the methods' kept sets are from all tokens when these do not weigh the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from os import PathLike
from types import MappingProxyType
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from otanalysis.arrays import FloatArray
from otanalysis.image import Image
from otanalysis.mini.benchmarks import find_scene
from otanalysis.side import OBJECTS
from otanalysis.studies.chunks import OF_TABLE, Record
from otanalysis.studies.provenance import read_table
from otanalysis.studies.selections import SELECTED, SelectionStudy, chosen_by
from otanalysis.tokens.read import Sample
from otanalysis.transport import wasserstein2


def alike(sample: Sample) -> FloatArray:
    """Weigh all tokens alike [m]."""
    return np.ones(len(sample.tokens))


def by_norm(sample: Sample) -> FloatArray:
    """Weigh every token by its Euclidean norm [m]."""
    return np.asarray(np.linalg.norm(sample.tokens.astype(np.float64), axis=1))


def by_rarity(sample: Sample) -> FloatArray:
    r"""Weigh every token by one over the density of the tokens around it [m].

    The density is :math:`\sum_j \exp(-D_{ij} / 2h)` with the median ``h`` of the squared distances between
    two tokens; where that is zero, most tokens are one, and only equal tokens count.
    """
    distances = Image(sample.tokens).squared_distances
    width = float(np.median(distances[~np.eye(len(distances), dtype=bool)])) if len(distances) > 1 else 0.0
    near = np.exp(-0.5 * distances / width) if width > 0.0 else (distances == 0.0).astype(np.float64)
    return np.asarray(1.0 / near.sum(axis=1))


def by_objects(sample: Sample) -> FloatArray | None:
    """Weigh every patch by how much of it objects cover, and the background zero [m].

    Dumps of stamps say it; the objects of a bundled scene lie on whole patches. None for other images, whose
    objects nobody knows, and for scenes without objects.
    """
    if OBJECTS in sample.side:
        return sample.side[OBJECTS] if sample.side[OBJECTS].any() else None
    scene = find_scene(sample.id)
    if scene is None or sample.grid != (scene.grid, scene.grid) or not scene.covered.any():
        return None
    return scene.covered.astype(np.float64)


WEIGHTINGS: Mapping[str, Callable[[Sample], FloatArray | None]] = MappingProxyType(
    {"uniform": alike, "norm": by_norm, "rarity": by_rarity, "objects": by_objects}
)
"""How tokens are weighed, by name: a function of the sample; None of it where there are no such weights."""

KEPT: tuple[Literal["uniform", "optimal"], ...] = ("uniform", "optimal")
"""Weights of the kept tokens."""


@dataclass(frozen=True)
class WeightsStudy(SelectionStudy):
    """Exact distances of every method under every weighting, with uniform and with the best kept weights.

    kmedoids and ot-medoids choose by the weights; the other methods know none. See
    :func:`~otanalysis.studies.engine.measure_samples`, and for the settings
    :class:`~otanalysis.studies.selections.SelectionStudy`.
    """

    name: ClassVar[str] = "weights"
    version: ClassVar[int] = 1
    schema: ClassVar[pa.Schema] = pa.schema(
        [
            ("weighting", pa.string()),
            ("kept_weights", pa.string()),
            *SELECTED,
            ("w2", pa.float64()),
            ("w2_squared", pa.float64()),
        ]
    )

    def __call__(self, sample: Sample) -> list[Record]:
        """Return one row a weighting that the sample has, selection, ratio and kind of kept weights."""
        rows: list[Record] = []
        for weighting, weigh in WEIGHTINGS.items():
            weights = weigh(sample)
            if weights is not None:
                image = Image.of_sample(sample, weights=weights)
                rows += [{"weighting": weighting} | row for row in self._rows(sample.id, image)]
        return rows

    def _rows(self, sample_id: str, image: Image) -> Iterator[Record]:
        keeps = self.keeps(image)
        for run, by_keep in self.select(image, sample_id).items():
            for (ratio, keep), kept in product(keeps.items(), KEPT):
                indices = by_keep[keep].indices
                far = wasserstein2(image, indices, normalise=self.normalise, kept_weights=kept)
                distances = {"w2": far.distance, "w2_squared": far.squared_distance}
                place = self.place(image, ratio, keep)
                yield {"kept_weights": kept} | place | chosen_by(run) | distances


def read_weights(path: str | PathLike[str]) -> pd.DataFrame:
    """Read the table of a :class:`WeightsStudy`; see :func:`~otanalysis.studies.engine.measure_samples`.

    Raises
    ------
    InputError
        The file is missing or holds something else.
    """
    schema = pa.schema([*OF_TABLE, *WeightsStudy.schema])
    table = read_table(path, schema, cure="make it with `python -m otanalysis.figures --only weights`")
    return table.astype({"seed": "Int64"})
