"""Figures of what is given: all versions with their numbers, and a sentence on the scores they lack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from otanalysis.figures import drawing
from otanalysis.figures.declaration import Given
from otanalysis.figures.drawing import draw_all
from otanalysis.figures.folder import FiguresFolder
from otanalysis.figures.style import figure_bytes
from otanalysis.figures.work import Work


def test_a_figure_has_pdf_png_and_numbers_of_each_version_and_says_what_is_missing(
    tables: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are drawn; rendered is one, as rendering eight would take most of the time."""
    rendered: list[Figure] = []

    def render(figure: Figure, kind: str) -> bytes:
        rendered.append(figure)
        return figure_bytes(figure, kind) if len(rendered) == 1 else b"a picture"

    monkeypatch.setattr(drawing, "figure_bytes", render)
    said: list[str] = []
    lacking = (tables.accuracy.method == "dpp") & (tables.accuracy.ratio == 0.15)
    given = Given(tables.sweep, tables.accuracy[~lacking])
    folder = FiguresFolder(tmp_path)
    draw_all([Work.of(name, given) for name in ("2", "3")], folder, say=said.append)
    versions = ["figure2", "figure2_ranks", "figure2_all", "figure2_all_ranks", "figure3"]
    versions += ["figure2_all_without_first_last"]
    versions += ["figure2_quantisation", "figure2_all_quantisation"]
    names = {path.name for path in folder.written}
    for version in versions:
        assert {f"{version}.pdf", f"{version}.png", f"{version}.csv"} <= names
    assert len({id(figure) for figure in rendered}) == len(versions)
    assert (tmp_path / "figure2.pdf").read_bytes().startswith(b"%PDF")
    assert len(said) == 1
    assert "DPP at 15%" in said[0]
    assert "OTPrune" not in said[0]
    captions = (tmp_path / "captions.md").read_text()
    assert captions.count("**Missing scores.**") == 1, "Figure 2 shows another share"
    complete: list[str] = []
    whole = Work.of("3", Given(tables.sweep, tables.accuracy))
    assert draw_all([whole], folder, say=complete.append) == b""
    assert complete == []
    assert "**Missing scores.**" not in (tmp_path / "captions.md").read_text()
