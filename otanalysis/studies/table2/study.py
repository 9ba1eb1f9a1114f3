"""Table 2 of arXiv:2602.20205 on every rung of the ladder, for several token laws, trial by trial."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar
from zlib import crc32

import numpy as np
import pandas as pd
import pyarrow as pa

from otanalysis.arrays import FloatArray, normalise_tokens
from otanalysis.errors import InputError
from otanalysis.files import sha256_of_json
from otanalysis.selection import SELECTORS, select
from otanalysis.studies.chunks import Record
from otanalysis.studies.engine import PACKAGE, Study, run_study
from otanalysis.studies.provenance import read_table, write_summaries
from otanalysis.studies.store import Part
from otanalysis.studies.table2.optimum import optima
from otanalysis.studies.table2.rung_objectives import rung_values
from otanalysis.studies.table2.tables import compare_with_published, published_synthetic, synthetic_table
from otanalysis.surrogate import RUNGS, Ladder

CLUSTER_SPREAD = 0.3
"""Deviation of a token around its cluster's centre, where centres deviate by one."""


@dataclass(frozen=True)
class TokenLaw:
    """A law of ``m`` independent tokens of dimension ``d``.

    Attributes
    ----------
    name : str
        Name in tables and on the command line.
    description : str
        What is drawn, in a few words.
    draw : callable
        Takes a generator, ``m`` and ``d``; returns tokens [m, d].

    Examples
    --------
    >>> bool(np.allclose(np.linalg.norm(LAWS["unit-rows"].draw(np.random.default_rng(0), 4, 3), axis=1), 1))
    True
    """

    name: str
    description: str
    draw: Callable[[np.random.Generator, int, int], FloatArray]


def _clustered(generator: np.random.Generator, m: int, d: int) -> FloatArray:
    centres = generator.standard_normal((round(m**0.5), d))
    own = centres[generator.integers(len(centres), size=m)]
    return np.asarray(own + CLUSTER_SPREAD * generator.standard_normal((m, d)))


LAWS: Mapping[str, TokenLaw] = MappingProxyType(
    {
        law.name: law
        for law in (
            TokenLaw(
                "gaussian",
                "independent standard normal entries",
                lambda generator, m, d: generator.standard_normal((m, d)),
            ),
            TokenLaw(
                "unit-rows",
                "uniform on the unit sphere: every token has length one",
                lambda generator, m, d: normalise_tokens(generator.standard_normal((m, d)), "rows"),
            ),
            TokenLaw(
                "uniform",
                "independent entries uniform on [0, 1): the mean is not zero",
                lambda generator, m, d: generator.random((m, d)),
            ),
            TokenLaw(
                "clustered",
                "round(sqrt(m)) standard normal centres, tokens spread around them by 0.3",
                _clustered,
            ),
        )
    }
)
"""The laws by name. The paper does not say which one its synthetic table used."""


MOST_DRAWS, FEWEST_DRAWS = 1000, 100
"""Random subsets a trial: win rates are then steps of 0.1 and 1 per cent."""

DRAW_BUDGET = 10**7
"""Tokens times kept tokens times draws, about the work of exact transport to the random subsets."""

TIE = 1e-12
"""Two values that differ by less than this share are those of one subset, summed in another order."""


