"""Results of VLMEvalKit.

``<work_dir>/<model>/T<date>-<time>/<model>_<dataset>_acc.csv`` (multiple choice and VQA), ``_score.csv``
(yes-no questions) or ``_score.json`` (captions); the same files are linked from ``<work_dir>/<model>/``.
A CSV has one row, or one a ``split``. Scales differ by dataset; how tokens were pruned is not recorded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from otanalysis.errors import InputError
from otanalysis.scores.score import Choice, Reader, Score, Settings, checked_value, unknown_task
from otanalysis.scores.tasks import KIT_DATASETS, TASKS, KitDataset

_NAME = re.compile(r"(?P<stem>.+)_(acc\.csv|score\.csv|score\.json)")
_RUN = re.compile(r"T?\d{8}[-_].+")  # the folder of one run, between the model's folder and the file
_TOTALS = ("Overall", "none")


def _recognises(file: Path) -> bool:
    return _NAME.fullmatch(file.name) is not None


def _read(file: Path, choice: Choice) -> list[Score]:
    """Return the headline score of a score file: one, or none if it is not wanted.

    Datasets that are not known are tasks under VLMEvalKit's name, and ``choice`` names their columns.
    """
    model, name = _model_and_dataset(file)
    known = KIT_DATASETS.get(name)
    task = known.task if known else name
    if not choice.wants(task):
        return []
    rows = _rows(file)
    column = choice.metrics.get(task)
    if column is not None:
        dataset, metric, top, factor = KitDataset(name, task, column, "", 0, 1), column, None, 1.0
    elif known is not None:
        dataset, metric, top, factor = known, TASKS[task].metric, known.top, known.factor
    else:
        raise unknown_task(task, str(file), _numeric(rows))
    where = f"{dataset.column} of {name} in {file}"
    value = checked_value(_cell(rows, dataset, file), top=top, factor=factor, where=where)
    source = f"VLMEvalKit, {file.parent.name}/{file.name}, {dataset.column}"
    return [Score(task, metric, value, None, None, Settings(model=model), source)]


def _model_and_dataset(file: Path) -> tuple[str | None, str]:
    """Split ``<model>_<dataset>``: both may hold underscores, so folder or known datasets must tell."""
    match = _NAME.fullmatch(file.name)
    stem = match["stem"] if match else file.stem
    folder = file.parent.parent if _RUN.fullmatch(file.parent.name) else file.parent
    if folder.name and stem.startswith(f"{folder.name}_"):
        return folder.name, stem.removeprefix(f"{folder.name}_")
    for dataset in sorted(KIT_DATASETS, key=len, reverse=True):
        if stem.endswith(f"_{dataset}"):
            return stem.removesuffix(f"_{dataset}"), dataset
    return None, stem


def _rows(file: Path) -> list[dict[str, Any]]:
    try:
        if file.suffix == ".json":
            document = json.loads(file.read_text(encoding="utf-8"))
            if not isinstance(document, Mapping):
                raise ValueError("no object of scores")
            return [dict(document)]
        table = pd.read_csv(file)
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read ({error}); let VLMEvalKit evaluate again.") from error
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _cell(rows: list[dict[str, Any]], dataset: KitDataset, file: Path) -> Any:
    if not any(dataset.column in row for row in rows):
        raise InputError(
            f"{file} has no column {dataset.column} for {dataset.name}; it has: "
            f"{', '.join(_numeric(rows)) or 'none'}. Name one of them with --metric {dataset.task}=COLUMN."
        )
    wanted = [dataset.split] if dataset.split else [*_TOTALS]
    chosen = rows if len(rows) == 1 else [row for row in rows if row.get("split") in wanted]
    if len(chosen) != 1:
        splits = ", ".join(str(row.get("split")) for row in rows)
        raise InputError(
            f"{file} has {len(rows)} rows (split {splits}), and the one of split {' or '.join(wanted)} is "
            "wanted: check that VLMEvalKit evaluated it, or write the score into a plain CSV."
        )
    return chosen[0][dataset.column]


def _numeric(rows: list[dict[str, Any]]) -> list[str]:
    return [name for name, value in rows[0].items() if isinstance(value, int | float)] if rows else []


READER = Reader(
    "vlmevalkit",
    "VLMEvalKit (<model>_<dataset>_acc.csv, _score.csv, _score.json)",
    _recognises,
    _read,
    ("*_acc.csv", "*_score.csv", "*_score.json"),
)
