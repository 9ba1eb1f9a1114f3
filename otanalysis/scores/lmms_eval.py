"""Results of lmms-eval, as its 0.7 releases write them.

``<output>/<model>/<YYYYMMDD_HHMMSS>_results.json`` holds ``results[task]["<metric>,<filter>"]``,
``"<metric>_stderr,<filter>"`` (``"N/A"`` where it was not computed), ``n-samples[task]["effective"]``,
``higher_is_better[task][metric]`` and, in ``config``, the model with its arguments. Where the model is
``otanalysis_hf``, the arguments say what was kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from otanalysis.defaults import DEFAULT_GAMMAS, FULL, method_by_gamma
from otanalysis.errors import InputError
from otanalysis.reading import Document, member, number_in, read_json, shortened
from otanalysis.scalars import check_gamma_of
from otanalysis.scores.score import (
    PART,
    Choice,
    Reader,
    Score,
    Settings,
    checked_value,
    number_or_none,
    place_of,
    scaled,
    unknown_task,
)
from otanalysis.scores.tasks import NO_FILTER, TASKS, is_whole, measure

PLUGIN = "otanalysis_hf"
"""Name of this package's model in lmms-eval."""

PLUGIN_DEFAULTS = {
    "gamma": "0.01",
    "gamma_of": "released",
    "seed": "0",
    "normalise": "columns",
    "positions": "renumbered",
    "newlines": "keep",
}
"""What that model takes where its arguments do not say: a results file holds only what was said."""

_TOLD_APART = ("normalise", "positions", "newlines")  # the table has no column for them

_OWN_NAME = re.compile(r"(.*\d{6}_)?results\.json", re.DOTALL)  # no other program's
_BESIDE = ("config", "configs", "n-samples", "n-shot", "versions")  # what stands there beside the results
_NOT_COMPUTED = (None, "N/A", "")


def read_document(file: Path) -> Document:
    """Return the content of a results file of lmms-eval's, current or older; empty for any other file.

    Raises
    ------
    InputError
        If the file is JSON by its name and cannot be read, or is lmms-eval's and has no results.
    """
    if file.suffix != ".json" or not file.is_file():
        return {}
    document = read_json(file)
    found = document if isinstance(document, dict) else {}
    if not (
        _OWN_NAME.fullmatch(file.name) or ("results" in found and any(name in found for name in _BESIDE))
    ):
        return {}
    results = member(found, "results", dict, file)
    if results is None:
        raise InputError(f"{file} has no results: give the file of a finished run, or take this one away.")
    for task in results:
        member(results, task, dict, f"{file}, under results,")
    return found


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
    members = member(document, "group_subtasks", dict, file) or {}
    groups = {name for name, tasks in members.items() if tasks}
    groups |= set(member(document, "groups", dict, file) or {})
    limited = _part(document, file)
    found = []
    for task, entry in document["results"].items():
        keys = [key for key in entry or {} if "," in key and "_stderr" not in key]
        heading = not keys or (task in groups and task not in TASKS and task not in choice.metrics)
        if heading or not choice.wants(task):
            continue
        _check_split(document, task, file)
        key = _headline(task, keys, choice, str(file))
        described = measure(task, key)
        name, _, kind = key.partition(",")
        _check_direction(document, task, name, file)
        where = f"{key} of {task} in {file}"
        error = _standard_error(entry.get(f"{name}_stderr,{kind}"), where)
        found.append(
            Score(
                task=task,
                metric=described.metric,
                value=checked_value(entry[key], top=described.top, factor=described.factor, where=where),
                standard_error=None if error is None else scaled(error, described.factor),
                n=_questions(document, task, file),
                settings=settings,
                source=f"{program}, {place_of(file)}, {key}{limited or _fewer(document, task, file)}",
            )
        )
    return found


def model_arguments(document: Document, file: Path) -> dict[str, str]:
    """Return the model arguments that a results file records, as text by name.

    Raises
    ------
    InputError
        If they are neither a text nor an object.
    """
    config = member(document, "config", dict, file) or {}
    if isinstance(config.get("model_args"), dict):
        return {str(name): str(value) for name, value in config["model_args"].items()}
    written = member(config, "model_args", str, file) or ""
    parts = (part.partition("=") for part in written.split(","))
    return {name.strip(): value.strip() for name, _, value in parts if name.strip() and value.strip()}


def recorded(document: Document, file: Path) -> Settings:
    """Return what a results file records of its run: the model, and what this package's model kept.

    Raises
    ------
    InputError
        If an argument of the model cannot be read.
    """
    arguments = model_arguments(document, file)
    config = member(document, "config", dict, file) or {}
    try:
        model = arguments.get("pretrained") or member(document, "model_name", str, file) or None
        if member(config, "model", str, file) != PLUGIN:
            return Settings(model=model)
        method = arguments.get("method")
        if method == FULL:
            return Settings(model=model, method=method, ratio=1.0)
        said = {**PLUGIN_DEFAULTS, **arguments}
        method = method and method_by_gamma(method, check_gamma_of(said["gamma_of"]))
        return Settings(
            model=model,
            method=method and " ".join([method, *_unusual(said)]),
            ratio=_number(said, "ratio") if "ratio" in said else None,
            # The other methods have none, though the arguments may name one.
            gamma=_number(said, "gamma") if method in DEFAULT_GAMMAS else None,
            seed=_number(said, "seed"),  # type: ignore[arg-type]  # which is checked to be whole
        )
    except InputError as error:
        raise InputError(
            f"{file} records model arguments that cannot be read ({error}): check that the file is as "
            "lmms-eval wrote it."
        ) from error


