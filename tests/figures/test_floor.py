"""Figure C: the hatched region ends at the certified floor, and the caption says the tables' numbers."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from otanalysis.errors import InputError
from otanalysis.figures.figure4 import draw_figure4
from otanalysis.figures.floor import caption_floor, draw_floor
from otanalysis.figures.style import figure_bytes, method_look
from otanalysis.stats.cells import MEAN
from otanalysis.stats.certificate_tables import FLOOR, certificate_table, floor_table, greedy_table
from otanalysis.studies.selections import BEST
from tests.neighbours import load

ROUNDING = 1e-12  # a path holds the very numbers of the table, but for the steps of the axis


LAYOUT = load("figures/test_layout.py")


def certificates(sweep: pd.DataFrame) -> pd.DataFrame:
    """Rows of a study: the made-up sweep with a floor a tenth below the closest set of every sample."""
    rows = sweep[sweep["gamma"].isna() | (sweep["gamma"] == 0.01)].copy()
    cell = ["dump", "sample", "ratio"]
    closest = rows.groupby(cell)["w2"].transform("min")
    rows["floor"], rows["met"] = 0.9 * closest, 0.95 * closest
    best = rows.drop_duplicates(cell).assign(method=BEST, gamma=np.nan, seed=None, w2=lambda own: own["met"])
    rows = pd.concat([rows, best.assign(w2_squared=best["w2"] ** 2).astype(rows.dtypes)], ignore_index=True)
    rows["floor_squared"] = rows["floor"] ** 2
    place = rows["sample"].str[1:].astype(int) + 0.5 * (rows["benchmark"] == "read-row")
    rows["greedy_ratio"] = 0.9 + 0.02 * place + 0.05 * rows["ratio"]
    return rows.assign(ceiling_kind="factorisation")


@pytest.fixture(scope="module")
def rows(build_tables: Any) -> pd.DataFrame:
    return certificates(build_tables(("presence", "read-row"), samples=4).sweep)


@pytest.fixture(scope="module")
def table(rows: pd.DataFrame) -> pd.DataFrame:
    return floor_table(rows, resamples=20)


@pytest.fixture(scope="module")
def coverage(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the study of coverage: halves of the squared distances, and a floor a twentieth below."""
    more = rows[rows["method"] == "kmedoids"].assign(method="facility-location")
    errors = pd.concat([rows[rows["method"] != BEST], more, rows[rows["method"] == BEST]])
    error = 0.5 * errors["w2_squared"]
    floors = error.groupby([errors[name] for name in ("dump", "sample", "ratio")]).transform("min") / 1.05
    return errors.assign(quantisation_error=error, quantisation_floor=floors)


def panel_of(figure: Figure, title: str) -> Axes:
    (found,) = [panel for panel in figure.axes if panel.get_title() == title]
    return found


def hatched_edges(panel: Axes) -> list[float]:
    """Upper edges of the hatched regions, from left to right."""
    regions = [one for one in panel.collections if isinstance(one, PolyCollection) and one.get_hatch()]
    corners = [region.get_paths()[0].vertices for region in regions]
    return [float(np.max(one[:, 1])) for one in sorted(corners, key=lambda own: own[:, 0].min())]


def dotted(panel: Axes) -> list[float]:
    """Heights of the dotted lines, from left to right."""
    lines = [line for line in panel.lines if line.is_dashed()]
    return [float(line.get_ydata()[0]) for line in sorted(lines, key=lambda own: float(own.get_xdata()[0]))]


@pytest.mark.parametrize(
    ("title", "benchmark"), [("presence", "presence"), ("Average over benchmarks", MEAN)]
)
def test_the_hatched_region_ends_at_the_floor_and_the_dots_are_the_best_met(
    table: pd.DataFrame, title: str, benchmark: str
) -> None:
    panel = panel_of(draw_floor(table), title)
    own = table[table["benchmark"] == benchmark].sort_values("ratio")
    edges, met = hatched_edges(panel), dotted(panel)
    np.testing.assert_allclose(edges, own.loc[own["method"] == FLOOR, "value"], rtol=ROUNDING)
    np.testing.assert_allclose(met, own.loc[own["method"] == BEST, "value"], rtol=ROUNDING)
    # The region reaches down to the end of the axis, and every bar ends above it.
    regions = [one for one in panel.collections if isinstance(one, PolyCollection) and one.get_hatch()]
    assert regions
    for region in regions:
        assert region.get_paths()[0].vertices[:, 1].min() == panel.get_ylim()[0]
    tips = [bar.get_y() + bar.get_height() for bar in panel.patches]
    assert len(tips) == 9 * 4
    assert min(tips) > max(edges)


