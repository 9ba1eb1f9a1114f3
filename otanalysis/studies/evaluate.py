"""Accuracy of a model on the scenes with kept tokens: the measured half of distance against accuracy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, get_args

import numpy as np
import pandas as pd
import pyarrow as pa

from otanalysis.arrays import resolve_keep
from otanalysis.defaults import FULL, MAJORITY as MAJORITY, NO_IMAGE, RATIOS, RELEASED_GAMMA
from otanalysis.errors import InputError
from otanalysis.files import sha256_of_json
from otanalysis.image import Image
from otanalysis.locks import held
from otanalysis.mini.benchmarks import BENCHMARKS, given_benchmarks
from otanalysis.scalars import check_choice
from otanalysis.scenes import Item, SceneBenchmark
from otanalysis.scores.table import accuracy_path, write_accuracy
from otanalysis.selection import SELECTORS, Selector, select_many
from otanalysis.selection.fingerprint import code_fingerprint
from otanalysis.selection.selector import is_own, needs_of
from otanalysis.studies.chunks import Record
from otanalysis.studies.engine import PACKAGE, Study, collect
from otanalysis.studies.known_scores import KnownScores
from otanalysis.studies.provenance import environment
from otanalysis.studies.runs import Run, SweepSettings
from otanalysis.studies.store import Part
from otanalysis.vlm.answer import Places, answer_prompts, question_prompt
from otanalysis.vlm.attention import attention_sides, check_attention
from otanalysis.vlm.capture.stages import batches
from otanalysis.vlm.kept_call import Positions
from otanalysis.vlm.layout import ImageTokens
from otanalysis.vlm.model import VisionLanguageModel, load_model, model_fingerprint

_WITHOUT_VERSION = "0.1.0"  # the one version whose parts do not have it in their keys
_CHUNK = 50  # questions: a part takes about a minute, so that a stop loses little
_POSITIONS = {"renumbered": "renumbered from 0", "original": "with the positions of the whole prompt"}
_NUMERIC = ("torch", "transformers", "numpy", "scipy", "POT", "kmedoids", "scikit-learn")
_PACKAGES = ("otanalysis", *_NUMERIC)

_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("benchmark", "method")),
        *((name, pa.float64()) for name in ("ratio", "gamma")),
        ("seed", pa.int64()),
        *((name, pa.string()) for name in ("metric", "item", "answer", "truth")),
        ("score", pa.float64()),
    ]
)


@dataclass(frozen=True)
class _Chunk:
    """Some questions of one benchmark under every run at all ratios (run None: all tokens; blind: none).

    ``version`` grows when the same settings would give other numbers, so that older parts are measured again.
    """

    model: Path
    benchmark: SceneBenchmark[Any]
    start: int
    stop: int
    runs: tuple[Run | None, ...]
    ratios: tuple[float, ...]
    positions: Positions = "renumbered"
    blind: bool = False

    version: ClassVar[int] = 1

    def key(self, run: Run | None) -> str:
        """Name of the file of one run."""
        content: list[object] = [self.version, repr(run and run.selector), run and run.seed, self.ratios]
        if self.positions != "renumbered":  # what the keys of earlier parts do not say
            content.append(self.positions)
        if PACKAGE != _WITHOUT_VERSION:
            content.append(PACKAGE)
        if run and is_own(run.selector):
            content.append(code_fingerprint(run.selector))
        if self.benchmark.about:
            content.append(dict(self.benchmark.about))
        name = self._method(run)
        if name == NO_IMAGE:
            content.append(name)
        return f"{self.benchmark.name}-{self.start:05d}-{self.stop:05d}-{name}-{sha256_of_json(content)[:16]}"

    def _method(self, run: Run | None) -> str:
        """Return the name of a run in the table."""
        if run is None:
            return NO_IMAGE if self.blind else FULL
        return run.selector.name

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The key of every run, made once: what the code of an own selector leans on may move as it picks."""
        return tuple(map(self.key, self.runs))

    def measure(self, missing: Sequence[str]) -> Iterator[tuple[Sequence[str], list[Record]]]:
        """Measure the missing runs; a worker process keeps the model, and the images are encoded once."""
        vlm = _loaded(self.model)
        items = list(self.benchmark.items(self.stop, start=self.start))
        if self.blind:
            yield self.keys, self._blind_answers(vlm, items)
            return
        found = _encoded(vlm, items, _side_of(self.runs))
        tokens = [found[item.scene_identifier].tokens for item in items]
        images = {
            name: Image(one.tokens.double().numpy(), grid=one.grid, side=one.side)
            for name, one in found.items()
        }
        for run, key in zip(self.runs, self.keys, strict=True):
            if key in missing:
                everything = {1.0: [np.arange(len(one)) for one in tokens]}
                kept = _select(run, items, images, self.ratios) if run else everything
                answered = (self._answers(vlm, run, items, tokens, *one) for one in kept.items())
                yield [key], [row for rows in answered for row in rows]

    def _blind_answers(self, vlm: VisionLanguageModel, items: list[Item[Any]]) -> list[Record]:
        """Return one row a question that is asked without any token of its picture."""
        [one] = vlm.visual_tokens([items[0].picture])  # for the shape and type of no token
        nothing = [np.arange(0)] * len(items)
        return self._answers(vlm, None, items, [one] * len(items), None, nothing)

    def _answers(
        self,
        vlm: VisionLanguageModel,
        run: Run | None,
        items: list[Item[Any]],
        tokens: list[Any],
        ratio: float | None,
        kept: list[np.ndarray],
    ) -> list[Record]:
        """Return one row a question: what was answered with the kept tokens and how it scored."""
        benchmark = self.benchmark
        prompts = [question_prompt(vlm.processor, item.question.text) for item in items]
        visual = [one[own] for one, own in zip(tokens, kept, strict=True)]
        stood = [Places(own, len(one)) for one, own in zip(tokens, kept, strict=True)]
        places = stood if self.positions == "original" and not self.blind else None
        answers = answer_prompts(vlm, prompts, visual, places, max_new_tokens=benchmark.longest_answer)
        return [
            {
                "benchmark": benchmark.name,
                "method": self._method(run),
                "ratio": ratio,
                "gamma": run and run.gamma,
                "seed": run and run.seed,
                "metric": benchmark.metric,
                "item": item.identifier,
                "answer": answer,
                "truth": item.question.answer,
                "score": benchmark.score(answer, item.question.answer),
            }
            for item, answer in zip(items, answers, strict=True)
        ]


