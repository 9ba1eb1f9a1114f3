"""From what an evaluation wrote to rows of the accuracy table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

import pandas as pd

from otanalysis.errors import InputError
from otanalysis.scores.lmms_eval import is_lmms_eval, is_vendored, read_lmms_eval, read_vendored
from otanalysis.scores.plain_csv import is_plain, read_plain
from otanalysis.scores.score import Choice, Score, Settings
from otanalysis.scores.table import ACCURACY_COLUMNS, add_scores
from otanalysis.scores.vlmevalkit import is_vlmevalkit, read_vlmevalkit

__all__ = ["import_results"]

FORMATS = (
    "lmms-eval (<date>_results.json), its older copy in the released codes (results.json), VLMEvalKit "
    "(<model>_<dataset>_acc.csv, _score.csv, _score.json), or a CSV with the columns "
    f"{', '.join(ACCURACY_COLUMNS)}"
)


def import_results(
    results: Sequence[str | PathLike[str]],
    given: Settings | None = None,
    *,
    metrics: Mapping[str, str] | None = None,
    tasks: Sequence[str] = (),
) -> pd.DataFrame:
    """Read scores that lmms-eval, its older copy, VLMEvalKit or a user wrote.

    Parameters
    ----------
    results : sequence of paths
        Files, or folders that are searched for files of the three programs (a plain CSV is given by itself).
    given : Settings, optional
        What the files do not record: model, method, ratio, gamma, seed. What they do record, as those of
        ``lmms-eval --model otanalysis_hf`` do, it may only confirm.
    metrics : mapping, optional
        From a task to the key of its headline metric, for tasks other than the 11 known ones; these values
        are stored as they are.
    tasks : sequence of str
        Only these tasks; all if empty.

    Returns
    -------
    DataFrame
        Columns :data:`~otanalysis.scores.table.ACCURACY_COLUMNS` and ``source``; values on the scale of
        :mod:`otanalysis.scores`.

    Raises
    ------
    InputError
        If there is nothing to read, a file is of no known format, a score failed or has no known headline
        metric, a setting is missing or contradicted, or two files disagree.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> document = {
    ...     "results": {"gqa": {"exact_match,none": 0.5662, "exact_match_stderr,none": 0.004}},
    ...     "n-samples": {"gqa": {"original": 12578, "effective": 12578}},
    ... }
    >>> _ = pathlib.Path(folder.name, "20260101_120000_results.json").write_text(json.dumps(document))
    >>> rows = import_results([folder.name], Settings(model="llava", method="otprune", ratio=0.098))
    >>> rows[["benchmark", "metric", "value", "standard_error", "n"]].to_dict("records")
    [{'benchmark': 'gqa', 'metric': 'EM', 'value': 56.62, 'standard_error': 0.4, 'n': 12578}]
    >>> folder.cleanup()
    """
    said = Settings() if given is None else given
    choice = Choice(tuple(tasks), dict(metrics or {}))
    rows: pd.DataFrame | None = None
    found: dict[str, None] = {}
    for file in _files(results):
        scores = _read(file, choice)
        found |= dict.fromkeys(score.task for score in scores)
        if scores:
            rows = add_scores(rows, _table(scores, said, file))
    if rows is None:
        wanted = f" of {', '.join(tasks)}" if tasks else ""
        raise InputError(
            f"There is no score{wanted} in {_listed(results)}: give the files of a finished run."
        )
    if absent := [task for task in tasks if task not in found]:
        raise InputError(
            f"There is no score of {', '.join(absent)} in {_listed(results)}; there are {', '.join(found)}: "
            "name those with --tasks."
        )
    return rows


def _files(results: Sequence[str | PathLike[str]]) -> list[Path]:
    """Return the files to read, each once though VLMEvalKit links them twice."""
    files: dict[Path, Path] = {}
    for path in map(Path, results):
        if path.is_file():
            files.setdefault(path.resolve(), path)
        elif path.is_dir():
            searched = [file for file in sorted(path.rglob("*")) if file.is_file() and _is_of_a_program(file)]
            if not searched:
                raise InputError(f"{path} holds no results that can be read: wanted are {FORMATS}.")
            for file in searched:
                # A link is read as the file in the folder of its run, whose name tells the model.
                files.setdefault(file.resolve(), file.resolve() if file.is_symlink() else file)
        else:
            raise InputError(f"The results {path} do not exist: give a file, or the folder of a run.")
    return list(files.values())


def _is_of_a_program(file: Path) -> bool:
    if is_vlmevalkit(file):
        return not is_plain(file)
    return file.name.endswith("results.json") and is_lmms_eval(_json(file))


def _json(file: Path) -> object:
    """Return the content of a JSON file; None if it is none."""
    try:
        content: object = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content


def _read(file: Path, choice: Choice) -> list[Score]:
    if is_plain(file):
        return read_plain(file, choice)
    if is_vlmevalkit(file):
        return read_vlmevalkit(file, choice)
    document = _json(file) if file.suffix == ".json" else None
    if isinstance(document, dict) and is_lmms_eval(document):
        reader = read_vendored if is_vendored(document) else read_lmms_eval
        return reader(document, file, choice)
    raise InputError(f"{file} is of no known format: wanted are {FORMATS}.")


def _table(scores: Sequence[Score], given: Settings, file: Path) -> pd.DataFrame:
    records = []
    for score in scores:
        settings = score.settings.confirmed_by(given, str(file)).complete(str(file))
        records.append(
            {
                "model": settings.model,
                "benchmark": score.task,
                "method": settings.method,
                "ratio": settings.ratio,
                "gamma": settings.gamma,
                "seed": settings.seed,
                "metric": score.metric,
                "value": score.value,
                "n": score.n,
                "standard_error": score.standard_error,
                "source": score.source,
            }
        )
    table = pd.DataFrame(records)
    numbers = ("ratio", "gamma", "value", "standard_error")
    return table.astype(dict.fromkeys(numbers, float) | dict.fromkeys(("seed", "n"), "Int64"))


def _listed(results: Sequence[str | PathLike[str]]) -> str:
    return ", ".join(str(Path(path)) for path in results) or "no files"
