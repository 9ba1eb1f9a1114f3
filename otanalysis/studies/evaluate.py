"""Accuracy of a model on the scenes with kept tokens: the measured half of distance against accuracy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
from otanalysis.defaults import FULL, MAJORITY as MAJORITY, RATIOS, RELEASED_GAMMA
from otanalysis.errors import InputError
from otanalysis.files import sha256_of_json
from otanalysis.image import Image
from otanalysis.locks import held
from otanalysis.mini.benchmarks import BENCHMARKS, Item
from otanalysis.scalars import check_choice
from otanalysis.scores.table import accuracy_path, write_accuracy
from otanalysis.selection import SELECTORS, Selector, select_many
from otanalysis.selection.fingerprint import code_fingerprint
from otanalysis.selection.selector import is_own, needs_of
from otanalysis.studies.chunks import Record
from otanalysis.studies.engine import PACKAGE, Study, collect
from otanalysis.studies.provenance import environment
from otanalysis.studies.runs import Run, SweepSettings
from otanalysis.studies.store import Part
from otanalysis.vlm.answer import Places, answer_prompts
from otanalysis.vlm.attention import attention_sides, check_attention
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
    """Some questions of one benchmark under every run at all ratios (run None: all tokens).

    ``version`` grows when the same settings would give other numbers, so that older parts are measured again.
    """

    model: Path
    benchmark: str
    start: int
    stop: int
    runs: tuple[Run | None, ...]
    ratios: tuple[float, ...]
    positions: Positions = "renumbered"

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
        name = FULL if run is None else run.selector.name
        return f"{self.benchmark}-{self.start:05d}-{self.stop:05d}-{name}-{sha256_of_json(content)[:16]}"

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The key of every run, made once: what the code of an own selector leans on may move as it picks."""
        return tuple(map(self.key, self.runs))

    def measure(self, missing: Sequence[str]) -> Iterator[tuple[Sequence[str], list[Record]]]:
        """Measure the missing runs; a worker process keeps the model, and the images are encoded once."""
        vlm = _loaded(self.model)
        items = list(islice(BENCHMARKS[self.benchmark].items(self.stop), self.start, None))
        side = _side_of(self.runs)
        found: list[ImageTokens] = []
        for begin in range(0, len(items), 10):
            found += vlm.image_tokens([item.picture for item in items[begin : begin + 10]], side=side)
        tokens = [one.tokens for one in found]
        images = [Image(one.tokens.double().numpy(), grid=one.grid, side=one.side) for one in found]
        for run, key in zip(self.runs, self.keys, strict=True):
            if key in missing:
                everything = {1.0: [np.arange(len(one)) for one in tokens]}
                kept = _select(run, items, images, self.ratios) if run else everything
                answered = (self._answers(vlm, run, items, tokens, *one) for one in kept.items())
                yield [key], [row for rows in answered for row in rows]

    def _answers(
        self,
        vlm: VisionLanguageModel,
        run: Run | None,
        items: list[Item],
        tokens: list[Any],
        ratio: float,
        kept: list[np.ndarray],
    ) -> list[Record]:
        """Return one row a question: what was answered with the kept tokens and how it scored."""
        benchmark = BENCHMARKS[self.benchmark]
        prompts = [f"{vlm.image_token} {item.question.text}" for item in items]
        visual = [one[own] for one, own in zip(tokens, kept, strict=True)]
        stood = [Places(own, len(one)) for one, own in zip(tokens, kept, strict=True)]
        answers = answer_prompts(vlm, prompts, visual, stood if self.positions == "original" else None)
        return [
            {
                "benchmark": benchmark.name,
                "method": run.selector.name if run else FULL,
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
    benchmarks: Sequence[str] = tuple(BENCHMARKS),
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
    """Measure accuracy with all tokens and with the kept ones, and write the accuracy table.

    Every image is encoded once; every selection works on the tokens after the projector. Kept tokens are
    handed on ascending in position. Answers are decoded greedily.

    Parameters
    ----------
    model : path
        Folder of an image-text model in Hugging Face format that was trained on the scenes.
    benchmarks, methods, ratios, gammas, seeds
        What to measure; seeds apply to methods that draw at random, gammas to those that have a gamma, for
        each in its own unit. A selector of one's own is measured again when its code has changed. By default
        all methods whose side information the model gives.
    positions : {"renumbered", "original"}
        What becomes of the positions of kept tokens: renumbered from 0, as in LLaVA's code, or those of the
        whole prompt. A table has scores of one of the two.
    questions : int
        Questions a benchmark, each about a held-out scene of its own.
    out : path
        The table, ``.csv`` or ``.parquet``; its provenance is written beside it.
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
        Columns :data:`~otanalysis.scores.table.ACCURACY_COLUMNS`; ``value`` is the mean score (0 to 1)
        and ``standard_error`` that of this mean over the questions.

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
    if unknown := [name for name in benchmarks if name not in BENCHMARKS]:
        raise InputError(f"Unknown benchmark {unknown[0]!r}; known are {', '.join(BENCHMARKS)}.")
    check_choice(positions, "positions", get_args(Positions))
    if questions < 2:
        raise InputError(
            f"At least 2 questions a benchmark are needed for a standard error, got {questions}."
        )
    table_path = accuracy_path(out)
    vlm = load_model(model)
    asked = measurable_methods(vlm) if methods is None else methods
    settings = SweepSettings(tuple(asked), tuple(ratios), tuple(gammas), tuple(seeds), ("none",))
    check_attention(vlm.model, _side_of(settings.runs()))
    fingerprint = model_fingerprint(model)
    folder = Path(parts) / f"{vlm.name}-{fingerprint[:12]}"
    runs = (None, *settings.runs())
    chunks = [
        _Chunk(
            Path(model), benchmark, start, min(start + _CHUNK, questions), runs, settings.ratios, positions
        )
        for benchmark in benchmarks
        for start in range(0, questions, _CHUNK)
    ]
    plan = [
        Part(
            one.keys,
            one.measure,
            holds={"benchmark": frozenset([BENCHMARKS[one.benchmark].name])},
            whose=fingerprint,
        )
        for one in chunks
    ]
    study = Study("evaluate", _SCHEMA, plan, packages=_NUMERIC)
    with held(table_path.parent, "evaluating", wait=wait):
        found = collect(study, folder, jobs=jobs, progress=progress, wait=wait)
        measured = found.table.to_pandas(use_threads=False)
        table = pd.concat([_majority(benchmarks, questions), _means(measured)])
        table.insert(0, "model", vlm.name)
        about = _provenance(vlm.name, fingerprint, settings, questions, positions)
        write_accuracy(table, table_path, provenance=about | {"measured_with": found.measured_with})
    return table


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


def _select(
    run: Run, items: list[Item], images: list[Image], ratios: Sequence[float]
) -> dict[float, list[np.ndarray]]:
    """Return, per ratio, the kept positions of every image, ascending."""
    kept: dict[float, list[np.ndarray]] = {ratio: [] for ratio in ratios}
    for item, image in zip(items, images, strict=True):
        keeps = {ratio: resolve_keep(len(image), ratio=ratio) for ratio in ratios}
        seed = run.image_seed(item.identifier)
        chosen = select_many(image, run.selector, set(keeps.values()), seed=seed)
        for ratio in ratios:
            kept[ratio].append(np.asarray(chosen[keeps[ratio]].indices))
    return kept


def _majority(benchmarks: Sequence[str], questions: int) -> pd.DataFrame:
    """Score the commonest training answer on the same questions."""
    rows = []
    for name in benchmarks:
        benchmark = BENCHMARKS[name]
        guess = benchmark.majority_answer()
        scores = [benchmark.score(guess, item.question.answer) for item in benchmark.items(questions)]
        rows.append(
            {
                "benchmark": name,
                "method": MAJORITY,
                "ratio": np.nan,
                "gamma": np.nan,
                "seed": pd.NA,
                "metric": benchmark.metric,
                "value": float(np.mean(scores)),
                "n": questions,
                "standard_error": float(np.std(scores, ddof=1) / np.sqrt(questions)),
            }
        )
    return pd.DataFrame(rows).astype({"seed": "Int64"})


def _provenance(
    name: str, fingerprint: str, settings: SweepSettings, questions: int, positions: Positions
) -> dict[str, Any]:
    return {
        "model": name,
        "model_fingerprint": fingerprint,
        "questions_per_benchmark": questions,
        "selectors": sorted({repr(run.selector) for run in settings.runs()}),
        "ratios": list(settings.ratios),
        "seeds": list(settings.seeds),
        "kept_tokens": f"after the projector, ascending in position, {_POSITIONS[positions]}",
        "decoding": "greedy, float32, CPU",
        **environment(_PACKAGES),
        "command": "otanalysis evaluate (make evaluate)",
    }
