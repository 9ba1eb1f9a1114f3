"""Weights study: how far the methods' kept sets are from all tokens when these do not weigh the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from types import MappingProxyType
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from otanalysis.arrays import FloatArray, Normalisation, resolve_keep
from otanalysis.defaults import COMPARED_METHODS, RATIOS, RELEASED_GAMMA
from otanalysis.image import Image
from otanalysis.mini.benchmarks import find_scene
from otanalysis.selection import select_many
from otanalysis.side import OBJECTS
from otanalysis.studies.chunks import OF_TABLE, Record
from otanalysis.studies.provenance import read_table
from otanalysis.studies.runs import SweepSettings
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
class WeightsStudy:
    """Exact distances of every method under every weighting, with uniform and with the best kept weights.

    kmedoids and ot-medoids choose by the weights; the other methods know none. See
    :func:`~otanalysis.studies.engine.measure_samples`.

    Attributes
    ----------
    methods : tuple of str
        Names in :data:`otanalysis.selection.SELECTORS`.
    ratios : tuple of float
        Kept shares of the tokens, in (0, 1].
    normalise : {"none", "columns", "rows"}
        Of the tokens under the distances.
    seeds : tuple of int
        For the methods that draw at random.
    gamma : float
        Of OTPrune.

    Raises
    ------
    InputError
        If a setting is missing, repeated, unknown or out of range.
    """

    methods: tuple[str, ...] = COMPARED_METHODS
    ratios: tuple[float, ...] = RATIOS
    normalise: Normalisation = "none"
    seeds: tuple[int, ...] = (0, 1, 2)
    gamma: float = RELEASED_GAMMA

    name: ClassVar[str] = "weights"
    version: ClassVar[int] = 1
    schema: ClassVar[pa.Schema] = pa.schema(
        [
            ("weighting", pa.string()),
            ("kept_weights", pa.string()),
            ("m", pa.int32()),
            ("ratio", pa.float64()),
            ("keep", pa.int32()),
            ("method", pa.string()),
            ("gamma", pa.float64()),
            ("seed", pa.int64()),
            ("normalisation", pa.string()),
            ("w2", pa.float64()),
            ("w2_squared", pa.float64()),
        ]
    )

    def __post_init__(self) -> None:
        SweepSettings.of(self)

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
        keeps = {ratio: resolve_keep(len(image), ratio=ratio) for ratio in self.ratios}
        for run in SweepSettings.of(self).runs():
            chosen = select_many(image, run.selector, keeps.values(), seed=run.image_seed(sample_id))
            head = {"method": run.selector.name, "gamma": run.gamma, "seed": run.seed, "m": len(image)}
            for ratio, keep in keeps.items():
                for kept in KEPT:
                    far = wasserstein2(
                        image, chosen[keep].indices, normalise=self.normalise, kept_weights=kept
                    )
                    yield head | {
                        "kept_weights": kept,
                        "ratio": ratio,
                        "keep": keep,
                        "normalisation": self.normalise,
                        "w2": far.distance,
                        "w2_squared": far.squared_distance,
                    }


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
