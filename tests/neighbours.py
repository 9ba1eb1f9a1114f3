"""What a test takes of another test file: test folders are no packages, so that is loaded by its path."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any


def load(place: str) -> Any:
    """Return the module at a place below ``tests``, such as ``figures/test_layout.py``."""
    path = Path(__file__).parent / place
    spec = importlib.util.spec_from_file_location(f"neighbour_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
