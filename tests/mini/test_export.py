"""The bundled benchmarks in the forms of real ones: what the package reads of them is the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from otanalysis.errors import InputError
from otanalysis.mini.benchmarks import BENCHMARKS
from otanalysis.mini.export import write_pictures, write_results
from otanalysis.scores import Settings, import_results
from otanalysis.scores.table import ACCURACY_COLUMNS
from otanalysis.stamps import StampSettings, stamp_benchmarks
from otanalysis.studies.questions import read_questions
from otanalysis.vlm.capture.sources import open_pictures


def test_the_list_is_read_by_capture_and_holds_the_scenes(tmp_path: Path) -> None:
    listed = write_pictures(tmp_path / "pictures", "read-row", 3)
    source = open_pictures(listed)
    assert len(source) == 3
    for found, item in zip(source, BENCHMARKS["read-row"].items(3), strict=True):
        assert found.id == item.identifier
        np.testing.assert_array_equal(found.read().pixels, item.picture)
        assert found.extra["question"] == item.question.text
        assert found.extra["answer"] == item.question.answer
    before = {path: path.read_bytes() for path in listed.parent.iterdir()}
    write_pictures(tmp_path / "pictures", "read-row", 3)
    assert {path: path.read_bytes() for path in listed.parent.iterdir()} == before


def test_an_unknown_benchmark_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="known are presence"):
        write_pictures(tmp_path, "vqa", 1)


def scores() -> pd.DataFrame:
    rows = [
        ("presence", "full", 1.0, np.nan, None, 0.9),
        ("read-row", "full", 1.0, np.nan, None, 0.8),
        ("presence", "otprune", 0.098, 0.01, None, 0.7),
        ("read-row", "otprune", 0.098, 0.01, None, 0.4),
        ("presence", "random", 0.098, np.nan, 1, 0.6),
        ("presence", "majority", np.nan, np.nan, None, 0.5),
    ]
    columns = ["benchmark", "method", "ratio", "gamma", "seed", "value"]
    table = pd.DataFrame(rows, columns=columns).assign(
        model="mini", metric="exact_match", n=40, standard_error=0.05
    )
    return table.astype({"seed": "Int64", "n": "Int64"})[list(ACCURACY_COLUMNS)]


def test_results_come_back_as_they_were_but_for_the_majority(tmp_path: Path) -> None:
    files = write_results(scores(), tmp_path, model="models/mini")
    assert [file.parent.name for file in files] == ["full-1.0", "otprune-0.098-0.01", "random-0.098-1"]
    metrics = {"presence": "exact_match", "read-row": "exact_match"}
    found = import_results([tmp_path], Settings(model="mini"), metrics=metrics)
    wanted = scores()[scores()["method"] != "majority"]
    # A run of the plug-in always has a seed, which the import reads as its default where none was said.
    pruned = wanted["method"] != "full"
    wanted = wanted.assign(seed=wanted["seed"].where(~pruned, wanted["seed"].fillna(0)))
    keys = ["benchmark", "method"]
    pd.testing.assert_frame_equal(
        found[list(ACCURACY_COLUMNS)].sort_values(keys).reset_index(drop=True),
        wanted.sort_values(keys).reset_index(drop=True),
        check_dtype=False,
    )


def test_questions_about_one_picture_of_stamps_share_its_file(stamps: Path, tmp_path: Path) -> None:
    benchmark = stamp_benchmarks(StampSettings(stamps))["place"]
    listed = write_pictures(tmp_path, benchmark, 7)
    items = list(benchmark.items(7))
    asked = read_questions(listed)
    assert [one.id for one in asked] == [item.identifier for item in items]
    assert [one.scene for one in asked] == [item.scene_identifier for item in items]
    assert {one.benchmark for one in asked} == {"place"}
    assert len(list(tmp_path.glob("*.png"))) == len({item.scene_identifier for item in items}) < 7
    np.testing.assert_array_equal(asked[-1].picture.read().pixels, items[-1].picture)
