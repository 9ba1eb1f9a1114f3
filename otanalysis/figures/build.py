"""From dumps and accuracies to the finished figures: do what is missing, tabulate, draw, write.

Arguments are checked before anything takes time, and files are written when all of them are ready.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path

import pandas as pd

from otanalysis.defaults import RATIOS, RELEASED_GAMMA
from otanalysis.errors import InputError
from otanalysis.figures.captions import join_captions
from otanalysis.figures.registry import FIGURES, SCRIPT, SWEEP_COLUMNS, Files, draw_all, say_on_stderr
from otanalysis.figures.theory import THEORY_FIGURES, draw_theory
from otanalysis.files import write_atomic
from otanalysis.scores.table import read_accuracy
from otanalysis.selection import SELECTORS
from otanalysis.stats.cells import check_accuracy
from otanalysis.studies.sweep import sweep
from otanalysis.tokens import open_dump

__all__ = ["run"]

GAMMAS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
SEEDS = (0, 1, 2)
SAMPLES = 4
"""Images a dump in the figures that take seconds an image."""
DISTANCES = ("w2", "w2_squared")
NORMALISATIONS = ("none", "columns", "rows")


def run(
    only: Sequence[int | str] = (*FIGURES, *THEORY_FIGURES),
    dumps: Sequence[str | PathLike[str]] | None = None,
    accuracy: str | PathLike[str] | None = None,
    out: str | PathLike[str] = "figures",
    *,
    jobs: int = 2,
    distance: str = "w2",
    normalise: str = "none",
    ratio: float = 0.098,
    samples: int = SAMPLES,
    results: str | PathLike[str] = "results",
    say: Callable[[str], None] = say_on_stderr,
    progress: bool = True,
) -> list[Path]:
    """Draw Figures 2 to 5 and A to C, after doing what is missing for them.

    Parameters
    ----------
    only : sequence of int or str
        Which figures: 2 to 5, ``"ladder"`` (A), ``"scatter"`` (B), ``"floor"`` (C).
    dumps : sequence of paths, optional
        Dumps of one model, one per benchmark; without them the bundled model's, written on first use.
    accuracy : path, optional
        Accuracy table of the same model and benchmarks; without it (and with dumps) only the distances are
        drawn.
    out : path
        Folder for ``figureN.pdf``, ``.png``, ``.csv``, the same of the named figures, ``captions.md``, and
        ``missing_scores.sh`` where scores are missing.
    jobs : int
        Processes of the measurements.
    distance : {"w2", "w2_squared"}
        Distance in the figures.
    normalise : {"none", "columns", "rows"}
        Token normalisation under the distance.
    ratio : float
        Share of tokens kept in Figures 2 and B, one of the four that are swept.
    samples : int
        Images a dump in Figures A to C, which take seconds an image; the others use all.
    results : path
        Folder of the sweep, which goes on where it stopped.
    say : callable
        Gets remarks: which scores are missing and how to get them, or what of the table is not used.
    progress : bool
        Show bars with the time left on stderr.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    InputError
        If an argument is out of range, the accuracy table is missing or does not fit the dumps, two dumps
        are of one benchmark, or they are of several models.
    DumpError
        If a dump is missing or damaged.
    """
    chosen = [str(one) for one in only]
    _check(chosen, distance=distance, normalise=normalise, ratio=ratio, jobs=jobs, samples=samples)
    if dumps is None:
        from otanalysis.mini.bundled import bundled_accuracy_path, write_bundled_dumps

        given: pd.DataFrame | None = read_accuracy(bundled_accuracy_path() if accuracy is None else accuracy)
        dumps = write_bundled_dumps(progress=progress)
    else:
        given = None if accuracy is None else read_accuracy(accuracy)
    scores, model = _fitting(given, dumps, say)
    files: Files = {}
    captions: list[str] = []
    if numbers := [number for number in FIGURES if str(number) in chosen]:
        rows = _swept(numbers, dumps, normalise=normalise, results=results, jobs=jobs, progress=progress)
        files = draw_all(
            rows,
            scores,
            only=numbers,
            distance=distance,
            normalise=normalise,
            ratio=ratio,
            model=model,
            pretrained=_pretrained(dumps),
            table=accuracy,
            out=out,
            say=say,
        )
        if SCRIPT not in files:  # of an earlier run, whose scores have come since
            (Path(out) / SCRIPT).unlink(missing_ok=True)
        captions.append(files.pop("captions.md").decode().strip())
    more, more_captions = draw_theory(
        chosen,
        dumps,
        results=results,
        jobs=jobs,
        samples=samples,
        distance=distance,
        normalise=normalise,
        ratio=ratio,
        progress=progress,
    )
    return _write(Path(out), files | more, "\n\n".join([*captions, *more_captions]) + "\n")


def _swept(
    numbers: Sequence[int],
    dumps: Sequence[str | PathLike[str]],
    *,
    normalise: str,
    results: str | PathLike[str],
    jobs: int,
    progress: bool,
) -> pd.DataFrame:
    """Sweep what the numbered figures need, and read what they use of it."""
    table = sweep(
        dumps,
        methods=tuple(SELECTORS) if set(numbers) != {5} else ("otprune",),
        ratios=RATIOS,
        gammas=GAMMAS if 5 in numbers else (RELEASED_GAMMA,),
        seeds=SEEDS,
        normalisations=(normalise,),  # type: ignore[arg-type]  # checked by the caller
        out=results,
        jobs=jobs,
        progress=progress,
    )
    return pd.read_parquet(table, columns=list(SWEEP_COLUMNS))


def _write(folder: Path, files: Files, captions: str) -> list[Path]:
    """Write all files; captions of figures that were not drawn now are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    known = folder / "captions.md"
    if known.is_file():
        captions = join_captions(known.read_text(encoding="utf-8"), captions)
    files = files | {known.name: captions.encode()}
    for name, content in files.items():
        write_atomic(folder / name, content)
    return [folder / name for name in files]


