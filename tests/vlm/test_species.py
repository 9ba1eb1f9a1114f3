"""Every class of the zoo goes through all checks, beams and capture: docs/models.csv says what passed."""

from __future__ import annotations

import csv
from typing import Any

import pytest
from transformers import __version__ as installed

from tests.vlm.models_table import TABLE, row_of
from tests.vlm.test_encode import mean_change_by_quarter
from tests.vlm.zoo import DEEP, GRIDS, SPECIES

TOLD = {row["kind"]: row for row in csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines())}
WITH_BOXES = (*DEEP, *(kind for kind in GRIDS if kind not in ("lfm2_vl", "kimi_k25")), "gemma3")


def test_the_table_has_every_class_of_the_zoo_in_its_order() -> None:
    assert tuple(TOLD) == tuple(SPECIES)
    assert len(TOLD) >= 24
    assert {row["passed"] for row in TOLD.values()} == {"yes"}


@pytest.mark.parametrize("kind", SPECIES)
def test_the_table_says_what_a_class_passes(zoo: Any, kind: str) -> None:
    found = row_of(zoo, kind)
    told = {**TOLD[kind], "transformers": installed}
    assert found == told


@pytest.mark.parametrize("kind", WITH_BOXES)
def test_a_spot_changes_the_patches_most_that_lie_where_it_is(zoo: Any, kind: str) -> None:
    for centre, quarter in (((0.3, 0.7), (False, True)), ((0.7, 0.3), (True, False))):
        for means in mean_change_by_quarter(zoo, kind, (96, 144), centre):
            assert len(means) == 4
            assert max(means, key=means.__getitem__) == quarter
