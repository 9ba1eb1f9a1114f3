"""Every figure lays out well for any number of benchmarks, and shows the numbers of its table."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from otanalysis.errors import InputError
from otanalysis.figures.distances import draw_distances
from otanalysis.figures.figure2 import draw_figure2
from otanalysis.figures.figure3 import draw_figure3
from otanalysis.figures.figure4 import draw_figure4
from otanalysis.figures.figure5 import draw_figure5
from otanalysis.figures.layout import Sheet, short_name
from otanalysis.figures.style import paper_style
from otanalysis.stats.distance_grid import distance_grid
from otanalysis.stats.figure_tables import figure3_table, figure4_table, figure5_table
from otanalysis.stats.rank_tables import figure2_ratios, figure2_tables

PAPER = ("first", "last", "uniform", "random", "divprune")
SLACK = 1.5  # pixels at 100 dpi: the boxes of letters reach a little beyond their ink

Draw = Callable[[Any, Any], Figure]
DRAW: dict[str, Draw] = {
    "figure2": lambda sweep, scores: draw_figure2(figure2_tables(sweep, scores, methods=PAPER)),
    "figure2_all": lambda sweep, scores: draw_figure2(
        figure2_tables(sweep, scores, methods=tuple(sweep.method.unique()))
    ),
    "figure2_ranks": lambda sweep, scores: draw_figure2(figure2_ratios(sweep, scores, methods=PAPER)),
    "distances": lambda sweep, _: draw_distances(one_ratio(distance_grid(main_gamma(sweep), resamples=20))),
    "figure3": lambda sweep, scores: draw_figure3(figure3_table(sweep, scores)),
    "figure4": lambda sweep, _: draw_figure4(figure4_table(sweep)),
    "figure5": lambda sweep, scores: draw_figure5(figure5_table(sweep, scores)),
}


def main_gamma(sweep: Any) -> Any:
    """Three normalisations of a sweep, without the gammas that only Figure 5 has."""
    own = sweep[sweep.gamma.isna() | (sweep.gamma == 0.01)]
    return pd.concat([own.assign(normalisation=kind) for kind in ("none", "columns", "rows")])


def one_ratio(grid: Any) -> Any:
    return grid[grid.ratio == 0.098]


@lru_cache(maxsize=1)
def boxes(figure: Figure) -> list[tuple[str, Bbox]]:
    """Every text that a figure shows with its box in pixels; a figure is drawn once for all that look."""
    with paper_style():
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        texts = list(figure.texts)
        for legend in figure.legends:
            texts += legend.get_texts()
        for panel in figure.axes:
            texts += [panel.title, panel._left_title, panel._right_title, *panel.texts]
            texts += [
                panel.xaxis.label,
                panel.yaxis.label,
                *tick_labels(panel.xaxis),
                *tick_labels(panel.yaxis),
            ]
        shown = [text for text in texts if text.get_visible() and text.get_text().strip()]
        return [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in shown]


def tick_labels(axis: Axis) -> list[Text]:
    """Labels of the ticks inside the limits; matplotlib keeps some beyond, which it does not draw."""
    low, high = sorted(axis.get_view_interval())
    edge = 1e-9 * (high - low)
    ticks = [tick for tick in axis.get_major_ticks() if low - edge <= tick.get_loc() <= high + edge]
    return [label for tick in ticks for label in (tick.label1, tick.label2)]


def cut(figure: Figure) -> list[str]:
    width, height = figure.get_size_inches() * figure.dpi
    return [
        words
        for words, box in boxes(figure)
        if box.x0 < -SLACK or box.y0 < -SLACK or box.x1 > width + SLACK or box.y1 > height + SLACK
    ]


def tilted(figure: Figure) -> list[Text]:
    """Labels of columns that are written aslant; their upright boxes overlap where the words do not."""
    return [label for panel in figure.axes for label in aslant(panel)]


def aslant(panel: Axes) -> list[Text]:
    labels = [label for label in panel.get_xticklabels() if label.get_text()]
    return [label for label in labels if label.get_rotation() % 90]


def crowded(figure: Figure) -> list[tuple[str, str]]:
    """Neighbours among the tilted labels that stand closer than a line of their letters is high."""
    pairs = []
    for panel in figure.axes:
        labels = aslant(panel)
        places = [panel.transData.transform((place, 0))[0] for place in panel.get_xticks()]
        for left, right, first, second in zip(places, places[1:], labels, labels[1:], strict=False):
            apart = (right - left) * np.sin(np.radians(second.get_rotation()))
            if apart < second.get_fontsize() * figure.dpi / 72:
                pairs.append((first.get_text(), second.get_text()))
    return pairs


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    found = boxes(figure)
    pairs = crowded(figure)
    leaning = {label.get_text() for label in tilted(figure)}
    low, high = np.array([(box.min, box.max) for _, box in found]).transpose(1, 2, 0)
    shared = np.minimum(high[:, :, None], high[:, None]) - np.maximum(low[:, :, None], low[:, None])
    for i, j in np.argwhere(np.triu((shared[0] > SLACK) & (shared[1] > 2 * SLACK), 1)):
        first, second = found[i][0], found[j][0]
        if not {first, second} <= leaning:
            pairs.append((first, second))
    return pairs


@pytest.mark.parametrize(("count", "scored"), [(1, True), (4, True), (11, True), (11, False)])
@pytest.mark.parametrize("name", DRAW)
def test_no_word_is_cut_or_lies_on_another(name: str, count: int, scored: bool, tables: Any) -> None:
    names = list(tables.sweep.benchmark.unique())[:count]
    sweep = tables.sweep[tables.sweep.benchmark.isin(names)]
    figure = DRAW[name](sweep, tables.accuracy if scored else None)
    assert cut(figure) == []
    assert overlapping(figure) == []


def test_tilted_labels_that_are_too_close_are_seen() -> None:
    figure = Figure(figsize=(2, 2))
    panel = figure.add_subplot()
    panel.set_xticks([0.0, 0.5, 0.52], ["first", "second", "third"], rotation=45)
    assert crowded(figure) == [("second", "third")]
    assert overlapping(figure) == [("second", "third")]


def partial(scores: Any, kind: str) -> Any:
    """Scores as a user has them half-way."""
    first, full = scores.benchmark == scores.benchmark.iloc[0], scores.method == "full"
    own = (scores.method == "otprune") & (scores.ratio == 0.098) & (scores.gamma == 0.01)
    kinds = {"one benchmark": first, "one score": first & own, "only all tokens": full, "no full": ~full}
    return scores[kinds[kind]]


@pytest.mark.parametrize("kind", ["one benchmark", "one score", "only all tokens", "no full"])
@pytest.mark.parametrize("name", DRAW)
def test_partial_scores_leave_the_distances_and_say_no_score(name: str, kind: str, tables: Any) -> None:
    figure = DRAW[name](tables.sweep, partial(tables.accuracy, kind))
    assert cut(figure) == []
    assert overlapping(figure) == []
    said = [text for text, _ in boxes(figure)].count("no score")
    if kind == "no full":
        assert said == 0
    elif name in ("figure3", "figure5") and kind != "only all tokens":
        assert said == 10, "every benchmark but the first"
    elif name == "figure2" and kind == "one benchmark":
        assert said == 10
        values = next(panel for panel in figure.axes if panel.get_title().startswith("Mean over"))
        assert values.get_ylabel() == "no mean score"
        assert len(values.lines) == 2 * len(PAPER), "a mark and an interval of distance a method"


@pytest.mark.parametrize("name", DRAW)
def test_long_names_and_many_benchmarks_fit(name: str, build_tables: Any) -> None:
    made = build_tables(tuple(f"coco2017_caption_val_{n}" for n in range(16)), samples=3)
    figure = DRAW[name](made.sweep, made.accuracy)
    assert cut(figure) == []
    assert overlapping(figure) == []


def test_the_layout_check_sees_cut_and_overlapping_words() -> None:
    sheet = Sheet.of_height(1.0)
    sheet.text(6.5, 0.5, "running out of the page")
    sheet.text(1.0, 0.5, "one upon")
    sheet.text(1.1, 0.5, "another")
    assert cut(sheet.figure) == ["running out of the page"]
    assert overlapping(sheet.figure) == [("one upon", "another")]


def test_figure4_bars_have_the_heights_of_the_table(tables: Any) -> None:
    table = figure4_table(tables.sweep)
    panel = draw_figure4(table).axes[0]
    tops = sorted(float(bar.get_y() + bar.get_height()) for bar in panel.patches)
    np.testing.assert_allclose(tops, sorted(table[table.benchmark == "mean"].value), rtol=1e-12)
    assert panel.get_title(loc="right") == "$W_2$, raw tokens"


def test_figure4_says_which_distance_and_tokens(tables: Any) -> None:
    sweep = tables.sweep.assign(normalisation="columns")
    table = figure4_table(sweep, distance="w2_squared", normalise="columns")
    assert draw_figure4(table).axes[0].get_title(loc="right") == "$W_2^2$, column-normalised tokens"


def test_figure4_has_a_tick_at_one_however_close_the_bars(tables: Any) -> None:
    table = figure4_table(tables.sweep)
    for shrink in (1.0, 0.1, 0.01):
        near = table.assign(**{name: 1 + shrink * (table[name] - 1) for name in ("value", "low", "high")})
        assert 1.0 in draw_figure4(near).axes[0].get_yticks()


def test_figure5_marks_the_released_gamma(tables: Any) -> None:
    figure = draw_figure5(figure5_table(tables.sweep, tables.accuracy))
    by_factor = [panel for panel in figure.axes if panel.get_xscale() == "log"]
    assert len(by_factor) == len(figure.axes) - 1, "one panel has the numbers as printed, in either unit"
    for panel in by_factor:
        assert [list(line.get_xdata()) for line in panel.lines].count([0.01, 0.01]) == 1


def test_figure3_right_axis_is_the_share_of_the_full_score(tables: Any) -> None:
    table = figure3_table(tables.sweep, tables.accuracy)
    full = table[(table.method == "full") & (table.benchmark == "presence")].value.item()
    figure = draw_figure3(table)
    left = next(panel for panel in figure.axes if panel.get_title() == "presence")
    right = next(
        panel for panel in figure.axes if panel is not left and panel.bbox.bounds == left.bbox.bounds
    )
    np.testing.assert_allclose(np.array(left.get_ylim()) / full, right.get_ylim())


@pytest.mark.parametrize("draw", [draw_figure3, draw_figure4, draw_figure5])
def test_a_table_without_its_columns_is_refused(draw: Callable[[Any], Figure], tables: Any) -> None:
    with pytest.raises(InputError, match="lacks the columns"):
        draw(figure4_table(tables.sweep).drop(columns=["value"]))
    with pytest.raises(InputError, match=r"has no rows|lacks the columns"):
        draw(figure4_table(tables.sweep).head(0))


def test_names_are_cut_in_the_middle_only_when_long() -> None:
    assert short_name("mosaic-majority") == "mosaic-majority"
    cut_name = short_name("coco2017_caption_val_12")
    assert len(cut_name) == 17
    assert cut_name.startswith("coco2017")
    assert cut_name.endswith("_12")
