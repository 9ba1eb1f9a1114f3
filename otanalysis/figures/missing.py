"""Which scores the figures would show and do not find, in words, and the commands that measure them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from otanalysis.defaults import COMPARED_METHODS, DEFAULT_GAMMAS, FULL, RELEASED_GAMMA
from otanalysis.figures.declaration import Setting
from otanalysis.figures.layout import per_cent
from otanalysis.figures.registry import FIGURES
from otanalysis.figures.style import method_look
from otanalysis.files import data_folder
from otanalysis.mini.benchmarks import BENCHMARKS
from otanalysis.mini.bundled import MODEL_NAME
from otanalysis.scores.tasks import TASKS
from otanalysis.selection import SELECTORS
from otanalysis.stamps.questions import QUESTIONS
from otanalysis.stats.cells import RATIO_DIGITS
from otanalysis.studies.worlds import STAMPS

TABLE = "accuracy.csv"
"""Where the commands put the scores if there is no table yet."""

_SCENES = {"digits": (MODEL_NAME, tuple(BENCHMARKS)), "stamps": (STAMPS, tuple(QUESTIONS))}
"""Worlds of composed scenes by the name that ``evaluate --scenes`` knows: bundled model and benchmarks."""

_ORDER = (*COMPARED_METHODS, *(name for name in SELECTORS if name not in COMPARED_METHODS))
"""In which methods are named: first those that most figures compare."""


@dataclass(frozen=True)
class MissingScores:
    """Scores that figures lack.

    Attributes
    ----------
    benchmarks : dict
        From a setting to the benchmarks that have no score for it.
    given : bool
        Whether there is an accuracy table at all.
    """

    benchmarks: dict[Setting, tuple[str, ...]]
    given: bool

    @property
    def worlds(self) -> tuple[str, ...]:
        """The worlds of composed scenes, which lmms-eval does not know, that have all of these benchmarks."""
        lacking = {name for names in self.benchmarks.values() for name in names}
        return tuple(world for world, (_, known) in _SCENES.items() if lacking <= set(known))

    def sentence(self) -> str:
        """Name method, share kept and benchmarks of every missing score in one sentence; empty if none."""
        if not self.benchmarks:
            return ""
        groups: dict[tuple[str, tuple[str, ...], float | None], list[float]] = {}
        for setting, names in self.benchmarks.items():
            groups.setdefault((setting.method, names, setting.gamma), []).append(setting.ratio)
        joined: dict[tuple[str, tuple[str, ...], tuple[float, ...]], list[float]] = {}
        for (method, names, gamma), ratios in groups.items():
            gammas = joined.setdefault((method, names, tuple(sorted(ratios))), [])
            gammas += [] if gamma is None else [gamma]
        everywhere = len({names for _, names, _ in joined}) == 1
        parts = [
            _words(method, ratios, gammas) + ("" if everywhere else f" ({', '.join(names)})")
            for (method, names, ratios), gammas in joined.items()
        ]
        why = (
            "the accuracy table lacks" if self.given else "there is no accuracy table (--accuracy TABLE) with"
        )
        where = f" (benchmarks {', '.join(next(iter(self.benchmarks.values())))})" if everywhere else ""
        return f"Scores are left out of the figures: {why} {'; '.join(parts)}{where}."

    def commands(
        self, model: str, table: str | PathLike[str] | None, *, pretrained: str | None = None
    ) -> list[str]:
        """Return two lines for every setting: the evaluation, and the import of its scores.

        Parameters
        ----------
        model : str
            The model as the dumps name it, and so the table.
        table : path, optional
            The accuracy table to extend.
        pretrained : str, optional
            What the model is loaded from, if that is not its name.
        """
        lines = []
        for setting, names in sorted(self.benchmarks.items(), key=lambda item: _order(item[0])):
            own = _arguments(setting)
            run = "runs/" + "-".join([setting.method, *(str(value) for value in own.values())])
            arguments = ",".join(
                f"{name}={value}" for name, value in {"method": setting.method, **own}.items()
            )
            options = "".join(f" --{name} {value}" for name, value in own.items())
            lines += [
                "python -m lmms_eval --model otanalysis_hf --model_args "
                f"{shlex.quote(f'pretrained={pretrained or model},{arguments}')} "
                f"--tasks {shlex.quote(','.join(names))} --batch_size 1 --output_path {run}",
                f"otanalysis accuracy import {run} --model {shlex.quote(model)} --method {setting.method}"
                f"{options} "
                f"--out {shlex.quote(str(Path(table or TABLE)))}",
            ]
        return lines

    def remedy(
        self, lines: Sequence[str], table: str | PathLike[str] | None, script: str | PathLike[str]
    ) -> str:
        """Say how to get the scores: the lines for the first setting, and where those for all are.

        Parameters
        ----------
        lines : sequence of str
            What :meth:`commands` returned.
        table : path, optional
            As in :meth:`commands`.
        script : path
            The file that holds all lines.
        """
        if self.worlds:
            return "\n".join(_scenes_remedy(world, given=self.given) for world in self.worlds)
        more = "" if len(lines) <= 2 else f" (all {len(lines) // 2} pairs: {script})"
        said = [f"To measure and add them{more}:", *(f"  {line}" for line in lines[:2])]
        if table is None:
            said.append(f"then draw again with --accuracy {TABLE}.")
        names = sorted({name for names in self.benchmarks.values() for name in names} - set(TASKS))
        if names:
            said.append(
                f"{', '.join(names)}: if lmms-eval has a task of that name (python -m lmms_eval --tasks list)"
                f", the import wants its metric too, --metric {names[0]}=KEY; else put the scores into a CSV "
                "and import that."
            )
        return "\n".join(said)


def _scenes_remedy(world: str, *, given: bool) -> str:
    """Name what measures scores of scenes, and the bundled scores where no table is given yet."""
    about = f"These are benchmarks of the scenes of {world}: "
    command = f"`otanalysis evaluate --scenes {world} --model FOLDER --out {TABLE}` measures"
    if given:
        return f"{about}{command} them."
    model, _ = _SCENES[world]
    bundled = shlex.quote(str(data_folder() / model / "accuracy.csv"))
    return f"{about}--accuracy {bundled} has the scores of {model}, and {command} those of another one."


def needed_settings(rows: pd.DataFrame, only: Sequence[int | str], ratio: float) -> dict[Setting, bool]:
    """Return the settings whose scores the figures show.

    Parameters
    ----------
    rows : DataFrame
        The sweep: columns ``method, ratio, gamma``.
    only : sequence of int or str
        Names of figures; not all show scores.
    ratio : float
        Share kept in Figure 2.

    Returns
    -------
    dict
        In the order of the figures. The value says whether a score without gamma will not do, as in Figure 5.
    """
    names = {str(one) for one in only}
    shown = [scores for name in FIGURES if name in names and (scores := FIGURES[name].scores) is not None]
    if not shown:
        return {}
    swept = rows[["method", "ratio", "gamma"]].drop_duplicates()
    swept = swept[swept["method"].isin(_ORDER)].round({"ratio": RATIO_DIGITS})
    swept = swept.sort_values("method", key=lambda column: column.map(_ORDER.index), kind="stable")
    needed = {Setting(FULL, 1.0): False}
    for scores in shown:
        needed |= scores(swept, ratio)
    return needed


def missing_scores(
    rows: pd.DataFrame, scores: pd.DataFrame | None, *, only: Sequence[int | str], ratio: float
) -> MissingScores:
    """Find the scores that figures show and an accuracy table lacks.

    Parameters
    ----------
    rows : DataFrame
        The sweep: columns ``benchmark, method, ratio, gamma``.
    scores : DataFrame or None
        The accuracies of the same model.
    only, ratio
        As in :func:`needed_settings`.

    Returns
    -------
    MissingScores
    """
    needed = needed_settings(rows, only, ratio)
    if not needed:
        return MissingScores({}, scores is not None)
    names = [str(name) for name in rows["benchmark"].drop_duplicates()]
    there: set[tuple[str, Setting]] = set()
    loose: set[tuple[str, Setting]] = set()  # a score without gamma stands for the default one
    if scores is not None:
        gammas = scores["gamma"] if "gamma" in scores.columns else [None] * len(scores)
        columns = (scores["benchmark"], scores["method"], scores["ratio"], gammas)
        for name, method, share, gamma in zip(*columns, strict=True):
            if method == FULL:
                there.add((name, Setting(FULL, 1.0)))
            elif gamma is None or np.isnan(gamma):
                loose.add((name, Setting.released(method, share)))
            elif method not in DEFAULT_GAMMAS:
                there |= {(name, Setting(method, _rounded(share)))} if gamma == RELEASED_GAMMA else set()
            else:
                there.add((name, Setting(method, _rounded(share), float(gamma))))
    found = {}
    for setting, exact in needed.items():
        known = there if exact else there | loose
        if lacking := tuple(name for name in names if (name, setting) not in known):
            found[setting] = lacking
    return MissingScores(found, scores is not None)


def _rounded(value: float) -> float:
    return round(float(value), RATIO_DIGITS)


def _words(method: str, ratios: Sequence[float], gammas: Sequence[float]) -> str:
    if method == FULL:
        return "all tokens"
    words = f"{method_look(method).label} at {', '.join(per_cent(ratio) for ratio in ratios)}"
    if set(gammas) <= {DEFAULT_GAMMAS.get(method)}:
        return words
    return f"{words} with gamma {', '.join(f'{gamma:g}' for gamma in sorted(gammas))}"


def _arguments(setting: Setting) -> dict[str, float]:
    """Return the model arguments beside the method, which are the options of the import too."""
    found: dict[str, float] = {} if setting.method == FULL else {"ratio": setting.ratio}
    if setting.gamma is not None:
        found["gamma"] = setting.gamma
    if setting.method in SELECTORS and SELECTORS[setting.method].stochastic:
        found["seed"] = 0
    return found


def _order(setting: Setting) -> tuple[bool, bool, int, float, float]:
    """All tokens first, which every share needs; then the default gammas; then the rest."""
    gamma = setting.gamma or 0.0
    usual = setting.gamma in (None, DEFAULT_GAMMAS.get(setting.method))
    place = _ORDER.index(setting.method) if setting.method in _ORDER else -1
    return (setting.method != FULL, not usual, place, setting.ratio, gamma)