def test_the_region_follows_the_floor_of_the_table(table: pd.DataFrame) -> None:
    higher = table.copy()
    higher.loc[higher["method"] == FLOOR, "value"] *= 1.01
    before, after = (hatched_edges(panel_of(draw_floor(one), "presence")) for one in (table, higher))
    np.testing.assert_allclose(after, 1.01 * np.array(before), rtol=ROUNDING)


def test_floor_and_best_are_no_bars_and_figure_4_has_neither(table: pd.DataFrame) -> None:
    names = {text.get_text() for legend in draw_floor(table).legends for text in legend.get_texts()}
    assert {"best met", "impossible", "OT-medoids"} <= names
    assert not {FLOOR, BEST} & names
    plain = draw_figure4(table[~table["method"].isin([FLOOR, BEST])])
    assert hatched_edges(panel_of(plain, "presence")) == []
    assert dotted(panel_of(plain, "presence")) == []


@pytest.mark.parametrize("count", [1, 11, 24])
def test_no_word_is_cut_or_lies_on_another(build_tables: Any, count: int) -> None:
    names = tuple(f"coco2017_caption_val_{number}" for number in range(count))
    figure = draw_floor(
        floor_table(certificates(build_tables(names, samples=2).sweep), resamples=5, distance="w2_squared")
    )
    assert LAYOUT.cut(figure) == []
    assert LAYOUT.overlapping(figure) == []


@pytest.mark.parametrize("unknown", [0.0, np.nan])
def test_a_benchmark_without_a_floor_is_drawn_without_the_region(table: pd.DataFrame, unknown: float) -> None:
    hollow = table.copy()
    hollow.loc[
        (hollow["benchmark"] == "presence") & (hollow["method"] == FLOOR), ["value", "low", "high"]
    ] = unknown
    figure = draw_floor(hollow)
    assert len(figure_bytes(figure, "png")) > 1000
    assert panel_of(figure, "presence").get_ylim()[0] > 0.0
    limits = [panel.get_ylim() for panel in figure.axes]
    assert len(set(limits)) == 1


def test_a_table_without_the_floor_or_a_column_is_refused(table: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="lacks the floor"):
        draw_floor(table[table["method"] != FLOOR])
    with pytest.raises(InputError, match="method"):
        draw_floor(table.drop(columns="method"))
    with pytest.raises(InputError, match=r"Figure C.*value"):
        draw_floor(table.drop(columns="value"))


def line_of(caption: str, label: str) -> str:
    (found,) = [line for line in caption.splitlines() if line.startswith(f"- {label}: ")]
    return found.removeprefix(f"- {label}: ")


def test_the_caption_says_the_numbers_of_the_tables(rows: pd.DataFrame) -> None:
    proven, greedy = certificate_table(rows, resamples=20), greedy_table(rows)
    caption = caption_floor(proven, greedy)
    assert caption.startswith("**Figure C.")
    assert "raw tokens" in caption
    assert "8 images of 2 benchmarks" in caption
    assert "5%, 9.8%, 15%, 20%" in caption
    mean = proven[proven["benchmark"] == MEAN].sort_values("ratio")
    for method in ("otprune", "ot-medoids", "uniform", BEST):
        label = "the closest kept set met" if method == BEST else method_look(method).label
        over, closed = re.fullmatch(r"(.*) \(share (.*)\)", line_of(caption, label)).groups()  # type: ignore[union-attr]
        for quantity, said in (("over_floor", over), ("gap_closed", closed)):
            own = mean[(mean["method"] == method) & (mean["quantity"] == quantity)]["value"]
            assert said == ", ".join(f"{value:.2f}" for value in own).replace("-", "−")
    assert "share" not in line_of(caption, "Random")
    pooled = greedy[greedy["benchmark"] == MEAN]
    assert pooled["low"].min() > pooled["worst"].min() + 1e-3
    assert f"reaches {pooled['median'].min():.4f} of" in caption
    assert f"and {pooled['worst'].min():.4f} at worst" in caption
    assert "0.632" in caption