def evaluate(
    model: str | PathLike[str],
    *,
    benchmarks: Sequence[str | SceneBenchmark[Any]] = tuple(BENCHMARKS),
    methods: Sequence[str | Selector] | None = None,
    ratios: Sequence[float] = RATIOS,
    gammas: Sequence[float] = (RELEASED_GAMMA,),
    seeds: Sequence[int] = (0,),
    positions: Positions = "renumbered",
    questions: int = 400,
    out: str | PathLike[str],
    parts: str | PathLike[str] = "results/evaluate",
    jobs: int = 1,
    progress: bool = True,
    wait: bool = False,
) -> pd.DataFrame:
    """Measure accuracy with all tokens and with the kept ones, and put it into an accuracy table.

    What the table has of the same model, number of questions and version of the package is not measured
    again: its rows stay, and new ones follow them. A table of something else is replaced.

    Every image is encoded once; every selection works on the tokens after the projector. Kept tokens are
    handed on ascending in position. Answers are decoded greedily.

    Parameters
    ----------
    model : path
        Folder of an image-text model in Hugging Face format that was trained on the scenes.
    benchmarks, methods, ratios, gammas, seeds
        What to measure. Benchmarks are names of those of the digits, or what
        :func:`~otanalysis.stamps.stamp_benchmarks` returns; seeds apply to methods that draw at random,
        gammas to those that have a gamma, for each in its own unit. A selector of one's own is measured again
        when its code has changed. Method ``no-image`` asks without any token of the picture. By default it
        and all methods whose side information the model gives.
    positions : {"renumbered", "original"}
        What becomes of the positions of kept tokens: renumbered from 0, as in LLaVA's code, or those of the
        whole prompt. A table has scores of one of the two.
    questions : int
        Questions a benchmark, about held-out scenes: one a scene of digits, up to four a scene of stamps.
    out : path
        The table, ``.csv`` or ``.parquet``; its provenance is written beside it. One that is not there yet
        has everything measured.
    parts : path
        Folder of the finished parts; a stopped evaluation goes on from there.
    jobs : int
        Processes, at least 1; see :func:`~otanalysis.studies.engine.collect`.
    progress : bool
        Show a bar with the time left on stderr.
    wait : bool
        Wait for another process that writes into the folder of ``out`` or ``parts``, in place of refusing.

    Returns
    -------
    DataFrame
        The whole table: columns :data:`~otanalysis.scores.table.ACCURACY_COLUMNS`; ``value`` is the mean
        score (0 to 1) and ``standard_error`` that of this mean over the questions.

    Raises
    ------
    InputError
        A name is unknown, a number out of range, the folder holds no model, or its image encoder has not the
        attention that a method needs.
    StorageError
        A folder cannot be written, or another process writes there.
    MissingDependencyError
        torch or transformers is not installed.
    """
    asked_of = given_benchmarks(benchmarks)
    check_choice(positions, "positions", get_args(Positions))
    if questions < 2:
        raise InputError(
            f"At least 2 questions a benchmark are needed for a standard error, got {questions}."
        )
    table_path = accuracy_path(out)
    vlm = load_model(model)
    asked = (*measurable_methods(vlm), NO_IMAGE) if methods is None else tuple(methods)
    runs = _runs(asked, ratios, gammas, seeds)
    check_attention(vlm.model, _side_of(runs))
    subject = _subject(vlm.name, model_fingerprint(model), questions, positions, _scenes_of(asked_of))
    with held(table_path.parent, "evaluating", wait=wait):
        known = KnownScores.in_table(table_path, subject)
        known.say_moved(_NUMERIC, table_path)
        place = Path(model).absolute()
        chunks = list(_chunks(place, known, asked_of, runs, tuple(ratios), questions, positions))
        if NO_IMAGE in asked:
            chunks += _blind_chunks(place, known, asked_of, questions)
        if not chunks:
            return known.table
        pieces = [_part(one, subject) for one in chunks]
        study = Study("evaluate", _SCHEMA, pieces, packages=_NUMERIC, reads=[place])
        folder = Path(parts) / f"{vlm.name}-{subject['model_fingerprint'][:12]}"
        found = collect(study, folder, jobs=jobs, progress=progress, wait=wait)
        guesses = [_majority(one, questions) for one in asked_of if not known.has(one.name, MAJORITY)]
        fresh = pd.concat([*guesses, _means(found.table.to_pandas(use_threads=False))])
        fresh.insert(0, "model", vlm.name)
        table = known.with_rows(fresh)
        measured = _measured(chunks, seeds) | {"measured_with": found.measured_with}
        write_accuracy(table, table_path, provenance=known.with_evaluation(subject, measured))
    return table


