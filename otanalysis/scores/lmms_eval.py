"""Results of lmms-eval, as its 0.7 releases write them.

``<output>/<model>/<YYYYMMDD_HHMMSS>_results.json`` holds ``results[task]["<metric>,<filter>"]``,
``"<metric>_stderr,<filter>"`` (``"N/A"`` where it was not computed), ``n-samples[task]["effective"]``,
``higher_is_better[task][metric]`` and, in ``config``, the model with its arguments. Where the model is
``otanalysis_hf``, the arguments say what was kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from otanalysis.defaults import FULL
from otanalysis.errors import InputError
from otanalysis.scores.score import (
    Choice,
    Reader,
    Score,
    Settings,
    checked_value,
    number_or_none,
    scaled,
    unknown_task,
)
from otanalysis.scores.tasks import TASKS

PLUGIN = "otanalysis_hf"
"""Name of this package's model in lmms-eval."""

PLUGIN_DEFAULTS = {
    "gamma": "0.01",
    "seed": "0",
    "normalise": "columns",
    "positions": "renumbered",
    "newlines": "keep",
}
"""What that model takes where its arguments do not say: a results file holds only what was said."""

_TOLD_APART = ("normalise", "positions", "newlines")  # the table has no column for them

Document = Mapping[str, Any]


def read_document(file: Path) -> Document:
    """Return the content of a results file of lmms-eval's, current or older; empty for any other file."""
    try:
        document: Any = json.loads(file.read_text(encoding="utf-8")) if file.suffix == ".json" else None
    except (OSError, ValueError):
        return {}
    results = document.get("results") if isinstance(document, dict) else None
    whole = isinstance(results, dict) and all(isinstance(one, dict) for one in results.values())
    return document if whole else {}


def task_scores(
    document: Document, file: Path, choice: Choice, *, settings: Settings, program: str
) -> list[Score]:
    """Return the headline score of every wanted task; what the current and the older layout share.

    Parameters
    ----------
    document : mapping
        From :func:`read_document`.
    file : Path
        Where it lies, for sources and messages.
    choice : Choice
        Which tasks, and which keys of tasks that are not known.
    settings : Settings
        What the file records of its run.
    program : str
        Who wrote it, for the sources.

    Returns
    -------
    list of Score

    Raises
    ------
    InputError
        If a task has no headline metric, or its score cannot be used.
    """
    groups = {name for name, members in (document.get("group_subtasks") or {}).items() if members}
    groups |= set(document.get("groups") or {})
    found = []
    for task, entry in document.get("results", {}).items():
        keys = [key for key in entry if "," in key and "_stderr" not in key]
        heading = not keys or (task in groups and task not in TASKS and task not in choice.metrics)
        if heading or not choice.wants(task):
            continue
        key, metric, top, factor = _headline(task, keys, choice, str(file))
        name, _, kind = key.partition(",")
        _check_direction(document, task, name, str(file))
        where = f"{key} of {task} in {file}"
        error = number_or_none(entry.get(f"{name}_stderr,{kind}"))
        found.append(
            Score(
                task=task,
                metric=metric,
                value=checked_value(entry[key], top=top, factor=factor, where=where),
                standard_error=None if error is None else scaled(error, factor),
                n=_questions(document, task),
                settings=settings,
                source=f"{program}, {file.parent.name}/{file.name}, {key}",
            )
        )
    return found


def model_arguments(document: Document) -> dict[str, str]:
    """Return the model arguments that a results file records, as text by name."""
    config = document.get("config")
    written = config.get("model_args") if isinstance(config, dict) else None
    if isinstance(written, dict):
        return {str(name): str(value) for name, value in written.items()}
    parts = (part.partition("=") for part in str(written or "").split(","))
    return {name.strip(): value.strip() for name, _, value in parts if name.strip() and value.strip()}


def _recorded(document: Document, file: Path) -> Settings:
    arguments = model_arguments(document)
    model = arguments.get("pretrained") or document.get("model_name") or None
    config = document.get("config")
    if not isinstance(config, dict) or config.get("model") != PLUGIN:
        return Settings(model=model)
    ratio, method = arguments.get("ratio"), arguments.get("method")
    if method == FULL:
        return Settings(model=model, method=method, ratio=1.0)
    said = {**PLUGIN_DEFAULTS, **arguments}
    try:
        return Settings(
            model=model,
            method=method and " ".join([method, *_unusual(said)]),
            ratio=None if ratio is None else float(ratio),
            # The other methods have none, though the arguments may name one.
            gamma=float(said["gamma"]) if method == "otprune" else None,
            seed=int(said["seed"]),
        )
    except ValueError as error:
        raise InputError(
            f"{file} records model arguments that cannot be read ({error}): check that the file is as "
            "lmms-eval wrote it."
        ) from error


def _unusual(said: Mapping[str, str]) -> list[str]:
    """Return the settings that make a method another one than its plain name says."""
    return [f"{name}={said[name]}" for name in _TOLD_APART if said[name] != PLUGIN_DEFAULTS[name]]


def _headline(task: str, keys: list[str], choice: Choice, where: str) -> tuple[str, str, float | None, float]:
    """Key with filter, name in the table, top of the scale and factor to the table's scale."""
    known = TASKS.get(task)
    if task in choice.metrics:
        wanted = choice.metrics[task]
        names: tuple[str, ...] = (wanted.partition(",")[0],)
        described: tuple[str, float | None, float] = (wanted.partition(",")[0], None, 1.0)
        keys = [key for key in keys if "," not in wanted or key == wanted]
    elif known is not None:
        names, described = known.keys, (known.metric, known.top, known.factor)
    else:
        raise unknown_task(task, where, keys)
    for name in names:
        having = [key for key in keys if key.partition(",")[0] == name]
        plain = f"{name},none"
        if plain in having or len(having) == 1:
            return (plain if plain in having else having[0], *described)
        if having:
            raise InputError(
                f"{where} has {name} of {task} under several filters: {', '.join(having)}. Say which with "
                f"--metric {task}={having[0]}."
            )
    raise unknown_task(task, where, keys)


def _check_direction(document: Document, task: str, metric: str, where: str) -> None:
    said = (document.get("higher_is_better") or {}).get(task)
    if isinstance(said, dict) and said.get(metric) is False:
        raise InputError(
            f"{where} says that lower is better for {metric} of {task}, and the figures rank higher as "
            f"better: name another key with --metric {task}=KEY, or leave the task out with --tasks."
        )


def _questions(document: Document, task: str) -> int | None:
    """Return how many questions were asked; None where a fractional --limit left a share there."""
    counts = (document.get("n-samples") or {}).get(task)
    effective = counts.get("effective") if isinstance(counts, dict) else None
    whole = isinstance(effective, int | float) and effective >= 1 and effective % 1 == 0
    return int(effective) if whole and effective is not None else None


def _recognises(file: Path) -> bool:
    return "n-samples" in read_document(file)


def _read(file: Path, choice: Choice) -> list[Score]:
    document = read_document(file)
    return task_scores(document, file, choice, settings=_recorded(document, file), program="lmms-eval")


READER = Reader("lmms_eval", "lmms-eval (<date>_results.json)", _recognises, _read, ("*results.json",))
