"""What figures of several models are made of is of every model, with the kind of every question."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from otanalysis.figures.across import evidence_across, inside_others, scores_by_position, work_across
from otanalysis.figures.declaration import Given
from otanalysis.figures.verdicts.claims import BASIS
from otanalysis.figures.work import Work
from otanalysis.studies.within_summary import SUMMARY_NAME, bundled_summary
from otanalysis.studies.worlds import WORLDS


def test_scores_have_their_positions_and_kinds() -> None:
    scores = scores_by_position()
    pairs = scores.groupby(["model", "positions"]).size()
    assert set(pairs.index) == {(name, one) for name in WORLDS for one in ("renumbered", "original")}
    assert scores["kind"].notna().all()
    own = scores[scores["benchmark"] == "corner-digit"]
    assert set(own["kind"]) == {"place"}
    assert set(own["model"]) == {"mini-llava"}


def test_the_tests_inside_the_image_of_the_other_models_are_bundled() -> None:
    found = inside_others()
    assert [set(one["model"]) for one in found] == [{name} for name in WORLDS if name != "mini-llava"]


def test_figure_d_depends_on_the_figures_that_it_rests_on_and_on_the_test_inside_the_image(
    tmp_path: Path,
) -> None:
    """And on none else; nothing is made for that."""

    def works(**ratios: float) -> dict[str, Work]:
        rows = pd.DataFrame({"method": ["otprune"], "w2": [1.0]})
        names = (*BASIS, "4")
        return {name: Work.of(name, Given(rows, ratio=ratios.get(f"of_{name}", 0.098))) for name in names}

    def key(results: Path = tmp_path, **ratios: float) -> str:
        return work_across("worlds", works(**ratios), results, None, distance="w2").key

    assert key() == key() == key(of_4=0.2)
    others = {name: key(**{f"of_{name}": 0.2}) for name in BASIS}
    inside = bundled_summary("mini-llava")
    assert inside is not None
    inside.assign(value=inside["value"] + 0.25).to_csv(tmp_path / SUMMARY_NAME, index=False)
    assert len({key(), key(tmp_path / "nowhere"), *others.values()}) == 2 + len(BASIS)


def test_settings_that_no_bundled_table_holds_leave_nothing_to_compare(tmp_path: Path) -> None:
    assert evidence_across({}, tmp_path, normalise="whitened").empty
