"""A task of lmms-eval about the bundled scenes, on local files, as one writes it for own data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import yaml
from PIL import Image

from otanalysis.mini.benchmarks import BENCHMARKS
from otanalysis.scenes import Item

_DOCUMENTS: Final = """
from PIL import Image


def pictures(document):
    return [Image.open(path) for path in document["images"]]


def paths(document):
    return document["images"]
"""

_KINDS: Final = {
    "scenes": {"doc_to_visual": "pictures", "output_type": "generate_until"},
    "scenes_choices": {"doc_to_visual": "pictures", "output_type": "multiple_choice"},
    "scenes_videos": {"doc_to_visual": "paths", "output_type": "generate_until"},
}
"""The tasks: one that runs, one that scores given answers, one whose documents hold no pictures."""


class _Function(str):
    """Name of a function in the file beside the task."""


yaml.SafeDumper.add_representer(
    _Function, lambda dumper, name: dumper.represent_scalar("!function", str(name))
)


@dataclass(frozen=True)
class ScenesTask:
    """Tasks in a folder for ``--include_path``.

    ``items`` are the questions about one picture; behind them come one about two and one about none.
    """

    folder: Path
    items: list[Item]


@pytest.fixture(scope="session")
def scenes_task(tmp_path_factory: pytest.TempPathFactory) -> ScenesTask:
    """Write the tasks ``scenes``, ``scenes_choices`` and ``scenes_videos``."""
    items = [*BENCHMARKS["presence"].items(6), *BENCHMARKS["read-row"].items(4)]
    folder = tmp_path_factory.mktemp("tasks")
    _write(folder, items)
    return ScenesTask(folder, items)


def _write(folder: Path, items: list[Item]) -> None:
    documents = []
    for number, item in enumerate(items):
        path = folder / f"{number}.png"
        Image.fromarray(item.picture).save(path)
        documents.append(
            {"images": [str(path)], "question": item.question.text, "answer": item.question.answer}
        )
    both = {"question": "<image> and <image> is there a 7 ?", "answer": "yes"}
    documents.append({"images": [documents[0]["images"][0], documents[1]["images"][0]], **both})
    documents.append({"images": [], "question": "is there a 7 ?", "answer": "yes"})
    questions = folder / "questions.jsonl"
    questions.write_text("".join(json.dumps(document) + "\n" for document in documents))
    (folder / "documents.py").write_text(_DOCUMENTS)
    for name, kind in _KINDS.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(_task(name, questions, **kind)))


def _task(name: str, questions: Path, *, doc_to_visual: str, output_type: str) -> dict[str, object]:
    generates = output_type == "generate_until"
    kind: dict[str, object] = {"doc_to_choice": ["yes", "no"]}
    if generates:
        kind = {"generation_kwargs": {"max_new_tokens": 12, "until": ["\n\n"], "image_aspect_ratio": "pad"}}
    return {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(questions)}},
        "test_split": "test",
        "output_type": output_type,
        "doc_to_visual": _Function(f"documents.{doc_to_visual}"),
        "doc_to_text": "{{question}}",
        "doc_to_target": "{{answer}}",
        "metric_list": [
            {"metric": "exact_match" if generates else "acc", "aggregation": "mean", "higher_is_better": True}
        ],
        "metadata": {"version": 1.0},
        **kind,
    }
