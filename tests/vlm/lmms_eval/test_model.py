"""The plug-in in the real lmms-eval: a local task is run to the end, and its results say what was kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from typer.testing import CliRunner

from otanalysis.cli.app import app
from otanalysis.mini.bundled import bundled_model_path
from otanalysis.scenes import Item
from otanalysis.scores.table import read_accuracy
from otanalysis.selection import select
from otanalysis.vlm.answer import answer_prompts
from otanalysis.vlm.lmms_eval.plugin import MODEL_ID
from otanalysis.vlm.model import load_model

pytestmark = pytest.mark.skipif(find_spec("lmms_eval") is None, reason="lmms-eval is not installed")

KEPT = 56
"""Of 576 tokens at ratio 0.098."""
PRUNED = "method=otprune,ratio=0.098,gamma=0.01,seed=0"
LAST_TWO = [2 * KEPT, 0]
"""Visual tokens of the question about two pictures, and of the one about none."""


@dataclass(frozen=True)
class Run:
    """What a run of lmms-eval printed and wrote."""

    output: str
    folder: Path

    def results(self) -> dict[str, Any]:
        (file,) = self.folder.rglob("*_results.json")
        document: dict[str, Any] = json.loads(file.read_text())
        return document

    def samples(self) -> list[dict[str, Any]]:
        (file,) = self.folder.rglob("*_samples_scenes.jsonl")
        return [json.loads(line) for line in file.read_text().splitlines()]


def lmms_eval(folder: Path, *options: str) -> str:
    """Run the program offline, with caches of its own, and return all that it printed."""
    settings = {"HF_HOME": str(folder / "hub"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    command = [sys.executable, "-m", "lmms_eval", *options]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **settings}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def pruned(scenes_task: Any, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The command of the README."""
    folder = tmp_path_factory.mktemp("pruned")
    output = lmms_eval(
        folder,
        *("--model", MODEL_ID, "--model_args", f"pretrained={bundled_model_path()},{PRUNED}"),
        *(
            "--tasks",
            "scenes",
            "--include_path",
            str(scenes_task.folder),
            "--batch_size",
            "4",
            "--device",
            "cpu",
        ),
        *("--output_path", str(folder / "out"), "--log_samples"),
    )
    return Run(output, folder / "out")


REFUSED = {
    "method=otpurne,ratio=0.098": "method must be one of full, otprune,",
    "method=otprune,ratio=98": "ratio must be above 0 and at most 1; got 98.",
    "method=otprune,ratio=0.098,gama=1": "Unknown model argument 'gama', did you mean 'gamma'?",
    "method=otprune": "method=otprune needs the share of tokens to keep; give ratio=0.098, for instance.",
}
UNFIT = {
    "scenes_choices": f"{MODEL_ID} answers in words (generate_until), but scenes_choices scores given answ",
    "scenes_videos": f"{MODEL_ID} takes images, but document 10 of the task scenes_videos has a str",
}


