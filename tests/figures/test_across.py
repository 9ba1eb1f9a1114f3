"""What figures of several models are made of is of every model, with the kind of every question."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from otanalysis.figures.across import (
    RESTS_ON,
    evidence_across,
    inside_others,
    kept_objects,
    scores_by_position,
    work_across,
)
from otanalysis.figures.declaration import Given
from otanalysis.figures.work import Work
from otanalysis.studies.within_summary import SUMMARY_NAME, bundled_summary
from otanalysis.studies.worlds import WITH_OBJECTS, WORLDS


def test_scores_have_their_positions_and_kinds() -> None:
    scores = scores_by_position()
    pairs = scores.groupby(["model", "positions"]).size()
    assert set(pairs.index) == {(name, one) for name in WORLDS for one in ("renumbered", "original")}
    assert scores["kind"].notna().all()
    own = scores[scores["benchmark"] == "corner-digit"]
    assert set(own["kind"]) == {"place"}
    assert set(own["model"]) == {"mini-llava"}


def test_the_share_on_objects_is_the_mean_of_the_bundled_one() -> None:
    table = kept_objects().set_index(["quantity", "method"])
    rows = WORLDS[WITH_OBJECTS].distances()
    own = rows[(rows["ratio"] == 0.098) & (rows["normalisation"] == "none")]
    for method in ("divprune", "random"):
        each = own[own["method"] == method].groupby(["benchmark", "sample"])["kept_on_objects"].mean()
        found = table.loc[("kept_on_objects", method)]
        assert found["value"] == pytest.approx(each.groupby("benchmark").mean().mean())
        assert found["low"] < found["value"] < found["high"]
        assert found["n"] == len(each)
    assert table.loc["object_share", "value"].nunique() == 1
    assert table.loc[("score", "divprune"), "value"] == pytest.approx(
        WORLDS[WITH_OBJECTS].scores().query("method == 'divprune' and ratio == 0.098")["value"].mean()
    )


def test_the_tests_inside_the_image_of_the_other_models_are_bundled() -> None:
    found = inside_others()
    assert [set(one["model"]) for one in found] == [{name} for name in WORLDS if name != "mini-llava"]


def test_figure_d_depends_on_the_figures_that_it_rests_on_and_on_the_test_inside_the_image(
    tmp_path: Path,
) -> None:
    """And on none else; nothing is made for that."""

    def works(**ratios: float) -> dict[str, Work]:
        rows = pd.DataFrame({"method": ["otprune"], "w2": [1.0]})
        names = (*RESTS_ON, "4")
        return {name: Work.of(name, Given(rows, ratio=ratios.get(f"of_{name}", 0.098))) for name in names}

    def key(results: Path = tmp_path, **ratios: float) -> str:
        return work_across("worlds", works(**ratios), results, None, distance="w2").key

    assert key() == key() == key(of_4=0.2)
    others = {name: key(**{f"of_{name}": 0.2}) for name in RESTS_ON}
    inside = bundled_summary("mini-llava")
    assert inside is not None
    inside.assign(value=inside["value"] + 0.25).to_csv(tmp_path / SUMMARY_NAME, index=False)
    assert len({key(), key(tmp_path / "nowhere"), *others.values()}) == 2 + len(RESTS_ON)


def test_settings_that_no_bundled_table_holds_leave_nothing_to_compare(tmp_path: Path) -> None:
    assert evidence_across({}, tmp_path, normalise="whitened").empty
