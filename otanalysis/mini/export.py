"""The bundled benchmarks in the forms in which real ones come: pictures with questions, results of lmms-eval.

With them the whole path of a real model can be walked with the bundled one.
"""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from otanalysis.defaults import BLIND
from otanalysis.files import write_atomic
from otanalysis.mini.benchmarks import given_benchmarks
from otanalysis.scenes import SceneBenchmark
from otanalysis.scores.lmms_eval import PLUGIN

LIST_NAME = "questions.jsonl"
"""List of the pictures of a benchmark, one JSON object a line."""

_RESULTS_NAME = "20260101_000000_results.json"
"""As lmms-eval names it; the same at every run, so that a second one writes the same files."""


def write_pictures(folder: str | PathLike[str], benchmark: str | SceneBenchmark[Any], count: int) -> Path:
    """Write scenes of a benchmark as PNG files, and the list of the questions about them.

    Parameters
    ----------
    folder : path
        Where the pictures go; created if missing.
    benchmark : str or SceneBenchmark
        A name in :data:`~otanalysis.mini.benchmarks.BENCHMARKS`, or a benchmark of another world.
    count : int
        Questions, the first about the held-out scenes.

    Returns
    -------
    Path
        The list, which ``otanalysis capture --images`` and ``otanalysis within --questions-file`` read:
        ``image``, ``id``, ``question``, ``answer``; ``scene`` and ``benchmark`` where pictures are shared.

    Raises
    ------
    InputError
        If there is no such benchmark.
    MissingDependencyError
        If Pillow is not installed.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pd.read_json(write_pictures(folder, "presence", 1), lines=True).loc[0, "question"]
    'is there a 4 ?'
    """
    (chosen,) = given_benchmarks([benchmark])
    from PIL import Image

    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    lines = []
    written: set[str] = set()
    for item in chosen.items(count):
        name = f"{item.scene_identifier}.png"
        asked = {"question": item.question.text, "answer": item.question.answer}
        if item.identifier != item.scene_identifier:
            asked |= {"scene": item.scene_identifier, "benchmark": chosen.name}
        if name not in written:
            Image.fromarray(item.picture).save(target / name)
            written.add(name)
        lines.append(json.dumps({"image": name, "id": item.identifier} | asked))
    write_atomic(target / LIST_NAME, ("\n".join(lines) + "\n").encode())
    return target / LIST_NAME


def write_results(table: pd.DataFrame, folder: str | PathLike[str], *, model: str) -> list[Path]:
    """Write scores as lmms-eval leaves them, one results file a setting.

    Parameters
    ----------
    table : DataFrame
        From :func:`otanalysis.studies.evaluate.evaluate`; the rows of
        :data:`~otanalysis.defaults.BLIND` methods have no run with the picture and are passed over.
    folder : path
        Where the files go, a folder a setting; created if missing.
    model : str
        What ``pretrained=`` was.

    Returns
    -------
    list of Path
        The files, in the order of the table.

    Examples
    --------
    >>> import tempfile
    >>> from otanalysis.mini import bundled_accuracy_path
    >>> from otanalysis.scores import read_accuracy
    >>> full = read_accuracy(bundled_accuracy_path()).query("method == 'full'")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.parent.name for path in write_results(full, folder, model="mini-llava")]
    ['full-1.0']
    """
    runs = table[~table["method"].isin(BLIND)].groupby(
        ["method", "ratio", "gamma", "seed"], sort=False, dropna=False
    )
    files = []
    for setting, rows in runs:
        given = pd.Series(dict(zip(("method", "ratio", "gamma", "seed"), setting, strict=True)))
        kept = given.dropna().to_dict()
        words = "-".join(str(value) for value in kept.values())
        path = Path(folder) / words / _RESULTS_NAME
        path.parent.mkdir(parents=True, exist_ok=True)
        arguments = ",".join(f"{name}={value}" for name, value in {"pretrained": model, **kept}.items())
        write_atomic(path, (json.dumps(_document(rows, arguments), indent=1) + "\n").encode())
        files.append(path)
    return files


def _document(rows: pd.DataFrame, arguments: str) -> dict[str, Any]:
    """Return what the results file of one run holds."""
    records = rows.to_dict("records")
    return {
        "results": {
            row["benchmark"]: {
                "alias": row["benchmark"],
                f"{row['metric']},none": row["value"],
                f"{row['metric']}_stderr,none": row["standard_error"],
            }
            for row in records
        },
        "higher_is_better": {row["benchmark"]: {row["metric"]: True} for row in records},
        "n-samples": {row["benchmark"]: {"effective": int(row["n"])} for row in records},
        "config": {"model": PLUGIN, "model_args": arguments},
    }
