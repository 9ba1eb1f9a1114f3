"""Figure W: a panel a weighting and kind of kept weights, with the table's numbers, and an honest caption."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from otanalysis.errors import InputError
from otanalysis.figures.build import run
from otanalysis.figures.declaration import Given
from otanalysis.figures.style import method_look
from otanalysis.figures.weights import FIGURE, draw_weights
from otanalysis.stats.cells import MEAN

METHODS = ("otprune", "random", "kmedoids")
ROUNDING = 1e-12


@pytest.fixture(scope="module")
def rows(build_tables: Any) -> pd.DataFrame:
    """Return made-up rows: what the sweep has, and farther with weights by norm for all but OTPrune."""
    sweep = build_tables(("presence", "read-row"), samples=4).sweep
    own = sweep[sweep["method"].isin(METHODS) & (sweep["gamma"].isna() | (sweep["gamma"] == 0.01))]
    parts = []
    for weighting, factor in (("uniform", 1.0), ("norm", 1000.0)):
        for kept in ("uniform", "optimal"):
            part = own.assign(weighting=weighting, kept_weights=kept)
            part.loc[part["method"] != "otprune", "w2"] *= factor
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def table(rows: pd.DataFrame) -> pd.DataFrame:
    return FIGURE.table(Given(rows, methods=METHODS))


def test_every_panel_has_the_means_of_its_weighting(table: pd.DataFrame) -> None:
    figure = draw_weights(table)
    assert [panel.get_title() for panel in figure.axes] == ["all alike", "", "by norm", ""]
    places = [(kept, weighting) for weighting in ("uniform", "norm") for kept in ("uniform", "optimal")]
    for panel, (kept, weighting) in zip(figure.axes, places, strict=True):
        here = table[(table["kept_weights"] == kept) & (table["weighting"] == weighting)]
        mean = here[here["benchmark"] == MEAN]
        lines = {line.get_color(): line for line in panel.lines if line.get_marker() not in ("None", "")}
        for method in ("random", "kmedoids"):
            expected = mean[mean["method"] == method].sort_values("ratio")["value"]
            drawn = np.asarray(lines[method_look(method).colour].get_ydata(), dtype=np.float64)
            np.testing.assert_allclose(drawn, expected.astype(np.float64), rtol=ROUNDING)
    with pytest.raises(InputError, match="Figure W lacks the columns weighting"):
        draw_weights(table.drop(columns="weighting"))


def test_distances_of_zero_to_whole_objects_are_left_out(rows: pd.DataFrame) -> None:
    more = rows[rows["weighting"] == "norm"].assign(weighting="objects")
    more.loc[more["kept_weights"] == "optimal", "w2"] = 0.0
    table = FIGURE.table(Given(pd.concat([rows, more], ignore_index=True), methods=METHODS))
    assert np.isfinite(table["value"].astype(np.float64)).all()
    assert len(draw_weights(table).axes) == 5
    assert "at distance zero" in FIGURE.caption({"weights": table})


def test_the_caption_says_which_way_the_numbers_fall(table: pd.DataFrame) -> None:
    said = FIGURE.caption({"weights": table})
    assert said.startswith(f"**{FIGURE.title}**")
    verdicts = [line for line in said.splitlines() if line.startswith("- ")]
    assert len(verdicts) == 4
    assert verdicts[2].endswith("closer none; farther Random and k-medoids.")
    turned = table.copy()
    turned.loc[turned["weighting"] == "norm", ["value", "low", "high"]] = 0.5, 0.4, 0.6
    assert "farther none" in FIGURE.caption({"weights": turned}).splitlines()[-1]


def test_one_image_is_drawn_and_tells_nothing(rows: pd.DataFrame) -> None:
    table = FIGURE.table(Given(rows[rows["sample"] == "s0"], methods=METHODS))
    draw_weights(table).canvas.draw()
    verdicts = [line for line in FIGURE.caption({"weights": table}).splitlines() if line.startswith("- ")]
    assert len(verdicts) == 4
    assert all(line.endswith("closer none; farther none.") for line in verdicts)


def test_it_is_drawn_from_a_dump_with_the_weightings_that_are_known(
    make_dump: Callable[..., Path], tmp_path: Path
) -> None:
    dump = make_dump("a", samples=3, m=24, d=4)
    how: dict[str, Any] = {"results": tmp_path / "results", "jobs": 1, "progress": False}
    files = run(["weights"], [dump], out=tmp_path / "out", **how)
    assert {path.name for path in files} == {"weights.pdf", "weights.png", "weights.csv", "captions.md"}
    written = pd.read_csv(tmp_path / "out" / "weights.csv")
    assert set(written["weighting"]) == {"uniform", "norm", "rarity"}
