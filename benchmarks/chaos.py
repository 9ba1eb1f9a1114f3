"""What survives kills, two at once, disks that refuse, and flipped bits: ``make chaos``.

Every trial runs a command of the program as a user would, does something to it, and looks at what is left:
the same command must then give the numbers of an undisturbed run, or end with one sentence and status 2. A
table says what was tried and what survived; the exit status is 1 if anything did not.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image as Picture

from otanalysis.errors import OtAnalysisError
from otanalysis.files import data_folder
from otanalysis.studies import read_sweep, sweep
from otanalysis.tokens import DumpWriter, open_dump, verify_dump

LONG = 600.0  # seconds after which a command counts as hanging
_CAP_DAC_OVERRIDE, _PR_CAPBSET_DROP = 1, 24  # so that a folder closed to all is closed to root as well
_TIMES = ["seconds", "floor_seconds", "ceiling_seconds"]


@dataclass
class Report:
    """What was tried, what survived, and the first words about what did not."""

    rows: dict[str, list[int]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def tell(self, what: str, complaint: str) -> None:
        """Count one trial; an empty complaint is one that was survived."""
        row = self.rows.setdefault(what, [0, 0])
        row[0] += 1
        row[1] += not complaint
        if complaint:
            self.failures.append(f"{what}: {complaint}")

    def skip(self, sentence: str) -> None:
        """Say what cannot be tried here."""
        print(sentence, flush=True)

    def text(self) -> str:
        """Return the table."""
        lines = [f"{'tried':44}{'times':>8}{'survived':>10}"]
        lines += [f"{what:44}{tried:>8}{survived:>10}" for what, (tried, survived) in self.rows.items()]
        return "\n".join([*lines, f"failures: {len(self.failures)}", *self.failures[:20]])


@dataclass(frozen=True)
class Command:
    """A command that writes a folder: its words, another setting of it, and what its result is."""

    words: tuple[str, ...]
    other: tuple[str, ...]
    result: Callable[[Path], object]
    lock: str = "."

    def start(
        self, out: Path, *, other: bool = False, more: tuple[str, ...] = (), **how: object
    ) -> subprocess.Popen[str]:
        """Start it as a process that leads a group of its own."""
        words = [word.replace("OUT", str(out)) for word in (*(self.other if other else self.words), *more)]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, "-m", "otanalysis", *words],
            stdout=pipe,
            stderr=pipe,
            text=True,
            start_new_session=True,
            **how,  # type: ignore[call-overload]
        )


def table_of(name: str) -> Callable[[Path], object]:
    """Return what reads the numbers of a table in a folder, without what clocks said."""

    def read(out: Path) -> object:
        return pd.read_parquet(out / name).drop(columns=_TIMES, errors="ignore").to_dict("list").__repr__()

    return read


def content_of(out: Path) -> object:
    """Return checksums of a dump's files, as its manifest has them, after a look at every byte."""
    if not verify_dump(out).sound:
        return "damaged"
    return sorted((one.file, one.sha256) for one in open_dump(out).manifest.shards)


def csv_of(out: Path) -> object:
    """Return the numbers of all CSV files of a folder."""
    return {path.name: path.read_bytes() for path in sorted(out.glob("*.csv"))}