@dataclass(frozen=True)
class Size:
    """How many tokens, of what dimension, and how many of them are kept; see :func:`synthetic`.

    Attributes
    ----------
    m, d, keep : int
        Positive; ``keep`` smaller than ``m``.

    Raises
    ------
    InputError
        If one of them is out of range.
    """

    m: int
    d: int
    keep: int

    def __post_init__(self) -> None:
        if self.d < 1 or not 1 <= self.keep < self.m:
            raise InputError(
                f"A size needs a dimension of at least 1 and 1 <= keep < m, got {self.m} tokens of dimension "
                f"{self.d} and keep {self.keep}: write for instance 20x10x5."
            )

    @property
    def draws(self) -> int:
        """Random subsets that a trial of this size compares with."""
        return max(FEWEST_DRAWS, min(MOST_DRAWS, DRAW_BUDGET // (self.m * self.keep)))


@dataclass(frozen=True)
class SyntheticTrial:
    """One seeded draw of tokens, and everything that is measured on it.

    ``version`` grows when the same settings would give other numbers, so that older parts are measured again.

    Attributes
    ----------
    size : Size
        Of the trial.
    law : str
        Name in :data:`~otanalysis.studies.table2.study.LAWS`.
    number : int
        Trials of one seed differ in it.
    seed : int
        Of the whole table.

    Examples
    --------
    >>> rows = SyntheticTrial(Size(6, 3, 2), "gaussian", number=0, seed=0)()
    >>> {row["law"] for row in rows}
    {'gaussian'}
    """

    size: Size
    law: str
    number: int
    seed: int

    version: ClassVar[int] = 1

    @property
    def key(self) -> list[object]:
        """Everything that the numbers depend on, as JSON values."""
        selectors = [repr(selector) for selector in SELECTORS.values()]
        # Parts on disk have the class under its first name.
        words = repr(self).removeprefix("Synthetic")
        return [self.version, PACKAGE, words, self.size.draws, selectors]

    def __call__(self) -> list[Record]:
        """Return one row a method and rung."""
        size = self.size
        entropy = [self.seed, crc32(self.law.encode()), size.m, size.d, size.keep, self.number]
        generator = np.random.default_rng(entropy)
        tokens = LAWS[self.law].draw(generator, size.m, size.d)
        own_seed = int(generator.integers(2**32))
        chosen = [
            np.asarray(select(tokens, method, keep=size.keep, seed=own_seed).indices) for method in SELECTORS
        ]
        drawn = np.tile(np.arange(size.m), (size.draws, 1))
        drawn = np.sort(generator.permuted(drawn, axis=1)[:, : size.keep], axis=1)
        ladder = Ladder(tokens)
        values = rung_values(ladder, np.concatenate([np.stack(chosen), drawn]))
        best = optima(ladder, size.keep, chosen, values)
        rows = []
        for rung in RUNGS:
            column = values[rung.column]
            random = column[len(chosen) :]
            about = self._about() | {
                "rung": rung.number,
                "quantity": rung.column,
                "random_mean": float(random.mean()),
                "random_best": float(random.max() if rung.maximised else random.min()),
                "random_worst": float(random.min() if rung.maximised else random.max()),
                "best_known": best[rung.column].best_known,
                "bound": best[rung.column].bound,
                "optimum": best[rung.column].kind,
            }
            for method, value in zip(SELECTORS, column[: len(chosen)], strict=True):
                rate = _win_rate(rung.badness(np.asarray(value)), rung.badness(random))
                rows.append(about | {"method": method, "value": float(value), "win_rate": rate})
        return rows

    def _about(self) -> Record:
        size = self.size
        return {
            "m": size.m,
            "d": size.d,
            "keep": size.keep,
            "law": self.law,
            "trial": self.number,
            "draws": size.draws,
        }


def _win_rate(badness: FloatArray, random: FloatArray) -> float:
    """Return the share of random subsets that are worse; a tie counts half."""
    margin = TIE * np.abs(random)
    wins = float(np.mean(random > badness + margin))
    return wins + 0.5 * float(np.mean(np.abs(random - badness) <= margin))


SIZES = (Size(20, 10, 5), Size(30, 20, 10), Size(100, 50, 30), Size(1000, 256, 100))
"""The sizes of Table 2 of the paper."""

_SCHEMA = pa.schema(
    [
        *((name, pa.int32()) for name in ("m", "d", "keep")),
        ("law", pa.string()),
        ("trial", pa.int32()),
        ("draws", pa.int32()),
        ("rung", pa.int32()),
        ("quantity", pa.string()),
        ("method", pa.string()),
        *((name, pa.float64()) for name in ("value", "win_rate")),
        *((name, pa.float64()) for name in ("random_mean", "random_best", "random_worst")),
        *((name, pa.float64()) for name in ("best_known", "bound")),
        ("optimum", pa.string()),
    ]
)


def synthetic(
    *,
    sizes: Sequence[Size] = SIZES,
    laws: Sequence[str] = tuple(LAWS),
    trials: int = 10,
    seed: int = 0,
    out: str | PathLike[str],
    jobs: int = 1,
    progress: bool = True,
    wait: bool = False,
) -> Path:
    """Measure every method on synthetic tokens: each rung's value, win rate and optimum.

    After Table 2 of arXiv:2602.20205, which does not tell the law of its tokens. A trial is a part of its
    own, kept in ``out/parts-synthetic``: a later call with other trials, sizes or laws takes the finished
    ones from there.

    Parameters
    ----------
    sizes : sequence of Size
        Distinct.
    laws : sequence of str
        Names in :data:`~otanalysis.studies.table2.study.LAWS`, distinct.
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
        The table, one row a size, law, trial, rung and method.

    Raises
    ------
    InputError
        If an argument is out of range, or there is an unknown law.
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
    _check(sizes, laws, trials, seed, jobs)
    wanted = [SyntheticTrial(size, law, n, seed) for size in sizes for law in laws for n in range(trials)]
    about = {
        "sizes": [asdict(size) for size in sizes],
        "laws": {law: LAWS[law].description for law in laws},
        "trials": trials,
        "seed": seed,
        "selectors": [repr(selector) for selector in SELECTORS.values()],
    }
    study = Study(
        "synthetic",
        schema=_SCHEMA,
        parts=[
            Part((sha256_of_json(one.key)[:24],), partial(_measure, one), work=one.size.m * one.size.keep)
            for one in wanted
        ],
        request=[one.key for one in wanted],
        about={"settings": about},
    )
    return run_study(study, out, jobs=jobs, progress=progress, wait=wait)


def _measure(trial: SyntheticTrial, missing: Sequence[str]) -> Iterator[tuple[Sequence[str], list[Record]]]:
    yield missing, trial()


@dataclass(frozen=True, eq=False)
class SyntheticSummary:
    """What the trials say; see :func:`synthetic`.

    Attributes
    ----------
    table : DataFrame
        See :func:`~otanalysis.studies.table2.tables.synthetic_table`.
    comparison : DataFrame
        See :func:`~otanalysis.studies.table2.tables.compare_with_published`.
    """

    table: pd.DataFrame
    comparison: pd.DataFrame


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
    table = synthetic_table(
        read_table(path, _SCHEMA, cure="pass the synthetic.parquet of `otanalysis synthetic`")
    )
    summary = SyntheticSummary(table, compare_with_published(table, published_synthetic()))
    files = {"synthetic_summary.csv": table, "synthetic_published.csv": summary.comparison}
    write_summaries(path, files, indent=1, sort_keys=True)
    return summary


def _check(sizes: Sequence[Size], laws: Sequence[str], trials: int, seed: int, jobs: int) -> None:
    if unknown := [law for law in laws if law not in LAWS]:
        raise InputError(f"Unknown law {unknown[0]!r}; known are {', '.join(LAWS)}.")
    for name, values in (("sizes", sizes), ("laws", laws)):
        if not values or len(set(values)) < len(values):
            raise InputError(f"The {name} must be distinct and at least one; got {len(values)} of them.")
    for name, value, least in (("trials", trials, 1), ("jobs", jobs, 1), ("seed", seed, 0)):
        if value < least:
            raise InputError(f"{name} must be at least {least}, got {value}.")