def _number(arguments: Mapping[str, str], name: str) -> float:
    number = number_in(arguments[name])
    if number is None:
        raise InputError(f"{name} is {shortened(arguments[name])}, and a number is wanted")
    return number


def _unusual(said: Mapping[str, str]) -> list[str]:
    """Return the settings that make a method another one than its plain name says."""
    return [f"{name}={said[name]}" for name in _TOLD_APART if said[name] != PLUGIN_DEFAULTS[name]]


def _headline(task: str, keys: list[str], choice: Choice, where: str) -> str:
    """Return the key with filter under which the headline score stands, or the one that the user names."""
    asked = choice.metrics.get(task)
    if asked is None and task not in TASKS:
        raise unknown_task(task, where, keys)
    for wanted in TASKS[task].keys if asked is None else (asked,):
        having = [key for key in keys if wanted in (key, key.partition(",")[0])]
        plain = f"{wanted},{NO_FILTER}"
        if plain in having or len(having) == 1:
            return plain if plain in having else having[0]
        if having:
            raise InputError(
                f"{where} has {wanted} of {task} under several filters: {', '.join(having)}. Say which with "
                f"--metric {task}={having[0]}."
            )
    raise unknown_task(task, where, keys, asked=asked)


def _part(document: Document, file: Path) -> str:
    """Return what a source says of a run with ``--limit``; empty for one over all questions."""
    limit = (member(document, "config", dict, file) or {}).get("limit")
    if limit is None:
        return ""
    number = number_or_none(limit)
    if number is None:
        raise InputError(
            f"{file} records a --limit of {shortened(limit)}, and a number or none is wanted: check that the "
            "file is as the evaluation wrote it."
        )
    return f", {PART} (--limit {number:g})" if number > 0 else ""  # lmms-eval takes others for no limit


def _fewer(document: Document, task: str, file: Path) -> str:
    """Return what a source says of a task of which fewer questions were asked than it has; else empty."""
    counts = member(member(document, "n-samples", dict, file) or {}, task, dict, file) or {}
    asked, all_of_them = (number_or_none(counts.get(name)) for name in ("effective", "original"))
    if asked is None or all_of_them is None or asked >= all_of_them:
        return ""
    return f", {PART} ({asked:.15g} of {all_of_them:.15g})"


def _check_split(document: Document, task: str, file: Path) -> None:
    """Refuse a known task that was evaluated on other questions than its name says."""
    configs = member(document, "configs", dict, file) or {}
    split = member(member(configs, task, dict, file) or {}, "test_split", str, file)
    if task in TASKS and not is_whole(task, split):
        raise InputError(
            f"{file} says that {task} was scored on the split {split}, and the name means "
            f"{' or '.join(TASKS[task].splits)}: leave the task out with --tasks, or write the score into a "
            "plain CSV under another name."
        )


def _check_direction(document: Document, task: str, metric: str, file: Path) -> None:
    said = member(member(document, "higher_is_better", dict, file) or {}, task, dict, file) or {}
    if said.get(metric, True) not in (True, None):
        raise InputError(
            f"{file} says that lower is better for {metric} of {task}, and the figures rank higher as "
            f"better: name another key with --metric {task}=KEY, or leave the task out with --tasks."
        )


def _standard_error(written: object, where: str) -> float | None:
    """Return a standard error; None where lmms-eval computed none, or got no number from one question."""
    if written in _NOT_COMPUTED or written != written:  # NaN
        return None
    error = number_or_none(written)
    if error is None or error < 0:
        raise InputError(
            f"The standard error of {where} is {shortened(written)}, and a number from 0 on is wanted: check "
            "that the file is as the evaluation wrote it."
        )
    return error


def _questions(document: Document, task: str, file: Path) -> int | None:
    """Return how many questions were asked; None where a fractional --limit left a share there."""
    counts = member(member(document, "n-samples", dict, file) or {}, task, dict, file) or {}
    effective = counts.get("effective")
    if effective is None:
        return None
    number = number_or_none(effective)
    if number is None or number <= 0:
        raise InputError(
            f"The number of questions of {task} in {file} is {shortened(effective)}, and at least one is "
            "wanted: check that the file is as the evaluation wrote it."
        )
    return int(number) if number % 1 == 0 else None


def _recognises(file: Path) -> bool:
    return "n-samples" in read_document(file)


def _read(file: Path, choice: Choice) -> list[Score]:
    document = read_document(file)
    return task_scores(document, file, choice, settings=recorded(document, file), program="lmms-eval")


READER = Reader("lmms_eval", "lmms-eval (<date>_results.json)", _recognises, _read, ("*results.json",))
