"""Figures as a reader gets them: fonts in the file, letters to read, one look a method, intervals drawn."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from otanalysis.defaults import COMPARED_METHODS
from otanalysis.figures.distances import draw_distances
from otanalysis.figures.figure2 import draw_figure2
from otanalysis.figures.figure3 import draw_figure3
from otanalysis.figures.figure4 import draw_figure4
from otanalysis.figures.figure5 import draw_figure5
from otanalysis.figures.style import PNG_DPI, TEXT_WIDTH, figure_bytes, method_look
from otanalysis.selection import SELECTORS
from otanalysis.stats.distance_grid import distance_grid
from otanalysis.stats.figure_tables import figure3_table, figure4_table, figure5_table
from otanalysis.stats.rank_tables import figure2_ratios, figure2_tables

SMALLEST_LETTERS = 6.0
"""Points: what journals ask for at least."""

PAPER = ("first", "last", "uniform", "random", "divprune")


def one_ratio(sweep: Any) -> Any:
    """Figure E of one share kept, without the gammas that only Figure 5 has."""
    own = sweep[(sweep.gamma.isna() | (sweep.gamma == 0.01)) & (sweep.ratio == 0.098)]
    return distance_grid(own, resamples=20)


DRAW: dict[str, Callable[[Any], Figure]] = {
    "figure2": lambda made: draw_figure2(figure2_tables(made.sweep, made.accuracy, methods=COMPARED_METHODS)),
    "figure2_ranks": lambda made: draw_figure2(figure2_ratios(made.sweep, made.accuracy, methods=PAPER)),
    "distances": lambda made: draw_distances(one_ratio(made.sweep)),
    "figure3": lambda made: draw_figure3(figure3_table(made.sweep, made.accuracy)),
    "figure4": lambda made: draw_figure4(figure4_table(made.sweep)),
    "figure5": lambda made: draw_figure5(figure5_table(made.sweep, made.accuracy)),
}


@pytest.fixture(scope="module")
def drawn(tables: Any) -> dict[str, Figure]:
    return {name: draw(tables) for name, draw in DRAW.items()}


def fonts_of(pdf: bytes) -> dict[str, bool]:
    """Every font of a PDF, and whether its outlines are in the file; its objects are not compressed."""
    objects = {int(number): body for number, body in re.findall(rb"(?s)(\d+) 0 obj\s(.*?)\sendobj", pdf)}
    fonts = {}
    for body in objects.values():
        # A composite font has no outlines of its own, the one below it has.
        if not re.search(rb"/Type\s*/Font\b(?!Descriptor)", body) or b"/Subtype /Type0" in body:
            continue
        name = re.search(rb"/BaseFont\s*/(\S+)|/Subtype\s*/(Type3)", body)
        descriptor = re.search(rb"/FontDescriptor (\d+) 0 R", body)
        outlines = descriptor is not None and b"/FontFile" in objects[int(descriptor[1])]
        fonts[(name[1] or name[2]).decode() if name else "without a name"] = outlines
    return fonts


@pytest.mark.parametrize("name", DRAW)
def test_every_font_of_the_pdf_is_in_the_file(name: str, drawn: dict[str, Figure]) -> None:
    fonts = fonts_of(figure_bytes(drawn[name], "pdf"))
    assert len(fonts) >= 2, "words and formulas"
    assert all("STIX" in font for font in fonts)
    assert all(fonts.values()), fonts


def test_a_font_that_is_not_in_the_file_is_seen() -> None:
    buffer = io.BytesIO()
    with mpl.rc_context({"pdf.use14corefonts": True, "font.family": "Helvetica"}):
        figure = Figure(figsize=(1, 1))
        figure.text(0.1, 0.5, "words")
        figure.savefig(buffer, format="pdf")
    assert fonts_of(buffer.getvalue()) == {"Helvetica": False}


@pytest.mark.parametrize("name", DRAW)
def test_the_png_has_the_width_of_a_page_at_its_resolution(name: str, drawn: dict[str, Figure]) -> None:
    png = figure_bytes(drawn[name], "png")
    width, _ = struct.unpack(">II", png[16:24])
    assert width == round(TEXT_WIDTH * PNG_DPI)
    per_metre = struct.unpack(">I", png[png.index(b"pHYs") + 4 :][:4])[0]
    assert per_metre * 0.0254 == pytest.approx(200, abs=0.1)


@pytest.mark.parametrize("name", DRAW)
def test_no_letter_is_too_small_to_read(name: str, drawn: dict[str, Figure]) -> None:
    words = [one for one in drawn[name].findobj(Text) if one.get_text().strip() and one.get_visible()]
    assert len(words) > 20
    assert min(one.get_fontsize() for one in words) >= SMALLEST_LETTERS


def colours_by_label(figure: Figure) -> dict[str, str]:
    """Colour of every handle of the legends, by its words."""
    found = {}
    for legend in figure.legends:
        for handle, words in zip(legend.legend_handles, legend.get_texts(), strict=True):
            colour = handle.get_color() if hasattr(handle, "get_color") else handle.get_facecolor()  # type: ignore[union-attr]
            found[words.get_text()] = to_hex(colour).upper()
    return found


def test_a_method_has_one_colour_in_all_figures(drawn: dict[str, Figure]) -> None:
    looks = {method_look(name).label: method_look(name).colour.upper() for name in SELECTORS}
    for name in ("figure2", "figure3", "figure4"):
        shown = colours_by_label(drawn[name])
        methods = shown.keys() & looks.keys()
        assert len(methods) >= 4
        assert {method: shown[method] for method in methods} == {method: looks[method] for method in methods}


def test_intervals_are_drawn_where_the_tables_say(tables: Any, drawn: dict[str, Figure]) -> None:
    table = figure4_table(tables.sweep)
    mean = table[table.benchmark == "mean"]
    panel = drawn["figure4"].axes[0]
    ends = [
        sorted(segment[:, 1])
        for collection in panel.collections
        for segment in collection.get_segments()  # type: ignore[attr-defined]
        if len(segment) == 2 and segment[0, 0] == segment[1, 0]
    ]
    np.testing.assert_allclose(sorted(ends), sorted(mean[["low", "high"]].to_numpy().tolist()), rtol=1e-12)
    found = figure2_tables(tables.sweep, tables.accuracy, methods=COMPARED_METHODS)
    own = found.points[found.points.benchmark == "mean"]
    spans = {tuple(line.get_xdata()) for line in drawn["figure2"].axes[0].lines if len(line.get_xdata()) == 2}
    assert set(zip(own.distance_low, own.distance_high, strict=True)) <= spans
