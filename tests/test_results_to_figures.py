"""The whole path of a user's scores: two results files, one table, figures on a small dump."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from otanalysis.cli import app


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def write_results(folder: Path, score: float, arguments: str) -> Path:
    """Write what ``lmms_eval --model otanalysis_hf`` writes about gqa."""
    content = {
        "results": {"gqa": {"alias": "gqa", "exact_match,none": score, "exact_match_stderr,none": 0.005}},
        "n-samples": {"gqa": {"original": 500, "effective": 500}},
        "config": {"model": "otanalysis_hf", "model_args": f"pretrained=org/llava,{arguments}"},
        "model_name": "org/llava",
    }
    file = folder / "org__llava" / "20260101_120000_results.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(content))
    return folder


def test_two_results_files_become_the_scores_of_a_figure(
    make_dump: Callable[..., Path], tmp_path: Path
) -> None:
    dump = make_dump("gqa", model="org/llava", samples=2, m=24, d=4)
    table, out = tmp_path / "accuracy.csv", tmp_path / "figures"
    full = write_results(tmp_path / "full", 0.62, "method=full")
    pruned = write_results(tmp_path / "otprune", 0.558, "method=otprune,ratio=0.098,gamma=0.01,seed=0")
    for folder, options in (
        (full, ["--method", "full"]),
        (pruned, ["--method", "otprune", "--ratio", 0.098]),
    ):
        done = run("accuracy", "import", folder, *options, "--out", table)
        assert done.exit_code == 0, done.stderr
    drawn = run(
        *("figures", "--only", "3", "--dumps", dump, "--accuracy", table),
        *("--out", out, "--results", tmp_path / "results", "--jobs", 1),
    )
    assert drawn.exit_code == 0, drawn.stderr
    numbers = pd.read_csv(out / "figure3.csv").query("benchmark == 'gqa'").dropna(subset=["value"])
    scores = numbers[numbers.quantity == "score"].set_index("method")
    assert scores.value.to_dict() == {"otprune": pytest.approx(55.8), "full": pytest.approx(62.0)}
    assert (scores.high - scores.value)["otprune"] == pytest.approx(1.96 * 0.5, rel=1e-4)
    shares = numbers[numbers.quantity == "relative_score"].value.tolist()
    assert shares == [pytest.approx(0.9)]
    distances = numbers[numbers.quantity == "distance"]
    assert len(distances) == 5 * 4, "the distances of all five methods and four ratios, whatever is scored"
    assert (out / "figure3.png").read_bytes().startswith(b"\x89PNG")
    assert "OTPrune at 5%, 15%, 20%" in drawn.stderr
    assert "DivPrune at 5%, 9.8%, 15%, 20%" in drawn.stderr
    assert "all tokens" not in drawn.stderr.replace("with all tokens", "")
    assert "method=otprune,ratio=0.098" not in (out / "missing_scores.sh").read_text()
