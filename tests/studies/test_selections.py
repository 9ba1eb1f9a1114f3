"""What studies of selections share: keys of before, refused settings, what is kept, and the best set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import otanalysis as ota
from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.studies.certify import CertifyStudy
from otanalysis.studies.coverage import CoverageStudy
from otanalysis.studies.selections import BEST, SELECTED, SelectionStudy, chosen_by, with_best
from otanalysis.studies.weights import WeightsStudy

FEW: dict[str, Any] = {"methods": ("otprune", "random"), "ratios": (0.1, 0.5), "seeds": (0, 3)}
SAID = "methods=('otprune', 'random'), ratios=(0.1, 0.5), normalise='none', seeds=(0, 3), gamma=0.01"


@pytest.mark.parametrize(
    ("study", "key"),
    [
        (WeightsStudy(**FEW), f"WeightsStudy({SAID})"),
        (CoverageStudy(**FEW), f"CoverageStudy({SAID}, effort=1.0)"),
        (CertifyStudy(**FEW), f"CertifyStudy({SAID}, effort=1.0)"),
        (CertifyStudy(**FEW, gamma_of="paper"), f"CertifyStudy({SAID}, effort=1.0, gamma_of='paper')"),
    ],
)
def test_parts_of_before_are_found_under_their_keys(study: SelectionStudy, key: str) -> None:
    assert repr(study) == key


@pytest.mark.parametrize("kind", [WeightsStudy, CoverageStudy, CertifyStudy])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"methods": ("magic",)}, "Unknown method 'magic'"),
        ({"ratios": (0.1, 0.1)}, "must be distinct"),
        ({"normalise": "cells"}, "Unknown normalisation 'cells'"),
        ({"seeds": (-1,)}, "seed"),
        ({"gamma": 0.0}, "gamma"),
    ],
)
def test_settings_are_refused_when_a_study_is_made(kind: Any, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        kind(**FEW | change)


def test_every_run_keeps_what_select_keeps_and_rows_say_which() -> None:
    tokens = np.random.default_rng(0).standard_normal((20, 3))
    image, study = Image(tokens), SelectionStudy(**FEW)
    found = study.select(image, "a")
    assert study.keeps(image) == {0.1: 2, 0.5: 10}
    assert [chosen_by(run) for run in found] == [
        {"method": "otprune", "gamma": 0.01, "seed": None},
        {"method": "random", "gamma": None, "seed": 0},
        {"method": "random", "gamma": None, "seed": 3},
    ]
    for run, by_keep in found.items():
        for keep in (2, 10):
            expected = ota.select(tokens, run.selector.name, keep=keep, seed=run.image_seed("a"))
            np.testing.assert_array_equal(by_keep[keep].indices, expected.indices)
    row = study.place(image, 0.5, 10) | chosen_by(next(iter(found)))
    assert row.keys() == set(SELECTED.names)
    assert (row["m"], row["ratio"], row["keep"], row["normalisation"]) == (20, 0.5, 10, "none")


@pytest.mark.parametrize(("met", "expected"), [(2.0, 1.0), (0.5, 0.5)])
def test_the_best_is_the_closest_of_the_methods_and_of_the_search(met: float, expected: float) -> None:
    chosen = [
        {"far": far, "method": "random", "gamma": None, "seed": seed} for seed, far in ((0, 3.0), (1, 1.0))
    ]
    *rows, best = with_best(chosen, {"far": met}, by="far")
    assert rows == chosen
    assert best == {"far": expected, "method": BEST, "gamma": None, "seed": None}