def commands(place: Path) -> dict[str, Command]:
    """Write small inputs into a folder, and return commands on them by name."""
    generator = np.random.default_rng(0)
    dump, model = place / "inputs" / "noise", data_folder() / "mini-llava"
    with DumpWriter(dump, model="noise", benchmark="noise", shard_size=8) as writer:
        for number in range(40):
            writer.add(f"noise-{number}", generator.standard_normal((48, 8)), thumbnail=_noise(generator, 8))
    for kind in ("photos", "others"):
        (place / kind).mkdir()
        for number in range(12):
            Picture.fromarray(_noise(generator, 192)).save(place / kind / f"{number}.png")
    measured = ("--ratios", "0.25", "--jobs", "2", "--quiet", "--out", "OUT")
    fast = (*measured, "--methods", "otprune,random")
    few = (str(dump), "--limit", "2", *measured)
    capture = ("capture", "--model", str(model), "--out", "OUT", "--images")
    evaluate = ("evaluate", "--benchmarks", "presence", "--methods", "first", "--questions", "4", "--quiet")
    evaluate = (*evaluate, "--jobs", "1", "--out", "OUT/accuracy.csv", "--parts", "OUT/parts", "--ratios")
    figures = (
        "figures",
        "--dumps",
        str(dump),
        "--out",
        "OUT",
        "--results",
        "OUT/results",
        "--quiet",
        "--only",
        "2",
    )
    synthetic = (
        "synthetic",
        "--sizes",
        "8x3x3",
        "--laws",
        "gaussian",
        "--jobs",
        "2",
        "--quiet",
        "--out",
        "OUT",
        "--trials",
        "3",
        "--seed",
    )
    train = ("train-mini", "--out", "OUT", "--work", "OUT/work", "--seed")
    return {
        "sweep": Command(
            ("sweep", str(dump), *fast),
            ("sweep", str(dump), *fast, "--seeds", "7"),
            table_of("sweep.parquet"),
        ),
        "capture": Command((*capture, str(place / "photos")), (*capture, str(place / "others")), content_of),
        "ladder": Command(("ladder", *few), ("ladder", *few, "--seed", "7"), table_of("ladder.parquet")),
        "certify": Command(("certify", *few), ("certify", *few, "--seeds", "7"), table_of("certify.parquet")),
        "synthetic": Command((*synthetic, "0"), (*synthetic, "7"), table_of("synthetic.parquet")),
        "evaluate": Command((*evaluate, "0.05"), (*evaluate, "0.2"), csv_of),
        "figures": Command(figures, (*figures, "--distance", "w2_squared"), csv_of),
        "train-mini": Command((*train, "0"), (*train, "1"), csv_of),
    }


def _noise(generator: np.random.Generator, side: int) -> np.ndarray:
    return generator.integers(0, 256, size=(side, side, 3), dtype=np.uint8)


def undisturbed(command: Command, out: Path, *, other: bool = False) -> tuple[object, float]:
    """Return the result of a run that nobody disturbs, and its seconds."""
    start = time.monotonic()
    complaint = ended(command.start(out, other=other), 0)
    if complaint:
        raise SystemExit(f"Undisturbed, {command.words[0]} does not run: {complaint}")
    return command.result(out), time.monotonic() - start


def ended(process: subprocess.Popen[str], status: int) -> str:
    """Wait for a process; return what is wrong with how it ended: another status, or a traceback."""
    try:
        _, said = process.communicate(timeout=LONG)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return "it hangs"
    if process.returncode != status:
        return f"status {process.returncode} in place of {status}: {said[-300:]!r}"
    return f"a traceback: {said[-300:]!r}" if "Traceback" in said else ""


