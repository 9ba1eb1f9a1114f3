"""What an accuracy table has is taken, and only that: every other score is lacking."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

import otanalysis as ota
from otanalysis.image import Image
from otanalysis.scores.table import ACCURACY_COLUMNS, read_accuracy, write_accuracy
from otanalysis.selection import Selector
from otanalysis.studies.engine import PACKAGE
from otanalysis.studies.known_scores import LATER, KnownScores
from otanalysis.studies.runs import Run

SUBJECT = {"model": "tiny", "model_fingerprint": "f1", "questions_per_benchmark": 4}
OTPRUNE = Run(replace(ota.SELECTORS["otprune"], gamma=0.05), None)
RANDOM = Run(ota.SELECTORS["random"], 1)
FIRST = Run(ota.SELECTORS["first"], None)
ROWS = (
    ("majority", None, None, None),
    ("full", 1.0, None, None),
    ("otprune", 0.098, 0.05, None),
    ("random", 0.2, None, 1),
    ("first", 0.098, None, None),
)


def scores(rows: Any = ROWS, *, value: float = 0.5, benchmark: str = "count") -> pd.DataFrame:
    """Return a table with one row each (method, ratio, gamma, seed)."""
    settings = pd.DataFrame(list(rows), columns=["method", "ratio", "gamma", "seed"])
    constant = {"model": "tiny", "benchmark": benchmark, "metric": "score", "n": 4, "standard_error": 0.1}
    table = settings.assign(value=value + np.arange(len(settings)) / 30, **constant)
    return table.astype({"ratio": float, "gamma": float, "seed": "Int64"})[list(ACCURACY_COLUMNS)]


def evaluation(*runs: Run, package: str = PACKAGE) -> dict[str, Any]:
    """Return what a provenance says of one evaluation."""
    return {
        "selectors": [repr(run.selector) for run in runs],
        "versions": {"otanalysis": package, "numpy": "2"},
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a table that two evaluations made: of `first` it has a score, but by another selector."""
    table = tmp_path / "accuracy.csv"
    about = SUBJECT | evaluation(OTPRUNE) | {LATER: [evaluation(RANDOM)], "date": "yesterday"}
    write_accuracy(scores(), table, provenance=about)
    return table


def test_what_the_table_has_is_not_lacking(path: Path) -> None:
    known = KnownScores.in_table(path, SUBJECT)
    ratios = (0.05, 0.098, 0.2)
    assert known.lacking("count", OTPRUNE, ratios) == (0.05, 0.2)
    assert known.lacking("count", RANDOM, ratios) == (0.05, 0.098), "measured by the second evaluation"
    assert known.lacking("count", None, ratios) == ()
    assert known.has("count", "majority")


def test_scores_of_other_settings_are_lacking(path: Path) -> None:
    known = KnownScores.in_table(path, SUBJECT)
    ratios = (0.098, 0.2)
    assert known.lacking("presence", OTPRUNE, ratios) == known.lacking("presence", None, ratios) == ratios
    assert not known.has("presence", "majority")
    assert known.lacking("count", Run(replace(OTPRUNE.selector, gamma=0.01), None), ratios) == ratios
    assert known.lacking("count", replace(RANDOM, seed=0), ratios) == ratios
    assert known.lacking("count", FIRST, ratios) == ratios, "no evaluation names this selector"


@dataclass(frozen=True)
class Own(Selector):
    """A selector of one's own, whose code no table records."""

    name: ClassVar[str] = "own"

    def pick(self, image: Image, keep: int, generator: np.random.Generator | None) -> np.ndarray:
        del image, generator
        return np.arange(keep)


def test_scores_of_a_selector_of_ones_own_are_lacking(tmp_path: Path) -> None:
    path, own = tmp_path / "own.csv", Run(Own(), None)
    write_accuracy(scores([("own", 0.2, None, None)]), path, provenance=SUBJECT | evaluation(own))
    assert KnownScores.in_table(path, SUBJECT).lacking("count", own, (0.2,)) == (0.2,)


