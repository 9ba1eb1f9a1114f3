"""A table can be added to in any order and twice over, and never holds two answers to one question."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from otanalysis.errors import InputError
from otanalysis.scores import ACCURACY_COLUMNS, ACCURACY_KEY, add_scores


def table(*rows: dict[str, Any]) -> pd.DataFrame:
    standard = {
        "model": "m",
        "benchmark": "gqa",
        "method": "otprune",
        "ratio": 0.1,
        "gamma": 0.01,
        "seed": None,
    }
    standard |= {"metric": "EM", "value": 50.0, "n": None, "standard_error": None}
    found = pd.DataFrame([standard | row for row in rows], columns=[*ACCURACY_COLUMNS])
    numbers = dict.fromkeys(("ratio", "gamma", "value", "standard_error"), float)
    return found.astype(numbers | dict.fromkeys(("seed", "n"), "Int64"))


def as_set(found: pd.DataFrame) -> set[tuple[Any, ...]]:
    return {tuple(None if pd.isna(x) else x for x in row) for row in found.itertuples(index=False)}


keys = st.tuples(
    st.sampled_from(["gqa", "pope"]), st.sampled_from(["random", "dpp"]), st.sampled_from([0.05, 0.1])
)
rows = st.dictionaries(keys, st.floats(0, 100), min_size=1, max_size=8)


def of(scores: dict[tuple[str, str, float], float]) -> pd.DataFrame:
    named = [
        {"benchmark": b, "method": m, "ratio": r, "gamma": None, "value": v}
        for (b, m, r), v in scores.items()
    ]
    return table(*named)


@settings(max_examples=60)
@given(rows, st.data())
def test_order_and_repetition_do_not_matter(scores: dict[Any, float], data: st.DataObject) -> None:
    whole = of(scores)
    part = data.draw(st.lists(st.sampled_from(range(len(whole))), unique=True))
    first, second = whole.iloc[part], whole.drop(index=whole.index[part])
    assert as_set(add_scores(first, second)) == as_set(add_scores(second, first)) == as_set(whole)
    assert as_set(add_scores(whole, whole)) == as_set(whole)
    assert not add_scores(whole, whole).duplicated(subset=[*ACCURACY_KEY]).any()


@settings(max_examples=40)
@given(rows, st.floats(1e-3, 10))
def test_any_other_value_is_refused(scores: dict[Any, float], shift: float) -> None:
    whole = of(scores)
    changed = whole.iloc[[-1]].assign(value=whole["value"].iloc[-1] + shift)
    with pytest.raises(InputError, match="keep one of them"):
        add_scores(whole, changed)


def test_counts_and_errors_are_filled_in_and_may_not_differ() -> None:
    merged = add_scores(table({}), table({"n": 100, "standard_error": 0.4}))
    assert merged[["value", "n", "standard_error"]].to_numpy().tolist() == [[50.0, 100, 0.4]]
    assert add_scores(merged, table({})).n.tolist() == [100]
    with pytest.raises(InputError, match="The n of otprune"):
        add_scores(merged, table({"n": 99}))


@pytest.mark.parametrize(("column", "value"), [("gamma", 0.1), ("seed", 1)])
def test_a_score_without_gamma_or_seed_does_not_stand_beside_one_with_it(column: str, value: float) -> None:
    without, with_one = table({"gamma": None}), table({"gamma": None, column: value, "value": 40.0})
    for first, second in ((without, with_one), (with_one, without)):
        with pytest.raises(InputError, match=f"give --{column} for the one without"):
            add_scores(first, second)
    another = table({"gamma": None, column: value + 1, "value": 41.0})
    assert len(add_scores(with_one, another)) == 2
    elsewhere = table({"gamma": None, "benchmark": "pope"})
    assert len(add_scores(with_one, elsewhere)) == 2


def test_further_columns_are_kept() -> None:
    known = table({}).assign(comment="mine")
    fresh = table({"benchmark": "pope"}).assign(source="theirs")
    merged = add_scores(known, fresh)
    assert merged["comment"].iloc[0] == "mine"
    assert merged["source"].iloc[1] == "theirs"
    assert merged.isna()[["comment", "source"]].to_numpy().tolist() == [[False, True], [True, False]]
    assert np.isfinite(merged["value"]).all()
