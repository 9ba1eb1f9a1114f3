"""Stretches of a capture: measured whole, in order, once, and taken again where something of them is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from otanalysis.errors import InputError
from otanalysis.studies.stretches import Stretches
from otanalysis.tokens import Dump

SETTINGS: dict[str, Any] = {
    "model": "m",
    "benchmark": "b",
    "dtype": "float16",
    "shard_size": 2,
    "extra": {"limit": None},
}


class Measured:
    """Stands for the measuring: the samples by dump, with their tokens."""

    def __init__(self) -> None:
        self.seen: dict[str, dict[str, Any]] = {}

    def measure(self, dump: Dump) -> None:
        self.seen[dump.manifest.fingerprint] = {sample.id: sample.tokens for sample in dump}

    def has(self, dump: Dump) -> bool:
        return dump.manifest.fingerprint in self.seen

    def begun(self, folder: Path, **changed: Any) -> Stretches:
        stretches = Stretches(folder, measure=self.measure, is_measured=self.has)
        with stretches.begin(**{**SETTINGS, **changed}):
            return stretches


def tokens(number: int) -> Any:
    return np.full((3, 2), number + 0.25)


def filled(stretches: Stretches, count: int) -> list[str]:
    """Add so many samples, of which the known ones are left out as a capture does; finish."""
    known = {entry.id for entry in stretches.entries}
    added = [name for number in range(count) if (name := f"s{number}") not in known]
    for name in added:
        stretches.add(name, tokens(int(name[1:])))
        stretches.settle()
    stretches.finish(notes={"skipped": ["x"]})
    return added


def test_samples_are_measured_in_order_and_their_tokens_go(tmp_path: Path) -> None:
    measured = Measured()
    stretches = measured.begun(tmp_path)
    assert filled(stretches, 5) == [f"s{number}" for number in range(5)]
    assert [dump.ids for dump in stretches.dumps] == [("s0", "s1"), ("s2", "s3"), ("s4",)]
    assert [list(one) for one in measured.seen.values()] == [["s0", "s1"], ["s2", "s3"], ["s4"]]
    np.testing.assert_array_equal(measured.seen[stretches.dumps[1].manifest.fingerprint]["s3"], tokens(3))
    assert (len(stretches), stretches.notes, stretches.dtype) == (5, {"skipped": ["x"]}, np.float16)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_what_is_measured_is_not_asked_for_again_and_what_is_lost_is(tmp_path: Path) -> None:
    measured = Measured()
    dumps = measured.begun(tmp_path)
    filled(dumps, 5)
    assert filled(measured.begun(tmp_path), 5) == []
    del measured.seen[dumps.dumps[1].manifest.fingerprint]
    assert filled(measured.begun(tmp_path), 5) == ["s2", "s3", "s4"], "from there on, so that the order stays"
    (dumps.dumps[0].path / "manifest.json").write_text("{}")
    assert filled(measured.begun(tmp_path), 5) == [f"s{number}" for number in range(5)]
    assert filled(measured.begun(tmp_path, model="other"), 5) == [f"s{number}" for number in range(5)]


def test_a_longer_capture_makes_the_same_stretches(tmp_path: Path) -> None:
    measured = Measured()
    filled(measured.begun(tmp_path, extra={"limit": 2}), 2)
    before = set(measured.seen)
    filled(measured.begun(tmp_path, extra={"limit": None}), 4)
    assert before < set(measured.seen), "the first is known by its content"


def test_an_id_that_comes_twice_and_a_capture_of_nothing(tmp_path: Path) -> None:
    stretches = Measured().begun(tmp_path)
    with pytest.raises(InputError, match="No picture could be captured"):
        stretches.finish()
    for number in (0, 1):
        stretches.add(f"s{number}", tokens(number))
    stretches.settle()
    with pytest.raises(InputError, match="'s0' comes twice"):
        stretches.add("s0", tokens(0))