@pytest.mark.parametrize(
    "change", [{"model_fingerprint": "f2"}, {"questions_per_benchmark": 5}, {"model": "other"}]
)
def test_a_table_of_something_else_has_nothing_and_that_is_said(
    path: Path, change: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    known = KnownScores.in_table(path, SUBJECT | change)
    assert known.lacking("count", OTPRUNE, (0.098,)) == (0.098,)
    assert known.table.empty
    assert known.evaluations == []
    assert f"{path} are of another model, number of questions or version" in capsys.readouterr().err


def test_scores_of_another_version_of_the_package_are_lacking(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_accuracy(scores(), path, provenance=SUBJECT | evaluation(OTPRUNE, package="0.0.1"))
    assert KnownScores.in_table(path, SUBJECT).table.empty
    assert "measured anew" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("accuracy.csv", "model,benchmark\n", "lacks the columns"),
        ("accuracy.provenance.json", "{", "cannot be read as JSON"),
        ("accuracy.provenance.json", "[]", "does not say how the scores came about"),
        ("accuracy.provenance.json", '{"versions": {"numpy": "2"}}', "does not say how"),
        (
            "accuracy.provenance.json",
            '{"versions": {"a": "2"}, "selectors": [], "measured_later": {}}',
            "does not",
        ),
        (
            "accuracy.provenance.json",
            '{"versions": {"a": "2"}, "selectors": [], "measured_later": [3]}',
            "does not",
        ),
        ("accuracy.provenance.json", '{"versions": 3, "selectors": []}', "has 3 as versions"),
    ],
)
def test_a_damaged_table_has_nothing_and_that_is_said(
    path: Path, name: str, content: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path.with_name(name).write_text(content)
    assert KnownScores.in_table(path, SUBJECT).table.empty
    err = capsys.readouterr().err
    assert said in err
    assert "All are measured anew." in err


def test_a_table_that_is_missing_has_nothing_and_nothing_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = KnownScores.in_table(tmp_path / "accuracy.csv", SUBJECT)
    assert known.lacking("count", None, (0.2,)) == (0.2,)
    assert capsys.readouterr().err == ""


def test_new_rows_follow_the_old_ones_which_stay_byte_for_byte(path: Path) -> None:
    before = path.read_bytes()
    known = KnownScores.in_table(path, SUBJECT)
    fresh = scores([("random", 0.05, None, 1), ("full", 1.0, None, None)], benchmark="presence")
    write_accuracy(known.with_rows(fresh), path)
    assert path.read_bytes().startswith(before)
    pd.testing.assert_frame_equal(
        read_accuracy(path)[len(ROWS) :].reset_index(drop=True), fresh, check_dtype=False
    )


def test_a_row_that_is_measured_anew_replaces_its_own(path: Path) -> None:
    known = KnownScores.in_table(path, SUBJECT)
    table = known.with_rows(scores([("first", 0.098, None, None)], value=0.9))
    assert len(table) == len(ROWS)
    assert table.loc[table["method"] == "first", "value"].tolist() == [0.9]
    assert table["method"].tolist()[:-1] == [method for method, *_ in ROWS[:-1]]


def test_the_provenance_keeps_every_evaluation(path: Path) -> None:
    known = KnownScores.in_table(path, SUBJECT)
    about = known.with_evaluation(SUBJECT, evaluation(FIRST))
    assert about[LATER] == [evaluation(RANDOM), evaluation(FIRST)]
    assert {name: value for name, value in about.items() if name != LATER} == {
        name: value for name, value in known.about.items() if name != LATER
    }
    assert json.loads(path.with_name("accuracy.provenance.json").read_text()) == known.about
    first = KnownScores("tiny").with_evaluation(SUBJECT, evaluation(FIRST))
    assert first == SUBJECT | evaluation(FIRST)


def test_versions_that_moved_are_said_once(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = KnownScores.in_table(path, SUBJECT)
    known.say_moved(("numpy",), path)
    assert capsys.readouterr().err.count(f"numpy 2 (now {np.__version__}): all.") == 1
    known.say_moved(("scipy",), path)
    assert capsys.readouterr().err == ""
