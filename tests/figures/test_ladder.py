"""Figures A and B show the numbers of their tables, lay out well, and their verdicts follow the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection

from otanalysis.errors import InputError
from otanalysis.figures.ladder import caption_ladder, draw_ladder, main_ratio
from otanalysis.figures.scatter import caption_scatter, draw_scatter
from otanalysis.stats.ladder_tables import ladder_table, scatter_table
from otanalysis.surrogate.ladder import RUNGS
from tests.neighbours import load

LAYOUT = load("figures/test_layout.py")
MADE_UP = load("stats/test_ladder_tables.py").made_up


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return MADE_UP()


def many(count: int, name: str = "coco2017_caption_val_{}") -> pd.DataFrame:
    return MADE_UP(samples=2, benchmarks=tuple(name.format(number) for number in range(count)))


def three_kinds(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([rows, rows[rows["normalisation"] == "none"].assign(normalisation="columns")])


@pytest.mark.parametrize("count", [1, 11, 24])
@pytest.mark.parametrize("kinds", [1, 3])
def test_no_word_is_cut_or_lies_on_another(count: int, kinds: int) -> None:
    made = many(count)
    made = three_kinds(made) if kinds == 3 else made[made["normalisation"] == "rows"]
    ladder = draw_ladder(ladder_table(made, resamples=5))
    for figure in (ladder, draw_scatter(scatter_table(made, ratio=0.1))):
        assert LAYOUT.cut(figure) == []
        assert LAYOUT.overlapping(figure) == []
    assert len(LAYOUT.tilted(ladder)) == count + 1


def test_the_ladder_draws_the_values_of_the_table(rows: pd.DataFrame) -> None:
    table = ladder_table(rows, resamples=20)
    figure = draw_ladder(table)
    panel = next(axes for axes in figure.axes if axes.get_title() == "raw tokens")
    at = (table["quantity"] == "rho") & (table["benchmark"] == "mean") & (table["normalisation"] == "none")
    for pool, marker in (("all", "o"), ("random", "D")):
        drawn = np.concatenate([line.get_xdata() for line in panel.lines if line.get_marker() == marker])
        expected = table.loc[at & (table["pool"] == pool), "value"]
        np.testing.assert_allclose(sorted(drawn), sorted(expected), rtol=1e-12)


def test_the_heat_map_shows_every_benchmark_at_the_papers_ratio(rows: pd.DataFrame) -> None:
    table = ladder_table(rows, resamples=20)
    assert main_ratio(table) == 0.1
    panel = next(axes for axes in draw_ladder(table).axes if axes.get_title(loc="left") == "row-normalised")
    shown = np.ma.filled(np.ma.masked_invalid(panel.collections[0].get_array()), np.nan)
    own = table[(table["quantity"] == "rho") & (table["normalisation"] == "rows") & (table["pool"] == "all")]
    own = own[own["ratio"] == 0.1]
    for line, rung in enumerate(RUNGS[1:]):
        expected = own[own["measure"] == rung.column].set_index("benchmark")["value"][["a", "b", "mean"]]
        np.testing.assert_allclose(shown[line], expected)
    assert np.isnan(shown[len(RUNGS) - 1]).all()


def test_the_scatter_shows_every_subset_with_the_preferred_ones_left(rows: pd.DataFrame) -> None:
    table = scatter_table(rows, ratio=0.2)
    panels = draw_scatter(table).axes
    drawn, kinds = 0, 2
    for panel in panels[: 3 * kinds]:
        dots = [one for one in panel.collections if isinstance(one, PathCollection)]
        drawn += sum(len(one.get_offsets()) for one in dots)
        # Two of the lines are the cross at 1, the others hold the subsets of the methods.
        drawn += sum(len(line.get_xdata()) for line in panel.lines if line.get_marker() != "None")
    assert drawn == len(table)
    directions = [panel.get_xlim()[0] < panel.get_xlim()[1] for panel in panels[: 3 * kinds]]
    assert directions == [True, True, False, False, False, False]


@pytest.mark.parametrize("draw", [draw_ladder, draw_scatter])
def test_a_table_without_its_columns_is_refused(draw: Any, rows: pd.DataFrame) -> None:
    make = ladder_table if draw is draw_ladder else scatter_table
    table = make(rows, resamples=5) if draw is draw_ladder else make(rows, ratio=0.1)
    with pytest.raises(InputError, match="lacks the columns normalisation"):
        draw(table.drop(columns="normalisation"))
    with pytest.raises(InputError, match="has no rows"):
        draw(table.head(0))


def test_the_verdict_names_the_step_that_loses_the_agreement(rows: pd.DataFrame) -> None:
    caption = caption_ladder(ladder_table(rows, resamples=50))
    raw, by_row = caption.split("**Verdict.** ")[1].split("\n\n")
    assert raw.startswith("On raw tokens")
    assert by_row.startswith("On row-normalised tokens")
    # Rung 4 of the made-up ladder is the exact distance, rung 5 its opposite.
    assert "1.00 at rung 4, −1.00 at rung 5" in raw
    assert "It is lost in the steps 4 to 5 (the columns normalised; 2.00), then 2 to 3" in raw
    assert "orders the subsets against the exact distance at every ratio" in raw
    assert "rung 5 beats 0" in raw


def test_the_verdict_can_fall_the_other_way(rows: pd.DataFrame) -> None:
    exact = rows["w2_squared"]
    perfect = rows.assign(
        gelbrich_w2_squared=exact, bures_w2_squared=exact, trace_objective=9 - exact, logdet=9 - exact
    )
    caption = caption_ladder(ladder_table(perfect, resamples=50))
    assert "No step costs 0.1 or more of it." in caption
    assert "orders the subsets in the direction of the exact distance at every ratio" in caption
    assert "against" not in caption.replace("Exact distance against", "")
    noise = np.random.default_rng(0).random(len(rows))
    assert "does not order the subsets in one direction" in caption_ladder(
        ladder_table(rows.assign(logdet=1 + noise), resamples=50)
    )
    assert "dropping tr Σ_C costs nothing (ρ 1.00 and 1.00)" in caption_scatter(
        scatter_table(perfect, ratio=0.1)
    )


def test_of_one_image_the_ladder_tells_no_direction(rows: pd.DataFrame) -> None:
    table = ladder_table(rows[rows["sample"] == "s0"], resamples=5)
    caption = caption_ladder(table)
    assert "may order the subsets in either direction (no intervals; ρ among" in caption
    assert "nan" not in caption.split("**Verdict.**")[1]
    draw_ladder(table).canvas.draw()


def test_the_caption_of_the_scatter_says_what_dropping_the_trace_does(rows: pd.DataFrame) -> None:
    table = scatter_table(rows, ratio=0.1)
    caption = caption_scatter(table)
    assert caption.startswith("**Figure B.")
    assert "12 images, 10% of the tokens kept" in caption
    assert "the released surrogate has −1.00" in caption
    length = table[(table["origin"] == "method:otprune") & (table["normalisation"] == "none")][
        "length"
    ].mean()
    assert f"OTPrune's subsets have {length:.2f} times the tr Σ_C of random ones" in caption
    without = table[table["origin"] != "method:otprune"]
    assert "OTPrune's subsets" not in caption_scatter(without)
