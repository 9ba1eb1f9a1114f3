"""The commands that write a folder, on inputs so small that each takes seconds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from PIL import Image as Picture

from otanalysis.files import data_folder
from otanalysis.locks import HOLDER_NAME
from otanalysis.tokens import DumpWriter, open_dump, verify_dump

LONG = 300.0
"""Seconds after which a command counts as hanging."""

PROGRAM = ("-m", "otanalysis")

_TIMES = ["seconds", "floor_seconds", "ceiling_seconds"]

_IN_MINIATURE = """
from otanalysis.progress import begin_program, reported

begin_program()
with reported():  # as the program itself, which loads all this in its command
    import otanalysis.mini.training.train as training
    from otanalysis.mini.geometry import GRID
    from otanalysis.mini.training.language import LanguageStage
    from otanalysis.mini.training.vision import VisionStage

recipe = training.Recipe(
    vision=(VisionStage("crops", 6, 1, 4, 8, 1e-3), VisionStage("places", GRID, 0, 2, 4, 1e-3, places=True)),
    language=(LanguageStage("subsets", 16, 2, 3, 8, 1e-3), LanguageStage("all", None, 2, 3, 4, 1e-3)),
    variants=0,
    projector_steps=8,
    scenes=16,
    held_out_scenes=16,
)
training.Recipe = lambda: recipe
training.measure_vision = lambda *_: 0.0  # on scenes by the hundred
from otanalysis.cli import main
main()
"""


@dataclass(frozen=True)
class Command:
    """A command that writes a folder.

    Attributes
    ----------
    words : tuple of str
        The command with its options; ``OUT`` stands for the folder.
    other : tuple of str
        The same with a setting under which the numbers are others.
    result : callable
        Takes the folder and returns its numbers, without what clocks said.
    program : tuple of str
        What Python runs.
    last : str
        Name of the file after which a folder is finished, and never written again; empty where there is none.
    """

    words: tuple[str, ...]
    other: tuple[str, ...]
    result: Callable[[Path], object]
    program: tuple[str, ...] = PROGRAM
    last: str = ""

    def start(
        self, out: Path, *more: str, other: bool = False, under: tuple[str, ...] = (), **how: object
    ) -> subprocess.Popen[str]:
        """Start it as a process that leads a group of its own, ``under`` a program that starts the rest."""
        words = [word.replace("OUT", str(out)) for word in (self.other if other else self.words)]
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | how
        return subprocess.Popen(
            [*under, sys.executable, *self.program, *words, *more],
            text=True,
            start_new_session=True,
            **streams,  # type: ignore[call-overload]
        )


def ended(process: subprocess.Popen[str], *statuses: int) -> tuple[str, str]:
    """Wait for a process; return what is wrong with how it ended, and what it said on stderr.

    Wrong are another status than those wanted, a traceback, and that it hangs.
    """
    try:
        _, said = process.communicate(timeout=LONG)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return "it hangs", ""
    said = said or ""
    if process.returncode not in statuses:
        wanted = " or ".join(map(str, statuses))
        return f"status {process.returncode} in place of {wanted}: {said[-300:]!r}", said
    return (f"a traceback: {said[-300:]!r}" if "Traceback" in said else ""), said


def holds(process: subprocess.Popen[str], out: Path) -> bool:
    """Wait until a process holds its folder; return False if it ended before."""
    while process.poll() is None:
        if is_held(out):
            return True
        time.sleep(0.001)
    return False


def is_held(out: Path) -> bool:
    """Tell whether it stands in a folder that somebody holds it."""
    try:
        return (out / HOLDER_NAME).stat().st_size > 0
    except OSError:
        return False


def left_alive(group: int, seconds: float) -> bool:
    """Wait for the processes of a group, and tell whether some go on; they are then killed."""
    end = time.monotonic() + seconds
    while _goes_on(group):
        if time.monotonic() > end:
            with suppress(ProcessLookupError):  # the last of them may end just now, too late as well
                os.killpg(group, signal.SIGKILL)
            return True
        time.sleep(0.02)
    return False


def _goes_on(group: int) -> bool:
    """Tell whether a process of a group does anything: one that only waits to be buried does not."""
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False


def litter(out: Path) -> str:
    """Return which temporary files and locks are left in a folder."""
    found = sorted({path.name for pattern in (".*", "*.tmp") for path in out.rglob(pattern)})
    return f"litter: {', '.join(found)}" if found else ""


def _table(*names: str) -> Callable[[Path], object]:
    """Return what reads the numbers of tables in a folder."""

    def read(out: Path) -> object:
        tables = (pd.read_parquet(out / name).drop(columns=_TIMES, errors="ignore") for name in names)
        return [repr(table.to_dict("list")) for table in tables]

    return read


def _tables(out: Path) -> object:
    """Return the content of all CSV files of a folder."""
    return {path.name: path.read_bytes() for path in sorted(out.glob("*.csv"))}


def _dump(out: Path) -> object:
    """Return checksums of a dump's files, as its manifest has them, after a look at every byte."""
    if not verify_dump(out).sound:
        return "damaged"
    return sorted((one.file, one.sha256) for one in open_dump(out).manifest.shards)


