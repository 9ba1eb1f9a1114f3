"""Accuracy of a model on the scenes with kept tokens: the measured half of distance against accuracy."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from otanalysis.arrays import resolve_keep
from otanalysis.defaults import FULL, RATIOS, RELEASED_GAMMA
from otanalysis.errors import InputError
from otanalysis.files import write_atomic
from otanalysis.image import Image
from otanalysis.mini.benchmarks import BENCHMARKS, Item
from otanalysis.scores.table import write_accuracy
from otanalysis.selection import SELECTORS, select_many
from otanalysis.studies.parallel import run_parts
from otanalysis.studies.provenance import environment
from otanalysis.studies.runs import Run, SweepSettings
from otanalysis.vlm.answer import answer_prompts
from otanalysis.vlm.model import VisionLanguageModel, load_model, model_fingerprint

__all__ = ["MAJORITY", "evaluate"]

MAJORITY = "majority"
"""Method name of the commonest training answer, which sees no image."""

_CHUNK = 50  # questions: a part takes about a minute, so that a stop loses little
_PART_VERSION = 1
"""Grows when the same settings would give other numbers, so that older parts are measured again."""

_PACKAGES = ("otanalysis", "torch", "transformers", "numpy", "scipy", "kmedoids", "scikit-learn")


@dataclass(frozen=True)
class _Part:
    """Some questions of one benchmark under one run at all ratios (``run`` None: all tokens)."""

    folder: Path
    benchmark: str
    start: int
    stop: int
    run: Run | None
    ratios: tuple[float, ...]

    @property
    def path(self) -> Path:
        content = [
            _PART_VERSION,
            repr(self.run and self.run.selector),
            self.run and self.run.seed,
            self.ratios,
        ]
        key = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
        name = FULL if self.run is None else self.run.selector.name
        return self.folder / f"{self.benchmark}-{self.start:05d}-{self.stop:05d}-{name}-{key}.parquet"


def evaluate(
    model: str | PathLike[str],
    *,
    benchmarks: Sequence[str] = tuple(BENCHMARKS),
    methods: Sequence[str] = tuple(SELECTORS),
    ratios: Sequence[float] = RATIOS,
    gammas: Sequence[float] = (RELEASED_GAMMA,),
    seeds: Sequence[int] = (0,),
    questions: int = 400,
    out: str | PathLike[str],
    parts: str | PathLike[str] = "results/evaluate",
    jobs: int = 1,
    progress: bool = True,
) -> pd.DataFrame:
    """Measure accuracy with all tokens and with the kept ones, and write the accuracy table.

    Every image is encoded once; every selection works on the tokens after the projector. Kept tokens are
    handed on ascending in position and renumbered from 0, as in LLaVA's code. Answers are decoded
    greedily.

    Parameters
    ----------
    model : path
        Folder of an image-text model in Hugging Face format that was trained on the scenes.
    benchmarks, methods, ratios, gammas, seeds
        What to measure; seeds apply to methods that draw at random, gammas to those that have a gamma.
    questions : int
        Questions a benchmark, each about a held-out scene of its own.
    out : path
        The table, ``.csv`` or ``.parquet``; its provenance is written beside it.
    parts : path
        Folder of the finished parts; a stopped evaluation goes on from there.
    jobs : int
        Processes.
    progress : bool
        Show a bar with the time left on stderr.

    Returns
    -------
    DataFrame
        Columns :data:`~otanalysis.scores.table.ACCURACY_COLUMNS`; ``value`` is the mean score (0 to 1)
        and ``standard_error`` that of this mean over the questions.

    Raises
    ------
    InputError
        A name is unknown, a number out of range, or the folder holds no model.
    MissingDependencyError
        torch or transformers is not installed.
    """
    if unknown := [name for name in benchmarks if name not in BENCHMARKS]:
        raise InputError(f"Unknown benchmark {unknown[0]!r}; known are {', '.join(BENCHMARKS)}.")
    if questions < 2:
        raise InputError(
            f"At least 2 questions a benchmark are needed for a standard error, got {questions}."
        )
    settings = SweepSettings(tuple(methods), tuple(ratios), tuple(gammas), tuple(seeds), ("none",))
    vlm = load_model(model)
    fingerprint = model_fingerprint(model)
    folder = Path(parts) / f"{vlm.name}-{fingerprint[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    plan = list(_plan(folder, benchmarks, settings, questions))
    groups = [missing for group in plan if (missing := [part for part in group if not part.path.is_file()])]
    tasks = [partial(_measure, Path(model), group) for group in groups]
    run_parts("evaluate", tasks, jobs=jobs, total=len(plan), kept_in=folder, progress=progress)
    answers = pd.concat([pd.read_parquet(part.path) for group in plan for part in group])
    table = pd.concat([_majority(benchmarks, questions), _summarise(answers)])
    table.insert(0, "model", vlm.name)
    write_accuracy(table, out, provenance=_provenance(vlm.name, fingerprint, settings, questions))
    return table


def _plan(
    folder: Path, benchmarks: Sequence[str], settings: SweepSettings, questions: int
) -> Iterator[list[_Part]]:
    """Yield, per benchmark and chunk of questions, the parts that share their encoded images."""
    runs = [None, *settings.runs()]
    for benchmark in benchmarks:
        for start in range(0, questions, _CHUNK):
            stop = min(start + _CHUNK, questions)
            yield [_Part(folder, benchmark, start, stop, run, settings.ratios) for run in runs]


@lru_cache(maxsize=1)
def _loaded(model: Path) -> VisionLanguageModel:
    return load_model(model)


def _measure(model: Path, parts: list[_Part]) -> None:
    """Measure the parts of one chunk; runs in a worker process, which keeps the model."""
    vlm = _loaded(model)
    first = parts[0]
    items = list(islice(BENCHMARKS[first.benchmark].items(first.stop), first.start, None))
    tokens: list[Any] = []
    for begin in range(0, len(items), 10):
        tokens += vlm.visual_tokens([item.picture for item in items[begin : begin + 10]])
    images = [Image(one.double().numpy()) for one in tokens]
    for part in parts:
        records: list[dict[str, Any]] = []
        if part.run is None:
            records += _answers(vlm, part, items, tokens, [np.arange(len(one)) for one in tokens], 1.0)
        else:
            for ratio, kept in _select(part.run, items, images, part.ratios).items():
                records += _answers(vlm, part, items, tokens, kept, ratio)
        buffer = io.BytesIO()
        pd.DataFrame(records).to_parquet(buffer, index=False)
        write_atomic(part.path, buffer.getvalue())


def _select(
    run: Run,
    items: list[Item],
    images: list[Image],
    ratios: Sequence[float],
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


def _answers(
    vlm: VisionLanguageModel,
    part: _Part,
    items: list[Item],
    tokens: list[Any],
    kept: list[np.ndarray],
    ratio: float,
) -> list[dict[str, Any]]:
    """Return one record a question: what was answered with the kept tokens and how it scored."""
    benchmark = BENCHMARKS[part.benchmark]
    prompts = [f"{vlm.image_token} {item.question.text}" for item in items]
    visual = [one[places] for one, places in zip(tokens, kept, strict=True)]
    answers = answer_prompts(vlm, prompts, visual)
    return [
        {
            "benchmark": benchmark.name,
            "method": FULL if part.run is None else part.run.selector.name,
            "ratio": ratio,
            "gamma": None if part.run is None else part.run.gamma,
            "seed": None if part.run is None else part.run.seed,
            "metric": benchmark.metric,
            "item": item.identifier,
            "answer": answer,
            "truth": item.question.answer,
            "score": benchmark.score(answer, item.question.answer),
        }
        for item, answer in zip(items, answers, strict=True)
    ]


def _summarise(answers: pd.DataFrame) -> pd.DataFrame:
    keys = ["benchmark", "method", "ratio", "gamma", "seed", "metric"]
    grouped = answers.astype({"gamma": float, "seed": "Int64"}).groupby(keys, sort=False, dropna=False)[
        "score"
    ]
    return grouped.agg(value="mean", n="size", standard_error="sem").reset_index()


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


def _provenance(name: str, fingerprint: str, settings: SweepSettings, questions: int) -> dict[str, Any]:
    return {
        "model": name,
        "model_fingerprint": fingerprint,
        "questions_per_benchmark": questions,
        "selectors": sorted({repr(run.selector) for run in settings.runs()}),
        "ratios": list(settings.ratios),
        "seeds": list(settings.seeds),
        "kept_tokens": "after the projector, ascending in position, renumbered from 0",
        "decoding": "greedy, float32, CPU",
        **environment(_PACKAGES),
        "command": "otanalysis evaluate (make evaluate)",
    }