def test_the_caption_follows_its_tables(rows: pd.DataFrame) -> None:
    one = rows[rows["benchmark"] == "presence"].assign(normalisation="rows")
    far = one[one["method"] != "random"].assign(floor_squared=one["floor_squared"] / 2.0)
    first = caption_floor(certificate_table(one, resamples=5), greedy_table(one))
    second = caption_floor(certificate_table(far, resamples=5), greedy_table(far))
    assert "4 images of 1 benchmark;" in first
    assert "row-normalised tokens" in first
    assert "share −" not in second
    numbers = [
        [float(word) for word in line_of(text, "OTPrune").split(" (")[0].split(", ")]
        for text in (first, second)
    ]
    # Two decimals are said.
    np.testing.assert_allclose(numbers[1], 2.0 * np.array(numbers[0]), atol=0.016)


def test_coverage_is_a_second_row_with_its_own_floor(table: pd.DataFrame, coverage: pd.DataFrame) -> None:
    relative = floor_table(coverage, distance="quantisation_error", resamples=20)
    figure = draw_floor(table, relative)
    panel = panel_of(figure, "Coverage, average over benchmarks")
    own = relative[relative["benchmark"] == MEAN].sort_values("ratio")
    edges, met = hatched_edges(panel), dotted(panel)
    np.testing.assert_allclose(edges, own.loc[own["method"] == FLOOR, "value"], rtol=ROUNDING)
    np.testing.assert_allclose(met, own.loc[own["method"] == BEST, "value"], rtol=ROUNDING)
    assert len(panel.patches) == 10 * 4, "facility location is in this row"
    assert len(panel_of(figure, "Average over benchmarks").patches) == 9 * 4, (
        "and not in that of the distance"
    )
    assert "error" in panel.get_ylabel()
    of_distance = table[(table["benchmark"] == MEAN) & (table["method"] == FLOOR)].sort_values("ratio")
    edges = hatched_edges(panel_of(figure, "Average over benchmarks"))
    np.testing.assert_allclose(edges, of_distance["value"], rtol=ROUNDING)
    assert LAYOUT.cut(figure) == []
    assert LAYOUT.overlapping(figure) == []
    with pytest.raises(InputError, match="lacks the floor"):
        draw_floor(table, relative[relative["method"] != FLOOR])


def test_the_caption_tells_who_covers_best_first(rows: pd.DataFrame, coverage: pd.DataFrame) -> None:
    proven, greedy = certificate_table(rows, resamples=5), greedy_table(rows)
    covered = certificate_table(coverage, distance="quantisation_error", resamples=5)
    plain, caption = caption_floor(proven, greedy), caption_floor(proven, greedy, covered)
    assert "Coverage" not in plain
    assert "coverage" not in plain
    for part in plain.split("\n\n"):
        assert part in caption, "what is said of the distance stays"
    (told,) = [part for part in caption.split("\n\n") if part not in plain and part.startswith("- ")]
    mean = covered[(covered["benchmark"] == MEAN) & (covered["quantity"] == "over_floor")]
    first = re.match(r"- (.*?): ([\d., ]+) ", told)
    assert first is not None
    assert first[1] == "the closest kept set met"
    own = mean[mean["method"] == BEST].sort_values("ratio")["value"]
    assert first[2] == ", ".join(f"{value:.3f}" for value in own)
    leads = [float(re.search(r": ([\d.]+)", line)[1]) for line in told.splitlines()]  # type: ignore[index]
    assert len(leads) == mean["method"].nunique() > 9
    assert leads[0] == min(leads)
