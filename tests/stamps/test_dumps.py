"""Dumps of scenes of stamps: the model's tokens of the scenes that are asked about, and what covers them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import otanalysis as ota
from otanalysis.errors import InputError
from otanalysis.mini.bundled import bundled_model_path
from otanalysis.stamps.benchmarks import StampBenchmark
from otanalysis.stamps.dumps import write_stamp_dumps
from otanalysis.stamps.settings import StampSettings
from otanalysis.tokens import verify_dump
from otanalysis.vlm.model import load_model

HALF_PRECISION = 2**-10  # relative, of what float16 stores


def test_dumps_hold_tokens_answers_and_covered_patches_of_the_first_scenes(
    stamps: Path, benchmarks: dict[str, StampBenchmark], tmp_path: Path
) -> None:
    settings = StampSettings(stamps)
    chosen = {"scenes": 3, "settings": settings, "benchmarks": ["list", "count"], "progress": False}
    paths = write_stamp_dumps(bundled_model_path(), tmp_path, **chosen)
    assert paths == [tmp_path / "list", tmp_path / "count"]
    vlm = load_model(bundled_model_path())
    for path in paths:
        assert verify_dump(path).sound
        dump = ota.open_dump(path)
        assert dump.manifest.extra["objects_sha256"] == settings.bank("test").checksum
        items = list(benchmarks[dump.manifest.benchmark].scenes(3))
        expected = vlm.visual_tokens([item.picture for item in items])
        for sample, item, tokens in zip(dump, items, expected, strict=True):
            assert sample.id == item.scene_identifier
            assert sample.extra["answer"] == item.question.answer
            np.testing.assert_allclose(sample.tokens, tokens.numpy(), rtol=HALF_PRECISION, atol=1e-3)
            np.testing.assert_allclose(sample.side["objects"], item.side["objects"])
    begun = [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*.safetensors"))]
    assert write_stamp_dumps(bundled_model_path(), tmp_path, **chosen) == paths
    assert [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*.safetensors"))] == begun


def test_by_default_the_folder_tells_model_pictures_and_number(
    stamps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = bundled_model_path()
    monkeypatch.setenv("OTANALYSIS_DATA", str(tmp_path))
    chosen = {"scenes": 1, "benchmarks": ["list"], "progress": False}
    settings = [StampSettings(stamps, object_size=size) for size in (1.0, 0.5)]
    folders = {write_stamp_dumps(model, settings=one, **chosen)[0].parent for one in settings}
    assert len(folders) == 2
    assert {folder.parent for folder in folders} == {tmp_path / "dumps" / "mini-llava"}
    assert all(folder.name.endswith("-1-pictures") for folder in folders)


def test_mistakes_are_refused_before_a_model_is_loaded(stamps: Path, tmp_path: Path) -> None:
    settings = StampSettings(stamps)
    with pytest.raises(InputError, match="Unknown benchmark 'absence'; known are presence"):
        write_stamp_dumps(tmp_path, settings=settings, benchmarks=["absence"])
    with pytest.raises(InputError, match="At least 1 scene"):
        write_stamp_dumps(tmp_path, settings=settings, scenes=0)
    with pytest.raises(InputError, match=r"config\.json"):
        write_stamp_dumps(tmp_path, settings=settings, scenes=1)
