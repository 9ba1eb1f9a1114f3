"""From dumps and accuracies to the finished figures: do what is missing, tabulate, draw, write.

Arguments are checked before anything takes time, and files are written when all of them are ready.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from otanalysis.errors import InputError
from otanalysis.experiments.ranking import Figure2Tables, figure2_tables
from otanalysis.experiments.rows import DEFAULT_GAMMA, MEAN
from otanalysis.experiments.sweep import sweep
from otanalysis.experiments.tables import figure3_table, figure4_table, figure5_table
from otanalysis.figures.captions import caption2, caption3, caption4, caption5
from otanalysis.figures.figure2 import draw_figure2
from otanalysis.figures.figure3 import draw_figure3
from otanalysis.figures.figure4 import draw_figure4
from otanalysis.figures.figure5 import draw_figure5
from otanalysis.figures.layout import per_cent
from otanalysis.figures.style import figure_bytes, method_look
from otanalysis.selection import SELECTORS
from otanalysis.tokens import open_dump
from otanalysis.tokens.accuracy import read_accuracy
from otanalysis.tokens.storage import write_atomic

__all__ = ["FIGURES", "draw_all", "run"]

FIGURES = (2, 3, 4, 5)
RATIOS = (0.05, 0.098, 0.15, 0.2)
GAMMAS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
SEEDS = (0, 1, 2)
RANKED_METHODS = ("first", "last", "uniform", "random", "divprune")
"""The methods whose ranks the paper compares."""

DISTANCES = ("w2", "w2_squared")
NORMALISATIONS = ("none", "columns", "rows")

_SWEEP_COLUMNS = (
    "dump",
    "benchmark",
    "sample",
    "method",
    "ratio",
    "gamma",
    "seed",
    "normalisation",
    "w2",
    "w2_squared",
    "quantisation_error",
    "trace_objective",
    "logdet",
)

Files = dict[str, bytes]
Say = Callable[[str], None]


def say_on_stderr(sentence: str) -> None:
    """Print a remark where it does not mix with results."""
    print(sentence, file=sys.stderr)


def run(
    only: Sequence[int] = FIGURES,
    dumps: Sequence[str | PathLike[str]] | None = None,
    accuracy: str | PathLike[str] | None = None,
    out: str | PathLike[str] = "figures",
    *,
    jobs: int = 2,
    distance: str = "w2",
    normalise: str = "none",
    ratio: float = 0.098,
    results: str | PathLike[str] = "results",
    say: Say = say_on_stderr,
) -> list[Path]:
    """Draw Figures 2 to 5, after doing what is missing for them.

    Parameters
    ----------
    only : sequence of int
        Which figures.
    dumps : sequence of paths, optional
        Dumps of one model, one per benchmark; without them the bundled model's, written on first use.
    accuracy : path, optional
        Accuracy table of the same model and benchmarks; without it (and with dumps) only the distances are
        drawn.
    out : path
        Folder for ``figureN.pdf``, ``.png``, ``.csv`` and ``captions.md``.
    jobs : int
        Processes of the sweep.
    distance : {"w2", "w2_squared"}
        Distance in the figures.
    normalise : {"none", "columns", "rows"}
        Token normalisation under the distance.
    ratio : float
        Share of tokens kept in Figure 2, one of the four that are swept.
    results : path
        Folder of the sweep, which goes on where it stopped.
    say : callable
        Gets one sentence about what is missing.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    InputError
        If an argument is out of range, the accuracy table is missing or does not fit the dumps, or two dumps
        are of one benchmark.
    DumpError
        If a dump is missing or damaged.
    """
    _check(only, distance=distance, normalise=normalise, ratio=ratio, jobs=jobs)
    if dumps is None:
        from otanalysis.scenes.bundled import (  # type: ignore[import-untyped, unused-ignore]
            bundled_accuracy_path,
            write_bundled_dumps,
        )

        given: pd.DataFrame | None = read_accuracy(bundled_accuracy_path() if accuracy is None else accuracy)
        dumps = write_bundled_dumps(progress=True)
    else:
        given = None if accuracy is None else read_accuracy(accuracy)
    scores = _fitting(given, dumps)
    table = sweep(
        dumps,
        methods=tuple(SELECTORS) if set(only) != {5} else ("otprune",),
        ratios=RATIOS,
        gammas=GAMMAS if 5 in only else (DEFAULT_GAMMA,),
        seeds=SEEDS,
        normalisations=(normalise,),  # type: ignore[arg-type]  # checked above
        out=results,
        jobs=jobs,
    )
    rows = pd.read_parquet(table, columns=list(_SWEEP_COLUMNS))
    files = draw_all(rows, scores, only=only, distance=distance, normalise=normalise, ratio=ratio, say=say)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_atomic(folder / name, content)
    return [folder / name for name in files]


def draw_all(
    rows: pd.DataFrame,
    scores: pd.DataFrame | None,
    *,
    only: Sequence[int] = FIGURES,
    distance: str = "w2",
    normalise: str = "none",
    ratio: float = 0.098,
    say: Say = say_on_stderr,
) -> Files:
    """Draw figures from a sweep and an accuracy table, without touching the disk.

    Parameters
    ----------
    rows, scores : DataFrame
        As :func:`otanalysis.experiments.ranking.figure2_tables` wants them.
    only, distance, normalise, ratio, say
        As in :func:`run`.

    Returns
    -------
    dict
        From file name to content.
    """
    methods = [name for name in SELECTORS if name in set(rows["method"])]
    files: Files = {}
    captions: list[str] = []
    missing: list[pd.DataFrame] = []
    if 2 in only:
        versions = _versions(rows, scores, methods, distance=distance, normalise=normalise, ratio=ratio)
        for name, tables in versions.items():
            files |= _rendered(name, draw_figure2(tables), tables.points)
            files[f"{name}_spearman.csv"] = _csv(tables.correlations)
            missing.append(tables.points.loc[tables.points["score"].isna(), ["benchmark", "method", "ratio"]])
        captions.append(caption2(versions))
    if 3 in only:
        third = figure3_table(rows, scores, distance=distance, normalise=normalise)
        files |= _rendered("figure3", draw_figure3(third), third)
        captions.append(caption3(third))
        missing.append(third.loc[_unscored(third), ["benchmark", "method", "ratio"]])
    if 4 in only:
        fourth = figure4_table(rows, methods=methods, distance=distance, normalise=normalise)
        files |= _rendered("figure4", draw_figure4(fourth), fourth)
        captions.append(caption4(fourth))
    if 5 in only:
        fifth = figure5_table(rows, scores, distance=distance, normalise=normalise)
        files |= _rendered("figure5", draw_figure5(fifth), fifth)
        captions.append(caption5(fifth))
        missing.append(fifth.loc[_unscored(fifth), ["benchmark", "ratio"]].assign(method="otprune"))
    files["captions.md"] = ("\n\n".join(captions) + "\n").encode()
    if sentence := _missing_sentence(missing, given=scores is not None):
        say(sentence)
    return files


def _check(only: Sequence[int], *, distance: str, normalise: str, ratio: float, jobs: int) -> None:
    unknown = [number for number in only if number not in FIGURES]
    if unknown or not only:
        asked = ", ".join(str(number) for number in only) or "none"
        raise InputError(f"Figures 2, 3, 4 and 5 can be drawn, and {asked} was asked for.")
    if distance not in DISTANCES:
        raise InputError(f"The distance must be one of {', '.join(DISTANCES)}, got {distance!r}.")
    if normalise not in NORMALISATIONS:
        raise InputError(f"The normalisation must be one of {', '.join(NORMALISATIONS)}, got {normalise!r}.")
    if ratio not in RATIOS:
        known = ", ".join(f"{known:g}" for known in RATIOS)
        raise InputError(f"The ratio of Figure 2 must be one of {known}, got {ratio:g}.")
    if jobs < 1:
        raise InputError(f"jobs must be at least 1 process, got {jobs}.")


def _fitting(scores: pd.DataFrame | None, dumps: Sequence[str | PathLike[str]]) -> pd.DataFrame | None:
    """Return the scores of the dumps' model; refuse before the sweep what the figures would refuse later."""
    manifests = [open_dump(path).manifest for path in dumps]
    names = [manifest.benchmark for manifest in manifests]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"A figure wants one dump per benchmark, and {', '.join(twice)} came twice: "
            "draw one model at a time."
        )
    if scores is None:
        return None
    if not set(names) & set(scores["benchmark"]):
        raise InputError(
            f"The accuracy table has none of the benchmarks of the dumps ({', '.join(names)}); "
            f"it has {', '.join(sorted(set(scores['benchmark'])))}: use the same names in both."
        )
    own = scores["model"].isin({manifest.model for manifest in manifests})
    if not own.any() and scores["model"].nunique() > 1:
        raise InputError(
            f"The accuracy table holds {', '.join(sorted(set(scores['model'])))}, none of which is the model "
            f"of the dumps ({manifests[0].model}): keep the rows of the one that is meant."
        )
    fitting: pd.DataFrame = scores[own] if own.any() else scores
    return fitting


