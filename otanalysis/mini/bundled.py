"""Where the bundled model lies, and the token dumps of its benchmarks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from otanalysis.files import bundled_data, written_data_folder
from otanalysis.mini.benchmarks import BENCHMARKS
from otanalysis.mini.geometry import GRID
from otanalysis.scenes.benchmark import named
from otanalysis.scenes.dumps import SceneDumps
from otanalysis.tokens import Dump, open_dump
from otanalysis.tokens.manifest import MANIFEST_NAME
from otanalysis.vlm.model import load_model, model_fingerprint

MODEL_NAME: Final = "mini-llava"
_KIND: Final = "{revision}-{scenes}-pictures"
_LICENCE: Final = "scenes of digits from the UCI optical recognition of handwritten digits, CC BY 4.0"


def bundled_model_path() -> Path:
    """Return the folder of the bundled model; see :func:`bundled_accuracy_path`.

    Raises
    ------
    InputError
        If it is not there: see :func:`~otanalysis.files.bundled_data`.
    """
    return bundled_data(f"{MODEL_NAME}/config.json", "bundled model").parent


def bundled_accuracy_path() -> Path:
    """Return the measured accuracy table of the bundled model.

    Raises
    ------
    InputError
        If it is not there, or the model is not.

    Examples
    --------
    >>> bundled_accuracy_path().relative_to(bundled_model_path()).as_posix()
    'accuracy.csv'
    """
    bundled_model_path()
    return bundled_data(f"{MODEL_NAME}/accuracy.csv", "measured accuracy table of the bundled model")


def written_accuracy_path() -> Path:
    """Return where a new measurement of the bundled model's accuracy goes.

    That is :func:`bundled_accuracy_path`, but for an installed package, into which nothing is written: there
    it is ``data/mini-llava/accuracy.csv`` in the current folder.
    """
    return written_data_folder() / MODEL_NAME / "accuracy.csv"


def open_bundled(benchmark: str = "digit-colour", *, scenes: int = 8, progress: bool = False) -> Dump:
    """Open the bundled model's dump of one benchmark, from any folder; write it first where it is missing.

    Parameters
    ----------
    benchmark
        A name in :data:`~otanalysis.mini.benchmarks.BENCHMARKS`.
    scenes
        Samples that it must hold at least. Sample ``i`` is the same in every dump of the benchmark.
    progress
        Show a bar with the time left on stderr while a dump is written.

    Returns
    -------
    Dump

    Raises
    ------
    InputError
        If there is no such benchmark, or the bundled model is not there.
    MissingDependencyError
        If the dump must be written and torch or transformers is not installed.

    Examples
    --------
    >>> dump = open_bundled("digit-colour")
    >>> dump[0].tokens.shape, dump.manifest.grid, len(bundled_dumps(8, benchmarks=["digit-colour"]))
    ((576, 128), (24, 24), 1)
    """
    named([benchmark], BENCHMARKS)
    return open_dump(bundled_dumps(scenes, benchmarks=[benchmark], progress=progress)[0])


def bundled_dumps(
    scenes: int = 8, *, benchmarks: Sequence[str] = tuple(BENCHMARKS), progress: bool = False
) -> list[Path]:
    """Return dumps of the bundled model with at least so many samples; write what is missing.

    Larger ones that are there already, such as those of ``make figures``, serve as well: give the number to
    ``limit=`` of what measures them.

    Parameters
    ----------
    scenes, progress
        As for :func:`open_bundled`.
    benchmarks
        Which; by default all eleven.

    Returns
    -------
    list of Path
        In the order of ``benchmarks``.

    Raises
    ------
    InputError, MissingDependencyError
        As for :func:`open_bundled`.
    """
    revision = model_fingerprint(bundled_model_path())[:12]
    larger = [
        int(count[1])
        for path in _dumps_folder().glob("*")
        if (count := re.fullmatch(_KIND.format(revision=revision, scenes=r"(\d+)"), path.name))
        and int(count[1]) >= scenes
        and all((path / name / MANIFEST_NAME).is_file() for name in benchmarks)
    ]
    return write_bundled_dumps(
        scenes_per_benchmark=min(larger, default=scenes), benchmarks=benchmarks, progress=progress
    )


def write_bundled_dumps(
    out: Path | None = None,
    *,
    scenes_per_benchmark: int = 64,
    benchmarks: Sequence[str] = tuple(BENCHMARKS),
    progress: bool = True,
) -> list[Path]:
    """Write the token dumps of the bundled model, one a benchmark, as far as they are missing.

    Each sample keeps its scene as a thumbnail: the licence of the digits, CC BY 4.0, allows it.

    Parameters
    ----------
    out
        Folder for the dumps; by default ``data/dumps/mini-llava`` of the clone, or of the current folder
        where the package was installed without one.
    scenes_per_benchmark
        Held-out scenes a dump: the first ones of those that :func:`~otanalysis.studies.evaluate.evaluate`
        asks about.
    benchmarks
        Which; by default all eleven.
    progress
        Show a bar with the time left on stderr.

    Returns
    -------
    list of Path
        The dumps, in the order of the benchmarks.

    Raises
    ------
    InputError
        If the bundled model is not there.
    MissingDependencyError
        If torch or transformers is not installed.
    """
    revision = model_fingerprint(bundled_model_path())[:12]
    kind = _KIND.format(revision=revision, scenes=scenes_per_benchmark)
    dumps = SceneDumps(
        folder=(out or _dumps_folder()) / kind,
        scenes=scenes_per_benchmark,
        revision=revision,
        grid=(GRID, GRID),
        dtype="float32",
        about={"thumbnails": _LICENCE},
    )
    load = partial(load_model, bundled_model_path())
    return dumps.write(named(benchmarks, BENCHMARKS), load, progress=progress)


def _dumps_folder() -> Path:
    return written_data_folder() / "dumps" / MODEL_NAME
