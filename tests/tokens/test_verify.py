"""Damaged dumps: ``verify`` finds each change, and no reader raises what is not ours."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from otanalysis.cli import app
from otanalysis.errors import DumpError
from otanalysis.tokens import verify_dump

CHANGES = 1000
FORGED = 400


@pytest.fixture
def copies(dump: Path, begun: Path) -> Any:
    """Return a function that gives a fresh copy of the dump, or of the unfinished one."""

    def copy(number: int, *, finished: bool = True) -> Path:
        folder = dump.parent / f"copy-{number}"
        shutil.copytree(dump if finished else begun, folder)
        return folder

    return copy


def test_verify_finds_a_thousand_of_a_thousand_changes(copies: Any, damages: ModuleType) -> None:
    missed, told = [], set()
    for number in range(CHANGES):
        folder = copies(number)
        done = damages.damage_dump(np.random.default_rng([0, number]), folder, forge=False)
        told.add(done.split()[-1])
        try:
            sound = verify_dump(folder).sound
        except DumpError:
            sound = False
        if sound:
            missed.append(done)
        shutil.rmtree(folder)
    assert missed == []
    assert len(told) > 50
    assert verify_dump(copies(CHANGES)).sound  # the control


def test_no_damage_is_a_foreign_error_or_a_warning(copies: Any, damages: ModuleType) -> None:
    told = set()
    for number in range(FORGED):
        folder = copies(number, finished=number % 4 != 0)
        done = damages.damage_dump(np.random.default_rng([1, number]), folder)
        told.add(done)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                damages.read_dump(folder)
            except Exception as error:
                pytest.fail(f"After {done}: {error!r}")
        shutil.rmtree(folder)
    assert len(told) > FORGED // 2


def test_the_command_tells_of_a_manifest_that_carries_no_digest(dump: Path) -> None:
    kept = Path(__file__).parents[1] / "data" / "results_0.1.0" / "dumps" / "noise"
    for folder, word in ((dump, ""), (kept, "Its manifest carries no digest")):
        result = CliRunner().invoke(app, ["verify", str(folder)])
        assert result.exit_code == 0, result.output
        assert "is sound" in result.stdout
        assert bool(word) == ("digest" in result.stdout)
        assert word in result.stdout