def _versions(
    rows: pd.DataFrame,
    scores: pd.DataFrame | None,
    methods: Sequence[str],
    *,
    distance: str,
    normalise: str,
    ratio: float,
) -> Mapping[str, Figure2Tables]:
    """Figure 2, and what becomes of it with other methods and with the other distance."""
    paper = [name for name in RANKED_METHODS if name in methods]
    inner = [name for name in methods if name not in ("first", "last")]
    asked = {
        "figure2": (paper, distance),
        "figure2_all": (methods, distance),
        "figure2_all_without_first_last": (inner, distance),
        "figure2_quantisation": (paper, "quantisation_error"),
        "figure2_all_quantisation": (methods, "quantisation_error"),
    }
    return {
        name: figure2_tables(rows, scores, methods=chosen, ratio=ratio, distance=kind, normalise=normalise)
        for name, (chosen, kind) in asked.items()
    }


def _rendered(name: str, figure: Figure, table: pd.DataFrame) -> Files:
    return {f"{name}.{kind}": figure_bytes(figure, kind) for kind in ("pdf", "png")} | {
        f"{name}.csv": _csv(table)
    }


def _csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False, float_format="%.8g").encode()


def _unscored(table: pd.DataFrame) -> pd.Series:
    absent: pd.Series = (table["quantity"] == "score") & table["value"].isna()
    return absent


def _missing_sentence(missing: list[pd.DataFrame], *, given: bool) -> str:
    """One sentence that lists the scores that are not there; empty if nothing is missing."""
    rows = pd.concat(missing) if missing else pd.DataFrame()
    if rows.empty:
        return ""
    parts = []
    places = [str(name) for name in rows["benchmark"].drop_duplicates() if name != MEAN]
    for method in rows["method"].drop_duplicates():
        own = rows[rows["method"] == method]
        ratios = ", ".join(per_cent(ratio) for ratio in sorted({float(r) for r in own["ratio"]}))
        parts.append("all tokens" if method == "full" else f"{method_look(str(method)).label} at {ratios}")
    why = (
        "the accuracy table lacks"
        if given
        else "without an accuracy table (--accuracy TABLE) there is none for"
    )
    where = f" (benchmarks {', '.join(places)})" if given else ""
    return f"Scores are left out of the figures, since {why} {'; '.join(parts)}{where}."
