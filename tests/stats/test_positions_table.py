"""Means by kind of question are those by hand; what lacks one of the two positions is not compared."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from otanalysis.errors import InputError
from otanalysis.stats.positions_table import GAIN, positions_table

KINDS = {"where": "place", "corner": "place", "presence": "content"}


def made_up(seed: int = 0) -> pd.DataFrame:
    """Scores of two models at two ratios: random with two seeds, OTPrune with two gammas, baselines."""
    generator = np.random.default_rng(seed)
    settings = [("random", 0.098, None, 0), ("random", 0.098, None, 1), ("otprune", 0.098, 0.01, None)]
    settings += [("otprune", 0.098, 1.0, None), ("otprune", 0.2, 0.01, None)]
    settings += [("full", 1.0, None, None), ("no-image", None, None, None)]
    names = ["method", "ratio", "gamma", "seed"]
    rows = [
        {"model": model, "positions": positions, "benchmark": benchmark, "kind": kind}
        | dict(zip(names, setting, strict=True))
        for model in ("one", "two")
        for positions in ("renumbered", "original")
        for benchmark, kind in KINDS.items()
        for setting in settings
    ]
    numbers = {"value": generator.uniform(size=len(rows)), "standard_error": generator.uniform(0.01, 0.02)}
    return pd.DataFrame(rows).astype({"ratio": float, "gamma": float}).assign(**numbers)


def test_a_mean_is_over_seeds_first_and_then_over_the_benchmarks_of_the_kind() -> None:
    scores, found = made_up(), positions_table(made_up()).set_index(["model", "kind", "method", "positions"])
    own = scores[(scores["model"] == "one") & (scores["kind"] == "place") & (scores["method"] == "random")]
    each = own.groupby(["positions", "benchmark"])["value"].mean().unstack("positions")
    error = own["standard_error"].iloc[0] / np.sqrt(2)
    for positions in ("renumbered", "original"):
        row = found.loc[("one", "place", "random", positions)]
        assert row["value"] == pytest.approx(each[positions].mean())
        assert (row["high"] - row["low"]) / 2 == pytest.approx(1.959964 * error)
    gain = found.loc[("one", "place", "random", GAIN)]
    assert gain["value"] == pytest.approx((each["original"] - each["renumbered"]).mean())
    assert (gain["high"] - gain["low"]) / 2 == pytest.approx(1.959964 * error * np.sqrt(2))
    assert gain["benchmarks"] == 2


def test_the_default_gamma_and_the_share_asked_for_are_compared() -> None:
    scores = made_up()
    for ratio in (0.098, 0.2):
        found = positions_table(scores, ratio=ratio)
        own = found[(found["method"] == "otprune") & (found["kind"] == "content") & (found["model"] == "two")]
        chosen = scores[(scores["model"] == "two") & (scores["kind"] == "content")]
        chosen = chosen[
            (chosen["method"] == "otprune") & (chosen["gamma"] == 0.01) & (chosen["ratio"] == ratio)
        ]
        wanted = chosen.set_index("positions")["value"].to_dict()
        kept = own[own["positions"] != GAIN].set_index("positions")["value"].to_dict()
        assert kept == pytest.approx(wanted)
        assert set(found[found["method"].isin(["full", "no-image"])]["positions"]) == {"renumbered"}
        assert ("random" in set(found["method"])) == (ratio == 0.098)


def test_a_benchmark_with_one_way_alone_is_left_out_of_both_means() -> None:
    scores = made_up()
    lacking = (scores["benchmark"] == "corner") & (scores["positions"] == "original")
    found = positions_table(scores[~lacking])
    assert set(found.loc[found["kind"] == "place", "benchmarks"]) == {1}, "of baselines too"
    own = found[(found["kind"] == "place") & (found["method"] == "random")]
    pd.testing.assert_frame_equal(
        own.reset_index(drop=True),
        positions_table(scores[scores["benchmark"] != "corner"])
        .query("kind == 'place' and method == 'random'")
        .reset_index(drop=True),
    )


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(InputError, match=r"No method has scores .* at 0\.5"):
        positions_table(made_up(), ratio=0.5)
    with pytest.raises(InputError, match=r"\['kind'\] is missing"):
        positions_table(made_up().drop(columns="kind"))
