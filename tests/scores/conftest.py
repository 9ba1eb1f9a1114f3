"""Results files of the shape that the programs write, made by the tests themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otanalysis.scores import TASKS

ARGUMENTS = "pretrained=org/llava,method=otprune,ratio=0.098,gamma=0.01,seed=0"
RAW = {  # one score a task, on lmms-eval's own scale
    "coco2017_cap_val": 1.0512,
    "flickr30k_test": 0.6412,
    "gqa": 0.5662,
    "mmbench_en_dev": 60.3952,
    "mme": 1368.25,
    "mmmu_val": 0.35667,
    "nocaps_val": 0.9876,
    "ok_vqa_val2014": 0.4712,
    "pope": 0.7959,
    "scienceqa_img": 0.68418,
    "seedbench": 0.5947,
}


def entry(task: str, value: Any, *, older: bool = False) -> dict[str, Any]:
    """One task's part of ``results``, with the metrics that stand beside the headline one."""
    key = TASKS[task].keys[-1 if older else 0]
    mean = key == "exact_match"
    beside = {
        "pope": {"pope_accuracy,none": 0.81, "pope_accuracy_stderr,none": "N/A"},
        "mme": {"mme_cognition_score,none": 301.4, "mme_cognition_score_stderr,none": "N/A"},
        "mmbench_en_dev": {"submission,none": None, "submission_stderr,none": "N/A"},
        "coco2017_cap_val": {"coco_METEOR,none": -1000.0, "coco_METEOR_stderr,none": "N/A"},
    }.get(task, {})
    scores = {"alias": task, f"{key},none": value, f"{key}_stderr,none": 0.0044 if mean else "N/A"}
    if not older:
        scores[f"{key}_stderr_clt,none"] = 0.0044 if mean else "N/A"
    return scores | beside


def document(
    scores: dict[str, Any],
    *,
    model: str = "otanalysis_hf",
    arguments: Any = ARGUMENTS,
    n: Any = 100,
    of: Any = None,
) -> dict[str, Any]:
    """A results file of lmms-eval 0.7."""
    return {
        "results": {task: entry(task, value) for task, value in scores.items()},
        "group_subtasks": {task: [] for task in scores},
        "configs": {task: {"task": task, "test_split": TASKS[task].splits[0]} for task in scores},
        "versions": dict.fromkeys(scores, "Yaml"),
        "n-shot": dict.fromkeys(scores, 0),
        "higher_is_better": {task: {TASKS[task].keys[0]: True} for task in scores},
        "n-samples": {task: {"original": n if of is None else of, "effective": n} for task in scores},
        "config": {"model": model, "model_args": arguments, "batch_size": "1", "limit": None},
        "git_hash": "0123abc",
        "date": "20260101_120000",
        "model_source": model,
        "model_name": "org/llava",
        "model_name_sanitized": "org__llava",
    }


def older_document(scores: dict[str, Any]) -> dict[str, Any]:
    """A results file of the copy of lmms-eval in the released codes."""
    return {
        "results": {task: entry(task, value, older=True) for task, value in scores.items()},
        "configs": {task: {"task": task} for task in scores},
        "versions": dict.fromkeys(scores, "Yaml"),
        "n-shot": dict.fromkeys(scores, 0),
        "config": {
            "model": "llava",
            "model_args": "pretrained=liuhaotian/llava-v1.5-7b,conv_template=vicuna_v1",
            "batch_size": "1",
            "limit": None,
        },
        "git_hash": "0123abc",
    }


@pytest.fixture
def raw() -> dict[str, float]:
    return dict(RAW)


@pytest.fixture
def make_document() -> Callable[..., dict[str, Any]]:
    return document


@pytest.fixture
def write_lmms(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a results file as lmms-eval 0.7 does and returns the output folder."""

    def write(scores: dict[str, Any], out: str = "run", **options: Any) -> Path:
        file = tmp_path / out / "org__llava" / "20260101_120000_results.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document(scores, **options), indent=2))
        return tmp_path / out

    return write


@pytest.fixture
def write_older(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a results file as the released codes do and returns it."""

    def write(scores: dict[str, Any], out: str = "older") -> Path:
        folder = tmp_path / out / "0214_1530_llava_v1.5_divprune_llava_model_args_1a2b3c"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "results.json"
        file.write_text(json.dumps(older_document(scores), indent=4))
        for task in scores:  # its per-sample logs lie beside it
            (folder / f"{task}.json").write_text(json.dumps({"args": {}, "logs": []}))
        return file

    return write
