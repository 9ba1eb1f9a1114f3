"""Capture and sweep in one give the table of the two in turn, go on after a stop, and leave no tokens."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from otanalysis.errors import InputError
from otanalysis.mini import bundled_model_path, write_pictures
from otanalysis.studies.capture_sweep import capture_sweep
from otanalysis.studies.provenance import read_provenance
from otanalysis.studies.runs import SweepSettings
from otanalysis.studies.sweep import sweep

pytest.importorskip("torch")

from otanalysis.vlm import load_model
from otanalysis.vlm.capture import CaptureReport, capture_tokens, job as job_module, open_pictures

sweep_module = import_module("otanalysis.studies.sweep")  # the room's name of it is the function

ASKED: dict[str, Any] = {
    "methods": ("otprune", "random"),
    "ratios": (0.01, 0.02),
    "gammas": (0.01,),
    "seeds": (0,),
    "normalisations": ("none",),
}
HOW: dict[str, Any] = {"benchmark": "presence", "batch_size": 3, "shard_size": 2, "progress": False}


@pytest.fixture(scope="module")
def vlm() -> Any:
    return load_model(bundled_model_path())


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of six pictures, the second of which cannot be read."""
    folder = tmp_path_factory.mktemp("pictures")
    write_pictures(folder, "presence", 6)
    (folder / "presence.jsonl").unlink(missing_ok=True)
    sorted(folder.rglob("*.png"))[1].write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def in_turn(vlm: Any, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The table of a capture and a sweep, one after the other."""
    dump = tmp_path_factory.mktemp("in-turn") / "dumps" / "photos"
    capture_tokens(vlm, open_pictures(pictures), dump, skip_bad=True, **HOW)
    return measured(sweep([dump], **ASKED, out=dump.parent, progress=False))


def measured(path: Path) -> Any:
    """Return the table without what differs between any two runs: how long the selections took."""
    return pq.read_table(path).drop_columns(["seconds"]).replace_schema_metadata(None)


@pytest.fixture
def together(vlm: Any, pictures: Path, tmp_path: Path) -> Callable[..., CaptureReport]:
    """Capture and sweep in one, into a folder whose last two names are those of the dump."""

    def run(**changed: Any) -> CaptureReport:
        settings = SweepSettings(**{**ASKED, **changed.pop("asked", {})})
        how = {**HOW, "skip_bad": True, **changed}
        return capture_sweep(vlm, open_pictures(pictures), tmp_path / "dumps" / "photos", settings, **how)

    return run


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures each batch had that went through the model."""
    original, sizes = job_module.encode_pictures, []

    def encode(vlm: Any, inputs: Any, shapes: Any, *rest: Any) -> Any:
        sizes.append(len(shapes))
        return original(vlm, inputs, shapes, *rest)

    monkeypatch.setattr(job_module, "encode_pictures", encode)
    return sizes


def test_the_table_is_that_of_capture_and_sweep_bit_for_bit(together: Any, in_turn: Any) -> None:
    report = together()
    assert measured(report.path).equals(in_turn)
    assert (report.samples, report.resumed, len(report.skipped)) == (5, 0, 1)
    assert not list(report.path.parent.rglob("*.safetensors"))
    [dump] = read_provenance(report.path)["dumps"]
    assert (dump["samples"], dump["captured"]["skipped"]) == (5, list(report.skipped))


def test_a_stopped_one_goes_on_after_what_is_measured(
    together: Any, in_turn: Any, encoded: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The stretch that was being measured has its tokens still: it is not captured again."""
    original, seen = sweep_module.measure_sample, []

    def stop_at_the_fourth(sample: Any, wanted: Any) -> Any:
        if len(seen) == 3:
            raise KeyboardInterrupt
        seen.append(sample.id)
        return original(sample, wanted)

    monkeypatch.setattr(sweep_module, "measure_sample", stop_at_the_fourth)
    with pytest.raises(
        KeyboardInterrupt, match=r"^Stopped: 2 pictures are measured, and kept in .* goes on from there"
    ):
        together()
    monkeypatch.setattr(sweep_module, "measure_sample", original)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1
    assert encoded == [2, 3]
    report = together()
    assert encoded == [2, 3, 3], "batches are whole, so that the bits are the same"
    assert (report.samples, report.resumed) == (5, 4)
    assert measured(report.path).equals(in_turn)
    together()
    assert encoded == [2, 3, 3], "all is known"


def test_what_is_not_measured_any_more_is_captured_again(
    together: Any, in_turn: Any, encoded: list[int]
) -> None:
    report = together()
    report.path.unlink()
    out, before = report.path.parent, list(encoded)
    shutil.rmtree(out / "parts")
    assert together().resumed == 0
    assert encoded == before * 2
    assert measured(report.path).equals(in_turn)
    more = measured(together(asked={"methods": ("otprune", "random", "first")}).path)
    assert more.num_rows == in_turn.num_rows * 3 // 2
    assert encoded == before * 3


def test_a_longer_capture_takes_over_what_was_measured(
    together: Any, in_turn: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    together(limit=4)
    original, seen = sweep_module.measure_sample, []
    monkeypatch.setattr(
        sweep_module, "measure_sample", lambda one, wanted: seen.append(one.id) or original(one, wanted)
    )
    assert measured(together().path).equals(in_turn)
    assert len(seen) == 3, "the whole stretch of two was measured before"


def test_pictures_of_which_none_can_be_read(vlm: Any, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "bad.png").write_bytes(b"no picture")
    source, settings = open_pictures(tmp_path / "photos"), SweepSettings(**ASKED)
    with pytest.raises(InputError, match=r"1 picture cannot be read: bad\.png.*--skip-bad"):
        capture_sweep(vlm, source, tmp_path / "out", settings, **HOW)
    with pytest.raises(InputError, match="No picture could be captured"):
        capture_sweep(vlm, source, tmp_path / "out", settings, skip_bad=True, **HOW)
