"""From dumps and accuracies to the finished figures: do what is missing, tabulate, draw, write.

Arguments are checked before anything takes time, and files are written when all of them are ready.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path

import pandas as pd

from otanalysis.errors import InputError
from otanalysis.experiments.rows import DEFAULT_GAMMA
from otanalysis.experiments.sweep import sweep
from otanalysis.figures.captions import join_captions
from otanalysis.figures.drawing import FIGURES, SWEEP_COLUMNS, draw_all, say_on_stderr
from otanalysis.selection import SELECTORS
from otanalysis.tokens import open_dump
from otanalysis.tokens.accuracy import read_accuracy
from otanalysis.tokens.storage import write_atomic

__all__ = ["run"]

RATIOS = (0.05, 0.098, 0.15, 0.2)
GAMMAS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
SEEDS = (0, 1, 2)
DISTANCES = ("w2", "w2_squared")
NORMALISATIONS = ("none", "columns", "rows")


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
    say: Callable[[str], None] = say_on_stderr,
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
        from otanalysis.scenes.bundled import bundled_accuracy_path, write_bundled_dumps

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
    rows = pd.read_parquet(table, columns=list(SWEEP_COLUMNS))
    files = draw_all(rows, scores, only=only, distance=distance, normalise=normalise, ratio=ratio, say=say)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    captions = folder / "captions.md"
    if captions.is_file():
        joined = join_captions(captions.read_text(encoding="utf-8"), files["captions.md"].decode())
        files["captions.md"] = joined.encode()
    for name, content in files.items():
        write_atomic(folder / name, content)
    return [folder / name for name in files]


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
