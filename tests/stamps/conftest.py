"""What the tests of stamps share: what is made of the made-up photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from otanalysis.stamps.benchmarks import StampBenchmark, stamp_benchmarks
from otanalysis.stamps.objects import ObjectBank, open_objects
from otanalysis.stamps.settings import StampSettings


@pytest.fixture(scope="session")
def bank(stamps: Path) -> ObjectBank:
    return open_objects(stamps)


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of four plain photographs, each of a colour of its own."""
    folder = tmp_path_factory.mktemp("photographs")
    for number, colour in enumerate(("navy", "teal", "tan", "pink")):
        Image.new("RGB", (300 + 10 * number, 240), colour).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def benchmarks(stamps: Path) -> dict[str, StampBenchmark]:
    return stamp_benchmarks(StampSettings(stamps))


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the parts in small; what loads torch, onnx and gguf is loaded here, where they are wanted."""
    from tests.stamps.small_world import make_small_world

    return make_small_world(tmp_path_factory.mktemp("small-world"))
