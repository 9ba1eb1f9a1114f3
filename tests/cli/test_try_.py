"""``otanalysis try``: a question, two answers, and a picture of what was kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from otanalysis.cli import app
from otanalysis.mini.benchmarks import BENCHMARKS

Refused = Callable[[Result, str, Path], None]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["try", *map(str, arguments)])


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    pytest.importorskip("torch")
    (item,) = BENCHMARKS["presence"].items(1)
    path = tmp_path / "scene.png"
    Image.fromarray(item.picture).save(path)
    return path


def test_the_picture_dims_what_was_dropped_and_nothing_else(
    scene: Path, untrained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "kept.png"
    options = ("--model", untrained, "--image", scene, "--question", "is there a 7 ?", "--max-new-tokens", 2)
    result = run(*options, "--method", "divprune", "--ratio", 0.25, "--out", out, "--json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert (record["kept"], record["tokens"], record["picture"]) == (144, 576, str(out))
    drawn = np.asarray(Image.open(out).convert("RGB"), dtype=float)
    shown = np.asarray(Image.open(scene).convert("RGB"), dtype=float)
    side = drawn.shape[1]
    panel = drawn[-side:]
    changes = []
    for patch in range(576):
        row, column = divmod(patch, 24)
        y, x = (int((place + 0.5) * side / 24) for place in (row, column))
        middle = shown[row * 8 + 2 : row * 8 + 6, column * 8 + 2 : column * 8 + 6].mean(axis=(0, 1))
        changes.append(np.abs(panel[y - 4 : y + 4, x - 4 : x + 4].mean(axis=(0, 1)) - middle).mean())
    kept = np.isin(np.arange(576), record["indices"])
    assert np.median(np.array(changes)[kept]) < 6
    assert np.median(np.array(changes)[~kept]) > 12


def test_people_get_a_table_with_both_answers(scene: Path, untrained: Path, tmp_path: Path) -> None:
    out = tmp_path / "kept.pdf"
    result = run("--model", untrained, "--image", scene, "--question", "is there a 7 ?", "--out", out)
    assert result.exit_code == 0, result.output
    assert "all 576" in result.stdout
    assert "56 by otprune" in result.stdout
    assert out.read_bytes().startswith(b"%PDF")


def test_the_papers_gamma_is_said_by_the_name_of_the_method(
    scene: Path, untrained: Path, tmp_path: Path
) -> None:
    asked = ("--image", scene, "--question", "is there a 7 ?", "--out", tmp_path / "kept.png", "--json")
    kept = {}
    for gamma_of in ("released", "paper"):
        result = run("--model", untrained, *asked, "--gamma", 1, "--gamma-of", gamma_of)
        assert result.exit_code == 0, result.output
        said = json.loads(result.stdout)
        kept[said["method"]] = said["indices"]
    assert list(kept) == ["otprune", "otprune-paper"]
    assert kept["otprune"] != kept["otprune-paper"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--method", "best"), "Unknown method 'best'; known are full, otprune"),
        (("--ratio", 2), "ratio must be a number in (0, 1]"),
        (("--ratio", 0.1, "--keep", 3), "Exactly one of ratio and keep is needed"),
        (("--positions", "new"), "positions must be 'renumbered' or 'original'"),
        (("--device", "abacus"), "device must be such as cpu"),
    ],
)
def test_mistakes_are_one_sentence(
    scene: Path,
    untrained: Path,
    tmp_path: Path,
    assert_refused: Refused,
    arguments: tuple[object, ...],
    message: str,
) -> None:
    out = tmp_path / "kept.png"
    result = run("--model", untrained, "--image", scene, "--question", "a ?", "--out", out, *arguments)
    assert_refused(result, message, out)


def test_a_picture_that_is_none_and_a_name_without_a_kind_are_refused(
    scene: Path, untrained: Path, tmp_path: Path, assert_refused: Refused
) -> None:
    text = tmp_path / "scene.txt"
    text.write_text("no picture")
    out = tmp_path / "kept.png"
    result = run("--model", untrained, "--image", text, "--question", "a ?", "--out", out)
    assert_refused(result, str(text), out)
    named = tmp_path / "kept.gif"
    result = run("--model", untrained, "--image", scene, "--question", "a ?", "--out", named)
    assert_refused(result, "--out must end in .png or .pdf; got 'kept.gif'", named)
