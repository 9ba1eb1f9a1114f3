"""All trials of all commands."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.chaos.commands import commands
from tests.chaos.flips import flips
from tests.chaos.report import Report
from tests.chaos.trials import LIMITS, ROOMS, Bench, kills, refused, stops, two_at_once

KILLED = ("sweep", "capture")
"""Commands that are killed many times."""

BRIEF = ("accuracy import",)
"""Commands that write for milliseconds, too short a time to stop them."""

KINDS = ("kills", "stops", "two", "refused", "flips")
NAMES = (*KILLED, "ladder", "certify", "synthetic", "evaluate", "figures", "within", "train-mini", *BRIEF)


def chaos(
    place: Path,
    report: Report,
    *,
    only: tuple[str, ...],
    names: tuple[str, ...],
    kill: int,
    flip: int,
    seed: int = 0,
    at_once: float = 2.0,
    limits: tuple[int, ...] = LIMITS,
    rooms: tuple[int, ...] = ROOMS,
) -> None:
    """Try everything in a folder.

    Parameters
    ----------
    place : Path
        An empty folder for all that is written.
    report : Report
        Gets what was tried.
    only : tuple of str
        Which of :data:`KINDS`.
    names : tuple of str
        Which of :data:`NAMES`; kills are of :data:`KILLED` alone.
    kill, flip : int
        Kills of a command, and flips of a kind of file.
    seed : int
        Of the flips.
    at_once : float
        Seconds within which Ctrl-C ends a command, and its processes are gone when it is.
    limits, rooms : tuple of int
        Bytes that a file may have, and KiB that are left on a disk, where a command is refused.
    """
    (place / "inputs").mkdir()
    made = commands(place / "inputs")
    trials: Mapping[str, Callable[[Bench], None]] = {
        "kills": lambda bench: kills(bench, kill if bench.name in KILLED else 0),
        "stops": lambda bench: None if bench.name in BRIEF else stops(bench),
        "two": two_at_once,
        "refused": lambda bench: refused(bench, limits, rooms),
    }
    for name in names:
        at = place / name
        at.mkdir()
        bench = Bench(name, made[name], at, report, at_once)
        for kind in (one for one in trials if one in only):
            start = time.monotonic()
            trials[kind](bench)
            print(f"{kind} of {name}: {time.monotonic() - start:.0f} s", flush=True)
        shutil.rmtree(at)
    if "flips" in only:
        flips(flip, place, report, seed)
