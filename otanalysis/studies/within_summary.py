"""The numbers of the test inside the image, written beside its table, and found again for the figure."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import pandas as pd

from otanalysis.files import data_folder
from otanalysis.stats.within_tables import swaps_table, within_table
from otanalysis.studies.provenance import read_csv_summary, write_summaries
from otanalysis.studies.within import read_within
from otanalysis.studies.worlds import WORLDS

SUMMARY_NAME = "within_summary.csv"
"""Name of the table of correlations, beside the table that it is of."""

SWAPS_NAME = "within_swaps.csv"
"""Name of the table of what swaps do."""

BUNDLED_NAME = "within.csv"
"""Name of the bundled tables of correlations, each in the folder of its model."""

_WORDS = ["model", "positions", "pool", "benchmark", "measure", "given"]
_NUMBERS = ["ratio", "value", "low", "high", "n", "scenes", "subsets"]


def summarise_within(path: str | PathLike[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Summarise a table of the test inside the image; summaries and provenance are written beside it.

    Parameters
    ----------
    path : path
        What :func:`~otanalysis.studies.within.measure_within` returned.

    Returns
    -------
    correlations, swaps : DataFrame
        As :func:`~otanalysis.stats.within_tables.within_table` and
        :func:`~otanalysis.stats.within_tables.swaps_table` describe them, also written as
        :data:`SUMMARY_NAME` and :data:`SWAPS_NAME`; how they came about stands in
        ``within_summary.provenance.json``.

    Raises
    ------
    InputError
        If the file is missing or is another table.
    """
    rows = read_within(path)
    correlations, swaps = within_table(rows), swaps_table(rows)
    write_summaries(path, {SUMMARY_NAME: correlations, SWAPS_NAME: swaps}, indent=1, sort_keys=True)
    return correlations, swaps


def read_summary(path: Path) -> pd.DataFrame:
    """Read a table of correlations that :func:`summarise_within` wrote.

    Raises
    ------
    InputError
        The file is missing or damaged, or is another table.
    """
    return read_csv_summary(path, _WORDS, _NUMBERS, cure="run `otanalysis within` again")


def read_matrix(path: Path) -> pd.DataFrame:
    """Read the matrix of correlations over methods that Figure P wrote.

    Raises
    ------
    InputError
        The file is missing or damaged, or is another table.
    """
    words, numbers = ["without_ends", "distance", "closer", "benchmark"], ["rho", "low", "high", "n_methods"]
    table = read_csv_summary(path, words, numbers, cure="draw `--only predictors` again")
    return table.assign(without_ends=table["without_ends"] == "True")


def find_summary(results: Path, model: str) -> pd.DataFrame | None:
    """Return the correlations of a model: those in a folder of results, else the bundled ones, else None."""
    found = _of_model(results / SUMMARY_NAME, model)
    return bundled_summary(model) if found is None else found


def bundled_summary(model: str) -> pd.DataFrame | None:
    """Return the bundled correlations of a model, else None."""
    if model not in WORLDS:
        return None
    return _of_model(data_folder() / WORLDS[model].folder / BUNDLED_NAME, model)


def _of_model(path: Path, model: str) -> pd.DataFrame | None:
    if not path.is_file():
        return None
    table = read_summary(path)
    own = table[table["model"] == model]
    return None if own.empty else own.reset_index(drop=True)
