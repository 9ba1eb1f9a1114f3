"""Figure I draws what the table says, and is left out, with a word, where nobody made the test."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection

from otanalysis.distances import DISTANCES
from otanalysis.errors import InputError
from otanalysis.figures import run
from otanalysis.figures.within import caption_within, draw_within
from otanalysis.stats.cells import MEAN
from otanalysis.stats.within_tables import MAIN_PAIR, NOTHING, RANKED, with_between
from otanalysis.studies.within_summary import SUMMARY_NAME

MakeDump = Callable[..., Path]


def made_up(model: str = "noise") -> pd.DataFrame:
    """Return a table in which the quantisation error goes with the answer, and W2 against it, given it."""
    keys = [
        (kind, pool, name, NOTHING)
        for kind, pool, name in product(("renumbered", "original"), ("all", "random"), RANKED)
    ]
    keys += [("original", "all", *MAIN_PAIR), ("original", "all", *MAIN_PAIR[::-1])]
    table = pd.DataFrame(keys, columns=["positions", "pool", "measure", "given"])
    value = np.where(table["measure"] == "quantisation_error", 0.2, 0.0)
    value = np.where(table["given"] == "quantisation_error", -0.1, value)
    bounds = {"low": value - 0.05, "high": value + 0.05}
    fixed = {"model": model, "ratio": 0.098, "benchmark": MEAN, "n": 40, "scenes": 30}
    return table.assign(value=value, **bounds, **fixed, subsets=np.where(table["pool"] == "all", 40, 16))


def test_every_value_and_interval_is_drawn_at_its_row() -> None:
    table = made_up()
    table["value"] += 0.001 * np.arange(len(table))
    figure = draw_within(table)
    assert len(figure.axes) == 2
    for panel, kind in zip(figure.axes, ("renumbered", "original"), strict=True):
        drawn = np.sort(np.concatenate([np.asarray(line.get_xdata(), float) for line in panel.lines[1:]]))
        own = table[(table["positions"] == kind) & (table["given"] == NOTHING)]
        np.testing.assert_allclose(drawn, np.sort(own["value"]))
        bars = [one for one in panel.collections if isinstance(one, LineCollection)]
        ends = np.concatenate([segment[:, 0] for bar in bars for segment in bar.get_segments()])
        np.testing.assert_allclose(np.sort(ends), np.sort(np.concatenate([own["low"], own["high"]])))
        left, right = panel.get_xlim()
        assert left <= ends.min() < ends.max() <= right
    assert len(figure.axes[0].get_yticklabels()) == len(RANKED)


def test_the_verdict_names_what_the_intervals_carry() -> None:
    caption = caption_within(made_up())
    assert caption.startswith("**Figure I. ")
    assert (
        "closer sets give the better answers by quantisation error (0.20), and the worse ones by none."
        in caption
    )
    assert "Given quantisation error, exact W2 squared has −0.10 (−0.15 to −0.05)." in caption
    assert "40 questions; 95% bootstraps over 30 scenes" in caption
    turned = made_up()
    turned[["value", "low", "high"]] *= -1
    turned = turned.rename(columns={"low": "high", "high": "low"})
    assert "better answers by none, and the worse ones by quantisation error (−0.20)" in caption_within(
        turned
    )


def test_without_intervals_nothing_is_told() -> None:
    table = made_up().assign(low=np.nan, high=np.nan)
    caption = caption_within(table)
    assert "the better answers by none, and the worse ones by none (there is no interval)." in caption
    assert "Given quantisation error, exact W2 squared has −0.10 (no interval)." in caption
    draw_within(table).canvas.draw()


def test_it_is_drawn_from_the_results_of_the_same_model(make_dump: MakeDump, tmp_path: Path) -> None:
    results, out, said = tmp_path / "results", tmp_path / "out", []
    results.mkdir()
    how = {"jobs": 1, "results": results, "progress": False, "say": said.append}
    made_up().to_csv(results / SUMMARY_NAME, index=False)
    written = run(("within",), [make_dump()], None, out, **how)  # type: ignore[arg-type]
    assert {path.name for path in written} == {"within.pdf", "within.png", "within.csv", "captions.md"}
    assert said == []
    made_up("another").to_csv(results / SUMMARY_NAME, index=False)
    with pytest.raises(InputError, match=r"nobody made the test inside the image with noise"):
        run(("within",), [make_dump("again")], None, out, **how)  # type: ignore[arg-type]
    others = run(("within", "4"), [make_dump("third")], None, tmp_path / "more", **how)  # type: ignore[arg-type]
    assert {path.stem for path in others} == {"figure4", "captions"}
    assert len(said) == 1
    assert "otanalysis within MODEL" in said[0]


def matrix() -> pd.DataFrame:
    """Return a matrix of predictors as Figure P writes it: the closer, the better by every distance."""
    rows = [
        {"without_ends": ends, "distance": name, "benchmark": benchmark, "closer": DISTANCES[name].closer}
        | {"rho": sign * 0.5, "low": sign * 0.5 - 0.2, "high": sign * 0.5 + 0.3, "n_methods": 20 - 2 * ends}
        for ends, name, benchmark in product((False, True), RANKED, ("presence", MEAN))
        for sign in [1 if DISTANCES[name].higher_is_closer else -1]
    ]
    return pd.DataFrame(rows)


def test_correlations_between_methods_stand_beside(make_dump: MakeDump, tmp_path: Path) -> None:
    results, out = tmp_path / "results", tmp_path / "out"
    results.mkdir()
    out.mkdir()
    made_up().to_csv(results / SUMMARY_NAME, index=False)
    matrix().to_csv(out / "predictors.csv", index=False)
    run(("within",), [make_dump()], None, out, jobs=1, results=results, progress=False)
    drawn = pd.read_csv(out / "within.csv")
    pd.testing.assert_frame_equal(drawn, with_between(made_up(), matrix()), check_dtype=False)
    own = drawn[(drawn["pool"] == "methods") & (drawn["benchmark"] == MEAN)]
    assert own["measure"].tolist() == list(RANKED)
    assert (own["value"] == 0.5).all()
    higher = own["measure"].map(lambda name: DISTANCES[name].higher_is_closer)
    np.testing.assert_allclose(own["low"], np.where(higher, 0.3, 0.2))
    np.testing.assert_allclose(own["high"], np.where(higher, 0.8, 0.7))
    assert (own["n"] == 20).all()
    assert len(draw_within(drawn).axes) == 3
    assert "The last panel has the same over 20 methods" in (out / "captions.md").read_text()
    (out / "predictors.csv").write_text("distance\nw2\n")
    with pytest.raises(InputError, match="lacks the columns without_ends"):
        run(("within",), [make_dump("again")], None, out, jobs=1, results=results, progress=False)


def test_a_table_without_its_columns_is_refused() -> None:
    with pytest.raises(InputError, match="lacks the columns given"):
        draw_within(made_up().drop(columns="given"))


def test_several_models_stand_below_each_other_on_one_axis() -> None:
    """Each with its own measures, some of which are no distances, and a verdict of its own."""
    other = made_up("stamp-llava").query("measure in ('w2_squared', 'quantisation_error')")
    numbers = {"value": 0.3, "low": 0.2, "high": 0.5}
    shares = other[other["measure"] == "w2_squared"].assign(measure="kept_on_objects", **numbers)
    together = pd.concat([made_up("mini-llava"), other, shares], ignore_index=True)
    figure = draw_within(together)
    titles = [panel.get_title().rpartition(", ")[2] for panel in figure.axes]
    assert titles == ["renumbered", "original"] * 2
    rows = [len(panel.get_yticks()) for panel in figure.axes]
    assert rows == [len(RANKED)] * 2 + [3] * 2
    limits = [panel.get_xlim() for panel in figure.axes]
    assert set(limits) == {limits[0]}
    assert limits[0][1] > 0.5
    said = caption_within(together)
    assert "On `stamp-llava` (40 questions of 30 scenes): " in said
    assert "share of kept on objects (0.30)" in said.partition("On `stamp-llava`")[2]
    assert "On `" not in caption_within(made_up())
