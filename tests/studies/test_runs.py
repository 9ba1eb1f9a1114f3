"""What a sweep asks for: numbers of any library, and nothing that only looks like one."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from otanalysis.errors import InputError
from otanalysis.studies.engine import PACKAGE
from otanalysis.studies.runs import SweepSettings

SOUND: dict[str, Any] = {
    "methods": ("otprune", "random"),
    "ratios": (0.25, 0.5),
    "gammas": (0.01, 1.0),
    "seeds": (0, 1),
    "normalisations": ("none", "rows"),
}


def test_numbers_of_any_library_ask_for_the_same() -> None:
    wanted = SweepSettings(**SOUND)
    other = SweepSettings(
        methods=["otprune", "random"],  # type: ignore[arg-type]
        ratios=np.array([0.25, 0.5]),  # type: ignore[arg-type]
        gammas=(np.float64(0.01), 1),
        seeds=np.arange(2),  # type: ignore[arg-type]
        normalisations=[np.str_("none"), "rows"],  # type: ignore[arg-type]
    )

    assert [one.key for one in other.measurements()] == [one.key for one in wanted.measurements()]
    assert other.digest() == wanted.digest()
    assert {type(one) for one in other.seeds} == {int}
    assert {type(one) for one in (*other.ratios, *other.gammas)} == {float}
    assert SweepSettings(**SOUND | {"ratios": (Fraction(1, 4),)}).ratios == (0.25,)


def test_keys_of_parts_stay_unless_further_distances_are_asked_for() -> None:
    [first, *_] = SweepSettings(**SOUND).measurements()
    assert json.loads(first.key) == [
        2,
        PACKAGE,
        "OTPrune(gamma=0.01, normalise='columns')",
        None,
        0.25,
        "none",
    ]
    [same, *_] = SweepSettings(**SOUND, distances=("w2", "logdet")).measurements()
    assert same.key == first.key
    [more, *_] = SweepSettings(**SOUND, distances=("sliced_w2", "energy_distance")).measurements()
    [other_order, *_] = SweepSettings(**SOUND, distances=("energy_distance", "sliced_w2")).measurements()
    assert json.loads(more.key)[-1] == {"distances": ["energy_distance", "sliced_w2"]}
    assert more.key == other_order.key


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seeds": (None,)}, "seed must be an integer"),
        ({"seeds": (-1,)}, "seed must be an integer"),
        ({"seeds": (1.5,)}, "seed must be an integer"),
        ({"seeds": ("3",)}, "seed must be an integer"),
        ({"seeds": (True,)}, "seed must be an integer"),
        ({"seeds": 3}, "seeds of a sweep must be several"),
        ({"seeds": ()}, "at least one of seeds"),
        ({"seeds": (1, np.int64(1))}, "seeds of a sweep must be distinct"),
        ({"ratios": (True,)}, "ratio must be a number"),
        ({"ratios": ("0.5",)}, "ratio must be a number"),
        ({"ratios": (10**400,)}, "ratio must be a number"),
        ({"gammas": (10**400,)}, "gamma must be a positive"),
        ({"gammas": (None,)}, "gamma must be a positive"),
        ({"methods": "otprune"}, "methods of a sweep must be several"),
        ({"methods": (None,)}, "no selector"),
        ({"methods": (["otprune"],)}, "no selector"),
        ({"normalisations": (None,)}, "Unknown normalisation None"),
        ({"normalisations": (["rows"],)}, "Unknown normalisation"),
    ],
)
def test_what_is_no_number_or_name_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        SweepSettings(**SOUND | change)
