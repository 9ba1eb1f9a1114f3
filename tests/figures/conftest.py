"""The made-up tables of the experiments' tests, for the figures."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest


def _stats_conftest() -> Any:
    # Test folders are no packages, so the file next door is loaded by its path.
    path = Path(__file__).parents[1] / "stats" / "conftest.py"
    spec = importlib.util.spec_from_file_location("made_up_tables", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["made_up_tables"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


_MADE_UP = _stats_conftest()


@pytest.fixture(scope="session")
def tables() -> Any:
    return _MADE_UP.make_tables(_MADE_UP.BENCHMARKS)


@pytest.fixture(scope="session")
def build_tables() -> Any:
    return _MADE_UP.make_tables
