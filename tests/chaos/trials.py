"""The trials: a command is disturbed, and then goes on to the numbers of a run that nobody disturbed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.commands import Command, ended, holds, is_held, left_alive, litter
from tests.chaos.report import Report

LIMITS = (100, 2_000, 20_000, 200_000, 2_000_000)
"""Bytes that a file may have; from the smallest on, until a command goes through."""
ROOMS = (0, 8, 64)
"""KiB that are left on a disk, likewise."""
GONE_ON = (20_000, 8)
"""The limit and the room after which a command that was refused goes on where nothing is in its way."""

_LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, 2 * (int(sys.argv[1]),))
os.execv(sys.argv[2], sys.argv[2:])
"""

# So that a folder closed to all is closed to root as well: PR_CAPBSET_DROP of CAP_DAC_OVERRIDE.
_NO_RIGHTS = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(24, 1)
os.execv(sys.argv[1], sys.argv[1:])
"""


@dataclass(frozen=True)
class Calm:
    """A run that nobody disturbed: its folder and result, and its seconds before and while it held it."""

    folder: Path
    result: object
    before: float
    during: float


@dataclass
class Bench:
    """One command, where it is tried, and the runs that nobody disturbed, each made once.

    ``at_once`` are the seconds within which Ctrl-C ends it, and its processes are gone when it is.
    """

    name: str
    command: Command
    place: Path
    report: Report
    at_once: float
    _calm: dict[bool, Calm] = field(default_factory=dict)

    def calm(self, *, other: bool = False) -> Calm:
        """Return a run that nobody disturbed."""
        if other not in self._calm:
            if not self._calm:  # code is compiled when it is first run, which takes longer than the rest
                with self.folder() as out:
                    ended(self.command.start(out), 0)
            out = self.place / f"calm-{other}"
            start = time.monotonic()
            process = self.command.start(out, other=other)
            holds(process, out)
            middle = time.monotonic()
            while process.poll() is None and is_held(out):
                time.sleep(0.005)
            during = time.monotonic() - middle
            complaint, _ = ended(process, 0)
            if complaint or (complaint := litter(out)):
                raise SystemExit(f"Undisturbed, {self.name} does not run: {complaint}")
            result = self.command.result(out)
            self._calm[other] = Calm(out, result, middle - start, during)
        return self._calm[other]

    def tell(self, what: str, complaint: str) -> None:
        """Count one trial of this command."""
        self.report.tell(f"{self.name}, {what}", complaint)

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Yield a folder that is not there yet, and goes in the end."""
        out = self.place / "out"
        try:
            yield out
        finally:
            shutil.rmtree(out, ignore_errors=True)

    def goes_on(self, out: Path, *, other: bool = False) -> str:
        """Run the command again, and return what is wrong with what it makes."""
        last = self.command.last
        finished = last and (out / last).exists()
        complaint, _ = ended(self.command.start(out, other=other), 2 if finished else 0)
        return complaint or self.unlike(out, other=other) or litter(out)

    def unlike(self, out: Path, *, other: bool = False) -> str:
        """Return what is wrong with a result."""
        return "" if self.command.result(out) == self.calm(other=other).result else "other numbers"


def kills(bench: Bench, times: int) -> None:
    """Kill a command at moments all over its writing, each time in a folder of its own, and go on with it."""
    if not times:
        return
    during, late = bench.calm().during, 0
    for number in range(times):
        with bench.folder() as out:
            process = bench.command.start(out)
            holds(process, out)
            time.sleep(during * (number + 0.5) / times)
            late += not is_held(out)
            bench.tell("killed", _gone(bench, process, signal.SIGKILL) or bench.goes_on(out))
    bench.report.note(f"{bench.name}: of {times} kills, {late} came when it had written all.")


def stops(bench: Bench) -> None:
    """Stop a command while it loads and while it writes, by Ctrl-C and by what else ends programs.

    All of it in one folder, where each goes on with what the one before left, and the last one ends.
    """
    calm = bench.calm()
    with bench.folder() as out:
        process = bench.command.start(out)
        time.sleep(calm.before / 2)
        bench.tell("Ctrl-C while it loads", _interrupted(bench, process) or litter(out))
        process = _writing(bench, out)
        bench.tell("Ctrl-C while it writes", _interrupted(bench, process) or litter(out))
        for ending in (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP):
            bench.tell(f"{ending.name} to it alone", _gone(bench, _writing(bench, out), ending))
        bench.tell("after all these stops", bench.goes_on(out))


def _writing(bench: Bench, out: Path) -> subprocess.Popen[str]:
    """Return the command in the middle of its writing."""
    process = bench.command.start(out)
    holds(process, out)
    time.sleep(bench.calm().during / 8)
    return process


def _interrupted(bench: Bench, process: subprocess.Popen[str]) -> str:
    """Stop a process and its workers, as a terminal does, and return what is wrong with how it ends."""
    start = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    complaint, _ = ended(process, 130, -signal.SIGINT)
    seconds = time.monotonic() - start
    bench.report.note(f"{bench.name} ended {seconds:.1f} s after Ctrl-C.")
    if seconds > bench.at_once:
        complaint = complaint or f"it ended only after {seconds:.1f} s"
    return complaint or ("processes go on" if left_alive(process.pid, bench.at_once) else "")


def _gone(bench: Bench, process: subprocess.Popen[str], ending: signal.Signals) -> str:
    """End a process, but not its workers, and return what is wrong: some go on."""
    process.send_signal(ending)
    process.communicate()
    return "processes go on" if left_alive(process.pid, bench.at_once) else ""


