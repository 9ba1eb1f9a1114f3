"""What figures of several models at once are made of: the bundled tables, beside what was measured here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd

from otanalysis.figures.bundled_tables import (
    basis_of,
    claims_of,
    given_of,
    lacking,
    works_of,
    world_claims,
)
from otanalysis.figures.declaration import Given
from otanalysis.figures.registry import FIGURES
from otanalysis.figures.verdicts.claim import PaperClaim
from otanalysis.figures.verdicts.claims import BASIS
from otanalysis.figures.verdicts.compared import compare_claims
from otanalysis.figures.work import Work
from otanalysis.mini.bundled import MODEL_NAME
from otanalysis.studies.within_summary import bundled_summary, find_summary
from otanalysis.studies.worlds import ACCURACY, WORLDS, World

ACROSS: Final = ("positions", "worlds")
"""What such figures need, of :data:`~otanalysis.figures.declaration.Measured`."""


def work_across(
    name: str, works: Mapping[str, Work], results: Path, scores: pd.DataFrame | None, **how: Any
) -> Work:
    """Return a figure of several models at once.

    Parameters
    ----------
    name : str
        Of a figure that needs one of :data:`ACROSS`.
    works : mapping
        The bundled model's figures by name, of which Figure D rests on those in
        :data:`~otanalysis.figures.verdicts.claims.BASIS`.
    results : path
        As for :func:`evidence_across`.
    scores : DataFrame or None
        Accuracies of the bundled model.
    **how
        Distance, normalisation and ratio.
    """
    if FIGURES[name].needs == "positions":
        return Work.of(name, Given(scores_by_position(), scores, **how))
    basis = [work for key, work in works.items() if key in BASIS]

    def give() -> Given:
        tables = {file: table for work in basis for file, table in work.tables.items()}
        return Given(evidence_across(tables, results, **how), scores, **how)

    others = [basis_of(world, given_of(world, **how)) for world in _others().values()]
    own = [[work.key for work in basis], find_summary(results, MODEL_NAME)]
    return Work(name, [own, others], give)


def scores_by_position() -> pd.DataFrame:
    """Return the bundled accuracies of all models with both positions, and the kind of every question.

    Returns
    -------
    DataFrame
        The columns of an accuracy table, ``positions`` and ``kind``.
    """
    parts = []
    for world in WORLDS.values():
        kinds = {name: kind for kind, names in world.kinds.items() for name in names}
        for positions in ACCURACY:
            own = world.scores(positions)
            parts.append(own.assign(positions=positions, kind=own["benchmark"].map(kinds)))
    return pd.concat(parts, ignore_index=True)


def evidence_across(made: Mapping[str, Any], results: Path, **how: Any) -> pd.DataFrame:
    """Return the evidence on the claims that several models have the measurements for.

    Parameters
    ----------
    made : mapping
        The tables of the bundled model's figures, by file name.
    results : path
        Where the test inside the image may be, if it was made anew.
    **how
        Distance, normalisation and ratio, as for :func:`~otanalysis.figures.bundled_tables.given_of`; a model
        whose tables do not hold them is left out.
    """
    own = world_claims({**made, "within": find_summary(results, MODEL_NAME)})
    others = {name: _read(world, **how) for name, world in _others().items()}
    return compare_claims({MODEL_NAME: list(own), **others})


def inside_others() -> list[pd.DataFrame]:
    """Return the bundled correlations inside an image of the models but the one that is measured here."""
    return [one for one in map(bundled_summary, _others()) if one is not None]


def _read(world: World, **how: Any) -> list[PaperClaim]:
    given = given_of(world, **how)
    return [] if lacking(given) else claims_of(world, works_of(world, given, BASIS))


def _others() -> dict[str, World]:
    """Return the models whose tables are all bundled."""
    return {name: world for name, world in WORLDS.items() if not world.measured_here}
