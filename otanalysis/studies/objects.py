"""What kept tokens are of: how many of them lie on the objects of a scene, and how long they are."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from typing import Final

import numpy as np
import pandas as pd

from otanalysis.errors import InputError
from otanalysis.side import OBJECTS
from otanalysis.tokens.read import Dump, Sample, open_dump

KEPT_SETS: Final = ("model", "benchmark", "sample", "kept_indices")
"""Columns of a sweep that :func:`kept_of_objects` reads."""

OF_OBJECTS: Final = ("kept_on_objects", "object_share", "length_ratio")
"""Columns of :func:`kept_of_objects`."""

COVERED: Final = 0.25
"""Share of a patch that objects cover at least, where its token is said to lie on one."""


def kept_of_objects(rows: pd.DataFrame, dumps: Iterable[str | PathLike[str]]) -> pd.DataFrame:
    r"""Say of kept sets how many of their tokens lie on objects, and how long these are.

    Parameters
    ----------
    rows : DataFrame
        Kept sets: the columns :data:`KEPT_SETS` of a sweep.
    dumps : paths
        Dumps of these samples, whose side information :data:`~otanalysis.side.OBJECTS` is the share of every
        patch that objects cover.

    Returns
    -------
    DataFrame
        With the index of the rows, the columns :data:`OF_OBJECTS`: the share of the kept tokens that lie on
        objects, that of all tokens, which a random set keeps on average, and the mean squared length of the
        kept tokens :math:`x_i`, as they are in the dump, over that of all,
        :math:`\frac{1}{k}\sum_{i \in C} |x_i|^2 / \frac{1}{m}\sum_i |x_i|^2`.

    Raises
    ------
    InputError
        If no dump is of a model and benchmark, or one does not know the objects of a sample.
    DumpError
        If a dump is missing or damaged, or lacks a sample.
    """
    of_origin = {(dump.manifest.model, dump.manifest.benchmark): dump for dump in map(open_dump, dumps)}
    parts = []
    for (model, benchmark), own in rows.groupby(["model", "benchmark"], sort=False):
        dump = of_origin.get((str(model), str(benchmark)))
        if dump is None:
            raise InputError(
                f"No dump is of {model} and {benchmark}, of which there are rows: give theirs too."
            )
        for sample, kept in own.groupby("sample", sort=False)["kept_indices"]:
            parts.append(_of_image(dump.sample(str(sample)), kept, dump))
    return pd.concat(parts).loc[rows.index]


def _of_image(sample: Sample, kept: pd.Series, dump: Dump) -> pd.DataFrame:
    if OBJECTS not in sample.side:
        raise InputError(
            f"{dump.path} does not say where the objects of {sample.id!r} are: give dumps with the side "
            f"information {OBJECTS!r}, such as those of `otanalysis dump-scenes`."
        )
    covered = sample.side[OBJECTS] >= COVERED
    squared_lengths = np.square(sample.tokens, dtype=np.float64).sum(axis=1)
    numbers = {
        "kept_on_objects": [covered[indices].mean() for indices in kept],
        "object_share": covered.mean(),
        "length_ratio": [squared_lengths[indices].mean() / squared_lengths.mean() for indices in kept],
    }
    return pd.DataFrame(numbers, index=kept.index)
