"""From what an evaluation wrote to rows of the accuracy table."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from importlib import import_module
from os import PathLike
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from otanalysis.errors import InputError
from otanalysis.files import as_path
from otanalysis.reading import read_csv
from otanalysis.scores.score import Choice, Reader, Score, Settings
from otanalysis.scores.table import ACCURACY_COLUMNS, add_scores

_MODULES = (
    "lmms_eval",
    "lmms_eval_older",
    "vlmevalkit",
    "plain_csv",
)
"""A reader is a module of this room with a ``READER`` in it, and its line here."""

READERS: Mapping[str, Reader] = MappingProxyType(
    {name: import_module(f"otanalysis.scores.{name}").READER for name in _MODULES}
)
"""Immutable mapping from name to reader; of those that recognise a file, the last one reads it."""


def import_results(
    results: Sequence[str | PathLike[str]],
    given: Settings | None = None,
    *,
    metrics: Mapping[str, str] | None = None,
    tasks: Sequence[str] = (),
) -> pd.DataFrame:
    """Read scores that a user or another program wrote, in any format of :data:`READERS`.

    Parameters
    ----------
    results : sequence of paths
        Files, or folders that are searched for files of the programs (a plain CSV is given by itself).
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
        reader = _reader_of(file)
        if reader is None:
            raise InputError(f"{file} is of no known format{_found(file)}: wanted are {_formats()}.")
        scores = reader.read(file, choice)
        found |= dict.fromkeys(score.task for score in scores)
        if scores:
            rows = add_scores(rows, _table(scores, said, str(file)))
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
    for path in (as_path(one, "results") for one in results):
        if path.is_file():
            files.setdefault(path.resolve(), path)
        elif path.is_dir():
            below = sorted(path.rglob("*"))
            searched = [file for file in below if file.is_file() and _is_of_a_program(file)]
            _check_links(below, {file.name for file in searched})
            if not searched:
                raise InputError(f"{path} holds no results that can be read: wanted are {_formats()}.")
            for file in searched:
                # A link is read as the file in the folder of its run, whose name tells the model.
                files.setdefault(file.resolve(), file.resolve() if file.is_symlink() else file)
        else:
            wrong = "are no file that stays, but a pipe or a device" if path.exists() else "do not exist"
            raise InputError(f"The results {path} {wrong}: give a file, or the folder of a run.")
    return list(files.values())


def _check_links(below: Sequence[Path], read: Collection[str]) -> None:
    """Refuse a link to results that are not there, unless a file of that name is read: they would lack."""
    for file in below:
        named = any(reader.searches(file) for reader in READERS.values())
        if named and file.name not in read and file.is_symlink() and not os.path.exists(file):  # noqa: PTH110
            raise InputError(
                f"{file} is a link to results that are not there: put the file in its place, or take it away."
            )


def _is_of_a_program(file: Path) -> bool:
    """Say whether a file in a folder is to be read; one whose name no reader looks for is not opened.

    One that is named like a program's and damaged is an error: without it, its scores would silently lack.
    """
    named = [reader for reader in READERS.values() if reader.searches(file)]
    return bool(named) and _reader_of(file) in named


def _reader_of(file: Path) -> Reader | None:
    return next((reader for reader in reversed([*READERS.values()]) if reader.recognises(file)), None)


def _found(file: Path) -> str:
    return f" (its columns: {', '.join(read_csv(file).columns)})" if file.suffix == ".csv" else ""


def _formats() -> str:
    *others, last = (reader.files for reader in READERS.values())
    return ", ".join([*others, f"or {last}"])


def _table(scores: Sequence[Score], given: Settings, file: str) -> pd.DataFrame:
    records = []
    for score in scores:
        settings = score.settings.confirmed_by(given, file).complete(file)
        records.append(vars(score) | vars(settings) | {"benchmark": score.task})
    return pd.DataFrame(records, columns=[*ACCURACY_COLUMNS, "source"])


def _listed(results: Sequence[str | PathLike[str]]) -> str:
    return ", ".join(str(Path(path)) for path in results) or "no files"
