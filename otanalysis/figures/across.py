"""What figures of several models at once are made of: the bundled tables, beside what was measured here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd

from otanalysis.figures.bundled_tables import (
    claims_of,
    given_of,
    lacking,
    tables_of,
    world_claims,
)
from otanalysis.figures.verdicts.claim import PaperClaim
from otanalysis.figures.verdicts.claims import BASIS
from otanalysis.figures.verdicts.compared import compare_claims
from otanalysis.mini.bundled import MODEL_NAME
from otanalysis.studies.within_summary import bundled_summary, find_summary
from otanalysis.studies.worlds import ACCURACY, WORLDS, World

ACROSS: Final = ("positions", "worlds")
"""What such figures need, of :data:`~otanalysis.figures.declaration.Measured`."""


def rows_across(kind: str, made: Mapping[str, Any], results: Path, **how: Any) -> pd.DataFrame:
    """Return the rows of a kind of :data:`ACROSS`; the arguments are those of :func:`evidence_across`."""
    return scores_by_position() if kind == "positions" else evidence_across(made, results, **how)


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
    others = {name: _read(world, **how) for name, world in WORLDS.items() if not world.measured_here}
    return compare_claims({MODEL_NAME: list(own), **others})


def with_other_models(inside: pd.DataFrame) -> pd.DataFrame:
    """Return the correlations inside an image of the bundled model with the bundled ones of others below."""
    others = [bundled_summary(name) for name, world in WORLDS.items() if not world.measured_here]
    return pd.concat([inside, *(one for one in others if one is not None)], ignore_index=True)


def _read(world: World, **how: Any) -> list[PaperClaim]:
    given = given_of(world, **how)
    return [] if lacking(given) else claims_of(world, tables_of(world, given, BASIS))
