"""From dumps and accuracies to the finished figures: do what is missing, tabulate, draw, write.

Which figures there are, and what each needs, stands in the :mod:`~otanalysis.figures.registry`; nothing here
knows one by name. Arguments are checked before anything takes time. Every figure is written as soon as what
it needs is measured, with its caption; verdicts come when all are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, cast, get_args

import pandas as pd

from otanalysis.arrays import Normalisation
from otanalysis.defaults import DEFAULT_GAMMAS, RATIOS
from otanalysis.distances import DISTANCES, further_distances
from otanalysis.errors import InputError
from otanalysis.figures.across import ACROSS, inside_others, work_across
from otanalysis.figures.bundled_tables import inside_beside
from otanalysis.figures.declaration import Declaration, Given
from otanalysis.figures.drawing import SCRIPT, Say, draw_all, judged, say_on_stderr
from otanalysis.figures.folder import FiguresFolder
from otanalysis.figures.record import Made, content, key_of
from otanalysis.figures.registry import FIGURES, VERDICTS
from otanalysis.figures.verdicts.claims import BASIS, all_claims
from otanalysis.figures.verdicts.published import files_of_claims
from otanalysis.figures.work import Work
from otanalysis.locks import held
from otanalysis.scores.table import read_accuracy
from otanalysis.selection import SELECTORS
from otanalysis.side import OBJECTS
from otanalysis.stats.cells import check_accuracy
from otanalysis.stats.within_tables import with_between
from otanalysis.studies.certify import CertifyStudy, read_certificates
from otanalysis.studies.coverage import CoverageStudy, read_coverage
from otanalysis.studies.engine import measure_samples
from otanalysis.studies.ladder import LadderStudy, measure_ladder, read_ladder
from otanalysis.studies.objects import KEPT_SETS, kept_of_objects
from otanalysis.studies.sweep import read_sweep, sweep
from otanalysis.studies.weights import WeightsStudy, read_weights
from otanalysis.studies.within_summary import find_summary, read_matrix
from otanalysis.tokens import open_dump

SEEDS = (0, 1, 2)
SAMPLES = 4
"""Images a dump in the figures that take seconds an image."""
MATRIX_SAMPLES = 16
"""Images a dump, at least, in the matrix of predictors, which measures every distance of every method."""
SCENES = 64
"""Scenes a dump of the bundled model; the first of those whose questions its accuracies are of."""
OF_DISTANCE = ("w2", "w2_squared")
"""Distances that figures of one distance can have."""

_KEYS = ("dump", "benchmark", "sample", "method", "ratio", "gamma", "logdet_gamma", "seed", "normalisation")
_GAUSSIAN = ("gelbrich_w2_squared", "bures_w2_squared", "trace_objective")
SWEEP_COLUMNS = (*_KEYS, "w2", "w2_squared", "quantisation_error", *_GAUSSIAN, "logdet")
"""What the figures read of a sweep; the kept indices, most of its bytes, are not among it."""
_OF_SCORES = ("sweep", "predictors")
_RESTS_ON = dict.fromkeys((VERDICTS, "worlds"), BASIS)
"""What is made of the tables of other figures, and of which."""


def run(
    only: Sequence[int | str] = (*FIGURES, VERDICTS),
    dumps: Sequence[str | PathLike[str]] | None = None,
    accuracy: str | PathLike[str] | None = None,
    out: str | PathLike[str] = "figures",
    *,
    jobs: int = 2,
    distance: str = "w2",
    normalise: str = "none",
    ratio: float = 0.098,
    samples: int = SAMPLES,
    scenes: int | None = None,
    results: str | PathLike[str] = "results",
    say: Say = say_on_stderr,
    progress: bool = True,
    wait: bool = False,
) -> list[Path]:
    """Draw Figures 2 to 5 and lettered ones, and judge the paper's claims, after what is missing for them.

    Parameters
    ----------
    only : sequence of int or str
        Names in :data:`~otanalysis.figures.registry.FIGURES`: 2 to 5, ``"ladder"`` (A), ``"scatter"`` (B),
        ``"floor"`` (C), ``"distances"`` (E), ``"within"`` (I; left out where `otanalysis within` has not run
        with the model), ``"predictors"`` (P), ``"weights"`` (W), ``"objects"`` (O; left
        out where the dumps do not say where objects are), and what is of the models with bundled tables and
        so left out with ``dumps``: ``"positions"`` (R) and ``"worlds"`` (D); and ``"verdicts"``, the table of
        the paper's claims.
    dumps : sequence of paths, optional
        Dumps of one model, one per benchmark; without them the bundled model's, written on first use.
    accuracy : path, optional
        Accuracy table of the same model and benchmarks; without it (and with dumps) only the distances are
        drawn.
    out : path
        Folder for ``figureN.pdf``, ``.png``, ``.csv``, the same of the named figures, ``captions.md``,
        ``verdicts.md``, ``verdicts.csv``, and ``missing_scores.sh`` where scores are missing.
    jobs : int
        Processes of the measurements.
    distance : {"w2", "w2_squared"}
        Distance in the figures.
    normalise : {"none", "columns", "rows"}
        Token normalisation under the distance.
    ratio : float
        Share of tokens kept in Figures 2, B and P, one of the four that are swept.
    samples : int
        Images a dump in Figures A to C, E and W, which take seconds an image; P has at least
        :data:`MATRIX_SAMPLES`, the others use all.
    scenes : int, optional
        Scenes a dump of the bundled model, for a first look in less time; without it, 64. Not with ``dumps``.
    results : path
        Folder of the sweep, which goes on where it stopped.
    say : callable
        Gets remarks: which scores are missing and how to get them, or what of the table is not used.
    progress : bool
        Show bars with the time left on stderr, and which pictures are written.
    wait : bool
        Wait for another process that writes into ``out`` or ``results``, in place of refusing.

    Returns
    -------
    list of Path
        The files written, and those that were as they should be. A figure is not made again where only the
        same could come out, see :mod:`~otanalysis.figures.record`.

    Raises
    ------
    InputError
        If an argument is out of range, the accuracy table is missing or does not fit the dumps, two dumps
        are of one benchmark, or they are of several models.
    DumpError
        If a dump is missing or damaged.
    StorageError
        If a folder cannot be written, or another process writes there.
    """
    chosen = [str(one) for one in only]
    _check(chosen, distance=distance, normalise=normalise, ratio=ratio, jobs=jobs, samples=samples)
    if scenes is not None and (dumps is not None or scenes < 1):
        raise InputError(
            f"scenes must be at least 1 scene a dump of the bundled model, got {scenes}"
            + ("." if dumps is None else " with dumps of your own: leave one of the two out.")
        )
    of_bundled = dumps is None
    if dumps is None:
        from otanalysis.mini.bundled import bundled_accuracy_path, write_bundled_dumps

        given: pd.DataFrame | None = read_accuracy(bundled_accuracy_path() if accuracy is None else accuracy)
        dumps = write_bundled_dumps(scenes_per_benchmark=scenes or SCENES, progress=progress)
    else:
        chosen = _of_dumps(chosen)
        given = None if accuracy is None else read_accuracy(accuracy)
    scores, model = _fitting(given, dumps, say)
    chosen = _with_known_objects(chosen, dumps)
    needed = {*chosen, *(one for name in chosen for one in _RESTS_ON.get(name, ()))}
    wanted = {name: FIGURES[name] for name in FIGURES if name in needed}
    inside = find_summary(Path(results), model) if _inside(wanted) else None
    wanted = _without_inside(wanted, model, results, say) if inside is None else wanted
    how: dict[str, Any] = {"limit": samples, "jobs": jobs, "progress": progress, "wait": wait}
    drawn_as: dict[str, Any] = {"distance": distance, "normalise": normalise, "ratio": ratio}
    scripts: list[bytes] = []
    works: dict[str, Work] = {}
    # Nobody else writes these tables between their measuring and their reading.
    with (
        held(out, "drawing figures", wait=wait),
        held(results, "measuring for figures", wait=wait, reading=True),
    ):
        folder = FiguresFolder(Path(out), shown=progress)
        for kind in dict.fromkeys(figure.needs for figure in wanted.values()):
            figures = {name: figure for name, figure in wanted.items() if figure.needs == kind}
            if kind == "within" and inside is not None:
                others = inside_others() if of_bundled else []
                what = Given(inside, scores, **drawn_as)
                new = {name: _beside_methods(what, works, Path(out), others) for name in figures}
            elif kind in ACROSS:
                new = {name: work_across(name, works, Path(results), scores, **drawn_as) for name in figures}
            else:
                measured = _measured(list(figures.values()), dumps, normalise, ratio, Path(results), **how)
                what = Given(measured, scores, **drawn_as)
                if kind == "certificates":
                    what = replace(what, coverage=_coverage(dumps, normalise, Path(results), **how))
                new = {name: Work.of(name, what) for name in figures}
            works |= new
            if asked := [work for name, work in new.items() if name in chosen]:
                lack: dict[str, Any] = {"model": model, "pretrained": _pretrained(dumps), "table": accuracy}
                script = draw_all(asked, folder, say=say, **lack)
                if kind in _OF_SCORES:
                    scripts.append(script)
        if any(scripts):
            folder.put({SCRIPT: _joined(scripts)})
        elif scripts:  # the one of an earlier run, whose scores have come since
            (Path(out) / SCRIPT).unlink(missing_ok=True)
        if VERDICTS in chosen:
            _judge(works, Path(results), folder)
        return folder.written


def _judge(works: Mapping[str, Work], results: Path, folder: FiguresFolder) -> None:
    """Put the verdicts on all claims of the paper into a folder."""
    basis = [work for name, work in works.items() if name in BASIS]
    read = [content(path) for path in files_of_claims(results)]

    def make() -> Made:
        tables = {file: table for work in basis for file, table in work.tables.items()}
        return judged(all_claims(tables, results))

    folder.make(VERDICTS, key_of([[work.key for work in basis], read]), make)


def _joined(scripts: Sequence[bytes]) -> bytes:
    """Return one script of several, which share lines where their figures lack the same scores."""
    lines = dict.fromkeys(line for script in scripts for line in script.splitlines(keepends=True))
    return b"".join(lines)


def _measured(
    figures: Sequence[Declaration[Any]],
    dumps: Sequence[str | PathLike[str]],
    normalise: str,
    ratio: float,
    results: Path,
    *,
    limit: int,
    **running: Any,
) -> pd.DataFrame:
    """Measure what figures of one kind need, as far as it is not yet, and read what they use of it."""
    how: dict[str, Any] = {"out": results / "figures", "limit": limit, **running}
    kind = cast("Normalisation", normalise)
    if figures[0].needs == "ladder":
        return read_ladder(measure_ladder(dumps, LadderStudy(), **how))
    if figures[0].needs == "certificates":
        return read_certificates(measure_samples(CertifyStudy(normalise=kind), dumps, **how))
    if figures[0].needs == "weights":
        return read_weights(measure_samples(WeightsStudy(normalise=kind), dumps, **how))
    asked: dict[str, Any] = {
        "methods": _methods(figures, dumps),
        "gammas": _gammas(figures),
        "seeds": SEEDS,
    }
    if figures[0].needs == "predictors":
        asked |= {"ratios": (ratio,), "normalisations": (kind,), "distances": tuple(DISTANCES)}
        how |= {"out": results / "predictors", "limit": max(limit, MATRIX_SAMPLES)}
        return read_sweep(sweep(dumps, **asked, **how), (*SWEEP_COLUMNS, *further_distances(DISTANCES)))
    everywhere = figures[0].needs == "normalisations"
    asked |= {"ratios": RATIOS, "normalisations": get_args(Normalisation) if everywhere else (kind,)}
    table = sweep(dumps, **asked, **(how if everywhere else {"out": results, **running}))
    rows = read_sweep(table, SWEEP_COLUMNS)
    if any(figure.of_objects for figure in figures):
        rows = rows.join(kept_of_objects(read_sweep(table, (*KEPT_SETS, "seed")), dumps))
    return rows


def _coverage(
    dumps: Sequence[str | PathLike[str]], normalise: str, results: Path, **running: Any
) -> pd.DataFrame:
    """Measure how well methods cover the images, as far as it is not yet, and read it."""
    study = CoverageStudy(normalise=cast("Normalisation", normalise))
    return read_coverage(measure_samples(study, dumps, out=results / "figures", **running))


def _methods(figures: Sequence[Declaration[Any]], dumps: Sequence[str | PathLike[str]]) -> list[str]:
    """Return the methods that figures together want measured, as far as the dumps have what they need."""
    carried = _carried(dumps)
    possible = [name for name, selector in SELECTORS.items() if carried.issuperset(selector.needs)]
    return [name for name in possible if any(name in figure.methods for figure in figures)]


def _carried(dumps: Sequence[str | PathLike[str]]) -> frozenset[str]:
    """Return the side information that all samples of all dumps have."""
    return frozenset.intersection(*(open_dump(path).manifest.common_side for path in dumps))


def _with_known_objects(names: list[str], dumps: Sequence[str | PathLike[str]]) -> list[str]:
    """Return the figures without those of objects, where the dumps do not say where these are."""
    asked = [name for name in names if name in FIGURES and FIGURES[name].of_objects]
    if not asked or OBJECTS in _carried(dumps):
        return names
    if len(asked) == len(names):
        raise InputError(
            f"{' and '.join(asked)} cannot be drawn: these dumps do not say where objects are. Those of "
            "`otanalysis dump-scenes` do."
        )
    return [name for name in names if name not in asked]


def _across(names: Sequence[str]) -> list[str]:
    """Return those of the figures that show several models."""
    return [name for name in names if name in FIGURES and FIGURES[name].needs in ACROSS]


def _of_dumps(names: Sequence[str]) -> list[str]:
    """Return what can be drawn of dumps of the user's own, which the bundled tables say nothing of."""
    across = _across(names)
    if len(across) == len(names):
        raise InputError(
            f"{' and '.join(across)} cannot be drawn of dumps: shown are models whose tables are bundled."
        )
    return [name for name in names if name not in across]


