"""Results of lmms-eval, as its 0.7 releases write them.

``<output>/<model>/<YYYYMMDD_HHMMSS>_results.json`` holds ``results[task]["<metric>,<filter>"]``,
``"<metric>_stderr,<filter>"`` (``"N/A"`` where it was not computed), ``n-samples[task]["effective"]``,
``higher_is_better[task][metric]`` and, in ``config``, the model with its arguments. Where the model is
``otanalysis_hf``, the arguments say what was kept.

Results of the older lmms-eval that the released OTPrune and DivPrune codes carry along.

``<output>/<MMDD_HHMM>_<suffix>_<model>_model_args_<hash>/results.json`` has the scores under the same keys as
today's, but no number of questions. Method and ratio were environment variables and are recorded nowhere, so
that the user has to say them; a metric that failed is stored as -1000.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from otanalysis.defaults import FULL
from otanalysis.errors import InputError
from otanalysis.scores.score import (
    Choice,
    Score,
    Settings,
    checked_value,
    number_or_none,
    scaled,
    unknown_task,
)
from otanalysis.scores.tasks import TASKS

__all__ = [
    "PLUGIN",
    "PLUGIN_DEFAULTS",
    "is_lmms_eval",
    "is_vendored",
    "model_arguments",
    "read_lmms_eval",
    "read_vendored",
    "task_scores",
]

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


def is_lmms_eval(document: object) -> bool:
    """Say whether a JSON document is one of lmms-eval's, current or older."""
    if not isinstance(document, dict):
        return False
    results = document.get("results")
    return isinstance(results, dict) and all(isinstance(one, dict) for one in results.values())


def read_lmms_eval(document: Document, file: Path, choice: Choice) -> list[Score]:
    """Return the headline scores of a results file of lmms-eval.

    Parameters
    ----------
    document : mapping
        The parsed file.
    file : Path
        Where it lies, for sources and messages.
    choice : Choice
        Which tasks, and which keys of tasks that are not known.

    Returns
    -------
    list of Score

    Raises
    ------
    InputError
        If a task has no headline metric, or its score cannot be used.
    """
    return task_scores(document, file, choice, settings=_recorded(document, file), program="lmms-eval")


def task_scores(
    document: Document, file: Path, choice: Choice, *, settings: Settings, program: str
) -> list[Score]:
    """Return the headline score of every wanted task; what the current and the older layout share."""
    groups = {name for name, members in (document.get("group_subtasks") or {}).items() if members}
    groups |= set(document.get("groups") or {})
    found = []
    for task, entry in document["results"].items():
        keys = [key for key in entry if "," in key and "_stderr" not in key]
        heading = not keys or (task in groups and task not in TASKS and task not in choice.metrics)
        if heading or not choice.wants(task):
            continue
        key, metric, top, factor = _headline(task, keys, choice, str(file))
        name, _, kind = key.partition(",")
        _check_direction(document, task, name, str(file))
        raw = checked_value(entry[key], top=top, where=f"{key} of {task} in {file}")
        error = number_or_none(entry.get(f"{name}_stderr,{kind}"))
        found.append(
            Score(
                task=task,
                metric=metric,
                value=scaled(raw, factor),
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


def is_vendored(document: Mapping[str, Any]) -> bool:
    """Say whether a document of lmms-eval is of the older layout, which does not count the questions."""
    return "n-samples" not in document


def read_vendored(document: Mapping[str, Any], file: Path, choice: Choice) -> list[Score]:
    """Return the headline scores of an older results file; parameters and errors as for the current one."""
    settings = Settings(model=model_arguments(document).get("pretrained"))
    return task_scores(document, file, choice, settings=settings, program="older lmms-eval")
