"""A figure's tables are made when they are looked at, once; its key is of all that decides them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from otanalysis.figures.declaration import Declaration, Given
from otanalysis.figures.work import Work

ROWS = pd.DataFrame({"method": ["otprune"], "w2": [1.0]})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Given]:
    """Return that of which tables are made from now on."""
    given: list[Given] = []
    monkeypatch.setattr(Declaration, "tables", lambda _self, one: given.append(one) or {"made": one.rows})
    return given


def test_nothing_is_made_before_it_is_looked_at(asked: list[Given]) -> None:
    given: list[Any] = []
    work = Work("4", ["rows"], lambda: given.append("once") or Given(ROWS))
    assert work.key == Work("4", ["rows"], lambda: Given(ROWS)).key
    assert (given, asked) == ([], [])
    assert work.tables["made"] is work.tables["made"]
    assert work.tables["made"] is ROWS
    assert (given, len(asked)) == (["once"], 1)


def test_the_key_is_of_what_is_given_and_of_the_figure(asked: list[Given]) -> None:
    keys = {
        Work.of(name, given).key
        for name in ("4", "floor")
        for given in (
            Given(ROWS),
            Given(ROWS.assign(w2=2.0)),
            Given(ROWS, scores=ROWS),
            Given(ROWS, ratio=0.2),
        )
    }
    assert len(keys) == 8
    assert Work.of("4", Given(ROWS.copy())).key in keys
    assert asked == []
