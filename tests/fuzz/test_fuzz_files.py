"""A bounded set of damaged files: no reader answers with an error that is not ours, or with a warning."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from otanalysis.errors import InputError
from tests.fuzz import files
from tests.fuzz.damage import FORMATS, damage_bytes, damage_folder
from tests.fuzz.files import fuzz_files
from tests.fuzz.subjects import SUBJECTS, Subject, rounds

CASES = 300


def test_no_damaged_file_is_met_with_an_error_of_others_or_a_warning() -> None:
    tried = Counter(islice(rounds(), CASES))
    assert set(tried) == set(SUBJECTS)
    assert min(tried.values()) > 1
    assert fuzz_files(CASES, seed=1) == []


def write(folder: Path) -> None:
    (folder / "a.txt").write_text("sound and long enough")


def careless(folder: Path) -> None:
    (folder / "a.txt").read_bytes().decode("ascii")


def warned(folder: Path) -> None:
    if (folder / "a.txt").read_text(encoding="latin-1") != "sound and long enough":
        warnings.warn("damaged", stacklevel=1)


def refusing(folder: Path) -> None:
    if (folder / "a.txt").read_text(encoding="latin-1") != "sound and long enough":
        raise InputError("damaged")


@pytest.mark.parametrize(("read", "error"), [(careless, "UnicodeDecodeError"), (warned, "UserWarning")])
def test_a_careless_reader_is_found_and_the_same_case_again(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], None], error: str
) -> None:
    monkeypatch.setattr(files, "SUBJECTS", {"careless": Subject(write, read)})
    monkeypatch.setattr(files, "rounds", lambda: iter(["careless"] * 60))
    found = fuzz_files(60, seed=0)
    assert len(found) > 5
    assert {one.error.partition(":")[0] for one in found} == {error}
    assert fuzz_files(1, seed=0, first=found[3].case) == [found[3]]
    assert fuzz_files(60, seed=1) != found
    monkeypatch.setattr(files, "SUBJECTS", {"careless": Subject(write, refusing)})
    assert fuzz_files(60, seed=0) == []


def test_a_reader_that_refuses_sound_files_is_no_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path) -> None:
        raise InputError(str(folder))

    monkeypatch.setattr(files, "SUBJECTS", {"strict": Subject(write, refuse)})
    monkeypatch.setattr(files, "rounds", lambda: iter(["strict"]))
    with pytest.raises(InputError):
        fuzz_files(1, seed=0)


def test_damage_depends_on_the_seed_alone(tmp_path: Path) -> None:
    def damaged(place: str, seed: int) -> tuple[str, list[bytes]]:
        folder = tmp_path / place
        SUBJECTS["pictures"].write(folder)
        told = damage_folder(np.random.default_rng(seed), folder)
        return told, [one.read_bytes() for one in sorted(folder.rglob("*"))]

    outcomes = []
    for seed in range(12):
        for place in (f"first {seed}", f"second {seed}"):
            (tmp_path / place).mkdir()
        outcomes.append(damaged(f"first {seed}", seed))
        assert damaged(f"second {seed}", seed) == outcomes[-1]
    assert len({told for told, _ in outcomes}) > 8


def test_every_format_is_damaged_in_its_content(tmp_path: Path) -> None:
    SUBJECTS["pictures"].write(tmp_path)
    SUBJECTS["datasets of pictures"].write(tmp_path)
    SUBJECTS["plain CSV"].write(tmp_path)
    SUBJECTS["lmms-eval"].write(tmp_path)
    sound = {path.suffix: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert set(sound) == set(FORMATS)
    for ending, way in (*FORMATS.items(), (".json", damage_bytes)):
        results = {way(np.random.default_rng(seed), sound[ending])[0] for seed in range(40)}
        assert len(results) > 20
