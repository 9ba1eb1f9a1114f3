"""Summaries of the test inside the image: written beside the table, and found again by the model's name."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from otanalysis.errors import InputError
from otanalysis.mini.bundled import bundled_model_path
from otanalysis.stats.cells import MEAN
from otanalysis.stats.within_tables import NOTHING, RANKED, swaps_table, within_table
from otanalysis.studies.questions import bundled_questions
from otanalysis.studies.within import ModelSource, WithinStudy, measure_within, read_within
from otanalysis.studies.within_summary import (
    SUMMARY_NAME,
    SWAPS_NAME,
    find_summary,
    read_summary,
    summarise_within,
)

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the summary of a tiny test."""
    out = tmp_path_factory.mktemp("results")
    asked = bundled_questions(1, benchmarks=("presence", "count-digits"))
    study = WithinStudy(subsets=7, positions=("renumbered",))
    model = ModelSource(str(bundled_model_path()))
    summarise_within(measure_within(model, asked, study, out=out, jobs=1, progress=False))
    return out


def test_what_is_written_is_what_the_statistics_say(results: Path) -> None:
    rows = read_within(results / "within.parquet")
    for name, tabulate in ((SUMMARY_NAME, within_table), (SWAPS_NAME, swaps_table)):
        pd.testing.assert_frame_equal(
            pd.read_csv(results / name), tabulate(rows), check_dtype=False, rtol=1e-6, atol=1e-7
        )
    about = json.loads((results / "within_summary.provenance.json").read_text())
    assert about["settings"]["questions"] == 2


def test_a_summary_is_read_back_and_found_by_its_model(results: Path, tmp_path: Path) -> None:
    table = read_summary(results / SUMMARY_NAME)
    pd.testing.assert_frame_equal(table, pd.read_csv(results / SUMMARY_NAME), check_dtype=False)
    own = find_summary(results, "mini-llava")
    assert own is not None
    assert own.equals(table)
    assert find_summary(results, "another") is None
    bundled = find_summary(tmp_path, "mini-llava")
    assert bundled is not None
    assert bundled["n"].max() > 2


def test_the_bundled_summary_has_every_distance() -> None:
    table = find_summary(Path("nowhere"), "mini-llava")
    assert table is not None
    overall = table[(table["benchmark"] == MEAN) & (table["given"] == NOTHING) & (table["pool"] == "all")]
    for positions in ("renumbered", "original"):
        assert overall.loc[overall["positions"] == positions, "measure"].tolist() == list(RANKED)
    assert (table["low"].dropna() <= table["high"].dropna()).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [({"given": "give"}, "lacks the columns given"), ({",0.098,": ",much,"}, "no number")],
)
def test_another_table_is_refused(change: dict[str, str], said: str, results: Path, tmp_path: Path) -> None:
    text = (results / SUMMARY_NAME).read_text()
    for before, after in change.items():
        assert before in text
        text = text.replace(before, after)
    (tmp_path / SUMMARY_NAME).write_text(text)
    with pytest.raises(InputError, match=said):
        find_summary(tmp_path, "mini-llava")
