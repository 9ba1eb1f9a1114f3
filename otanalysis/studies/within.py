"""The test inside the image: one question, many kept sets, every distance and how likely the right answer is.

Between methods everything differs at once. Here one picture and one question stay as they are, and only the
kept tokens change; see :mod:`otanalysis.stats.within_tables` for what is made of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from os import PathLike
from pathlib import Path
from typing import ClassVar, get_args
from zlib import crc32

import numpy as np
import pandas as pd
import pyarrow as pa

from otanalysis.arrays import FloatArray, resolve_keep
from otanalysis.distances import measure_distances
from otanalysis.errors import InputError
from otanalysis.files import sha256_of_json
from otanalysis.image import Image
from otanalysis.scalars import check_choice, check_integer, check_seed
from otanalysis.selection.steered import FEWEST, SteeredSubset, draw_steered
from otanalysis.stats.within_tables import RANKED
from otanalysis.studies.chunks import Record
from otanalysis.studies.engine import PACKAGE, Study, run_study
from otanalysis.studies.provenance import read_table
from otanalysis.studies.questions import Asked
from otanalysis.studies.store import NUMERIC, Part
from otanalysis.vlm.capture.provenance import model_revision
from otanalysis.vlm.kept_call import Positions
from otanalysis.vlm.likelihood import AskedPicture
from otanalysis.vlm.model import Dtype, VisionLanguageModel, load_model

_CHUNK = 4  # questions: a part takes seconds, so that a stop loses little
_PACKAGES = ("torch", "transformers", *NUMERIC)

_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("model", "benchmark", "scene", "sample", "positions")),
        ("m", pa.int32()),
        ("ratio", pa.float64()),
        ("keep", pa.int32()),
        ("number", pa.int32()),
        ("origin", pa.string()),
        ("start", pa.int32()),
        ("swaps", pa.int32()),
        ("answer_tokens", pa.int32()),
        ("log_probability", pa.float64()),
        ("right", pa.bool_()),
        ("full_log_probability", pa.float64()),
        ("full_right", pa.bool_()),
        *((name, pa.float64()) for name in RANKED),
    ]
)


@dataclass(frozen=True)
class ModelSource:
    """Where the model of :func:`measure_within` comes from and how it computes.

    Attributes
    ----------
    source, revision, dtype, device : str
        As for :func:`~otanalysis.vlm.model.load_model`.
    """

    source: str
    revision: str | None = None
    dtype: Dtype = "float32"
    device: str = "cpu"

    def anywhere(self) -> ModelSource:
        """Return it for processes in other folders: the path of a folder is absolute."""
        return replace(self, source=str(Path(self.source).absolute())) if Path(self.source).is_dir() else self

    def load(self) -> VisionLanguageModel:
        """Return the model; a process keeps the last one."""
        return _loaded(self)


@lru_cache(maxsize=1)
def _loaded(model: ModelSource) -> VisionLanguageModel:
    return load_model(model.source, revision=model.revision, dtype=model.dtype, device=model.device)


@dataclass(frozen=True)
class WithinStudy:
    """Log-probability of the right answer and every distance, for steered subsets of one size a question.

    See :func:`measure_within`.

    Attributes
    ----------
    ratio : float
        Share of the tokens that every subset keeps, in (0, 1).
    subsets : int
        Subsets a question, see :func:`~otanalysis.selection.steered.draw_steered`.
    positions : tuple of {"renumbered", "original"}
        What becomes of the positions of kept tokens, see :class:`~otanalysis.vlm.pruned.Pruned`; the same
        subsets are put to the model in every way.
    seed : int
        Of the draws; every question has its own stream.
    batch_size : int
        Subsets a call of the model.

    Raises
    ------
    InputError
        If a setting is missing, repeated, unknown or out of range.
    """

    ratio: float = 0.098
    subsets: int = 40
    positions: tuple[Positions, ...] = get_args(Positions)
    seed: int = 0
    batch_size: int = 64

    name: ClassVar[str] = "within"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        resolve_keep(2, ratio=self.ratio)
        for name, low in (("subsets", FEWEST), ("batch_size", 1)):
            check_integer(getattr(self, name), name, wanted=f"an integer from {low} on", low=low)
        check_seed(self.seed)
        for one in self.positions:
            check_choice(one, "positions", get_args(Positions))
        if not self.positions or len(set(self.positions)) < len(self.positions):
            raise InputError(f"Positions must be named, each once; got {self.positions}.")

    @property
    def key(self) -> list[object]:
        """What the numbers of one question depend on, beside model and question."""
        settings = {name: value for name, value in asdict(self).items() if name != "batch_size"}
        return [self.name, self.version, settings, _SCHEMA.names, PACKAGE]

    def __call__(self, vlm: VisionLanguageModel, asked: Asked) -> list[Record]:
        """Return one row a subset and way of numbering positions; ``number`` counts the subsets."""
        picture = AskedPicture(vlm, asked.picture.read().pixels, asked.question, asked.answer)
        image = Image(picture.image.tokens.double().cpu().numpy())
        drawn = draw_steered(
            image,
            resolve_keep(len(image), ratio=self.ratio),
            subsets=self.subsets,
            generator=np.random.default_rng([self.seed, crc32(asked.id.encode())]),
            places=_places(picture),
        )
        head = {"model": vlm.name, "benchmark": asked.benchmark, "scene": asked.scene, "sample": asked.id}
        of_subsets = [head | self._described(picture, image, one, number) for number, one in enumerate(drawn)]
        kept = np.stack([one.indices for one in drawn])
        rows: list[Record] = []
        for positions in self.positions:
            found = picture.likelihood(kept, positions=positions, batch_size=self.batch_size)
            scores = zip(found.log_probability.tolist(), found.right.tolist(), strict=True)
            rows += [
                row | {"positions": positions, "log_probability": value, "right": right}
                for row, (value, right) in zip(of_subsets, scores, strict=True)
            ]
        return rows

    def _described(self, picture: AskedPicture, image: Image, subset: SteeredSubset, number: int) -> Record:
        """Return what does not depend on positions: of a subset its making and all distances."""
        full = picture.full
        return {
            "m": len(image),
            "ratio": self.ratio,
            "keep": len(subset.indices),
            "number": number,
            "origin": subset.origin,
            "start": subset.start,
            "swaps": subset.swaps,
            "answer_tokens": picture.answer_tokens,
            "full_log_probability": float(full.log_probability[0]),
            "full_right": bool(full.right[0]),
            **measure_distances(image, subset.indices, RANKED),
        }


def _places(picture: AskedPicture) -> FloatArray | None:
    """Return the middle of every patch [m, 2], in shares of the picture; None where that is not known."""
    boxes = picture.image.boxes
    if boxes is None:
        return None
    corners = np.array(boxes)
    return np.asarray((corners[:, :2] + corners[:, 2:]) / 2)


def measure_within(
    model: ModelSource,
    questions: Sequence[Asked],
    study: WithinStudy,
    *,
    out: str | PathLike[str],
    jobs: int = 1,
    progress: bool = True,
    wait: bool = False,
) -> Path:
    """Put questions to a model from many kept sets each; the table is ``out/within.parquet``.

    Finished parts, a few questions each, are kept in ``out/parts-within``: a later call takes from there what
    it finds, so that more questions can be asked later.

    Parameters
    ----------
    model : ModelSource
        The model.
    questions : sequence of Asked
        From :func:`~otanalysis.studies.questions.bundled_questions` or
        :func:`~otanalysis.studies.questions.read_questions`.
    study : WithinStudy
        What to measure.
    out : path
        Folder of the table and the parts; created if missing.
    jobs : int
        Processes, at least 1, each with a model of its own; see
        :func:`~otanalysis.studies.engine.collect`.
    progress : bool
        Show a bar with the time left on stderr.
    wait : bool
        Wait for another process that writes into ``out``, in place of refusing.

    Returns
    -------
    Path
        The table, one row a question, way of numbering positions and subset: ``model``, ``benchmark``,
        ``scene``, ``sample`` (the question), ``positions``, ``m``, ``ratio``, ``keep``, ``number``,
        ``origin``, ``start``, ``swaps`` (see :class:`~otanalysis.selection.steered.SteeredSubset`),
        ``answer_tokens``, ``log_probability`` (natural logarithm) and ``right``, the same of all tokens
        (``full_...``), and every distance of
        :data:`~otanalysis.stats.within_tables.RANKED`.

    Raises
    ------
    InputError
        If there is no question, an id comes twice, a picture cannot be read, an answer is none that the model
        can give, or as :class:`~otanalysis.vlm.likelihood.AskedPicture` raises it.
    StorageError, KeyboardInterrupt
        As for :func:`~otanalysis.studies.engine.measure_samples`.
    MissingDependencyError
        torch or transformers is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from otanalysis.mini import bundled_model_path
    >>> from otanalysis.stats import swaps_table, within_table
    >>> from otanalysis.studies import bundled_questions, summarise_within
    >>> model, study = ModelSource(str(bundled_model_path())), WithinStudy(subsets=7)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = measure_within(model, bundled_questions(1)[:1], study, out=folder, progress=False)
    ...     rows, (correlations, swaps) = read_within(path), summarise_within(path)
    >>> len(rows), correlations.equals(within_table(rows)), swaps.equals(swaps_table(rows))
    (14, True, True)
    """
    ids = [one.id for one in questions]
    if not ids or len(set(ids)) < len(ids):
        raise InputError("At least one question is wanted, and each must have an id of its own.")
    vlm = model.load()
    revision = model_revision(vlm, model.source, progress=progress)
    key = [study.key, vlm.name, revision, model.dtype]
    content = [one.content for one in questions]
    parts = [
        Part(
            keys=(sha256_of_json([key, content[start : start + _CHUNK]])[:24],),
            measure=partial(_measure, model.anywhere(), study, tuple(questions[start : start + _CHUNK])),
        )
        for start in range(0, len(questions), _CHUNK)
    ]
    about = {
        "settings": {"study": repr(study), "questions": len(questions)},
        "model": {"name": vlm.name, "revision": revision, "dtype": model.dtype, "device": model.device},
        "benchmarks": Counter(one.benchmark for one in questions),
        "scenes": len({one.scene for one in questions}),
    }
    wanted = Study(
        study.name,
        _SCHEMA,
        parts,
        request=[key, content],
        about=about,
        packages=_PACKAGES,
        reads=[Path(model.source)] if Path(model.source).is_dir() else [],
    )
    return run_study(wanted, out, jobs=jobs, progress=progress, wait=wait)


def _measure(
    model: ModelSource, study: WithinStudy, questions: Sequence[Asked], missing: Sequence[str]
) -> Iterator[tuple[Sequence[str], list[Record]]]:
    vlm = model.load()
    rows: list[Record] = []
    for asked in questions:
        try:
            rows += study(vlm, asked)
        except InputError as error:
            raise InputError(f"Question {asked.id!r}: {error}") from error
    yield missing, rows


def read_within(path: str | PathLike[str]) -> pd.DataFrame:
    """Read the table that :func:`measure_within` wrote.

    Raises
    ------
    InputError
        The file is missing, damaged, without rows, or another table.
    """
    return read_table(path, _SCHEMA, cure="pass the within.parquet of `otanalysis within`")
