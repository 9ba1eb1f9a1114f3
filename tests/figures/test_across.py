"""What figures of several models are made of is of every model, with the kind of every question."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from otanalysis.figures.across import evidence_across, scores_by_position, with_other_models
from otanalysis.studies.within_summary import bundled_summary
from otanalysis.studies.worlds import WORLDS


def test_scores_have_their_positions_and_kinds() -> None:
    scores = scores_by_position()
    pairs = scores.groupby(["model", "positions"]).size()
    assert set(pairs.index) == {(name, one) for name in WORLDS for one in ("renumbered", "original")}
    assert scores["kind"].notna().all()
    own = scores[scores["benchmark"] == "corner-digit"]
    assert set(own["kind"]) == {"place"}
    assert set(own["model"]) == {"mini-llava"}


def test_the_tests_inside_the_image_of_all_models_stand_below_each_other() -> None:
    own = bundled_summary("mini-llava")
    assert own is not None
    together = with_other_models(own)
    assert list(together["model"].drop_duplicates()) == list(WORLDS)
    pd.testing.assert_frame_equal(together[together["model"] == "mini-llava"], own)


def test_settings_that_no_bundled_table_holds_leave_nothing_to_compare(tmp_path: Path) -> None:
    assert evidence_across({}, tmp_path, normalise="whitened").empty
