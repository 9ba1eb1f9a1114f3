"""The tables of the figures of a model whose measurements are bundled: read, not measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from otanalysis.distances import DISTANCES, further_distances
from otanalysis.figures.captions import listed
from otanalysis.figures.declaration import Given
from otanalysis.figures.verdicts.claim import PaperClaim
from otanalysis.figures.verdicts.inside import inside_claims
from otanalysis.figures.verdicts.measured import measured_claims, rank_claim
from otanalysis.figures.work import Work
from otanalysis.stats.within_tables import with_between
from otanalysis.studies.within_summary import bundled_summary
from otanalysis.studies.worlds import WORLDS, World

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
def _work(name: str, given: Given) -> Work:
    """Return a figure, on whose tables its picture and the claims of Figure D rest alike."""
    return Work.of(name, given)


def lacking(given: Given) -> str:
    """Say what figures ask for and the rows do not hold, in one sentence; empty if there is nothing."""
    ratios = sorted(given.rows["ratio"].unique())
    kinds = sorted(given.rows["normalisation"].unique())
    if not np.isclose(ratios, given.ratio).any():
        return f"They hold no ratio {given.ratio:g}, but {listed([f'{one:g}' for one in ratios])}."
    if given.normalise not in kinds:
        return f"They hold no normalisation {given.normalise!r}, but {listed(kinds)}."
    return ""


def works_of(world: World, given: Given, names: Sequence[str] = FROM_TABLES) -> dict[str, Work]:
    """Return figures that a world's bundled tables suffice for, by name.

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
    works: dict[str, Work] = {}
    for name in names:
        if name == "ladder":
            works[name] = Work.of(name, replace(given, rows=world.ladder()))
        elif name == "within" and inside is not None:
            works[name] = inside_beside(replace(given, rows=inside), _work("predictors", given))
        elif name != "within" and (several or name != "5"):
            works[name] = _work(name, given)
    return works


def inside_beside(given: Given, predictors: Work, others: Sequence[pd.DataFrame] = ()) -> Work:
    """Return Figure I of correlations inside an image, with those between methods that Figure P has.

    Those of other models stand below.
    """

    def give() -> Given:
        own = with_between(given.rows, predictors.tables["predictors"].matrix)
        return replace(given, rows=pd.concat([own, *others], ignore_index=True))

    return Work("within", [vars(given), predictors.key, list(others)], give)


def claims_of(world: World, works: Mapping[str, Work]) -> list[PaperClaim]:
    """Return the claims on a world, with what evidence its tables have.

    Parameters
    ----------
    world : World
        The model.
    works : mapping
        From :func:`works_of`, for the figures in :data:`~otanalysis.figures.verdicts.claims.BASIS` that are
        among them.
    """
    by_file = {file: table for work in works.values() for file, table in work.tables.items()}
    return list(world_claims({**by_file, "within": bundled_summary(world.model)}))


def basis_of(world: World, given: Given) -> list[object]:
    """Return what decides the claims on a world, as for :func:`~otanalysis.figures.record.key_of`."""
    return [vars(given), bundled_summary(world.model), world.ladder()]


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
