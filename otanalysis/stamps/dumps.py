"""Dumps of the tokens that a model makes of scenes of stamps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Final

from otanalysis.errors import InputError
from otanalysis.files import as_path, sha256_of_json, written_data_folder
from otanalysis.scenes.benchmark import named
from otanalysis.scenes.dumps import SceneDumps
from otanalysis.stamps.benchmarks import stamp_benchmarks
from otanalysis.stamps.geometry import GRID
from otanalysis.stamps.settings import StampSettings, told
from otanalysis.vlm.model import load_model, model_fingerprint

SCENES: Final = 64
"""Scenes a dump by default: 704 pictures in all."""

_LICENCE: Final = "scenes with photographs of Tux Paint's stamps, GPL-2"


def write_stamp_dumps(
    model: str | PathLike[str],
    out: str | PathLike[str] | None = None,
    *,
    scenes: int = SCENES,
    settings: StampSettings | None = None,
    benchmarks: Sequence[str] | None = None,
    progress: bool = True,
) -> list[Path]:
    """Write the token dumps of scenes of stamps, one a benchmark, as far as they are missing.

    Beside its tokens every picture keeps how much of each patch objects cover (side information ``objects``)
    and a thumbnail. A thumbnail shows photographs under the GPL-2, as the manifest says.

    Parameters
    ----------
    model : path
        Folder of a model in Hugging Face format.
    out : path, optional
        Folder for the dumps of the eleven benchmarks; by default one in ``data/dumps`` whose name tells the
        model, the pictures and their number.
    scenes : int
        Held-out scenes a dump: the first ones of those that
        :func:`~otanalysis.studies.evaluate.evaluate` asks about.
    settings : StampSettings, optional
        What the pictures are made of.
    benchmarks : sequence of str, optional
        Which; by default all eleven.
    progress : bool
        Show a bar with the time left on stderr.

    Returns
    -------
    list of Path
        The dumps, in the order of the benchmarks.

    Raises
    ------
    InputError
        If the folder holds no model, a benchmark is unknown, a number is out of range or photographs are
        missing.
    MissingDependencyError
        If torch, transformers or a package of photographs is not installed.
    """
    chosen = StampSettings() if settings is None else settings
    known = stamp_benchmarks(chosen)
    wanted = named(known if benchmarks is None else benchmarks, known)
    if scenes < 1:
        raise InputError(f"At least 1 scene a dump is wanted, got {scenes}.")
    folder = as_path(model, "a folder of a model")
    revision = model_fingerprint(folder)[:12]
    kind = f"{revision}-{sha256_of_json(told(chosen))[:8]}-{scenes}-pictures"
    dumps = SceneDumps(
        folder=written_data_folder() / "dumps" / folder.resolve().name / kind if out is None else Path(out),
        scenes=scenes,
        revision=revision,
        grid=(GRID, GRID),
        dtype="float16",
        about={"thumbnails": _LICENCE},
    )
    return dumps.write(wanted, partial(load_model, folder), progress=progress)
