"""Means over benchmarks of what is kept, beside the score of the same methods."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from otanalysis.errors import InputError
from otanalysis.stats.objects_table import QUANTITIES, objects_table


def made_up() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two benchmarks of five images; a deterministic method, and one with two seeds."""
    generator = np.random.default_rng(0)
    rows = [
        {"dump": name, "benchmark": name, "sample": image, "method": method, "seed": seed, "gamma": np.nan}
        for name in ("presence", "where")
        for image in range(5)
        for method, seed in (("dpp", None), ("random", 0), ("random", 1))
    ]
    numbers = {name: generator.uniform(1, 2, len(rows)) for name in (*QUANTITIES, "object_share")}
    sweep = pd.DataFrame(rows).assign(ratio=0.098, normalisation="none", **numbers)
    head = {"model": "m", "metric": "acc", "ratio": 0.098, "gamma": np.nan, "standard_error": 0.01}
    scores = [
        head | {"benchmark": name, "method": method, "value": value}
        for name, values in (("presence", (0.9, 0.5)), ("where", (0.4, 0.2)))
        for method, value in zip(("dpp", "random"), values, strict=True)
    ]
    return sweep, pd.DataFrame(scores)


def test_seeds_are_averaged_then_images_then_benchmarks() -> None:
    sweep, scores = made_up()
    found = objects_table(sweep, scores, resamples=200).set_index(["quantity", "method"])
    for quantity in QUANTITIES:
        for method in ("dpp", "random"):
            own = sweep[sweep["method"] == method].groupby(["benchmark", "sample"])[quantity].mean()
            row = found.loc[(quantity, method)]
            assert row["value"] == pytest.approx(own.groupby("benchmark").mean().mean())
            assert row["low"] < row["value"] < row["high"]
    assert found.loc["score", "value"].to_dict() == pytest.approx({"dpp": 0.65, "random": 0.35})
    assert set(found["n"]) == {10}
    reach = found.loc[("score", "dpp"), "high"] - 0.65
    assert reach == pytest.approx(1.96 * 0.01 / np.sqrt(2), rel=0.3), "two independent scores"


def test_what_is_not_known_of_the_objects_is_asked_for() -> None:
    sweep, scores = made_up()
    with pytest.raises(InputError, match="lacks the columns kept_on_objects"):
        objects_table(sweep.drop(columns="kept_on_objects"), scores)
    with pytest.raises(InputError, match=r"no row of dpp, random at ratio 0\.5"):
        objects_table(sweep, scores, ratio=0.5)
