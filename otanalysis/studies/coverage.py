"""Coverage of every method on every sample: how far its quantisation error is at most from the best one.

A study of its own beside that of the certificates, whose parts stay as they were measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from os import PathLike
from typing import ClassVar

import pandas as pd
import pyarrow as pa

from otanalysis.defaults import COMPARED_METHODS
from otanalysis.image import Image
from otanalysis.stats.certificate_tables import certificate_table
from otanalysis.studies.chunks import OF_TABLE, Record
from otanalysis.studies.compare import over_floor
from otanalysis.studies.provenance import read_table, write_summaries
from otanalysis.studies.selections import SELECTED, SelectionStudy, chosen_by, timed, with_best
from otanalysis.tokens.read import Sample
from otanalysis.transport import quantisation_error, quantisation_floor
from otanalysis.transport.floor.certified import check_effort

COVERAGE_METHODS = (*COMPARED_METHODS, "facility-location")
"""The methods whose coverage is certified unless told otherwise: those compared, and one made for it."""


@dataclass(frozen=True)
class CoverageStudy(SelectionStudy):
    """Quantisation error of every method over its certified floor, for a sample at every ratio.

    See :func:`~otanalysis.studies.engine.measure_samples`. The further settings are those of a
    :class:`~otanalysis.studies.selections.SelectionStudy`.

    Attributes
    ----------
    methods : tuple of str
        As there; by default :data:`COVERAGE_METHODS`.
    effort : float
        Of the search for the floor, see :func:`~otanalysis.transport.floor.coverage.quantisation_floor`.

    Raises
    ------
    InputError
        If a setting is missing, repeated, unknown or out of range.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from otanalysis.studies import measure_samples
    >>> from otanalysis.tokens import DumpWriter
    >>> folder = tempfile.TemporaryDirectory()
    >>> with DumpWriter(f"{folder.name}/dump", model="demo", benchmark="noise") as writer:
    ...     writer.add("first", np.random.default_rng(0).standard_normal((12, 3)))
    >>> study = CoverageStudy(methods=("kmedoids",), ratios=(0.25,))
    >>> path = measure_samples(study, [f"{folder.name}/dump"], out=folder.name, progress=False)
    >>> read_coverage(path)["method"].tolist(), bool((summarise_coverage(path)["value"] >= 1).all())
    (['kmedoids', 'best'], True)
    >>> folder.cleanup()
    """

    methods: tuple[str, ...] = COVERAGE_METHODS
    effort: float = 1.0

    name: ClassVar[str] = "coverage"
    version: ClassVar[int] = 1
    schema: ClassVar[pa.Schema] = pa.schema(
        [
            *SELECTED,
            ("quantisation_error", pa.float64()),
            ("quantisation_floor", pa.float64()),
            ("over_coverage_floor", pa.float64()),
            ("floor_seconds", pa.float64()),
        ]
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_effort(self.effort)

    def __call__(self, sample: Sample) -> list[Record]:
        """Return one row a ratio and selection, and one for the best kept set that was met."""
        image = Image.of_sample(sample)
        selections = self.select(image, sample.id)
        measured = image.normalised(self.normalise)
        rows: list[Record] = []
        for ratio, keep in self.keeps(image).items():
            floor, seconds = timed(partial(quantisation_floor, measured, keep, effort=self.effort))
            head = self.place(image, ratio, keep)
            head |= {"quantisation_floor": floor.squared_distance, "floor_seconds": seconds}
            chosen = [
                head
                | chosen_by(run)
                | _measured(quantisation_error(measured, by_keep[keep].indices), floor.squared_distance)
                for run, by_keep in selections.items()
            ]
            met = head | _measured(floor.best.squared_distance, floor.squared_distance)
            rows += with_best(chosen, met, by="quantisation_error")
        return rows


def _measured(error: float, floor: float) -> Record:
    return {"quantisation_error": error, "over_coverage_floor": float(over_floor(error, floor))}


def read_coverage(path: str | PathLike[str]) -> pd.DataFrame:
    """Read the table of a :class:`CoverageStudy`.

    Raises
    ------
    InputError
        The file is missing, damaged, without rows, or holds something else.
    """
    schema = pa.schema([*OF_TABLE, *CoverageStudy.schema])
    return read_table(path, schema, cure="make it with `otanalysis certify`").astype({"seed": "Int64"})


def summarise_coverage(path: str | PathLike[str]) -> pd.DataFrame:
    """Tabulate a study and write ``coverage_summary.csv``, with its provenance, beside its table.

    See :class:`CoverageStudy`.

    Returns
    -------
    DataFrame
        From :func:`~otanalysis.stats.certificate_tables.certificate_table`.

    Raises
    ------
    InputError
        As for :func:`read_coverage`.
    """
    summary = certificate_table(read_coverage(path), distance="quantisation_error")
    write_summaries(path, {"coverage_summary.csv": summary}, indent=2)
    return summary