def _runs(
    asked: tuple[str | Selector, ...], ratios: Sequence[float], gammas: Sequence[float], seeds: Sequence[int]
) -> tuple[Run, ...]:
    """Return the runs of the methods that select; none where only no image is asked for."""
    if asked == (NO_IMAGE,):
        return ()
    methods = tuple(one for one in asked if one != NO_IMAGE)
    return tuple(SweepSettings(methods, tuple(ratios), tuple(gammas), tuple(seeds), ("none",)).runs())


def _chunks(
    model: Path,
    known: KnownScores,
    benchmarks: Sequence[SceneBenchmark[Any]],
    runs: Sequence[Run],
    ratios: tuple[float, ...],
    questions: int,
    positions: Positions,
) -> Iterator[_Chunk]:
    """Yield what is to be measured: of every benchmark the runs that lack scores, at the ratios they lack."""
    for benchmark in benchmarks:
        lacking: dict[tuple[float, ...], list[Run | None]] = {}
        for run in (None, *runs):
            if there := known.lacking(benchmark.name, run, ratios):
                lacking.setdefault(there, []).append(run)
        for start, stop in _cut(questions):
            for there, own in lacking.items():
                yield _Chunk(model, benchmark, start, stop, tuple(own), there, positions)


def _blind_chunks(
    model: Path, known: KnownScores, benchmarks: Sequence[SceneBenchmark[Any]], questions: int
) -> Iterator[_Chunk]:
    """Yield what is to be asked without a picture: of every benchmark that has no such score."""
    for benchmark in benchmarks:
        if not known.has(benchmark.name, NO_IMAGE):
            for start, stop in _cut(questions):
                yield _Chunk(model, benchmark, start, stop, (None,), (), blind=True)


def _cut(questions: int) -> Iterator[tuple[int, int]]:
    """Yield where the parts of so many questions start and stop."""
    for start in range(0, questions, _CHUNK):
        yield start, min(start + _CHUNK, questions)


def _part(chunk: _Chunk, subject: Mapping[str, Any]) -> Part:
    return Part(
        chunk.keys,
        chunk.measure,
        holds={"benchmark": frozenset([chunk.benchmark.name])},
        whose=subject["model_fingerprint"],
    )


