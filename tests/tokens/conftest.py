"""What the tests of dumps share: the damages of the fuzzing, which lie beside those of other files."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def damages() -> ModuleType:
    """Return tests/fuzz/dumps.py."""
    place = Path(__file__).parents[1] / "fuzz" / "dumps.py"
    spec = importlib.util.spec_from_file_location("fuzz_dumps", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def dump(damages: ModuleType, tmp_path: Path) -> Path:
    """Return the folder of a small dump with every kind of entry: three samples, two shards, thumbnails."""
    folder: Path = damages.write_dump(tmp_path / "dump")
    return folder


@pytest.fixture
def begun(damages: ModuleType, tmp_path: Path) -> Path:
    """Return the folder of the same dump, stopped after its first shard."""
    folder: Path = damages.write_dump(tmp_path / "begun", finish=False)
    return folder
