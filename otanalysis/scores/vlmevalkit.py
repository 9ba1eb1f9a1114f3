"""Results of VLMEvalKit.

``<work_dir>/<model>/T<date>-<time>/<model>_<dataset>_acc.csv`` (multiple choice and VQA), ``_score.csv``
(yes-no questions) or ``_score.json`` (captions); the same files are linked from ``<work_dir>/<model>/``.
A CSV has one row, or one a ``split`` (or ``Category``). Scales differ by dataset;
how tokens were pruned is not recorded.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from otanalysis.errors import InputError
from otanalysis.reading import number_in, read_csv, read_json
from otanalysis.scores.score import Choice, Reader, Score, Settings, checked_value, place_of, unknown_task
from otanalysis.scores.tasks import KIT_DATASETS, NO_SPLIT, PART_COLUMNS, TOTAL, KitDataset, kit_measure

_NAME = re.compile(r"(?P<stem>.+)_(acc\.csv|score\.csv|score\.json)", re.DOTALL)
_RUN = re.compile(r"T?\d{8}[-_].+")  # the folder of one run, between the model's folder and the file


def _recognises(file: Path) -> bool:
    return _NAME.fullmatch(file.name) is not None


def _read(file: Path, choice: Choice) -> list[Score]:
    """Return the headline score of a score file: one, or none if it is not wanted.

    Datasets that are not known are tasks under VLMEvalKit's name, and ``choice`` names their columns; after
    a comma also a split, where another one is meant than the whole.
    """
    model, name = _model_and_dataset(file)
    dataset = KIT_DATASETS.get(name) or KitDataset(name, name, "", "", 0, 1)
    if not choice.wants(dataset.task):
        return []
    rows = _rows(file)
    asked = choice.metrics.get(dataset.task, dataset.column)
    if not asked:
        raise unknown_task(dataset.task, str(file), _numeric(rows))
    column, _, split = (asked, "", "") if _has(rows, asked) else asked.partition(",")
    described = kit_measure(dataset, column, split)
    cell = _cell(rows, dataset, column, split, file)
    value = checked_value(
        # A CSV holds texts, of which one that is a number is meant as one; JSON has numbers of its own.
        number_in(cell) if file.suffix == ".csv" and number_in(cell) is not None else cell,
        top=described.top,
        factor=described.factor,
        where=f"{column} of {name} in {file}",
    )
    source = f"VLMEvalKit, {place_of(file)}, {asked}"
    return [Score(dataset.task, described.metric, value, None, None, Settings(model=model), source)]


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
    if file.suffix == ".csv":
        return [dict(row) for row in read_csv(file).records()]
    document = read_json(file)
    if not isinstance(document, dict):
        raise InputError(f"{file} holds no object of scores: let VLMEvalKit evaluate again.")
    return [document]


def _has(rows: list[dict[str, Any]], column: str) -> bool:
    return any(column in row for row in rows)


def _cell(rows: list[dict[str, Any]], dataset: KitDataset, column: str, split: str, file: Path) -> Any:
    """Return what stands in a column, in the row of the split, or of the whole if none is asked for."""
    if not _has(rows, column):
        raise InputError(
            f"{file} has no column {column} for {dataset.name}; it has: "
            f"{', '.join(_numeric(rows)) or 'none'}. Name one of them with --metric {dataset.task}=COLUMN."
        )
    wanted = split or dataset.split or TOTAL
    chosen = [row for row in rows if _part(row) == wanted]
    if not chosen and not split:
        chosen = [row for row in rows if _part(row) == NO_SPLIT]
    if len(chosen) != 1:
        said = [_part(row) for row in rows]
        raise InputError(
            f"{file} has {len(rows)} row{'s' * (len(rows) != 1)} (split {', '.join(said) or 'none at all'}), "
            f"and one of split {wanted} is wanted: check that VLMEvalKit evaluated it, or name the part that "
            f"is meant with --metric {dataset.task}={column},SPLIT, under which it is stored."
        )
    return chosen[0][column]


def _part(row: dict[str, Any]) -> str:
    """Return of which part a row is: what its columns of parts say, without those that say the whole."""
    cells = [str(cell) for name, cell in row.items() if name.strip().lower() in PART_COLUMNS and cell]
    said = [cell for cell in cells if cell != NO_SPLIT]
    parts = [cell for cell in said if cell != TOTAL]
    return ",".join(parts or said[:1]) or NO_SPLIT


def _numeric(rows: list[dict[str, Any]]) -> list[str]:
    return [name for name, value in rows[0].items() if number_in(value) is not None] if rows else []


READER = Reader(
    "vlmevalkit",
    "VLMEvalKit (<model>_<dataset>_acc.csv, _score.csv, _score.json)",
    _recognises,
    _read,
    ("*_acc.csv", "*_score.csv", "*_score.json"),
)