def _model(out: Path) -> object:
    """Return the checksum of a model's weights, and its card."""
    return sha256((out / "model.safetensors").read_bytes()).hexdigest(), (out / "README.md").read_text()


def _noise(generator: np.random.Generator, side: int) -> np.ndarray:
    return generator.integers(0, 256, size=(side, side, 3), dtype=np.uint8)


def commands(place: Path) -> dict[str, Command]:
    """Write small inputs into a folder, and return the commands on them by name."""
    generator = np.random.default_rng(0)
    dump, model = place / "noise", data_folder() / "mini-llava"
    with DumpWriter(dump, model="noise", benchmark="noise", shard_size=8) as writer:
        for number in range(32):
            writer.add(f"noise-{number}", generator.standard_normal((24, 6)), thumbnail=_noise(generator, 8))
    for kind in ("photos", "others"):
        (place / kind).mkdir()
        for number in range(32):
            Picture.fromarray(_noise(generator, 64)).save(place / kind / f"{number}.png")
    imported = ("accuracy", "import", "--json", "--out", "OUT/accuracy.csv", str(place / "gqa.csv"))
    for task, metric in (("gqa", "EM"), ("pope", "F1")):
        row = f"m,{task},full,{metric},61.9,500"
        (place / f"{task}.csv").write_text(f"model,benchmark,method,metric,value,n\n{row}\n")
    accuracy = ("--out", "OUT/accuracy.csv", "--parts", "OUT/parts", "--jobs", "1", "--quiet")
    alone = ("--jobs", "1", "--quiet", "--out", "OUT")
    measured = ("--ratios", "0.25", *alone)
    # With workers, as all of these can; more processes that load would only take longer.
    swept = ("sweep", str(dump), *measured, "--jobs", "2", "--methods", "otprune,random")
    few = (str(dump), "--limit", "4", *measured)
    laddered = ("ladder", *few)
    certified = ("certify", *few, "--methods", "otprune,random", "--effort", "0.1")
    shards = ("--shard-size", "2", "--batch-size", "2", "--quiet", "--out", "OUT")
    captured = ("capture", "--model", str(model), *shards, "--images")
    asked = ("--benchmarks", "presence,count-digits", "--methods", "first", "--ratios", "0.05")
    evaluated = ("evaluate", *accuracy, *asked, "--questions")
    figures = ("--out", "OUT", "--results", "OUT/results", "--only", "2", "--jobs", "1", "--quiet")
    drawn = ("figures", "--dumps", str(dump), *figures)
    tried = ("synthetic", "--sizes", "8x3x3", "--laws", "gaussian", "--trials", "3", *alone, "--seed")
    inside = (
        "within",
        "--questions",
        "2",
        "--subsets",
        "8",
        "--jobs",
        "1",
        "--quiet",
        "--out",
        "OUT",
        "--ratio",
    )
    trained = ("train-mini", "--out", "OUT", "--work", "OUT/work", "--threads", "1", "--seed")
    return {
        "sweep": Command(swept, (*swept, "--seeds", "7"), _table("sweep.parquet")),
        "capture": Command(
            (*captured, str(place / "photos")),
            (*captured, str(place / "others")),
            _dump,
            last="manifest.json",
        ),
        "ladder": Command(laddered, (*laddered, "--seed", "7"), _table("ladder.parquet")),
        "certify": Command(certified, (*certified, "--seeds", "7"), _table("certify.parquet")),
        "synthetic": Command((*tried, "0"), (*tried, "7"), _table("synthetic.parquet")),
        "evaluate": Command((*evaluated, "4"), (*evaluated, "5"), _tables),
        "figures": Command(drawn, (*drawn, "--distance", "w2_squared"), _tables),
        # It adds to what is there, so that the other one brings all.
        "accuracy import": Command(imported, (*imported, str(place / "pope.csv")), _tables),
        "within": Command((*inside, "0.05"), (*inside, "0.1"), _table("within.parquet")),
        "train-mini": Command((*trained, "0"), (*trained, "1"), _model, program=("-c", _IN_MINIATURE)),
    }
