"""Capture and sweep in one: pictures in, the table of the sweep out, and no tokens that stay."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from otanalysis.files import as_path, sha256_of_json
from otanalysis.locks import held
from otanalysis.studies.chunks import cut, dump_name
from otanalysis.studies.engine import Study, collect, is_collected, run_study
from otanalysis.studies.pool import lasting_processes
from otanalysis.studies.runs import SweepSettings
from otanalysis.studies.stretches import Stretches
from otanalysis.studies.sweep import PARTS, sweep_study
from otanalysis.tokens import Dump
from otanalysis.vlm.capture.capture import CaptureReport, capture_into
from otanalysis.vlm.capture.pictures import PictureSource
from otanalysis.vlm.model import VisionLanguageModel

_CHUNK_SIZE = 4  # samples a part: a stretch of 64 keeps 16 processes busy
_STRETCHES = "captured"


def capture_sweep(
    vlm: VisionLanguageModel,
    source: PictureSource,
    out: str | PathLike[str],
    settings: SweepSettings,
    *,
    jobs: int = 1,
    progress: bool = True,
    wait: bool = False,
    **capture: Any,
) -> CaptureReport:
    """Measure selections of the visual tokens of pictures as they are captured, and keep no tokens.

    The rows are those of :func:`~otanalysis.studies.sweep.sweep` on a dump at the place of ``out`` that
    :func:`~otanalysis.vlm.capture.capture.capture_tokens` wrote with the same settings. Stopped, the same
    call goes on after the last samples that are measured; pictures are compared with the checksums of those
    that were. Other methods later want the pictures to be captured again.

    Parameters
    ----------
    vlm, source
        Model and pictures, as for :func:`~otanalysis.vlm.capture.capture.capture_tokens`.
    out : path
        The folder for ``sweep.parquet``, ``parts/`` and ``captured/``, which says what was captured; created
        if missing.
    settings : SweepSettings
        What to measure.
    jobs : int
        Processes that measure, at least 1; see :func:`~otanalysis.studies.engine.collect`.
    progress : bool
        Show a bar with the time left on stderr.
    wait : bool
        Wait for another process that writes into ``out``, in place of refusing.
    **capture
        Further settings of the capture. ``shard_size`` samples are captured before they are measured
        together: so many are in memory, and on disk while they are measured.

    Returns
    -------
    CaptureReport
        Its ``path`` is that of the table.

    Raises
    ------
    InputError, DumpError, StorageError
        As capture and sweep raise them.
    KeyboardInterrupt
        With a word on what is kept.

    Examples
    --------
    >>> import tempfile
    >>> from otanalysis.mini import bundled_model_path, write_pictures
    >>> from otanalysis.studies.sweep import read_sweep
    >>> from otanalysis.vlm import load_model
    >>> from otanalysis.vlm.capture import open_pictures
    >>> vlm, folder = load_model(bundled_model_path()), tempfile.TemporaryDirectory()
    >>> pictures = open_pictures(write_pictures(folder.name, "presence", 1))
    >>> settings = SweepSettings(("first", "otprune"), (0.05,), (0.01,), (0,), ("none",))
    >>> how = {"benchmark": "presence", "progress": False}
    >>> report = capture_sweep(vlm, pictures, f"{folder.name}/out", settings, **how)
    >>> read_sweep(report.path)["keep"].tolist()
    [29, 29]
    >>> folder.cleanup()
    """
    folder = as_path(out, "a folder")
    name = dump_name(folder)

    def study(dumps: list[Dump], **said: Any) -> Study:
        prints = [dump.manifest.fingerprint for dump in dumps]
        manifest = dumps[0].manifest
        told = {
            "dump": name,
            "fingerprint": sha256_of_json(prints),
            "model": manifest.model,
            "revision": manifest.revision,
            "benchmark": manifest.benchmark,
            "samples": sum(map(len, dumps)),
            "captured": {**manifest.extra, **said},
        }
        return sweep_study(
            settings,
            [(name, chunk) for dump in dumps for chunk in cut(dump, size=_CHUNK_SIZE)],
            content=[name, prints, said],
            limit=None,
            dumps=[told],
            reads=[dump.path for dump in dumps],
        )

    with held(folder, "measuring pictures as they are captured", wait=wait), lasting_processes():
        stretches = Stretches(
            folder / _STRETCHES,
            measure=lambda dump: collect(study([dump]), folder / PARTS, jobs=jobs, progress=False),
            is_measured=lambda dump: is_collected(study([dump]), folder / PARTS),
        )
        try:
            found = capture_into(
                stretches.begin, vlm, source, progress=progress, settle=stretches.settle, **capture
            )
            whole = study(stretches.dumps, **stretches.notes)
            path = run_study(whole, folder, parts=PARTS, jobs=jobs, progress=False)
        except KeyboardInterrupt:
            number = sum(map(len, stretches.dumps))
            measured = "1 picture is measured" if number == 1 else f"{number} pictures are measured"
            raise KeyboardInterrupt(
                f"Stopped: {measured}, and kept in {folder}; the same command goes on from there."
            ) from None
    return CaptureReport(Path(path), found.samples, found.resumed, found.skipped)
