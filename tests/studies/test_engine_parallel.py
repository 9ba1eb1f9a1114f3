"""Jobs in processes: every part runs once, and the next job gets processes of its own."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from otanalysis.studies.parallel import run_parts


def write_process(path: Path) -> None:
    path.write_text(str(os.getpid()))


def processes_of_a_job(folder: Path) -> set[int]:
    folder.mkdir()
    paths = [folder / str(number) for number in range(4)]
    parts = [partial(write_process, path) for path in paths]
    run_parts("write", parts, jobs=2, total=4, kept_in=folder, progress=False)
    return {int(path.read_text()) for path in paths}


def test_a_second_job_does_not_inherit_the_memory_of_the_first(tmp_path: Path) -> None:
    """The pool takes what a later job loads for a leak, and its warning would be an error that stops all."""
    first, second = processes_of_a_job(tmp_path / "first"), processes_of_a_job(tmp_path / "second")
    assert os.getpid() not in first | second
    assert not first & second
