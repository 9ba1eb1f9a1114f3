"""Table 2 of arXiv:2602.20205, for several token laws, trial by trial: by the paper's definitions and others.

The paper's objective is :math:`f` of equation 4, rung 3 of the ladder, on features of unit variance. Its win
rate is the share of all subsets whose :math:`f` is strictly below that of the method, its optimality ratio
:math:`f / f^*`. The other rungs are measured in the same way, on fewer subsets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from math import comb
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar
from zlib import crc32

import numpy as np
import pandas as pd
import pyarrow as pa

from otanalysis.arrays import FloatArray, IntArray, Normalisation, check_normalisation
from otanalysis.defaults import DEFAULT_GAMMAS, RELEASED_GAMMA
from otanalysis.errors import InputError
from otanalysis.files import sha256_of_json
from otanalysis.selection import SELECTORS, Selector
from otanalysis.studies.chunks import Record
from otanalysis.studies.engine import PACKAGE, Study, run_study
from otanalysis.studies.provenance import read_table, write_summaries
from otanalysis.studies.store import Part
from otanalysis.studies.table2.laws import LAWS, SIZES, Size
from otanalysis.studies.table2.optimum import Optimum, optimum
from otanalysis.studies.table2.rung_objectives import rung_measure
from otanalysis.studies.table2.subsets import numbered_subsets, random_subsets
from otanalysis.studies.table2.tables import (
    PAPER_RUNG,
    closest_sentence,
    compare_with_published,
    synthetic_table,
)
from otanalysis.surrogate import RUNGS, Ladder

METHODS = ("otprune", "otprune-paper", "divprune")
"""Of the published table, OTPrune with either gamma."""

DRAWS = 20_000
"""Random subsets a trial by default; the paper has ten million."""

ENUMERATED_PER_DRAW = 4
"""All subsets are measured, not random ones, where they are at most so many times the draws: with the paper's
ten million those of its first two rows, as there."""

BLOCK = 250_000
"""Subsets that are kept together when a measurement is stopped: 1 to 40 seconds of work."""

BATCH = 4096
"""Subsets that are in memory together."""

MOST_DRAWS, FEWEST_DRAWS = 1000, 100
"""Random subsets a trial on the other rungs at most: win rates are then steps of 0.1 and 1 per cent."""

DRAW_BUDGET = 10**7
"""Tokens times kept tokens times draws there, about the work of exact transport to the random subsets."""

TIE = 1e-12
"""Two values that differ by less than this share are those of one subset, summed in another order."""

_OF_SUBSETS, _OF_METHODS = 1, 2  # what a generator is for


@dataclass(frozen=True)
class SyntheticTrial:
    """One seeded draw of tokens.

    Attributes
    ----------
    size : Size
        Of the trial.
    law : str
        Name in :data:`~otanalysis.studies.table2.laws.LAWS`.
    number : int
        Trials of one seed differ in it.
    seed : int
        Of the whole table.

    Examples
    --------
    >>> SyntheticTrial(Size(6, 3, 2), "gaussian", number=0, seed=0).tokens().shape
    (6, 3)
    """

    size: Size
    law: str
    number: int
    seed: int

    def tokens(self) -> FloatArray:
        """Return the tokens [m, d]."""
        return LAWS[self.law].draw(self.generator(), self.size.m, self.size.d)

    def generator(self, *purpose: int) -> np.random.Generator:
        """Return a generator of its own for every purpose, said in numbers."""
        return np.random.default_rng([*self._entropy, *purpose])

    @property
    def _entropy(self) -> list[int]:
        return [self.seed, crc32(self.law.encode()), *asdict(self.size).values(), self.number]


@dataclass(frozen=True)
class SyntheticBlock:
    """Some of the subsets of a trial on one rung, and every method compared with them.

    The first block of a trial also searches the optimum over all subsets. ``version`` grows when the same
    settings would give other numbers, so that older parts are measured again.

    Attributes
    ----------
    trial : SyntheticTrial
        Its tokens.
    normalise : {"none", "columns", "rows"}
        Of the tokens, before they are measured.
    rung : int
        Of the ladder.
    first, count : int
        Which subsets.
    every : bool
        Whether all subsets are gone through, or random ones drawn.
    selectors : tuple of Selector
        The methods.

    Examples
    --------
    >>> trial = SyntheticTrial(Size(6, 3, 2), "gaussian", number=0, seed=0)
    >>> block = SyntheticBlock(trial, "columns", 3, 0, 15, True, (SELECTORS["otprune"],))
    >>> [row["random_best"] == row["best_known"] for row in block()]  # all subsets of 2 of 6 were seen
    [True]
    """

    trial: SyntheticTrial
    normalise: Normalisation
    rung: int
    first: int
    count: int
    every: bool
    selectors: tuple[Selector, ...]

    version: ClassVar[int] = 2

    @property
    def key(self) -> str:
        """Everything that the numbers depend on, hashed."""
        return sha256_of_json([self.version, PACKAGE, repr(self)])[:24]

    def __call__(self) -> list[Record]:
        """Return one row a method."""
        size, rung = self.trial.size, RUNGS[self.rung]
        tokens = self.trial.tokens()
        chosen = [
            np.asarray(one(tokens, size.keep, generator=self.trial.generator(_OF_METHODS)).indices)
            for one in self.selectors
        ]
        ladder = Ladder(tokens, normalise=self.normalise)
        measure = rung_measure(ladder, size.keep, rung)
        own = measure(np.stack(chosen))
        beaten = rung.badness(own)
        wins, best = np.zeros(len(chosen), dtype=np.int64), np.inf
        for subsets in self._subsets():
            badness = rung.badness(measure(subsets))
            best = min(best, float(badness.min()))
            wins += [int(np.sum(badness - TIE * np.abs(badness) > bound)) for bound in beaten]
        found = self._optimum(ladder, chosen, np.append(own, abs(best)))
        about = self._about() | {
            "random_best": abs(best),
            "best_known": found.best_known,
            "bound": found.bound,
            "optimum": found.kind,
        }
        return [
            about
            | {"method": one.name, "gamma": getattr(one, "gamma", None)}
            | {"value": float(value), "wins": int(won)}
            for one, value, won in zip(self.selectors, own, wins, strict=True)
        ]

    def _subsets(self) -> Iterator[IntArray]:
        """Yield the subsets in batches."""
        size, generator = self.trial.size, self.trial.generator(_OF_SUBSETS, self.first)
        for start in range(0, self.count, BATCH):
            count = min(BATCH, self.count - start)
            if self.every:
                yield numbered_subsets(self.first + start, count, size.m, size.keep)
            else:
                yield random_subsets(generator, size.m, size.keep, count)

    def _optimum(self, ladder: Ladder, chosen: Sequence[IntArray], values: FloatArray) -> Optimum:
        if self.first:
            return Optimum(np.nan, np.nan, "")
        return optimum(ladder, self.trial.size.keep, RUNGS[self.rung], chosen, values)

    def _about(self) -> Record:
        return {
            **asdict(self.trial.size),
            "law": self.trial.law,
            "trial": self.trial.number,
            "normalise": self.normalise,
            "rung": self.rung,
            "quantity": RUNGS[self.rung].column,
            "first": self.first,
            "draws": self.count,
            "every": self.every,
        }


_SCHEMA = pa.schema(
    [
        *((name, pa.int32()) for name in ("m", "d", "keep")),
        ("law", pa.string()),
        ("trial", pa.int32()),
        ("normalise", pa.string()),
        ("rung", pa.int32()),
        ("quantity", pa.string()),
        ("method", pa.string()),
        ("gamma", pa.float64()),
        *((name, pa.int64()) for name in ("first", "draws")),
        ("every", pa.bool_()),
        ("value", pa.float64()),
        ("wins", pa.int64()),
        *((name, pa.float64()) for name in ("random_best", "best_known", "bound")),
        ("optimum", pa.string()),
    ]
)


def synthetic(
    *,
    sizes: Sequence[Size] = SIZES,
    laws: Sequence[str] = tuple(LAWS),
    methods: Sequence[str] = METHODS,
    gammas: Sequence[float] = (RELEASED_GAMMA,),
    normalisations: Sequence[Normalisation] = ("columns",),
    rungs: Sequence[int] = (PAPER_RUNG,),
    draws: int = DRAWS,
    trials: int = 10,
    seed: int = 0,
    out: str | PathLike[str],
    jobs: int = 1,
    progress: bool = True,
    wait: bool = False,
) -> Path:
    """Measure methods on synthetic tokens: value, wins over other subsets, and the optimum.

    Table 2 of arXiv:2602.20205, which does not tell the law of its tokens, the gamma, or the number of
    trials. Blocks of subsets are kept in ``out/parts-synthetic``: a later call with more draws, trials, sizes
    or laws takes the finished ones from there, and Ctrl-C loses only the blocks in work.

    Parameters
    ----------
    sizes : sequence of Size
        Distinct.
    laws : sequence of str
        Names in :data:`~otanalysis.studies.table2.laws.LAWS`, distinct.
    methods : sequence of str
        Names in :data:`~otanalysis.selection.SELECTORS`, distinct.
    gammas : sequence of float
        Of the methods that have one, each in the unit of the method; distinct.
    normalisations : sequence of {"none", "columns", "rows"}
        Of the tokens before they are measured, distinct; the paper's unit variance is "columns".
    rungs : sequence of int
        Of the ladder, distinct. The paper's objective is rung 3; on the others there are at most
        :data:`MOST_DRAWS` random subsets.
    draws : int
        Random subsets a trial, at least 1. Where all subsets are no more than four times as many, these are
        measured in their place.
    trials : int
        Independent draws of the tokens a size and law, at least 1.
    seed : int
        Of everything random.
    out : path
        Folder for ``synthetic.parquet`` and the parts; created if missing.
    jobs : int
        Processes, at least 1.
    progress : bool
        Show a bar with the time left on stderr.
    wait : bool
        Wait for another process that writes into ``out``, in place of refusing.

    Returns
    -------
    Path
        The table, one row a size, law, trial, normalisation, rung, method, gamma and block of subsets.

    Raises
    ------
    InputError
        If an argument is out of range, or there is an unknown law, method or rung.
    StorageError
        ``out`` cannot be written, or another process writes there.
    KeyboardInterrupt
        With a word on what is kept.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = synthetic(sizes=[Size(6, 3, 2)], laws=["gaussian"], trials=1, out=folder, progress=False)
    ...     summarise_synthetic(path).table["law"].unique().tolist()
    ['gaussian']
    """
    normalised = [check_normalisation(one) for one in normalisations]
    listed: dict[str, list[Any]] = {
        "sizes": list(sizes),
        "laws": list(laws),
        "methods": list(methods),
        "gammas": list(gammas),
        "normalisations": list(normalised),
        "rungs": list(rungs),
    }
    _check(listed, draws=draws, trials=trials, seed=seed, jobs=jobs)
    selectors = tuple(one for name in methods for one in _with_gammas(SELECTORS[name], gammas))
    blocks = [
        block
        for size in sizes
        for law in laws
        for number in range(trials)
        for normalise in normalised
        for rung in rungs
        for block in _blocks(SyntheticTrial(size, law, number, seed), normalise, rung, draws, selectors)
    ]
    settings = {
        "sizes": [asdict(size) for size in sizes],
        "laws": {law: LAWS[law].description for law in laws},
        "selectors": [repr(selector) for selector in selectors],
        "normalisations": normalised,
        "rungs": list(rungs),
        "draws": draws,
        "trials": trials,
        "seed": seed,
    }
    study = Study(
        "synthetic",
        schema=_SCHEMA,
        parts=[Part((one.key,), partial(_measure, one), work=_work(one)) for one in blocks],
        request=[one.key for one in blocks],
        about={"settings": settings},
    )
    return run_study(study, out, jobs=jobs, progress=progress, wait=wait)


def _with_gammas(selector: Selector, gammas: Sequence[float]) -> list[Selector]:
    """Return the method with every gamma, or alone if it has none."""
    if selector.name not in DEFAULT_GAMMAS:
        return [selector]
    return [replace(selector, gamma=gamma) for gamma in gammas]  # type: ignore[type-var]


def _blocks(
    trial: SyntheticTrial,
    normalise: Normalisation,
    rung: int,
    draws: int,
    selectors: tuple[Selector, ...],
) -> Iterator[SyntheticBlock]:
    """Yield what is measured of a trial on one rung."""
    size = trial.size
    count, total = draws, comb(size.m, size.keep)
    if rung != PAPER_RUNG:
        count = min(draws, max(FEWEST_DRAWS, min(MOST_DRAWS, DRAW_BUDGET // (size.m * size.keep))))
    if every := total <= ENUMERATED_PER_DRAW * count:
        count = total
    for first in range(0, count, BLOCK):
        yield SyntheticBlock(trial, normalise, rung, first, min(BLOCK, count - first), every, selectors)


def _work(block: SyntheticBlock) -> int:
    """Return about how long a block takes, in arbitrary units."""
    size = block.trial.size
    return block.count * size.keep**2 + size.m**2 * size.keep


def _measure(block: SyntheticBlock, missing: Sequence[str]) -> Iterator[tuple[Sequence[str], list[Record]]]:
    yield missing, block()


@dataclass(frozen=True, eq=False)
class SyntheticSummary:
    """What the trials say; see :func:`synthetic`.

    Attributes
    ----------
    table : DataFrame
        See :func:`~otanalysis.studies.table2.tables.synthetic_table`.
    comparison : DataFrame
        See :func:`~otanalysis.studies.table2.tables.compare_with_published`.
    closest : str
        Which combination comes closest, and how far off it is, in a sentence.
    """

    table: pd.DataFrame
    comparison: pd.DataFrame
    closest: str


def summarise_synthetic(path: str | PathLike[str]) -> SyntheticSummary:
    """Summarise a table of trials and compare it with the published one.

    Parameters
    ----------
    path : path
        What :func:`synthetic` returned. ``synthetic_summary.csv`` and ``synthetic_published.csv`` are written
        beside it, and how they came about, as ``synthetic_summary.provenance.json``.

    Returns
    -------
    SyntheticSummary

    Raises
    ------
    InputError
        The file is missing, damaged, without rows, or another table, or the published table is not there.
    """
    table = synthetic_table(_read_trials(path))
    comparison = compare_with_published(table)
    summary = SyntheticSummary(table, comparison, closest_sentence(table, comparison))
    files = {"synthetic_summary.csv": table, "synthetic_published.csv": summary.comparison}
    write_summaries(path, files, indent=1, sort_keys=True)
    return summary


def gaps_to_published(path: str | PathLike[str]) -> pd.DataFrame:
    """Compare a table of trials with the published one, and write nothing.

    Parameters
    ----------
    path : path
        What :func:`synthetic` returned.

    Returns
    -------
    DataFrame
        See :func:`~otanalysis.studies.table2.tables.compare_with_published`.

    Raises
    ------
    InputError
        As :func:`summarise_synthetic`.
    """
    return compare_with_published(synthetic_table(_read_trials(path), resamples=1))


def _read_trials(path: str | PathLike[str]) -> pd.DataFrame:
    return read_table(path, _SCHEMA, cure="pass the synthetic.parquet of `otanalysis synthetic`")


def _check(listed: dict[str, list[Any]], **numbers: int) -> None:
    known = {"laws": tuple(LAWS), "methods": tuple(SELECTORS), "rungs": tuple(range(len(RUNGS)))}
    for name, values in listed.items():
        if not values or len(set(values)) < len(values):
            raise InputError(f"The {name} must be distinct and at least one; got {len(values)} of them.")
        if unknown := [one for one in values if one not in known.get(name, values)]:
            raise InputError(
                f"Unknown {name[:-1]} {unknown[0]!r}; known are {', '.join(map(str, known[name]))}."
            )
    for name, value in numbers.items():
        least = 0 if name == "seed" else 1
        if value < least:
            raise InputError(f"{name} must be at least {least}, got {value}.")
