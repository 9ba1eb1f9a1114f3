"""``otanalysis check-model`` prints what was found, and its exit status says whether all is right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from otanalysis.cli import app


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["check-model", *map(str, arguments)])


def test_a_model_is_checked_on_a_picture_of_ones_own(zoo: Any, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.linear_gradient("L").convert("RGB").resize((60, 40)).save(photo)
    result = run(zoo.folder("llava"), "--image", photo, "--json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["passed"] is True
    assert {one["verdict"] for one in record["findings"]} == {"passed"}


def test_people_get_a_table_and_a_failure_is_a_status(
    untrained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from otanalysis import vlm

    findings = (vlm.Finding.of("b all kept, logits", 0.5, 0.0, "logits differ"),)
    made = vlm.ModelReport("Made", "made", "5.23", "sdpa", "float32", "cpu", findings, ("A note.",), 1.0)
    monkeypatch.setattr(vlm, "check_model", lambda *_given: made)
    result = run(untrained)
    assert result.exit_code == 1
    assert result.stdout == f"{made}\n"
    assert "b all kept, logits: logits differ" in result.stdout


def test_a_picture_that_is_none_is_refused(untrained: Path, tmp_path: Path) -> None:
    result = run(untrained, "--image", tmp_path / "nowhere.png")
    assert result.exit_code == 2
    assert "nowhere.png" in result.stderr
