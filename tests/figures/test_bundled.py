"""Models with bundled tables are drawn from these alone, each into a folder of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from otanalysis.cli import app
from otanalysis.errors import InputError
from otanalysis.figures import bundled
from otanalysis.figures.bundled import ALL, draw_models
from otanalysis.stats.figure_tables import figure4_table
from otanalysis.studies.worlds import WORLDS

NATURAL = "stamp-llava-natural"
LACKING = "They hold no ratio 0.3, but 0.05, 0.098, 0.15 and 0.2."
MISSING = ["--results", "nowhere", "--out", "nowhere"]


def test_one_model_is_drawn_without_the_others(tmp_path: Path) -> None:
    written = draw_models(NATURAL, ("4",), tmp_path, ratio=0.2)
    assert {path.name for path in written} == {"figure4.pdf", "figure4.png", "figure4.csv", "captions.md"}
    assert [path.name for path in tmp_path.iterdir()] == [NATURAL]
    assert f"**Model.** Measured on `{NATURAL}`" in (tmp_path / NATURAL / "captions.md").read_text()
    drawn = pd.read_csv(tmp_path / NATURAL / "figure4.csv")
    made = figure4_table(WORLDS[NATURAL].distances(), methods=["divprune", "otprune"], resamples=2)
    keys = ["benchmark", "method", "ratio"]
    both = made.merge(drawn, on=keys, suffixes=("", "_drawn"))
    assert len(both) == 48
    pd.testing.assert_series_equal(both["value"], both["value_drawn"], check_names=False, rtol=1e-6)


def test_all_are_drawn_together_and_what_lacks_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that is measured here is left to the function that measures; pictures are not the point."""
    asked: list[Any] = []
    monkeypatch.setattr(bundled, "run", lambda chosen, **how: asked.append((chosen, how["ratio"])) or [])
    monkeypatch.setattr(bundled, "draw_all", lambda _given, folder, **_how: folder.put({"figure4.csv": b"4"}))
    said: list[str] = []
    written = draw_models(ALL, ("4", "floor"), tmp_path, ratio=0.15, say=said.append)
    assert asked == [(["4", "floor"], 0.15)]
    assert {path.parent.name for path in written} == {"stamp-llava", NATURAL}
    assert said == []
    assert draw_models(ALL, ("4",), tmp_path, ratio=0.3, say=said.append) == []
    assert said[-1] == f"The figures of {NATURAL} are drawn from its bundled tables. {LACKING}"
    said.clear()
    assert draw_models(ALL, ("floor",), tmp_path, say=said.append) == []
    assert said == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("llava", ("4",)), "mini-llava, stamp-llava, stamp-llava-natural, all can be drawn, and 'llava'"),
        ((NATURAL, ("floor",)), r"suffice for 2, .*verdicts, and floor was asked for: the rest takes dumps"),
    ],
)
def test_what_cannot_be_drawn_is_refused(tmp_path: Path, arguments: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        draw_models(*arguments, tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="no normalisation 'whitened', but columns, none and rows"):
        draw_models("stamp-llava", ("4",), tmp_path, normalise="whitened")


def test_a_figure_that_a_models_tables_do_not_suffice_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as Figure 5 where each method has one gamma, which is so of none that is bundled."""
    monkeypatch.setattr(bundled, "works_of", lambda *_: {})
    with pytest.raises(InputError, match="They do not suffice for 5"):
        draw_models(NATURAL, ("5",), tmp_path)


@pytest.mark.parametrize(("option", "value"), [("accuracy", "nowhere.csv"), ("scenes", 0)])
def test_what_tables_are_not_measured_with_is_refused(tmp_path: Path, option: str, value: Any) -> None:
    given: dict[str, Any] = {option: value}
    with pytest.raises(InputError, match=f"where --{option} would change nothing: leave it out"):
        draw_models("stamp-llava", ("4",), tmp_path, **given)
    assert not list(tmp_path.iterdir())


def test_a_model_by_name_and_dumps_do_not_go_together(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["figures", "--dumps", str(tmp_path), "--model", ALL, *MISSING])
    assert done.exit_code == 2
    assert "leave it out with --dumps" in done.output