@pytest.fixture(scope="module")
def several(scenes_task: Any, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """All tokens, wrong arguments and tasks that do not fit, in one process."""
    folder = tmp_path_factory.mktemp("several")
    common = {"model": MODEL_ID, "include_path": str(scenes_task.folder), "batch_size": 3, "device": "cpu"}
    common |= {"output_path": str(folder / "out"), "log_samples": True}
    model = f"pretrained={bundled_model_path()}"
    configs = [{"model_args": f"{model},method=full", "tasks": "scenes"}]
    configs += [{"model_args": f"{model},{wrong}", "tasks": "scenes"} for wrong in REFUSED]
    configs += [{"model_args": f"{model},{PRUNED}", "tasks": task} for task in UNFIT]
    (folder / "runs.yaml").write_text(yaml.safe_dump([{**common, **config} for config in configs]))
    return Run(lmms_eval(folder, "--config", str(folder / "runs.yaml")), folder / "out")


def by_hand(items: Sequence[Item], method: str) -> list[str]:
    """Answer the questions about one picture from tokens selected one picture at a time."""
    vlm = load_model(bundled_model_path())
    answers = []
    for item in items:
        (tokens,) = vlm.visual_tokens([item.picture])
        if method != "full":
            tokens = tokens[torch.from_numpy(select(tokens.double().numpy(), method, ratio=0.098).indices)]
        answers += answer_prompts(vlm, [f"<image> {item.question.text}"], [tokens], max_new_tokens=12)
    return answers


def test_the_entry_point_is_installed() -> None:
    names = {point.name for point in entry_points(group="lmms_eval.models")}
    assert MODEL_ID in names, "the package was installed before it had the plug-in: run make install"


def test_the_run_answers_as_the_package_does(pruned: Run, scenes_task: Any) -> None:
    samples = pruned.samples()
    assert [one["filtered_resps"] for one in samples[: len(scenes_task.items)]] == by_hand(
        scenes_task.items, "otprune"
    )
    scores = [float(one["filtered_resps"] == one["target"]) for one in samples]
    assert 0 < sum(scores) < len(scores)
    results = pruned.results()
    assert results["results"]["scenes"]["exact_match,none"] == pytest.approx(sum(scores) / len(scores))
    assert results["n-samples"]["scenes"]["effective"] == len(scenes_task.items) + 2


def test_the_results_file_says_what_was_kept(pruned: Run, scenes_task: Any) -> None:
    results = pruned.results()
    assert results["config"]["model"] == MODEL_ID
    assert results["config"]["model_args"].endswith(PRUNED)
    assert results["throughput"]["avg_visual_tokens_per_image"] == 576
    assert results["throughput"]["avg_kept_tokens_per_image"] == KEPT
    words = [len(item.question.text.split()) + 1 for item in scenes_task.items] + [7, 6]
    visual = [KEPT] * len(scenes_task.items) + LAST_TWO
    read = [one["token_counts"][0]["input_tokens"] for one in pruned.samples()]
    assert read == [own + image for own, image in zip(words, visual, strict=True)]
    assert "settings of scenes that generate does not know: image_aspect_ratio" in pruned.output


def test_all_tokens_are_kept_where_nothing_is_pruned(pruned: Run, several: Run, scenes_task: Any) -> None:
    results = several.results()
    assert results["throughput"]["avg_kept_tokens_per_image"] == 576
    answers = [one["filtered_resps"] for one in several.samples()[: len(scenes_task.items)]]
    assert answers == by_hand(scenes_task.items, "full")
    assert answers != [one["filtered_resps"] for one in pruned.samples()[: len(scenes_task.items)]]


@pytest.mark.parametrize("message", [*REFUSED.values(), *UNFIT.values()])
def test_what_does_not_fit_is_told_in_a_sentence(pruned: Run, several: Run, message: str) -> None:
    assert f"Error during evaluation: {message}" in several.output
    assert message not in pruned.output


def test_the_importer_reads_the_results_files(pruned: Run, several: Run, tmp_path: Path) -> None:
    table = tmp_path / "accuracy.csv"
    command = ["accuracy", "import", str(pruned.folder), str(several.folder), "--out", str(table)]
    done = CliRunner().invoke(app, [*command, "--metric", "scenes=exact_match", "--model", "mini-llava"])
    assert done.exit_code == 0, done.output
    rows = read_accuracy(table).set_index("method")
    assert set(rows["model"]) == {"mini-llava"}
    assert dict(rows["ratio"]) == {"otprune": 0.098, "full": 1.0}
    assert rows.loc["otprune", ["gamma", "seed", "n"]].tolist() == [0.01, 0, len(pruned.samples())]
    for run, method in ((pruned, "otprune"), (several, "full")):
        scores = run.results()["results"]["scenes"]
        assert rows.loc[method, "value"] == pytest.approx(scores["exact_match,none"])
        assert rows.loc[method, "standard_error"] == pytest.approx(scores["exact_match_stderr,none"])
