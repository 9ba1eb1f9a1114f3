"""Figure R draws both ways of every method, and its caption says by how much they differ."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.lines import Line2D

from otanalysis.defaults import BASELINES
from otanalysis.errors import InputError
from otanalysis.figures.positions import caption_positions, draw_positions
from otanalysis.stats.positions_table import GAIN, positions_table
from tests.neighbours import load

MADE_UP = load("stats/test_positions_table.py").made_up
MODELS = {"one": "mini-llava", "two": "stamp-llava"}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    scores = MADE_UP()
    return positions_table(scores.assign(model=scores["model"].map(MODELS)))


def left_ends(lines: list[Line2D]) -> list[float]:
    """Return the first x of every line, ascending."""
    return sorted(float(np.asarray(line.get_xdata())[0]) for line in lines)


def test_every_value_stands_in_the_panel_of_its_model_and_kind(table: pd.DataFrame) -> None:
    figure = draw_positions(table)
    own = table.groupby(["model", "kind"])
    groups = [
        ((name, kind), own.get_group((name, kind)))
        for name in MODELS.values()
        for kind in ("place", "content")
    ]
    assert len(figure.axes) == len(groups) == 4
    for panel, ((_, kind), rows) in zip(figure.axes, groups, strict=True):
        assert panel.get_title().startswith(str(kind))
        marks = [line for line in panel.lines if line.get_marker() == "o"]
        kept = rows[rows["positions"].isin(["renumbered", "original"]) & ~rows["method"].isin(BASELINES)]
        np.testing.assert_allclose(left_ends(marks), sorted(kept["value"]))
        hollow = [one for one in marks if one.get_markerfacecolor() == "white"]
        renumbered = kept.loc[kept["positions"] == "renumbered", "value"]
        np.testing.assert_allclose(left_ends(hollow), sorted(renumbered))
        lines = left_ends([line for line in panel.lines if line.get_marker() == "None"])
        known = rows.loc[rows["method"].isin(BASELINES), "value"]
        assert set(known) <= set(lines)


def test_the_caption_names_who_gains_least_and_most(table: pd.DataFrame) -> None:
    caption = caption_positions(table)
    assert caption.startswith("**Figure R. ")
    groups = list(table[table["positions"] == GAIN].groupby(["model", "kind"]))
    assert len(groups) == 4
    for (model, _), gains in groups:
        said = caption.partition(f"On `{model}`")[2]
        for end in (gains["value"].min(), gains["value"].max()):
            assert f"{end:.2f}".replace("-", "−") in said


def test_a_table_without_its_columns_is_refused(table: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="lacks the columns kind"):
        draw_positions(table.drop(columns="kind"))
