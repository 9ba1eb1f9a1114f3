"""Kept patches are lit, all others dimmed; nothing of pyplot is touched."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

import otanalysis as ota
from otanalysis.errors import InputError
from otanalysis.explore import overlay, overlays
from otanalysis.explore.overlay import backdrop_of, dimmed

GRID = (3, 4)


def picture(value: float | None = None, height: int = 12, width: int = 16) -> np.ndarray:
    if value is not None:
        return np.full((height, width, 3), value)
    return np.random.default_rng(0).random((height, width, 3))


def squares(figure: Figure) -> list[set[tuple[float, float]]]:
    """Return the upper left corners of the patches outlined in each panel."""
    found = []
    for panel in figure.axes:
        outlines = [one for one in panel.collections if isinstance(one, PolyCollection)]
        found.append({tuple(path.vertices.min(axis=0)) for path in outlines[-1].get_paths()})
    return found


def test_lit_patches_keep_their_pixels_and_only_they() -> None:
    backdrop = backdrop_of(picture(), grid=GRID)
    shown = dimmed(backdrop, np.array([0, 6]))
    changed = np.abs(shown - backdrop.pixels).max(axis=2) > 0
    kept = np.zeros((12, 16), dtype=bool)
    kept[0:4, 0:4] = kept[4:8, 8:12] = True
    assert not changed[kept].any()
    assert changed[~kept].mean() > 0.99


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_lit_stands_out_on_black_and_on_white(value: float) -> None:
    shown = dimmed(backdrop_of(picture(value), grid=GRID), np.array([0]))
    assert abs(shown[0, 0, 0] - shown[-1, -1, 0]) > 0.15


def test_sides_that_are_no_multiples_of_the_grid_are_sampled_up() -> None:
    backdrop = backdrop_of(picture(height=10, width=13), grid=GRID)
    shown = dimmed(backdrop, np.arange(12))
    assert shown.shape == (12, 16, 3)
    np.testing.assert_array_equal(shown[0, 0], backdrop.pixels[0, 0])
    np.testing.assert_array_equal(shown[-1, -1], backdrop.pixels[-1, -1])


def test_outlines_lie_around_the_kept_patches() -> None:
    figure = overlay(picture(), [1, 11], grid=GRID, title="two")
    assert squares(figure) == [{(1.0, 0.0), (3.0, 2.0)}]
    assert figure.axes[0].get_title() == "two"


def test_a_selection_serves_as_well_as_its_positions() -> None:
    tokens = np.random.default_rng(0).standard_normal((12, 3))
    kept = ota.select(tokens, "uniform", keep=3)
    assert squares(overlay(tokens, kept, grid=GRID)) == squares(overlay(tokens, kept.indices, grid=GRID))


def test_a_given_panel_is_drawn_on() -> None:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert overlay(picture(), [0], grid=GRID, ax=left) is figure
    assert left.images
    assert not right.images
    inner = figure.subfigures(1, 1).subplots()
    assert overlay(picture(), [0], grid=GRID, ax=inner) is figure


def test_several_selections_lie_side_by_side() -> None:
    chosen = {"otprune": [0, 1], "mine": [5], "random": [11]}
    figure = overlays(picture(), chosen, grid=GRID, columns=2, notes={"mine": "far"})
    assert squares(figure) == [{(0, 0), (1, 0)}, {(1, 1)}, {(3, 2)}]
    assert [panel.get_title() for panel in figure.axes] == ["OTPrune", "mine", "Random"]
    assert [panel.get_xlabel() for panel in figure.axes] == ["", "far", ""]
    boxes = [panel.get_position() for panel in figure.axes]
    assert boxes[0].x1 < boxes[1].x0
    assert boxes[2].y1 < boxes[0].y0


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(InputError, match=r"0\.\.11"):
        overlay(picture(), [12], grid=GRID)
    with pytest.raises(InputError, match="selection"):
        overlays(picture(), {}, grid=GRID)


def test_exploring_needs_no_pyplot_no_torch_and_no_widgets() -> None:
    code = (
        "import sys; import otanalysis.explore; "
        "print(sorted({'matplotlib.pyplot', 'torch', 'seaborn', 'ipywidgets'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
