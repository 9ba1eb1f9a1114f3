"""One trial of the synthetic table: tokens of a law, every method and rung, random subsets, the optimum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np

from otanalysis.errors import InputError
from otanalysis.image import FloatArray
from otanalysis.selection import SELECTORS, select
from otanalysis.studies.table2.optimum import optima
from otanalysis.studies.table2.rung_objectives import rung_values
from otanalysis.studies.table2.token_laws import LAWS
from otanalysis.surrogate import RUNGS, Ladder

__all__ = ["Size", "Trial"]

MOST_DRAWS, FEWEST_DRAWS = 1000, 100
"""Random subsets a trial: win rates are then steps of 0.1 and 1 per cent."""

DRAW_BUDGET = 10**7
"""Tokens times kept tokens times draws, about the work of exact transport to the random subsets."""

TIE = 1e-12
"""Two values that differ by less than this share are those of one subset, summed in another order."""


@dataclass(frozen=True)
class Size:
    """How many tokens, of what dimension, and how many of them are kept.

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
class Trial:
    """One seeded draw of tokens, and everything that is measured on it.

    Attributes
    ----------
    size : Size
        Of the trial.
    law : str
        Name in :data:`~otanalysis.studies.table2.token_laws.LAWS`.
    number : int
        Trials of one seed differ in it.
    seed : int
        Of the whole table.
    """

    size: Size
    law: str
    number: int
    seed: int

    def __call__(self) -> list[dict[str, Any]]:
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

    def _about(self) -> dict[str, Any]:
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
