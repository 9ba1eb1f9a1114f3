"""A small training: the parts in small, made-up stamps, and a recipe of few steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from otanalysis.stamps.settings import StampSettings
from otanalysis.stamps.training.export import train_adapter
from otanalysis.stamps.training.train import AdapterRecipe

SMALL = AdapterRecipe(
    steps=5,
    scenes=5,
    batch=2,
    words=100,
    rank=2,
    projector_rate=0.02,
    change_rate=0.05,
    warm=0.2,
    alone=0.05,
    growing=0.05,
)

Train = Callable[..., Path]


@pytest.fixture(scope="session")
def settings(stamps: Path) -> StampSettings:
    return StampSettings(stamps)


@pytest.fixture(scope="session")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of trainings, in which what is encoded is found by all tests."""
    return tmp_path_factory.mktemp("trainings")


@pytest.fixture(scope="session")
def train(small_world: Any, settings: StampSettings, encoded: Path) -> Train:
    """Return what trains in small; every word may be replaced."""

    def small(out: Path, *, work: Path = encoded, **given: Any) -> Path:
        recipe = replace(SMALL, **given.pop("recipe", {}))
        where = {"settings": settings, "wheels": small_world.wheels, **small_world.parts, **given}
        return train_adapter(out, work=work, recipe=recipe, **where)

    return small
