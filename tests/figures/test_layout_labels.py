"""Names beside points: within the panel, on nothing, nearest to their own point, or left to the legend."""

from __future__ import annotations

import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from otanalysis.figures.layout import PointLabel, label_points


def panel_with(labels: list[PointLabel]) -> Axes:
    panel = Figure(figsize=(2.0, 2.0)).add_axes((0.1, 0.1, 0.8, 0.8))
    for one in labels:
        panel.plot(one.x, one.y, "o", color=one.colour, ms=4)
    panel.set(xlim=(0, 1), ylim=(0, 1))
    return panel


def test_points_apart_are_all_named_inside_the_panel() -> None:
    labels = [PointLabel("left", 0.02, 0.5, "C0"), PointLabel("right", 0.98, 0.5, "C1")]
    labels += [PointLabel("top", 0.5, 0.98, "C2"), PointLabel("bottom", 0.5, 0.02, "C3")]
    panel = panel_with(labels)
    assert label_points(panel, labels) == []
    renderer = FigureCanvasAgg(panel.figure).get_renderer()  # type: ignore[arg-type]
    room = panel.get_window_extent(renderer)
    boxes = [text.get_window_extent(renderer) for text in panel.texts]
    assert [text.get_text() for text in panel.texts] == ["left", "right", "top", "bottom"]
    assert all(room.x0 <= box.x0 and box.x1 <= room.x1 for box in boxes)
    assert all(room.y0 <= box.y0 and box.y1 <= room.y1 for box in boxes)
    assert [text.get_color() for text in panel.texts] == ["C0", "C1", "C2", "C3"]


def test_a_crowd_keeps_its_labels_apart_and_leaves_the_rest_to_the_legend() -> None:
    crowd = [
        PointLabel(f"method {row}{column}", 0.44 + 0.04 * row, 0.44 + 0.04 * column, "k")
        for row in range(4)
        for column in range(4)
    ]
    panel = panel_with(crowd)
    left_out = label_points(panel, crowd)
    written = [text.get_text() for text in panel.texts]
    assert left_out
    assert written
    assert sorted([*left_out, *written]) == sorted(one.words for one in crowd)
    renderer = FigureCanvasAgg(panel.figure).get_renderer()  # type: ignore[arg-type]
    boxes = [text.get_window_extent(renderer) for text in panel.texts]
    pairs = [(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :]]
    assert not any(a.overlaps(b) for a, b in pairs)
    places = panel.transData.transform([(one.x, one.y) for one in crowd])
    assert not any(box.contains(x, y) for box in boxes for x, y in places)


def test_limits_that_are_not_yet_known_are_found_first() -> None:
    panel = Figure(figsize=(2.0, 2.0)).add_axes((0.1, 0.1, 0.8, 0.8))
    panel.plot([100.0, 300.0], [5.0, 9.0], "o")
    panel.margins(0.3)
    labels = [PointLabel("a", 100.0, 5.0, "k"), PointLabel("b", 300.0, 9.0, "k")]
    assert label_points(panel, labels) == []
    low, high = panel.get_xlim()
    assert (low, high) == pytest.approx((40.0, 360.0))


def test_no_label_lies_on_an_error_bar() -> None:
    plain, barred = (
        PointLabel("in the middle", 0.5, 0.5, "k", across, None) for across in (None, (0.1, 0.9))
    )
    beside = panel_with([plain])
    label_points(beside, [plain])
    around = panel_with([barred])
    label_points(around, [barred])
    renderer = FigureCanvasAgg(around.figure).get_renderer()  # type: ignore[arg-type]
    height = around.transData.transform((0.5, 0.5))[1]

    def crosses(panel: Axes) -> bool:
        box = panel.texts[0].get_window_extent(renderer)
        return bool(box.y0 < height < box.y1)

    assert crosses(beside)
    assert not crosses(around)