def measurable_methods(vlm: VisionLanguageModel) -> tuple[str, ...]:
    """Return the names of the methods that can be measured on a model, which gives what they need.

    >>> from otanalysis.mini import bundled_model_path
    >>> methods = measurable_methods(load_model(bundled_model_path()))
    >>> [name in methods for name in ("otprune", "attention", "cdprune")]
    [True, True, False]
    """
    given = set(attention_sides(vlm.model))
    return tuple(name for name, method in SELECTORS.items() if given.issuperset(method.needs))


def _side_of(runs: Iterable[Run | None]) -> tuple[str, ...]:
    """Return the names of the side information that runs need."""
    return tuple(dict.fromkeys(name for run in runs if run for name in needs_of(run.selector)))


def _means(answers: pd.DataFrame) -> pd.DataFrame:
    """Return mean score, number of questions and standard error of every run at every ratio."""
    keys = ["benchmark", "method", "ratio", "gamma", "seed", "metric"]
    answers = answers.astype({"gamma": float, "seed": "Int64"})
    scores = answers.groupby(keys, sort=False, dropna=False)["score"]
    return scores.agg(value="mean", n="size", standard_error="sem").reset_index()


@lru_cache(maxsize=1)
def _loaded(model: Path) -> VisionLanguageModel:
    return load_model(model)


def _scenes_of(benchmarks: Sequence[SceneBenchmark[Any]]) -> dict[str, Any] | None:
    """Return what decides the pictures of benchmarks, None where their names alone do."""
    told = [dict(one.about) for one in benchmarks]
    if any(one != told[0] for one in told):
        raise InputError(
            "The pictures of all benchmarks of a table must be made alike: evaluate each world by itself."
        )
    return (told[0] or None) if told else None


def _encoded(
    vlm: VisionLanguageModel, items: Sequence[Item[Any]], side: Sequence[str]
) -> dict[str, ImageTokens]:
    """Return the tokens of the pictures of items by the names of their scenes, ten pictures at once."""
    pictures = {item.scene_identifier: item.picture for item in items}
    found: list[ImageTokens] = []
    for batch in batches(pictures.values(), 10):
        found += vlm.image_tokens(batch, side=side)
    return dict(zip(pictures, found, strict=True))


def _select(
    run: Run, items: list[Item[Any]], images: Mapping[str, Image], ratios: Sequence[float]
) -> dict[float, list[np.ndarray]]:
    """Return, per ratio, the kept positions for every item, ascending; one selection a picture."""
    kept: dict[float, dict[str, np.ndarray]] = {ratio: {} for ratio in ratios}
    for name, image in images.items():
        keeps = {ratio: resolve_keep(len(image), ratio=ratio) for ratio in ratios}
        chosen = select_many(image, run.selector, set(keeps.values()), seed=run.image_seed(name))
        for ratio in ratios:
            kept[ratio][name] = np.asarray(chosen[keeps[ratio]].indices)
    return {ratio: [own[item.scene_identifier] for item in items] for ratio, own in kept.items()}


def _majority(benchmark: SceneBenchmark[Any], questions: int) -> pd.DataFrame:
    """Score the commonest training answer on the same questions; one row."""
    guess = benchmark.majority_answer()
    asked = islice(benchmark.questions(), questions)
    scores = [benchmark.score(guess, question.answer) for question in asked]
    row = {
        "benchmark": benchmark.name,
        "method": MAJORITY,
        "ratio": np.nan,
        "gamma": np.nan,
        "seed": pd.NA,
        "metric": benchmark.metric,
        "value": float(np.mean(scores)),
        "n": questions,
        "standard_error": float(np.std(scores, ddof=1) / np.sqrt(questions)),
    }
    return pd.DataFrame([row]).astype({"seed": "Int64"})


def _subject(
    name: str, fingerprint: str, questions: int, positions: Positions, scenes: dict[str, Any] | None
) -> dict[str, Any]:
    """Return what all scores of a table have in common, as its provenance says it."""
    return {
        "model": name,
        "model_fingerprint": fingerprint,
        "scenes": scenes,
        "questions_per_benchmark": questions,
        "kept_tokens": f"after the projector, ascending in position, {_POSITIONS[positions]}",
        "decoding": "greedy, float32, CPU",
    }


def _measured(chunks: Sequence[_Chunk], seeds: Sequence[int]) -> dict[str, Any]:
    """Return what was measured of it, when and with which versions."""
    blind = {"without_image": True} if any(one.blind for one in chunks) else {}
    return {
        **blind,
        "selectors": sorted({repr(run.selector) for one in chunks for run in one.runs if run}),
        "ratios": sorted({ratio for one in chunks for ratio in one.ratios}),
        "seeds": list(seeds),
        **environment(_PACKAGES),
        "command": "otanalysis evaluate (make evaluate)",
    }