def _inside(wanted: Mapping[str, Declaration[Any]]) -> list[str]:
    """Return those of the figures that show the test inside the image."""
    return [name for name, figure in wanted.items() if figure.needs == "within"]


def _without_inside(
    wanted: Mapping[str, Declaration[Any]], model: str, results: str | PathLike[str], say: Say
) -> dict[str, Declaration[Any]]:
    """Return the figures without the test inside the image, which takes the model itself; say so."""
    if lacking := _inside(wanted):
        said = (
            f"{' and '.join(lacking)} cannot be drawn: nobody made the test inside the image with {model} in "
            f"{results}; make it with `otanalysis within MODEL --out {results}`."
        )
        if len(lacking) == len(wanted):
            raise InputError(said[0].upper() + said[1:])
        say(said)
    return {name: figure for name, figure in wanted.items() if name not in lacking}


def _beside_methods(
    given: Given, works: Mapping[str, Work], out: Path, others: Sequence[pd.DataFrame]
) -> Work:
    """Return Figure I, with correlations between methods if these are drawn now or were before.

    Those inside an image of other models stand below.
    """
    if "predictors" in works:
        return inside_beside(given, works["predictors"], others)
    written = out / "predictors.csv"
    own = with_between(given.rows, read_matrix(written)) if written.is_file() else given.rows
    return Work.of("within", replace(given, rows=pd.concat([own, *others], ignore_index=True)))


