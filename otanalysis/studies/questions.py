"""Questions about pictures with their right answers: those of the bundled scenes, or a list of one's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice, zip_longest
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otanalysis.errors import InputError
from otanalysis.files import as_path, sha256_of_json
from otanalysis.mini.benchmarks import BENCHMARKS, given_benchmarks
from otanalysis.reading import read_csv
from otanalysis.scenes import Item, SceneBenchmark
from otanalysis.vlm.capture.pictures import PictureItem
from otanalysis.vlm.capture.sources import open_pictures


@dataclass(frozen=True, eq=False)
class Asked:
    """A question about a picture, with the answer that is right.

    Attributes
    ----------
    picture : PictureItem
        The picture, not read yet; its id is that of the question.
    question, answer : str
        The words.
    benchmark : str
        Kind of the question.
    scene : str
        What the picture shows; questions about one scene are not independent.
    """

    picture: PictureItem
    question: str
    answer: str
    benchmark: str
    scene: str

    @property
    def id(self) -> str:
        """Name of the question."""
        return self.picture.id

    @property
    def content(self) -> str:
        """Digest of the words and of the picture's bytes.

        Raises
        ------
        UnreadableError
            The picture cannot be read.
        """
        words = [self.id, self.question, self.answer, self.benchmark, self.scene]
        return sha256_of_json([*words, self.picture.checksum()])


def bundled_questions(
    count: int, *, benchmarks: Sequence[str | SceneBenchmark[Any]] = tuple(BENCHMARKS)
) -> list[Asked]:
    """Return the first questions of benchmarks of scenes, about held-out ones.

    Parameters
    ----------
    count : int
        Questions a benchmark.
    benchmarks : sequence of str or SceneBenchmark
        Names in :data:`~otanalysis.mini.benchmarks.BENCHMARKS`, or benchmarks of another world.

    Returns
    -------
    list of Asked
        In turn from every benchmark, so that the first ones are of all kinds.

    Raises
    ------
    InputError
        If there is no such benchmark, or no question is asked for.

    Examples
    --------
    >>> [one.question for one in bundled_questions(1, benchmarks=["presence", "count-digits"])]
    ['is there a 4 ?', 'how many digits ?']
    """
    _check_count(count)
    kinds = [
        [_of_scene(benchmark, number, item) for number, item in enumerate(benchmark.items(count))]
        for benchmark in given_benchmarks(benchmarks)
    ]
    return [one for same in zip(*kinds, strict=True) for one in same]


def _of_scene(benchmark: SceneBenchmark[Any], number: int, item: Item[Any]) -> Asked:
    picture = PictureItem(item.identifier, partial(_painted, benchmark, number))
    return Asked(picture, item.question.text, item.question.answer, benchmark.name, item.scene_identifier)


def _painted(benchmark: SceneBenchmark[Any], number: int) -> NDArray[np.uint8]:
    return next(benchmark.items(number + 1, start=number)).picture


def read_questions(file: str | PathLike[str], *, count: int | None = None) -> list[Asked]:
    """Read a list of questions: ``.csv``, ``.jsonl``, or a Hugging Face dataset with columns of these names.

    Parameters
    ----------
    file : path
        Columns, or names of a JSON object a line: ``image`` (a path; relative ones start at the file's
        folder), ``question`` and ``answer``; optional ``benchmark`` (kind of question, else the file's name),
        ``scene`` (else the image) and ``id``, which JSON lines need where a picture has several questions.
    count : int, optional
        Only the first so many questions of every kind.

    Returns
    -------
    list of Asked
        In turn from every kind, so that the first ones are of all kinds.

    Raises
    ------
    InputError
        If the file cannot be read, is no such list, lacks a word, or says an id twice.

    Examples
    --------
    >>> import tempfile
    >>> from otanalysis.mini import write_pictures
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [one.answer for one in read_questions(write_pictures(folder, "presence", 1))]
    ['no']
    """
    path = as_path(file, "a list of questions")
    if count is not None:
        _check_count(count)
    items = _csv_items(path) if path.suffix.lower() == ".csv" else list(open_pictures(path))
    asked = [_of_item(item, path) for item in items]
    if not asked:
        raise InputError(
            f"{path} has no question: one row a question is wanted, below the names of the columns."
        )
    kinds: dict[str, list[Asked]] = {}
    for one in asked:
        kinds.setdefault(one.benchmark, []).append(one)
    rounds = zip_longest(*(islice(own, count) for own in kinds.values()))
    return [one for same in rounds for one in same if one is not None]


def _csv_items(path: Path) -> list[PictureItem]:
    lines = read_csv(path)
    _require(path, {"image", "question", "answer"} - set(lines.columns))
    items = []
    for number, row in enumerate(lines.records(), start=1):
        image = row.pop("image")
        if image is None:
            raise InputError(f"{path}, row {number} has no image: fill in the path of the picture.")
        name = row.pop("id", None) or f"{image}#{number}"
        load = partial(Path.read_bytes, (path.parent / image).absolute())
        items.append(PictureItem(name, load, {"image": image, **row}))
    _check_ids(path, [item.id for item in items])
    return items


def _of_item(item: PictureItem, path: Path) -> Asked:
    _require(path, {name for name in ("question", "answer") if not _word(item.extra.get(name))}, item.id)
    words = {name: _word(item.extra.get(name)) for name in ("question", "answer", "benchmark", "scene")}
    scene = words["scene"] or _word(item.extra.get("image")) or item.id
    return Asked(item, words["question"], words["answer"], words["benchmark"] or path.stem, scene)


def _word(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _require(path: Path, missing: Iterable[str], where: str = "") -> None:
    if names := sorted(missing):
        at = f" ({where})" if where else ""
        raise InputError(f"{path} lacks {' and '.join(names)}{at}: image, question and answer are wanted.")


def _check_ids(path: Path, ids: Sequence[str]) -> None:
    if len(set(ids)) < len(ids):
        twice = next(one for one in ids if ids.count(one) > 1)
        raise InputError(f"{path} has the id {twice!r} twice: give every question an id of its own.")


def _check_count(count: int) -> None:
    if count < 1:
        raise InputError(f"At least 1 question of every kind must be asked, got {count}.")
