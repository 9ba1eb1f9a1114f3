"""What is drawn is what was computed: patches, masses, numbers and curve are read back from the page."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from otanalysis.errors import ConvergenceError
from otanalysis.explore.html import numbers_html, page_of, rows_of, still_figure
from otanalysis.explore.markup import STYLE, data_uri, glyph, number, theme_colour
from otanalysis.explore.overlay import dimmed
from otanalysis.explore.state import Measurements, View
from otanalysis.explore.svg import WIDTH, Line, curve_svg, patches_svg
from otanalysis.selection import SELECTORS
from otanalysis.tokens import DumpWriter, open_dump
from otanalysis.transport import squared_distances

from .conftest import MakePictured

SIDE = WIDTH / 8  # the dump's grid is 6 x 8
VIEW = View(methods=("otprune", "ot-medoids"), ratio=0.15)


def parsed(markup: str) -> ElementTree.Element:
    return ElementTree.fromstring(markup)


def named(root: ElementTree.Element, kind: str) -> Iterator[ElementTree.Element]:
    return (one for one in root.iter() if kind in one.get("class", "").split())


def patches_of(path: str) -> list[int]:
    """Return the patches whose squares a path draws."""
    corners = re.findall(r"M([\d.]+) ([\d.]+)h", path)
    return [round(float(y) / SIDE) * 8 + round(float(x) / SIDE) for x, y in corners]


@pytest.fixture
def measured(pictured: MakePictured) -> Measurements:
    return Measurements(pictured())


def drawn(measured: Measurements, view: View = VIEW, which: int = 0) -> ElementTree.Element:
    backdrop = measured.backdrop(view)
    return parsed(patches_svg(backdrop, measured.readings(view)[which], data_uri(backdrop)))


def test_the_lit_patches_are_the_kept_ones(measured: Measurements) -> None:
    readings = measured.readings(VIEW)
    assert len(readings) == len(VIEW.methods) > 0
    for which, reading in enumerate(readings):
        root = drawn(measured, which=which)
        clip = next(one for one in root.iter("clipPath") if one.get("id").endswith("-k"))
        assert patches_of(clip[0].get("d")) == reading.selection.indices.tolist()
        groups = list(named(root, "k"))
        assert [patches_of(one[-1].get("d"))[0] for one in groups] == reading.transport.indices.tolist()
        assert all(one.get("tabindex") == "0" for one in groups)


def test_a_kept_patch_shows_its_column_of_the_plan(measured: Measurements) -> None:
    transport = measured.readings(VIEW)[0].transport
    cost = squared_distances(measured.sample(VIEW).tokens)[:, transport.indices]
    shared = 0
    for number_, group in enumerate(named(drawn(measured), "k")):
        position = int(transport.indices[number_])
        shares = 48 * transport.plan[:, number_]
        served = set(np.flatnonzero(shares > 1e-3).tolist())
        [shown] = named(group, "on")
        clip = next(shown.iter("clipPath"))
        assert set(patches_of(clip[0].get("d"))) == served | {position}
        lines = [one for one in shown.iter("path") if one.get("stroke") == "#FFC233" and "L" in one.get("d")]
        starts = {
            int(float(y) / SIDE) * 8 + int(float(x) / SIDE): float(line.get("stroke-width"))
            for line in lines
            for x, y in re.findall(r"M([\d.]+) ([\d.]+)L", line.get("d"))
        }
        assert starts.keys() == served - {position}
        for patch, width in starts.items():
            assert width == pytest.approx(0.6 + 1.6 * shares[patch], abs=0.02)
        words = " ".join(one.text for one in shown.iter("text"))
        row, column = divmod(position, 8)
        share = float(transport.plan[:, number_] @ cost[:, number_]) / transport.squared_distance
        assert f"row {row + 1}, column {column + 1}: takes the mass of {48 / 7:.3g} patches" in words
        assert f"{share:.1%} of W₂²" in words
        whole = int((shares > 1 - 1e-3).sum())
        assert f"from {whole} whole" in words
        assert (" shared" in words) == (len(served) > whole)
        assert group.get("aria-label") == words
        shared += len(served) > whole
    assert shared, "no token is split between two kept ones: the case says nothing about shares"


def test_dimming_is_that_of_the_figures(measured: Measurements) -> None:
    root = drawn(measured)
    values = next(root.iter("feColorMatrix")).get("values").split()
    matrix = np.array(values, dtype=float).reshape(4, 5)
    backdrop = measured.backdrop(VIEW)
    mine = backdrop.pixels @ matrix[:3, :3].T + matrix[:3, 4]
    np.testing.assert_allclose(mine, dimmed(backdrop, np.array([], dtype=np.int64)), atol=1e-4)
    np.testing.assert_array_equal(matrix[3], [0, 0, 0, 1, 0])


def test_the_picture_is_the_thumbnail_or_the_components(measured: Measurements) -> None:
    for sample, kind in ((0, "JPEG"), (2, "PNG")):
        backdrop = measured.backdrop(View(sample=sample))
        data = data_uri(backdrop).split(",", 1)[1]
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            assert image.format == kind
            far = np.abs(np.asarray(image, dtype=float) / 255 - backdrop.pixels).mean()
        assert far < (0.1 if kind == "JPEG" else 1 / 255)
        page = page_of(measured, View(sample=sample))
        assert ("principal components" in page.caption) == (kind == "PNG")


def test_names_on_a_page_are_never_used_twice(measured: Measurements) -> None:
    names = re.findall(r'id="([^"]+)"', page_of(measured, VIEW).html() + page_of(measured, VIEW).html())
    assert len(names) > 20
    assert len(set(names)) == len(names)


def test_references_on_a_page_are_all_there(measured: Measurements) -> None:
    html = page_of(measured, VIEW).html()
    used = set(re.findall(r'href="#([^"]+)"', html)) | set(re.findall(r"url\(#([^)]+)\)", html))
    assert used <= set(re.findall(r'id="([^"]+)"', html))
    assert used


def test_words_of_the_dump_are_no_markup(measured: Measurements) -> None:
    page = page_of(measured, VIEW)
    assert "image &lt;0&gt;" in page.caption
    assert "is 1 &lt; 2 &amp; 3 ?" in page.caption
    parsed(page.html().replace(STYLE, ""))


def test_a_page_is_complete_once_floor_and_curves_are_known(measured: Measurements) -> None:
    assert not page_of(measured, VIEW).complete
    assert "…" in page_of(measured, VIEW).numbers
    measured.floor(VIEW)
    assert not page_of(measured, VIEW).complete
    for name in VIEW.methods:
        list(measured.curve(VIEW, name))
    page = page_of(measured, VIEW)
    assert page.complete
    assert "…" not in page.numbers
    assert "floor" in page.curve


def test_numbers_are_those_of_the_readings(measured: Measurements) -> None:
    readings, floor = measured.readings(VIEW), measured.floor(VIEW)
    rows = {row.name: row for row in rows_of(readings, floor)}
    assert rows["W₂"].values == tuple(one.transport.distance for one in readings)
    assert rows["W₂²"].values == tuple(one.transport.squared_distance for one in readings)
    assert rows["quantisation"].values == tuple(one.quantisation_error for one in readings)
    assert rows["surrogate"].values == tuple(one.surrogate for one in readings)
    assert rows["paper's"].values == tuple(one.paper_surrogate for one in readings)
    assert rows["Hausdorff radius"].values == tuple(one.further["hausdorff_radius"] for one in readings)
    assert rows["Hausdorff radius"].meaning.endswith("; lower is closer")
    assert rows["floor of W₂²"].values == (floor.squared_distance,) * 2
    for row in rows.values():
        if row.best is not None:
            better = max if row.name in ("surrogate", "paper's", "effective rank") else min
            assert row.values[row.best] == better(row.values)
    assert rows["W₂² / floor"].values[1] >= 1.0
    table = parsed(numbers_html(readings, floor))
    cells = [
        [cell.strip() for cell in ["".join(one.itertext()) for one in line]] for line in table.iter("tr")
    ]
    assert cells[0] == ["7 of 48 kept", "OTPrune", "OT-medoids"]
    assert cells[1] == ["W₂", *(number(one.transport.distance) for one in readings)]
    assert [row.values for row in rows_of(readings, None)][2:4] == [(None, None)] * 2


def test_what_is_missing_is_said_in_its_place(measured: Measurements) -> None:
    readings, floor = measured.readings(VIEW), measured.floor(VIEW)
    error = ConvergenceError("the <first> words " + 30 * "go on and ")
    table = parsed(numbers_html(readings, None, error))
    lines = {line[0].text: line[1:] for line in table.iter("tr")}
    [cell] = lines["floor of W₂²"]
    assert cell.get("colspan") == "2"
    words = "".join(cell.itertext())
    assert words.startswith("not available: the <first> words go on and")
    assert len(words) < 120
    assert cell[0].get("title") == str(error)
    assert ["".join(cell.itertext()) for cell in lines["W₂² / floor"]] == ["–"]
    assert len(lines["W₂²"]) == 2
    assert "…" not in "".join(table.itertext())
    assert "not available" not in numbers_html(readings, floor)
    assert "not available" not in numbers_html(readings, None)


def test_a_curve_without_points_says_why() -> None:
    line = Line("random", [(0.1, 2.0)], (0.1, 2.0), ValueError("none"))
    for lines in ([line, Line("dpp", [], (0.1, 1.0))], [line, line]):
        [words] = named(parsed(curve_svg(lines)), "why")
        assert "".join(words.itertext()) == "Random: not available: ValueError: none"
    assert not list(named(parsed(curve_svg([Line("dpp", [], (0.1, 1.0))])), "why"))


def test_equal_numbers_have_no_better_one(measured: Measurements) -> None:
    reading = measured.readings(VIEW)[0]
    rows = rows_of([reading, reading], None)
    assert rows
    assert {row.best for row in rows} == {None}
    assert "<b>" not in numbers_html([reading, reading], None)


def test_the_curve_falls_where_the_distance_falls() -> None:
    points = [(0.05, 3.0), (0.1, 2.0), (0.2, 1.0)]
    root = parsed(curve_svg([Line("random", points, (0.1, 2.0)), Line("dpp", [], (0.1, 1.0))], 0.5))
    line = next(one for one in root.iter("path") if one.get("stroke-width") == "1.8")
    x, y = np.array([pair.split() for pair in line.get("d")[1:].split("L")], dtype=float).T
    assert (np.diff(x) > 0).all()
    assert (np.diff(y) > 0).all()  # downwards on the page
    np.testing.assert_allclose(np.diff(y)[0], np.diff(y)[1], atol=0.11)
    texts = [one.text for one in root.iter("text")]
    assert {"0", "1", "2", "3", "0%", "40%", "floor"} <= set(texts)
    without = parsed(curve_svg([Line("random", points, (0.1, 2.0))]))
    assert "floor" not in [one.text for one in without.iter("text")]


@pytest.mark.parametrize("highest", [0.0, 1e-9, 0.02, 0.31, 1.0, 2.49, 7.0, 99.0, 12345.0])
def test_any_height_has_a_few_round_ticks_that_reach_it(highest: float) -> None:
    root = parsed(curve_svg([Line("dpp", [(0.1, highest)], (0.2, highest / 2))]))
    ticks = [float(one.text) for one in root.iter("text") if one.get("text-anchor") == "end"]
    assert 2 <= len(ticks) <= 5
    assert ticks[-1] >= highest * 0.995


@pytest.mark.parametrize("method", [*SELECTORS, "brand-new"])
def test_every_method_has_a_marker_in_a_colour_for_both_themes(method: str) -> None:
    shape = parsed(glyph(method))
    assert len(list(shape)) == 1
    assert "var(--otx-fg)" in theme_colour(method)


def test_black_becomes_the_colour_of_the_words() -> None:
    assert " 0%" in theme_colour("uniform")
    assert " 0%" not in theme_colour("random")


def test_the_still_figure_shows_both_sets(measured: Measurements) -> None:
    figure = still_figure(measured, VIEW)
    assert [panel.get_title() for panel in figure.axes] == ["OTPrune", "OT-medoids"]
    distance = number(measured.readings(VIEW)[0].transport.distance)
    assert distance in figure.axes[0].get_xlabel()


def test_the_same_method_may_stand_on_both_sides(measured: Measurements) -> None:
    view = measured.checked(VIEW, methods=("dpp", "dpp"))
    first, second = page_of(measured, view).pictures
    assert first.count('class="k"') == second.count('class="k"') == 7
    assert len(still_figure(measured, view).axes) == 1


def test_a_patch_is_as_bright_as_the_share_of_its_own_weight_that_is_taken(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    weights = generator.exponential(size=48) * (np.arange(48) % 5 > 0)
    with DumpWriter(tmp_path / "dump", model="tiny", benchmark="noise", grid=(6, 8)) as writer:
        writer.add("a", generator.standard_normal((48, 5)), weights=weights)
    measured = Measurements(open_dump(tmp_path / "dump"))
    transport = measured.readings(VIEW)[0].transport

    for column, group in enumerate(named(drawn(measured), "k")):
        words = group.get("aria-label")
        carried = transport.plan[:, column] > 0.0
        whole = np.isclose(transport.plan[carried, column], transport.weights[carried], rtol=1e-4).sum()
        assert f"from {whole} whole" in words
