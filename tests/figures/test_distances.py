"""Figure E shows its table, marks where OTPrune is the closest, and says which values are the close ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from otanalysis.errors import InputError
from otanalysis.figures.distances import caption_distances, draw_distances
from otanalysis.stats.distance_grid import READINGS, distance_grid

BLUE, ORANGE = "closer by the method", "closer by OTPrune"


@pytest.fixture(scope="module")
def grid(tables: Any) -> pd.DataFrame:
    own = tables.sweep[tables.sweep["gamma"].isna() | (tables.sweep["gamma"] == 0.01)]
    both = pd.concat([own, own.assign(normalisation="columns")])
    return distance_grid(both, resamples=50)


@pytest.fixture(scope="module")
def drawn(grid: pd.DataFrame) -> Figure:
    return draw_distances(grid[grid["ratio"] == 0.098])


def cells_of(figure: Figure, panel: int) -> list[str]:
    """Return the numbers in the cells, row by row; names of rows lie outside of the panel."""
    texts = figure.axes[panel].texts
    return [text.get_text() for text in texts if text.get_ha() == "center"]


def test_every_cell_has_its_number(grid: pd.DataFrame, drawn: Figure) -> None:
    own = grid[(grid["ratio"] == 0.098)]
    for panel, baseline in enumerate(("otprune", "otprune-paper")):
        rows = own[own["baseline"] == baseline]
        methods = list(rows["method"].drop_duplicates())
        index = rows.set_index(["distance_kind", "normalisation", "method"])["value"]
        expected = [
            f"{index[reading.column, kind, method]:.2f}"
            for reading in READINGS
            for kind in ("none", "columns")
            for method in methods
        ]
        assert cells_of(drawn, panel) == expected


def side(table: pd.DataFrame) -> str:
    """Return on whose side the only cell of a table is coloured."""
    image = draw_distances(table).axes[0].images[0]
    [value] = np.ravel(image.get_array())
    return BLUE if value < 0 else ORANGE


def test_a_colour_says_who_is_closer_whichever_values_are_the_close_ones(grid: pd.DataFrame) -> None:
    one = grid[(grid["baseline"] == "otprune") & (grid["method"] == "dpp") & (grid["ratio"] == 0.098)]
    one = one[one["normalisation"] == "none"]
    for kind, low, high in (("w2", BLUE, ORANGE), ("trace_objective", ORANGE, BLUE)):
        row = one[one["distance_kind"] == kind]
        assert side(row.assign(value=0.5, low=0.4, high=0.6)) == low
        assert side(row.assign(value=2.0, low=1.9, high=2.1)) == high


@pytest.mark.parametrize(
    ("place", "faces"), [("closest", ["0.1"]), ("undecided", ["white"]), ("not closest", [])]
)
def test_a_mark_says_where_otprune_is_the_closest(grid: pd.DataFrame, place: str, faces: list[str]) -> None:
    one = grid[(grid["baseline"] == "otprune") & (grid["ratio"] == 0.098) & (grid["distance_kind"] == "w2")]
    panel = draw_distances(one[one["normalisation"] == "none"].assign(place=place)).axes[0]
    marks = [line.get_markerfacecolor() for line in panel.lines if line.get_marker() == "o"]
    assert marks == faces


def test_the_caption_counts_readings_and_says_what_the_literal_bars_show(grid: pd.DataFrame) -> None:
    caption = caption_distances(grid.assign(place="not closest"))
    assert "OTPrune with the released gamma is the closest of all at every share kept in 0 of 14" in caption
    assert "(none), and at none in 14." in caption
    assert "the objective that its equation 4 maximises, so that higher is closer" in caption
    exact = (grid["distance_kind"] == "w2") & (grid["normalisation"] == "none")
    once = grid.assign(place=grid["place"].where(~exact, "closest").where(exact, "not closest"))
    said = caption_distances(once)
    assert "in 1 of 14 readings (W2 on raw tokens), and at none in 13." in said
    assert "with the paper's gamma is the closest" in said
    assert "at none in 0; in 14 it is not decided at some share." in caption_distances(
        grid.assign(place="undecided")
    )


def test_a_number_that_is_not_told_from_one_is_grey(grid: pd.DataFrame) -> None:
    one = grid[(grid["baseline"] == "otprune") & (grid["method"] == "dpp") & (grid["ratio"] == 0.098)]
    row = one[(one["normalisation"] == "none") & (one["distance_kind"] == "w2")].assign(value=0.9)
    colours, shown = [], []
    for low, high in ((0.8, 0.95), (0.8, 1.1), (np.nan, np.nan)):
        panel = draw_distances(row.assign(low=low, high=high)).axes[0]
        colours.append(next(text.get_color() for text in panel.texts if text.get_ha() == "center"))
        shown.append(np.ma.filled(panel.images[0].get_array(), np.nan).item())
    assert colours == ["0.1", "0.5", "0.5"]
    assert np.isfinite(shown).tolist() == [True, True, False], "and without an interval it has no colour"


def test_a_table_of_something_else_is_refused(grid: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="Figure E lacks the columns place"):
        draw_distances(grid.drop(columns="place"))
    with pytest.raises(InputError, match="Figure E has no rows"):
        draw_distances(grid.iloc[:0])
