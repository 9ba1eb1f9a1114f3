"""A bounded form of ``make chaos``, and that a failure is seen."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def chaos() -> Any:
    spec = importlib.util.spec_from_file_location("chaos", ROOT / "benchmarks" / "chaos.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["chaos"] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("kind", "trials"), [("kills", 2), ("two", 2), ("refused", 2)])
def test_a_sweep_survives(chaos: Any, tmp_path: Path, kind: str, trials: int) -> None:
    report = chaos.chaos(tmp_path, only=(kind,), names=("sweep",), kill=2, flip=0)
    assert report.failures == []
    assert sum(tried for tried, _ in report.rows.values()) >= trials


def test_parts_and_tables_survive_flips(chaos: Any, tmp_path: Path) -> None:
    report = chaos.chaos(tmp_path, only=("flips",), names=(), kill=0, flip=15)
    assert report.rows["a flipped bit of a part"] == [15, 15]
    assert report.rows["a flipped bit of a table"] == [15, 15]
    assert {"a flipped bit of a shard", "a flipped bit of a manifest"} <= report.rows.keys()


def test_what_does_not_survive_is_told(chaos: Any, tmp_path: Path) -> None:
    report = chaos.Report()
    report.tell("sweep", "")
    report.tell("sweep", "other numbers")
    assert report.rows == {"sweep": [2, 1]}
    assert "failures: 1\nsweep: other numbers" in report.text()
    (tmp_path / ".stray.tmp").touch()
    assert ".stray.tmp" in chaos.litter(tmp_path)
    command = chaos.Command(("no-command",), (), lambda _: "")
    assert "status 2 in place of 0" in chaos.ended(command.start(tmp_path), 0)
    assert chaos.ended(command.start(tmp_path), 2) == ""
