"""Scores that an accuracy table already has of a model, so that an evaluation measures only what is new."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from otanalysis.defaults import FULL
from otanalysis.errors import InputError
from otanalysis.reading import member, read_json
from otanalysis.scores.table import ACCURACY_COLUMNS, ACCURACY_KEY, read_accuracy
from otanalysis.selection.selector import is_own
from otanalysis.studies.engine import PACKAGE
from otanalysis.studies.runs import Run
from otanalysis.studies.store import say_moved

LATER = "measured_later"
"""What the provenance of a table calls the list of those evaluations that put further rows into it."""

_Key = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class KnownScores:
    """The rows of an accuracy table that an evaluation can take as they are, and how they came about.

    Attributes
    ----------
    model : str
        Name of the model.
    table : DataFrame
        As :func:`~otanalysis.scores.table.read_accuracy` returns it; empty where nothing is known.
    about : mapping
        The table's provenance, as JSON values; empty where nothing is known.
    """

    model: str
    table: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(ACCURACY_COLUMNS)))
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def in_table(cls, path: Path, subject: Mapping[str, Any]) -> KnownScores:
        """Return what a table knows of a model; nothing where it is missing or of something else.

        Parameters
        ----------
        path : Path
            The table, with its provenance beside it.
        subject : mapping
            What its provenance must say: model, questions and how they are answered. It must be of this
            version of the package, too; else a word on stderr says that all is measured anew.
        """
        nothing = cls(subject["model"])
        if not path.is_file():
            return nothing
        try:
            about = _provenance(path.with_name(f"{path.stem}.provenance.json"))
            table = read_accuracy(path)
        except InputError as error:
            why = str(error)
        else:
            same = all(about.get(name) == value for name, value in subject.items())
            if same and about["versions"].get("otanalysis") == PACKAGE:
                return cls(subject["model"], table, about)
            why = f"The scores in {path} are of another model, number of questions or version of otanalysis."
        print(f"{why} All are measured anew.", file=sys.stderr)
        return nothing

    @property
    def evaluations(self) -> list[Mapping[str, Any]]:
        """The evaluations that the rows are from: the first one, and those that added to it."""
        return [self.about, *self.about.get(LATER, [])] if self.about else []

    def say_moved(self, packages: tuple[str, ...], path: Path) -> None:
        """Say on stderr where rows were measured with other versions of some packages than those of now."""
        recorded = [json.dumps(one["versions"], sort_keys=True) for one in self.evaluations]
        for text in dict.fromkeys(recorded):
            versions = {name: was for name, was in json.loads(text).items() if name in packages}
            say_moved([{"files": "all", "versions": versions}], packages, path)

    def lacking(self, benchmark: str, run: Run | None, ratios: Sequence[float]) -> tuple[float, ...]:
        """Return at which ratios a run has no score on a benchmark; of run None (all tokens), all or none.

        What a selector of one's own keeps may have changed with its code, which no table records: it has no
        score.
        """
        if run is None:
            return () if (self.model, benchmark, FULL, 1.0, None, None) in self._scores else tuple(ratios)
        if is_own(run.selector) or repr(run.selector) not in self._selectors:
            return tuple(ratios)
        head, tail = (self.model, benchmark, run.selector.name), (run.gamma, run.seed)
        return tuple(ratio for ratio in ratios if (*head, ratio, *tail) not in self._scores)

    def has(self, benchmark: str, method: str) -> bool:
        """Tell whether a method without tokens has a score on a benchmark."""
        return (self.model, benchmark, method, None, None, None) in self._scores

    def with_rows(self, fresh: pd.DataFrame) -> pd.DataFrame:
        """Return the table with fresh rows behind its own, and in place of those that they measure anew."""
        if self.table.empty:
            return fresh
        anew = set(_keys(fresh))
        stay = [key not in anew for key in _keys(self.table)]
        return pd.concat([self.table[stay], fresh], ignore_index=True)

    def with_evaluation(self, subject: Mapping[str, Any], measured: Mapping[str, Any]) -> dict[str, Any]:
        """Return the provenance of the table with fresh rows, as JSON values.

        Parameters
        ----------
        subject : mapping
            As for :meth:`in_table`.
        measured : mapping
            What was measured now, and with which versions.
        """
        if not self.about:
            return {**subject, **measured}
        return {**self.about, LATER: [*self.about.get(LATER, []), measured]}

    @cached_property
    def _scores(self) -> frozenset[_Key]:
        return frozenset(key[:-1] for key in _keys(self.table))  # without the metric, which the benchmark has

    @cached_property
    def _selectors(self) -> frozenset[str]:
        return frozenset(text for one in self.evaluations for text in one["selectors"])


def _provenance(file: Path) -> dict[str, Any]:
    """Read the provenance of a table, in which every evaluation says its selectors and versions."""
    about = read_json(file)
    later = about.get(LATER, []) if isinstance(about, dict) else None
    for one in [about, *later] if isinstance(later, list) else [None]:
        if not isinstance(one, dict) or not (member(one, "versions", dict, file) and "selectors" in one):
            raise InputError(f"{file} does not say how the scores came about.")
        member(one, "selectors", list, file)
    return dict(about)


def _keys(table: pd.DataFrame) -> Iterable[_Key]:
    """Return what tells the rows of a table apart, None where a column has nothing."""
    cells = table[list(ACCURACY_KEY)].astype(object)
    return cells.where(cells.notna(), None).itertuples(index=False, name=None)