def _check(
    only: Sequence[str], *, distance: str, normalise: str, ratio: float, jobs: int, samples: int
) -> None:
    known = [*(str(number) for number in FIGURES), *THEORY_FIGURES]
    unknown = [name for name in only if name not in known]
    if unknown or not only:
        asked = ", ".join(repr(name) for name in only) or "none"
        raise InputError(f"The figures {', '.join(known)} can be drawn, and {asked} was asked for.")
    if distance not in DISTANCES:
        raise InputError(f"The distance must be one of {', '.join(DISTANCES)}, got {distance!r}.")
    if normalise not in NORMALISATIONS:
        raise InputError(f"The normalisation must be one of {', '.join(NORMALISATIONS)}, got {normalise!r}.")
    if ratio not in RATIOS:
        swept = ", ".join(f"{one:g}" for one in RATIOS)
        raise InputError(f"The ratio of Figure 2 must be one of {swept}, got {ratio:g}.")
    if jobs < 1:
        raise InputError(f"jobs must be at least 1 process, got {jobs}.")
    if samples < 1:
        raise InputError(f"samples must be at least 1 image a dump, got {samples}.")


def _fitting(
    scores: pd.DataFrame | None, dumps: Sequence[str | PathLike[str]], say: Callable[[str], None]
) -> tuple[pd.DataFrame | None, str]:
    """Return the scores of the dumps' model, and its name.

    What the figures would refuse later is refused here, before the sweep.
    """
    manifests = [open_dump(path).manifest for path in dumps]
    names = [manifest.benchmark for manifest in manifests]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(
            f"A figure wants one dump per benchmark, and {', '.join(twice)} came twice: "
            "draw one model at a time."
        )
    models = list(dict.fromkeys(manifest.model for manifest in manifests))
    if len(models) > 1:
        raise InputError(
            f"A figure wants dumps of one model, and these are of {', '.join(models)}: draw one at a time."
        )
    if scores is None:
        return None, models[0]
    own = scores["model"] == models[0]
    others = sorted(set(scores["model"]))
    if not own.any() and len(others) > 1:
        raise InputError(
            f"The accuracy table holds {', '.join(others)}, none of which is the model "
            f"of the dumps ({models[0]}): keep the rows of the one that is meant."
        )
    fitting: pd.DataFrame = scores[own] if own.any() else scores
    check_accuracy(fitting, names)
    if not own.any():
        say(f"The scores of {others[0]} are taken for those of the dumps' model, {models[0]}.")
    without = [name for name in names if name not in set(fitting["benchmark"])]
    unused = [name for name in dict.fromkeys(fitting["benchmark"]) if name not in names]
    if without and unused:
        say(
            f"No score is of {', '.join(without)}, and no dump is of {', '.join(unused)}: where they are the "
            "same, give both the same name, that of the task in lmms-eval."
        )
    return fitting, models[0]


def _pretrained(dumps: Sequence[str | PathLike[str]]) -> str:
    """Return what the dumps' model was loaded from, its name where that is not recorded."""
    manifest = open_dump(dumps[0]).manifest
    recorded = manifest.extra.get("model")
    return str(recorded["source"]) if isinstance(recorded, dict) and "source" in recorded else manifest.model