def two_at_once(bench: Bench) -> None:
    """Start a command twice with other settings: the second is refused, or waits; both results are right.

    The first one is halted meanwhile, so that it is sure to be there.
    """
    bench.calm(other=True)
    with bench.folder() as out, _halted(bench.command, out) as first:
        complaint, said = ended(bench.command.start(out, other=True), 2)
        if not complaint and not re.search(rf"process {first.pid} on .* since", said):
            complaint = f"it does not say who is there: {said[-300:]!r}"
        os.kill(first.pid, signal.SIGCONT)
        complaint = complaint or ended(first, 0)[0] or bench.unlike(out) or litter(out)
        bench.tell("a second one", complaint)
    with bench.folder() as out, _halted(bench.command, out) as first:
        second = bench.command.start(out, "--wait", other=True)
        assert second.stderr is not None
        said = second.stderr.readline()
        os.kill(first.pid, signal.SIGCONT)
        complaint = ended(first, 0)[0]
        if "waiting for it" not in said:
            complaint = complaint or f"it does not say that it waits: {said!r}"
        # Who waited for a folder that is never written again is told so.
        wrong, _ = ended(second, 2 if bench.command.last else 0)
        complaint = complaint or wrong or bench.unlike(out, other=not bench.command.last) or litter(out)
        bench.tell("a second one that waits", complaint)


@contextmanager
def _halted(command: Command, out: Path) -> Iterator[subprocess.Popen[str]]:
    """Yield a process that holds the folder and is halted; it is gone in the end."""
    process = command.start(out)
    while not (holds(process, out) and _is_halted(process, out)):  # it was too quick
        ended(process, 0)
        shutil.rmtree(out)
        process = command.start(out)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _is_halted(process: subprocess.Popen[str], out: Path) -> bool:
    """Halt a process, and tell whether it holds its folder; else it goes on."""
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.01)  # until the signal has come
    if not is_held(out):
        process.send_signal(signal.SIGCONT)
    return is_held(out)


def refused(bench: Bench, limits: Sequence[int] = LIMITS, rooms: Sequence[int] = ROOMS) -> None:
    """Run a command where files may not grow, where the disk is full, and where nothing may be written.

    In each there is an earlier result, of other settings, which must stay; then the way is free again, and
    the command goes on.
    """
    for limit in limits:
        under = (sys.executable, "-c", _LIMITED, str(limit))
        with bench.folder() as out:
            _earlier(bench, out)
            if _goes_through(bench, out, f"files of at most {limit} bytes", under, goes_on=limit in GONE_ON):
                break
    if sys.platform == "linux":
        with bench.folder() as out, _closed(bench, out):
            _goes_through(bench, out, "a closed folder", (sys.executable, "-c", _NO_RIGHTS))
    for room in rooms:
        with _small_disk(bench) as out:
            if out is None:
                break
            _earlier(bench, out)
            filler, disk = out.parent / "filler", os.statvfs(out)
            filler.write_bytes(bytes(max(disk.f_bavail * disk.f_frsize - 1024 * room, 0)))
            what = f"a disk with {room} KiB left"
            if _goes_through(bench, out, what, free=filler.unlink, goes_on=room in GONE_ON):
                break


def _earlier(bench: Bench, out: Path) -> None:
    """Put an earlier result into a folder, but where a finished one is never written again."""
    if bench.command.last:
        out.mkdir(exist_ok=True)
    else:
        shutil.copytree(bench.calm().folder, out, dirs_exist_ok=True)


def _goes_through(
    bench: Bench,
    out: Path,
    what: str,
    under: tuple[str, ...] = (),
    *,
    free: Callable[[], object] = lambda: None,
    goes_on: bool = False,
) -> bool:
    """Run a command where something is in its way; tell whether it goes through all the same.

    Then what it makes must be right; else it must say what stopped it, and leave what was there. With
    ``goes_on`` it is run again in that folder after a call of ``free``.
    """
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    process = bench.command.start(out, other=True, under=under)
    complaint, said = ended(process, 0, 2)
    through = process.returncode == 0
    if through:
        stopped = "went through"
        complaint = complaint or bench.unlike(out, other=True)
    else:
        stopped = said.strip().rpartition("\n")[2].replace(str(out), "OUT")
        changed = [one.name for one, old in before.items() if not one.is_file() or one.read_bytes() != old]
        complaint = complaint or (f"changed: {', '.join(changed)}" if changed else "") or litter(out)
    bench.report.note(f"{bench.name}, {what}: {stopped}")
    if goes_on and not through:
        free()
        complaint = complaint or bench.goes_on(out, other=True)
    bench.tell(what, complaint)
    return through


@contextmanager
def _closed(bench: Bench, out: Path) -> Iterator[None]:
    """Close a folder with an earlier result, and all in it, to everybody, for a ``with`` block."""
    _earlier(bench, out)
    folders = [out, *(path for path in out.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        yield
    finally:
        for folder in folders:
            folder.chmod(0o755)


@contextmanager
def _small_disk(bench: Bench) -> Iterator[Path | None]:
    """Yield a folder on a disk of its own, or None where none can be mounted."""
    disk = bench.place / "disk"
    disk.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        done = False
    if not done:
        bench.report.note("No small disk can be mounted here: a full one is left out.")
        yield None
        return
    try:
        yield disk / "out"
    finally:
        subprocess.run(["umount", str(disk)], check=True)
