"""Figures A to C: measure what they need, tabulate and draw, without writing the figures."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, cast

from otanalysis.arrays import Normalisation
from otanalysis.figures.floor import caption_floor, draw_floor
from otanalysis.figures.ladder import draw_ladder
from otanalysis.figures.ladder_captions import caption_ladder, caption_scatter
from otanalysis.figures.registry import Files, csv_bytes, rendered
from otanalysis.figures.scatter import draw_scatter
from otanalysis.stats.certificate_tables import certificate_table, floor_table, greedy_table
from otanalysis.stats.ladder_tables import ladder_table, scatter_table
from otanalysis.studies.certify import CertifyStudy, read_certificates
from otanalysis.studies.engine import measure_samples
from otanalysis.studies.ladder import LadderStudy, measure_ladder, read_ladder

__all__ = ["THEORY_FIGURES", "draw_theory"]

THEORY_FIGURES = ("ladder", "scatter", "floor")


def draw_theory(
    only: Sequence[str],
    dumps: Sequence[str | PathLike[str]],
    *,
    results: str | PathLike[str],
    jobs: int,
    samples: int,
    distance: str,
    normalise: str,
    ratio: float,
    progress: bool = True,
) -> tuple[Files, list[str]]:
    """Measure and draw Figures A (ladder), B (scatter) and C (floor).

    Parameters
    ----------
    only : sequence of str
        Names in :data:`THEORY_FIGURES`; others are passed over.
    dumps, results, jobs, samples, distance, normalise, ratio, progress
        As in :func:`otanalysis.figures.build.run`.

    Returns
    -------
    files : dict
        From file name to content.
    captions : list of str
    """
    files: Files = {}
    captions: list[str] = []
    folder = Path(results) / "figures"
    how: dict[str, Any] = {"jobs": jobs, "limit": samples, "progress": progress}
    if {"ladder", "scatter"} & set(only):
        rows = read_ladder(measure_ladder(dumps, LadderStudy(), out=folder, **how))
        if "ladder" in only:
            agreement = ladder_table(rows)
            files |= rendered("ladder", draw_ladder(agreement), agreement)
            captions.append(caption_ladder(agreement))
        if "scatter" in only:
            points = scatter_table(rows, ratio=ratio)
            files |= rendered("scatter", draw_scatter(points), points)
            captions.append(caption_scatter(points))
    if "floor" in only:
        study = CertifyStudy(normalise=cast("Normalisation", normalise))
        measured = read_certificates(measure_samples(study, dumps, out=folder, **how))
        relative, proven = floor_table(measured, distance=distance), certificate_table(measured)
        files |= rendered("floor", draw_floor(relative), relative)
        files["floor_certificates.csv"] = csv_bytes(proven)
        captions.append(caption_floor(proven, greedy_table(measured)))
    return files, captions
