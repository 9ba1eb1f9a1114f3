"""Certificates of every method on every sample: how far its kept set is at most from the best one."""

from __future__ import annotations

from dataclasses import dataclass, fields
from os import PathLike
from typing import ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from otanalysis.defaults import GammaOf
from otanalysis.image import Image
from otanalysis.scalars import check_gamma_of
from otanalysis.stats.certificate_tables import certificate_table, greedy_table
from otanalysis.studies.chunks import OF_TABLE, Record
from otanalysis.studies.provenance import read_table, write_summaries
from otanalysis.studies.selections import SELECTED, SelectionStudy, chosen_by, timed, with_best
from otanalysis.surrogate import Ladder, logdet_upper_bound
from otanalysis.tokens.read import Sample
from otanalysis.transport import wasserstein2, wasserstein2_floor
from otanalysis.transport.floor.certified import check_effort
from otanalysis.transport.verification import verify_transport


@dataclass(frozen=True)
class CertifyStudy(SelectionStudy):
    """Floor, ceiling and every method's place between them, for a sample at every ratio.

    See :func:`~otanalysis.studies.engine.measure_samples`. The further settings are those of a
    :class:`~otanalysis.studies.selections.SelectionStudy`; the surrogate has its gamma, too, and sees
    normalised columns whatever the distances are of.

    Attributes
    ----------
    effort : float
        Of the search for the floor, see :func:`~otanalysis.transport.floor.bound.wasserstein2_floor`.
    gamma_of : {"released", "paper"}
        Whose gamma that of the surrogate is, of ``logdet``, its ceiling and ``greedy_ratio``: the released
        code's, or the paper's, with a factor for each number of kept tokens.

    Raises
    ------
    InputError
        If a setting is missing, repeated, unknown or out of range.
    """

    effort: float = 1.0
    gamma_of: GammaOf = "released"

    name: ClassVar[str] = "certify"
    version: ClassVar[int] = 2
    schema: ClassVar[pa.Schema] = pa.schema(
        [
            *SELECTED,
            ("w2", pa.float64()),
            ("w2_squared", pa.float64()),
            ("certificate_error", pa.float64()),
            ("certified", pa.bool_()),
            ("floor", pa.float64()),
            ("floor_squared", pa.float64()),
            ("floor_kind", pa.string()),
            ("logdet", pa.float64()),
            ("logdet_ceiling", pa.float64()),
            ("ceiling_kind", pa.string()),
            ("greedy_ratio", pa.float64()),
            ("floor_seconds", pa.float64()),
            ("ceiling_seconds", pa.float64()),
        ]
    )

    def __repr__(self) -> str:
        """Say all settings, but ``gamma_of`` only where it is not what it was before there were two.

        The text is in the keys of what was measured then.
        """
        said = [one for one in fields(self) if one.name != "gamma_of" or self.gamma_of != one.default]
        return f"CertifyStudy({', '.join(f'{one.name}={getattr(self, one.name)!r}' for one in said)})"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_gamma_of(self.gamma_of)
        check_effort(self.effort)

    def __call__(self, sample: Sample) -> list[Record]:
        """Return one row a ratio and selection, and one for the best kept set that was met."""
        image = Image.of_sample(sample)
        ladder = Ladder(image, normalise=self.normalise, gamma=self.gamma, gamma_of=self.gamma_of)
        selections = self.select(image, sample.id)
        rows: list[Record] = []
        for ratio, keep in self.keeps(image).items():
            bounds, best = self._bounds(image, ladder, keep)
            head = self.place(image, ratio, keep) | bounds
            chosen = [
                head | chosen_by(run) | self._measured(ladder, np.asarray(by_keep[keep].indices))
                for run, by_keep in selections.items()
            ]
            rows += with_best(chosen, head | self._measured(ladder, best), by="w2_squared")
        return rows

    def _bounds(self, image: Image, ladder: Ladder, keep: int) -> tuple[Record, NDArray[np.int64]]:
        """Return the columns of floor and ceiling, and the best kept set that the search met."""
        floor, floor_seconds = timed(lambda: wasserstein2_floor(ladder.image, keep, effort=self.effort))
        ceiling, ceiling_seconds = timed(lambda: logdet_upper_bound(image, keep, gamma=ladder.factor(keep)))
        columns = {
            "floor": floor.distance,
            "floor_squared": floor.squared_distance,
            "floor_kind": floor.kind,
            "logdet_ceiling": ceiling.value,
            "ceiling_kind": ceiling.kind,
            "greedy_ratio": ceiling.greedy_ratio,
            "floor_seconds": floor_seconds,
            "ceiling_seconds": ceiling_seconds,
        }
        return columns, floor.best.indices

    def _measured(self, ladder: Ladder, kept: NDArray[np.int64]) -> Record:
        """Return distance and surrogate of a kept set; the distance's certificate is checked anew."""
        transport = wasserstein2(ladder.image, kept)
        verification = verify_transport(ladder.image, transport)
        return {
            "w2": transport.distance,
            "w2_squared": transport.squared_distance,
            "certificate_error": verification.error,
            "certified": verification.sound,
            "logdet": ladder.released.value(kept, ladder.factor(len(kept))),
        }


def read_certificates(path: str | PathLike[str]) -> pd.DataFrame:
    """Read the table of a :class:`CertifyStudy`; see :func:`~otanalysis.studies.engine.measure_samples`.

    Raises
    ------
    InputError
        The file is missing, damaged, without rows, or holds something else.
    """
    schema = pa.schema([*OF_TABLE, *CertifyStudy.schema])
    return read_table(path, schema, cure="make it with `otanalysis certify`").astype({"seed": "Int64"})


def summarise_certificates(path: str | PathLike[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tabulate a study and write ``certify_summary.csv`` and ``certify_greedy.csv`` beside its table.

    See :func:`~otanalysis.studies.engine.measure_samples`.

    The provenance of both, that of the table, is written to ``certify_summary.provenance.json``.

    Returns
    -------
    summary, greedy : DataFrame
        From :func:`~otanalysis.stats.certificate_tables.certificate_table` and ``greedy_table``.

    Raises
    ------
    InputError
        As for :func:`read_certificates`.
    """
    rows = read_certificates(path)
    summary, greedy = certificate_table(rows), greedy_table(rows)
    write_summaries(path, {"certify_summary.csv": summary, "certify_greedy.csv": greedy}, indent=2)
    return summary, greedy
