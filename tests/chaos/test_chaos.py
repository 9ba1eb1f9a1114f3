"""A bounded form of ``make chaos``, and that a failure is seen."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.chaos.commands import LONG, Command, ended, litter
from tests.chaos.report import Report
from tests.chaos.run import KINDS, NAMES, chaos
from tests.chaos.trials import GONE_ON, LIMITS, Bench


def test_a_sweep_survives(tmp_path: Path) -> None:
    """All kinds of trials on one bench, whose undisturbed runs they share."""
    report = Report()
    kinds = tuple(one for one in KINDS if one != "flips")
    few: dict[str, Any] = {"limits": LIMITS[1:3], "rooms": GONE_ON[1:], "kill": 2, "flip": 0}
    chaos(tmp_path, report, only=kinds, names=("sweep",), at_once=LONG, **few)
    assert report.failures == []
    tried = {what.removeprefix("sweep, ") for what in report.rows}
    assert tried >= {"killed", "Ctrl-C while it writes", "after all these stops", "a second one that waits"}
    assert any(" 2000 bytes: " in note and "went through" not in note for note in report.notes)


def test_parts_and_tables_survive_flips(tmp_path: Path) -> None:
    report = Report()
    chaos(tmp_path, report, only=("flips",), names=(), kill=0, flip=15)
    assert report.failures == []
    assert report.rows == {
        f"a flipped bit of {what}": [15, 15] for what in ("a part", "a table", "a shard", "a manifest")
    }


def test_every_command_that_holds_its_folder_is_tried() -> None:
    """A new command that locks what it writes belongs into the list; assemble wants 183 MB of packages.

    Its own tests try a full disk, wheels that are damaged, and two at once; those of train-stamps, which
    wants the assembled model, stops and damaged parts.
    """
    rooms = Path(__file__).parents[2] / "otanalysis" / "cli"
    waiting = {one.stem.replace("_", "-") for one in rooms.glob("*.py") if "options.Wait" in one.read_text()}
    assert waiting == {name.replace(" ", "-") for name in NAMES} | {"assemble", "train-stamps"}


def _command(code: str) -> Command:
    """Return a command that is a piece of Python, and whose result is its file."""
    return Command(("OUT",), ("OUT", "other"), lambda out: (out / "result").read_text(), ("-c", code))


_NUMBERS_THAT_MOVE = """
import sys, time
from pathlib import Path
from otanalysis.locks import held
out = Path(sys.argv[1])
with held(out, "counting"):
    (out / "result").write_text(str(time.time_ns()))
"""


def test_what_does_not_survive_is_told(tmp_path: Path) -> None:
    report = Report()
    bench = Bench("moving", _command(_NUMBERS_THAT_MOVE), tmp_path, report, LONG)
    assert bench.calm().result == bench.calm().result, "made once"
    bench.tell("again", bench.goes_on(tmp_path / "calm-False"))
    bench.tell("nothing", "")
    assert report.rows == {"moving, again": [1, 0], "moving, nothing": [1, 1]}
    assert "failures: 1\nmoving, again: other numbers" in report.text()


def test_how_a_command_ends_is_seen(tmp_path: Path) -> None:
    wrong = _command("raise SystemExit(3)")
    assert ended(wrong.start(tmp_path), 0)[0].startswith("status 3 in place of 0")
    assert ended(wrong.start(tmp_path), 0, 3) == ("", "")
    assert ended(_command("raise OSError('no')").start(tmp_path), 1)[0].startswith("a traceback")
    (tmp_path / ".stray.tmp").touch()
    assert litter(tmp_path) == "litter: .stray.tmp"
    limited = (sys.executable, "-c", "import os, sys; os.execv(sys.argv[1], sys.argv[1:])")
    assert ended(wrong.start(tmp_path, under=limited), 3) == ("", "")