def _gammas(figures: Sequence[Declaration[Any]]) -> dict[str, list[float]]:
    """Return what figures together want measured of the methods that have a gamma."""
    methods = [name for name in DEFAULT_GAMMAS if any(name in figure.gammas for figure in figures)]
    return {
        method: sorted({gamma for figure in figures for gamma in figure.gammas.get(method, ())})
        for method in methods
    }


def _check(
    only: Sequence[str], *, distance: str, normalise: str, ratio: float, jobs: int, samples: int
) -> None:
    known = (*FIGURES, VERDICTS)
    if not only or not set(only) <= set(known):
        asked = ", ".join(repr(name) for name in only) or "none"
        raise InputError(f"The figures {', '.join(known)} can be drawn, and {asked} was asked for.")
    if distance not in OF_DISTANCE:
        raise InputError(f"The distance must be one of {', '.join(OF_DISTANCE)}, got {distance!r}.")
    if normalise not in get_args(Normalisation):
        kinds = ", ".join(get_args(Normalisation))
        raise InputError(f"The normalisation must be one of {kinds}, got {normalise!r}.")
    if ratio not in RATIOS:
        swept = ", ".join(f"{one:g}" for one in RATIOS)
        raise InputError(f"The ratio of Figure 2 must be one of {swept}, got {ratio:g}.")
    if jobs < 1:
        raise InputError(f"jobs must be at least 1 process, got {jobs}.")
    if samples < 1:
        raise InputError(f"samples must be at least 1 image a dump, got {samples}.")


def _fitting(
    scores: pd.DataFrame | None, dumps: Sequence[str | PathLike[str]], say: Say
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
