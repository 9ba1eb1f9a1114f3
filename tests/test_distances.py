"""The registry of distances: each entry is the function of its name, and says truly which way is closer."""

from __future__ import annotations

import numpy as np
import pytest

from otanalysis.distances import DISTANCES
from otanalysis.image import Image
from otanalysis.surrogate import Ladder


@pytest.fixture(scope="module")
def image() -> Image:
    return Image(np.random.default_rng(0).standard_normal((24, 5)))


def test_keys_are_the_names_of_the_entries() -> None:
    assert all(name == one.name and one.label for name, one in DISTANCES.items())
    assert len({one.label for one in DISTANCES.values()}) == len(DISTANCES)


def test_what_the_ladder_measures_too_is_the_same_number(image: Image) -> None:
    kept = np.array([3, 17, 8, 20])
    ladder = Ladder(image).values(kept)
    shared = DISTANCES.keys() & ladder.keys()
    assert shared >= {"w2", "w2_squared", "gelbrich_w2_squared", "trace_objective", "logdet"}
    measured = {name: DISTANCES[name].measure(image, kept) for name in shared}
    assert measured == pytest.approx({name: ladder[name] for name in shared}, rel=1e-12)
