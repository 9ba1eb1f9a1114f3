"""Figure O draws every mean with its interval, the best score first; its caption words the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from otanalysis.defaults import COMPARED_METHODS
from otanalysis.errors import InputError
from otanalysis.figures.build import run
from otanalysis.figures.objects import caption_objects, draw_objects
from otanalysis.stats.cells import main_gammas
from otanalysis.studies.objects import kept_of_objects
from otanalysis.studies.sweep import read_sweep
from tests.studies.scene_dumps import scenes_dump

SHARES = {"dpp": 0.5, "kmedoids": 0.3, "first": 0.1}
SCORES = {"dpp": 0.8, "kmedoids": 0.9, "first": 0.2}


def made_up() -> pd.DataFrame:
    quantities = {
        "kept_on_objects": SHARES,
        "score": SCORES,
        "object_share": dict.fromkeys(SHARES, 0.136),
        "w2": {"dpp": 3.0, "kmedoids": 2.0, "first": 1.0},
        "length_ratio": {"dpp": 0.5, "kmedoids": 1.0, "first": 1.5},
        "quantisation_error": {"dpp": 1.0, "kmedoids": 0.5, "first": 2.0},
    }
    rows = [(name, method, value) for name, own in quantities.items() for method, value in own.items()]
    table = pd.DataFrame(rows, columns=["quantity", "method", "value"])
    return table.assign(low=table["value"] - 0.05, high=table["value"] + 0.05, ratio=0.098, n=20)


def test_methods_stand_in_the_order_of_their_scores() -> None:
    table = made_up()
    figure = draw_objects(table)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["k-medoids", "DPP", "First-K"]
    for panel, name in zip(figure.axes, ("score", "kept_on_objects", "length_ratio", "w2"), strict=True):
        own = table[table["quantity"] == name].set_index("method")["value"]
        marks = [line for line in panel.lines if line.get_marker() not in ("None", None)]
        drawn = [float(np.asarray(line.get_xdata())[0]) for line in marks]
        np.testing.assert_allclose(drawn, own[["kmedoids", "dpp", "first"]])
        usual = [float(np.asarray(x.get_xdata())[0]) for x in panel.lines if x not in marks]
        assert usual == {"kept_on_objects": [0.136], "length_ratio": [1.0]}.get(name, [])


def test_the_caption_says_who_keeps_least_and_most_and_what_goes_with_the_score() -> None:
    """Spearman over three: shares 3, 2, 1 and scores 2, 3, 1 agree by 1/2; lengths by minus that."""
    caption = caption_objects(made_up())
    assert caption.startswith("**Figure O. ")
    assert "13.6% are on objects" in caption
    assert "from First-K (10%) to DPP (50%)" in caption
    assert (
        "correlation with the score is 0.50, against −0.50 of the squared length, 0.50 of W2 and −1.00 of"
        in caption
    )


def test_methods_without_a_score_count_for_no_correlation() -> None:
    table = made_up()
    more = table[table["method"] == "first"].assign(method="last")
    more.loc[more["quantity"] == "score", "value"] = np.nan
    said = caption_objects(pd.concat([table, more])).partition("**Verdict.**")[2]
    assert said.partition("Over ")[2] == caption_objects(table).partition("Over ")[2]
    few = pd.concat([table[table["method"] != "first"], more])
    assert "Too few methods have a score to say what goes with it." in caption_objects(few)


def test_dumps_that_know_their_objects_are_drawn_without_scores_too(tmp_path: Path) -> None:
    dumps = [scenes_dump(tmp_path / "dumps" / name) for name in ("where", "count")]
    how: dict[str, Any] = {"results": tmp_path / "results", "progress": False, "jobs": 1, "ratio": 0.2}
    run(("objects",), dumps, out=tmp_path / "out", say=lambda _: None, **how)
    drawn = pd.read_csv(tmp_path / "out" / "objects.csv").set_index(["quantity", "method"])["value"]
    rows = read_sweep(tmp_path / "results" / "sweep.parquet")
    rows = rows.join(kept_of_objects(rows, dumps))
    rows = rows[rows["ratio"].eq(0.2) & main_gammas(rows)]
    assert set(rows["method"]) == set(COMPARED_METHODS)
    for quantity in ("kept_on_objects", "object_share", "length_ratio", "w2"):
        of_sample = rows.groupby(["method", "benchmark", "sample"])[quantity].mean()
        means = of_sample.groupby(["method", "benchmark"]).mean().groupby("method").mean()
        np.testing.assert_allclose(drawn[quantity][means.index], means, rtol=1e-7)
    assert drawn["score"].isna().all()
    assert "Too few methods have a score" in (tmp_path / "out" / "captions.md").read_text()


def test_dumps_that_do_not_know_their_objects_have_no_figure_of_them(tmp_path: Path) -> None:
    dump = scenes_dump(tmp_path / "where", side=False)
    how: dict[str, Any] = {"results": tmp_path / "results", "progress": False, "jobs": 1}
    with pytest.raises(InputError, match="objects cannot be drawn: these dumps do not say where objects are"):
        run(("objects",), [dump], out=tmp_path / "out", **how)
    assert not (tmp_path / "out").exists()
    written = run(("4", "objects"), [dump], out=tmp_path / "out", say=lambda _: None, **how)
    assert {path.name for path in written} == {"figure4.pdf", "figure4.png", "figure4.csv", "captions.md"}


def test_a_table_without_its_columns_is_refused() -> None:
    with pytest.raises(InputError, match="lacks the columns quantity"):
        draw_objects(made_up().drop(columns="quantity"))
