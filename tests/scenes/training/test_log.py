"""The training curve: whole whatever refuses a row."""

from __future__ import annotations

import csv
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from otanalysis.errors import StorageError
from otanalysis.scenes.training.log import TrainingLog


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def stages(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8") as file:
        return [row["stage"] for row in csv.DictReader(file)]


def test_a_row_that_finds_no_room_leaves_the_curve_whole(tmp_path: Path) -> None:
    path = tmp_path / "training.csv"
    with TrainingLog(path) as log:
        with files_of_at_most(5), pytest.raises(StorageError, match="cannot be written"):
            log.row("crops", 100, 1.0, 0.5)
        assert not path.exists(), "no header without its end"
        log.row("crops", 100, 1.0, 0.5)
        with files_of_at_most(path.stat().st_size + 5), pytest.raises(StorageError):
            log.row("crops", 200, 0.9, 0.6)
        assert stages(path) == ["crops"]
        log.row("places", 100, 0.8, 0.7)
    assert stages(path) == ["crops", "places"]
