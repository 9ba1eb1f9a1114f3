"""Flipped bits of dumps, parts and tables: an error of ours, or the numbers as they were."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from otanalysis.errors import OtAnalysisError
from otanalysis.studies import read_sweep, sweep
from otanalysis.tokens import DumpWriter
from tests.chaos.report import Report


def flips(times: int, place: Path, report: Report, seed: int) -> None:
    """Flip so many bits of each kind of file, each in a copy of its own."""
    generator = np.random.default_rng(seed)
    whole = place / "flips"
    with DumpWriter(whole / "dump", model="noise", benchmark="noise") as writer:
        for number in range(4):
            thumbnail = generator.integers(0, 256, size=(8, 8, 3), dtype=np.uint8)
            writer.add(f"noise-{number}", generator.standard_normal((24, 6)), thumbnail=thumbnail)
    truth = _measured(whole)
    for what, files in _files(whole).items():
        for number in range(times):
            copy = place / "copy" / whole.name  # a table knows its dumps by the last two names
            shutil.copytree(whole, copy)
            path = copy / files[number % len(files)]
            bit = _flip(path, generator)
            if what != "a table":
                (copy / "out" / "sweep.parquet").unlink()
            if what not in ("a part", "a table"):
                shutil.rmtree(copy / "out")
            try:
                complaint = "" if _measured(copy) == truth else "other numbers"
            except OtAnalysisError:
                complaint = ""
            except Exception as error:  # what is counted here is errors that are not ours
                complaint = f"{type(error).__name__} ({path.name}, bit {bit})"
            report.tell(f"a flipped bit of {what}", complaint)
            shutil.rmtree(copy)


def _measured(folder: Path) -> str:
    how = {"methods": ("first", "divprune"), "ratios": (0.25, 0.5), "progress": False}
    path = sweep([folder / "dump"], **how, out=folder / "out")  # type: ignore[arg-type]
    return repr(read_sweep(path).drop(columns="seconds").to_dict("list"))


def _flip(path: Path, generator: np.random.Generator) -> int:
    content = bytearray(path.read_bytes())
    bit = int(generator.integers(8 * len(content)))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    return bit


def _files(whole: Path) -> Mapping[str, list[Path]]:
    def found(pattern: str) -> list[Path]:
        return sorted(path.relative_to(whole) for path in whole.glob(pattern))

    return {
        "a part": found("out/parts/*/*.parquet"),
        "a table": found("out/sweep.parquet"),
        "a shard": found("dump/tokens-*.safetensors"),
        "a manifest": found("dump/manifest.json"),
    }
