"""The selections of the released OTPrune and DivPrune, case by case."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from otanalysis.selection import select

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "data" / "golden_selection.json").read_text()
)["cases"]


def draw(case: dict[str, Any]) -> np.ndarray:
    """Draw the tokens as the file describes them."""
    r, m, d = np.random.default_rng(case["seed"]), case["m"], case["d"]
    if case["kind"] == "gaussian":
        return r.standard_normal((m, d))
    if case["kind"] == "anisotropic":
        return r.standard_normal((m, d)) * np.exp(-np.arange(d) / (d / 4)) + r.standard_normal(d)
    c = 2 * r.standard_normal((8, d))
    labels = r.integers(0, 8, size=m)
    return c[labels] + 0.3 * r.standard_normal((m, d))


def name(case: dict[str, Any]) -> str:
    return f"{case['kind']}-{case['m']}-{case['keep']}"


def test_no_case_is_missing() -> None:
    assert len(CASES) == 27


@pytest.mark.parametrize("case", CASES, ids=name)
def test_otprune_keeps_the_same_set(case: dict[str, Any]) -> None:
    selection = select(draw(case), "otprune", ratio=case["ratio"])

    assert selection.keep == case["keep"]
    assert selection.indices.tolist() == case["otprune_sorted"]


@pytest.mark.parametrize("case", CASES, ids=name)
def test_divprune_picks_in_the_same_order(case: dict[str, Any]) -> None:
    selection = select(draw(case), "divprune", ratio=case["ratio"])

    assert selection.pick_order.tolist() == case["divprune_pick_order"]


@pytest.mark.parametrize("other", [{"gamma": 10.0}, {"normalise": "rows"}, {"normalise": "none"}])
def test_other_parameters_do_not_reproduce_the_release(other: dict[str, Any]) -> None:
    agree = [
        select(draw(case), "otprune", ratio=case["ratio"], **other).indices.tolist() == case["otprune_sorted"]
        for case in CASES[:18]
    ]

    assert not all(agree)
