"""The tables of the figures of a model whose measurements are bundled: read, not measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from otanalysis.distances import DISTANCES, further_distances
from otanalysis.figures.captions import listed
from otanalysis.figures.declaration import Given
from otanalysis.figures.registry import FIGURES
from otanalysis.figures.verdicts.claim import PaperClaim
from otanalysis.figures.verdicts.inside import inside_claims
from otanalysis.figures.verdicts.measured import measured_claims, rank_claim
from otanalysis.stats.within_tables import with_between
from otanalysis.studies.within_summary import bundled_summary
from otanalysis.studies.worlds import WORLDS, World

FigureTables = Mapping[str, Mapping[str, Any]]
"""Of every figure by name, its tables by file name."""

FROM_TABLES = ("2", "3", "4", "5", "ladder", "predictors", "within", "distances", "objects")
"""Figures that need no more than bundled tables of distances, scores and the test inside the image."""


def given_of(world: World, *, distance: str = "w2", normalise: str = "none", ratio: float = 0.098) -> Given:
    """Return what the figures of a world are made of, read once a process; see :func:`lacking`.

    Distances that were not measured under the normalisation have no column.

    Raises
    ------
    InputError
        If its tables are not there or damaged.
    """
    return _read(world.model, distance, normalise, ratio)


@cache
def _read(model: str, distance: str, normalise: str, ratio: float) -> Given:
    rows = WORLDS[model].distances()
    further = rows.loc[rows["normalisation"] == normalise, list(further_distances(DISTANCES))]
    measured = rows.drop(columns=[name for name in further if further[name].isna().any()])
    return Given(measured, WORLDS[model].scores(), distance, normalise, ratio)


@cache
def _made(name: str, given: Given) -> Mapping[str, Any]:
    """Return the tables of a figure, which its picture and the claims of Figure D rest on alike."""
    return FIGURES[name].tables(given)


def lacking(given: Given) -> str:
    """Say what figures ask for and the rows do not hold, in one sentence; empty if there is nothing."""
    ratios = sorted(given.rows["ratio"].unique())
    kinds = sorted(given.rows["normalisation"].unique())
    if not np.isclose(ratios, given.ratio).any():
        return f"They hold no ratio {given.ratio:g}, but {listed([f'{one:g}' for one in ratios])}."
    if given.normalise not in kinds:
        return f"They hold no normalisation {given.normalise!r}, but {listed(kinds)}."
    return ""


def tables_of(world: World, given: Given, names: Sequence[str] = FROM_TABLES) -> FigureTables:
    """Return the tables of figures that a world's bundled tables suffice for.

    Figure 5 is not among them where no method has several gammas, nor Figure I where nobody made the test.

    Parameters
    ----------
    world : World
        The model.
    given : Given
        From :func:`given_of`.
    names : sequence of str
        Which figures, of :data:`FROM_TABLES`.
    """
    several = given.rows.groupby("method")["gamma"].nunique().max() > 1
    inside = bundled_summary(world.model)
    made: dict[str, Mapping[str, Any]] = {}
    for name in names:
        if name == "ladder":
            made[name] = {FIGURES[name].file: world.ladder()}
        elif name == "within" and inside is not None:
            beside = with_between(inside, _made("predictors", given)["predictors"].matrix)
            made[name] = FIGURES[name].tables(replace(given, rows=beside))
        elif name != "within" and (several or name != "5"):
            made[name] = _made(name, given)
    return made


def claims_of(world: World, tables: FigureTables) -> list[PaperClaim]:
    """Return the claims on a world, with what evidence its tables have.

    Parameters
    ----------
    world : World
        The model.
    tables : mapping
        From :func:`tables_of`, as far as it made the figures of
        :data:`~otanalysis.figures.verdicts.claims.BASIS`.
    """
    by_file = {file: table for own in tables.values() for file, table in own.items()}
    return list(world_claims({**by_file, "within": bundled_summary(world.model)}))


def world_claims(tables: Mapping[str, Any]) -> Iterator[PaperClaim]:
    """Return the claims on distances and scores of one model: the paper's, and these read more widely.

    Parameters
    ----------
    tables : mapping
        Of its figures, by file name; a claim whose table is missing has no evidence.
    """
    yield from measured_claims(tables)
    yield rank_claim(tables.get("figure2_all_ranks"), "all methods compared")
    inner = tables.get("figure2_all_without_first_last")
    yield rank_claim(inner, "all methods compared but First-K and Last-K", "one share kept")
    yield from inside_claims(tables.get("within"))