def left_alive(group: int) -> bool:
    """Wait a few seconds for the processes of a group, and tell whether some go on."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.1)
    os.killpg(group, signal.SIGKILL)
    return True


def kills(name: str, command: Command, times: int, place: Path, report: Report) -> None:
    """Kill a command at moments all over its run, each time in a folder of its own, and go on with it."""
    truth, seconds = undisturbed(command, place / name)
    for number in range(times):
        out = place / f"{name}-{number}"
        process = command.start(out)
        time.sleep(seconds * (number + 0.5) / times)
        process.kill()
        process.communicate()
        complaint = "processes go on" if left_alive(process.pid) else ended(command.start(out), 0)
        complaint = complaint or unlike(command, out, truth) or litter(out)
        report.tell(f"{name}, killed", complaint)
        shutil.rmtree(out, ignore_errors=True)


def unlike(command: Command, out: Path, truth: object) -> str:
    """Return what is wrong with a result."""
    return "" if command.result(out) == truth else "other numbers"


def litter(out: Path) -> str:
    """Return which temporary files and locks are left in a folder."""
    found = [path.name for path in out.rglob(".*")] + [path.name for path in out.rglob("*.tmp")]
    return f"litter: {', '.join(found)}" if found else ""


def two_at_once(name: str, command: Command, place: Path, report: Report) -> None:
    """Start a command twice with other settings: the second is refused, or waits; both results are right."""
    endless = name == "train-mini"
    truths = (
        [None, None]
        if endless
        else [undisturbed(command, place / f"{name}{n}", other=bool(n))[0] for n in (0, 1)]
    )
    out = place / name
    first = command.start(out)
    while first.poll() is None and not any(
        path.stat().st_size for path in out.glob(".otanalysis.holder.json")
    ):
        time.sleep(0.01)
    second = command.start(out, other=True)
    _, said = second.communicate(timeout=LONG)
    complaint = (
        ""
        if second.returncode == 2 and f"process {first.pid} on" in said and "since" in said
        else said[-300:]
    )
    if second.returncode == 0:
        complaint = "both wrote"
    if endless:
        first.kill()
        first.communicate()
    else:
        complaint = complaint or ended(first, 0) or unlike(command, out, truths[0])
    report.tell(f"{name}, a second one", complaint)
    if first.poll() is None:
        first.kill()
    first.wait()
    shutil.rmtree(out, ignore_errors=True)
    if endless or name == "capture":
        return
    first, second = command.start(out), command.start(out, other=True, more=("--wait",))
    complaint = ended(second, 0)
    _, said = first.communicate(timeout=LONG)
    if first.returncode:  # the other one was there before, and this one does not wait
        complaint = complaint or ("" if first.returncode == 2 and "in use" in said else said[-300:])
    results = command.result(out)
    report.tell(
        f"{name}, a second one that waits", complaint or ("" if results in truths else "other numbers")
    )
    shutil.rmtree(out, ignore_errors=True)


def refusing(name: str, command: Command, place: Path, report: Report) -> None:
    """Run a command where files may not grow, where the disk is full, and where nothing may be written."""
    out = place / name
    earlier: dict[Path, bytes] = {}
    if name != "train-mini":
        undisturbed(command, out)
        earlier = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    else:
        out.mkdir()
    if name == "capture":  # a finished dump is never written again: the same beside it
        target = place / f"{name}-limited"
        target.mkdir()
    else:
        target = out

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    def closed() -> None:
        ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE)

    def complain(process: subprocess.Popen[str]) -> str:
        complaint = ended(process, 2)
        changed = [
            path.name
            for path, content in earlier.items()
            if not path.is_file() or path.read_bytes() != content
        ]
        return complaint or (f"changed: {', '.join(changed)}" if changed else "")

    report.tell(
        f"{name}, a limit of file size", complain(command.start(target, other=True, preexec_fn=limited))
    )
    if sys.platform == "linux":
        folders = [target, *(path for path in target.rglob("*") if path.is_dir())]
        for folder in folders:
            folder.chmod(0o555)
        report.tell(
            f"{name}, a closed folder", complain(command.start(target, other=True, preexec_fn=closed))
        )
        for folder in folders:
            folder.chmod(0o755)
    small = place / f"{name}-small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        report.skip("No small disk can be mounted here: a full one is left out.")
        return
    try:
        report.tell(f"{name}, a full disk", complain(command.start(small)))
    finally:
        subprocess.run(["umount", str(small)], check=True)


def flips(times: int, place: Path, report: Report, seed: int) -> None:
    """Flip bits of a dump, of parts and of a table: an error of ours, or the numbers as they were."""
    generator = np.random.default_rng(seed)
    whole = place / "flips"
    with DumpWriter(whole / "dump", model="noise", benchmark="noise") as writer:
        for number in range(4):
            tokens = generator.standard_normal((24, 6))
            writer.add(f"noise-{number}", tokens, thumbnail=_noise(generator, 8))

    def measured(folder: Path) -> str:
        path = sweep(
            [folder / "dump"],
            methods=("first", "divprune"),
            ratios=(0.25, 0.5),
            out=folder / "out",
            progress=False,
        )
        return repr(read_sweep(path).drop(columns="seconds").to_dict("list"))

    truth = measured(whole)
    for what, files in _files(whole).items():
        for number in range(times):
            copy = place / "copy" / whole.name  # a table knows its dumps by the last two names
            shutil.copytree(whole, copy)
            path = copy / files[number % len(files)]
            content = bytearray(path.read_bytes())
            bit = int(generator.integers(8 * len(content)))
            content[bit // 8] ^= 1 << bit % 8
            path.write_bytes(content)
            if what != "a table":
                (copy / "out" / "sweep.parquet").unlink()
            if what not in ("a part", "a table"):
                shutil.rmtree(copy / "out")
            try:
                complaint = "" if measured(copy) == truth else "other numbers"
            except OtAnalysisError:
                complaint = ""
            except Exception as error:  # what is counted here is errors that are not ours
                complaint = f"{type(error).__name__} ({path.name}, bit {bit})"
            report.tell(f"a flipped bit of {what}", complaint)
            shutil.rmtree(copy)


def _files(whole: Path) -> Mapping[str, list[Path]]:
    def found(pattern: str) -> list[Path]:
        return sorted(path.relative_to(whole) for path in whole.glob(pattern))

    return {
        "a part": found("out/parts/*/*.parquet"),
        "a table": found("out/sweep.parquet"),
        "a shard": found("dump/tokens-*.safetensors"),
        "a manifest": found("dump/manifest.json"),
    }


def chaos(
    place: Path, *, only: tuple[str, ...], names: tuple[str, ...], kill: int, flip: int, seed: int = 0
) -> Report:
    """Try everything in a folder; see the module.

    Parameters
    ----------
    place : Path
        An empty folder for all that is written.
    only : tuple of str
        Which kinds of trials: kills, two, refused, flips.
    names : tuple of str
        Which commands; kills are of sweep and capture alone.
    kill, flip : int
        Kills of a command, and flips of a kind of file.
    """
    report = Report()
    made = commands(place)
    chosen = {name: made[name] for name in made if name in names}
    trials: dict[str, Callable[[str, Command, Path], None]] = {
        "kills": lambda name, command, at: kills(name, command, kill, at, report),
        "two": lambda name, command, at: two_at_once(name, command, at, report),
        "refused": lambda name, command, at: refusing(name, command, at, report),
    }
    for kind, name in _pairs(only, chosen):
        at = place / f"{kind}-{name}"
        at.mkdir()
        trials[kind](name, chosen[name], at)
        shutil.rmtree(at, ignore_errors=True)
    if "flips" in only:
        flips(flip, place, report, seed)
    return report


def _pairs(only: tuple[str, ...], names: Mapping[str, Command]) -> Iterator[tuple[str, str]]:
    for kind in ("kills", "two", "refused"):
        for name in names:
            if kind in only and (kind != "kills" or name in ("sweep", "capture")):
                print(f"{kind}: {name}", flush=True)
                yield kind, name


def main() -> None:
    """Read the command line, try, print the table."""
    parser = argparse.ArgumentParser(description="Try what survives; see the head of the file.")
    parser.add_argument("--only", default="kills,two,refused,flips")
    parser.add_argument(
        "--names", default="sweep,capture,ladder,certify,synthetic,evaluate,figures,train-mini"
    )
    parser.add_argument("--kill", type=int, default=25, help="kills of a command")
    parser.add_argument("--flip", type=int, default=400, help="flips of a kind of file")
    given = parser.parse_args()
    only, names = tuple(given.only.split(",")), tuple(given.names.split(","))
    with tempfile.TemporaryDirectory() as folder:
        report = chaos(Path(folder), only=only, names=names, kill=given.kill, flip=given.flip)
    print(report.text())
    raise SystemExit(bool(report.failures))


if __name__ == "__main__":
    main()
