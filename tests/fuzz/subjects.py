"""What is damaged: small sound files of every reader in the package, and all that reads them."""

from __future__ import annotations

import importlib
import io
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from PIL import Image

from otanalysis.cli.accuracy_import import accuracy_import
from otanalysis.cli.options import load_tokens
from otanalysis.errors import OtAnalysisError
from otanalysis.scores import READERS, Choice, Settings, import_results, read_accuracy, write_accuracy
from otanalysis.stats.cells import check_accuracy
from otanalysis.stats.score_ranks import rank_methods
from otanalysis.studies.certify import read_certificates, summarise_certificates
from otanalysis.studies.ladder import read_ladder, summarise_ladder
from otanalysis.studies.provenance import read_provenance, write_table
from otanalysis.studies.sweep import read_sweep, sweep
from otanalysis.studies.table2 import Size, summarise_synthetic, synthetic
from otanalysis.theorem.worst_case import replay_worst_case, save_worst_case
from otanalysis.tokens import DumpWriter, open_dump, verify_dump
from otanalysis.vlm.capture.pictures import PictureItem
from otanalysis.vlm.capture.sources import open_pictures
from tests.fuzz.damage import damage_folder

DATA = Path(__file__).parents[1] / "data" / "results_0.1.0"
GIVEN = Settings("m", "otprune", 0.098)
REST = Settings(method="otprune", ratio=0.098)


@dataclass(frozen=True)
class Subject:
    """Files of one kind.

    Attributes
    ----------
    write : callable
        Writes sound ones into a folder.
    read : callable
        Reads all in the folder in every way that the package has. May raise an error of otanalysis, and
        nothing else; an assertion says that what was read is not what it should be.
    damage : callable
        Damages one of them; returns how.
    share : int
        How many cases it gets, compared with others: less where reading takes long.
    """

    write: Callable[[Path], object]
    read: Callable[[Path], object]
    damage: Callable[[np.random.Generator, Path], str] = damage_folder
    share: int = 8


def each(*calls: Callable[[], object]) -> None:
    """Make calls of which each may raise an error of otanalysis."""
    for call in calls:
        try:
            call()
        except OtAnalysisError:
            continue


# Scores of other programs.

ARGUMENTS = "pretrained=org/llava,method=otprune,ratio=0.098,gamma=0.01,seed=0"


def _results(*, older: bool) -> dict[str, Any]:
    scores = {
        "gqa": ("exact_match", 0.56),
        "pope": ("pope_f1_score", 0.79),
        "mme": ("mme_perception_score", 1368.2),
    }
    beside = {} if older else {"n-samples": {task: {"original": 500, "effective": 100} for task in scores}}
    return {
        "results": {
            task: {
                "alias": task,
                f"{key},none": value,
                f"{key}_stderr,none": "N/A" if task == "mme" else 0.004,
            }
            for task, (key, value) in scores.items()
        },
        "group_subtasks": {"group": ["gqa"], **{task: [] for task in scores}},
        "configs": {
            task: {"task": task, "test_split": "testdev" if task == "gqa" else "test"} for task in scores
        },
        "higher_is_better": {task: {key: True} for task, (key, _) in scores.items()},
        "config": {"model": "llava" if older else "otanalysis_hf", "model_args": ARGUMENTS, "limit": None},
        "model_name": "org/llava",
        **beside,
    }


def _write_lmms(folder: Path) -> None:
    file = folder / "org__llava" / "20260101_120000_results.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(_results(older=False)))


def _write_older(folder: Path) -> None:
    file = folder / "0214_1530_llava" / "results.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(_results(older=True)))


def _write_kit(folder: Path) -> None:
    place = folder / "llava" / "T20260101-120000"
    place.mkdir(parents=True)
    (place / "llava_POPE_score.csv").write_text(
        '"split","Overall","acc"\n"Overall","79.59","80"\n"random","81","82"\n'
    )
    (place / "llava_MMMU_DEV_VAL_acc.csv").write_text(
        "split,Overall,Art\ndev,0.2,0.1\nvalidation,0.35667,0.3\n"
    )
    (place / "llava_SEEDBench_IMG_acc.csv").write_text("split,Overall\nnone,0.5947\n")
    (place / "llava_COCO_VAL_score.json").write_text('{"Bleu": [60.1, 40.0], "ROUGE_L": 50.0, "CIDEr": 96.4}')


PLAIN = """model,benchmark,method,ratio,metric,value,n,standard_error,seed,gamma,source
llava,gqa,otprune,0.098,exact_match,0.5662,12578,0.0044,,0.01,
llava,pope,random,0.098,F1,79.59,,,3,,"Table 1, left"
llava,gqa,PruMerge,variable,"EM,strict",51.3,,,,,
llava,gqa,full,1.0,EM,61.9,12578,0.4,,,
llava,presence,full,,accuracy,0.9,400,0.01,,,
"""


def _checked(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows after a look at what a table promises."""
    assert np.isfinite(rows["value"].to_numpy(dtype=float)).all()
    assert ((rows["n"].isna()) | (rows["n"] >= 1)).all()
    assert ((rows["ratio"].isna()) | ((rows["ratio"] > 0) & (rows["ratio"] <= 1))).all()
    assert all(
        isinstance(name, str) and name for column in ("model", "benchmark", "metric") for name in rows[column]
    )
    return rows


def _read_scores(folder: Path) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    out, other = folder / "out.csv", folder / "out.parquet"
    metrics = {"gqa": "exact_match,strict", "x": "y"}

    def whole() -> None:
        rows = _checked(import_results([folder], REST))
        write_accuracy(rows, out)
        write_accuracy(rows, other)
        for table in (out, other):
            again = read_accuracy(table)
            assert again["value"].tolist() == rows["value"].tolist()
            assert again["metric"].tolist() == rows["metric"].tolist()

    each(
        whole,
        lambda: import_results([folder]),
        lambda: import_results([folder], GIVEN, tasks=["gqa"]),
        lambda: import_results([folder], REST, metrics=metrics),
        *(partial(import_results, [file], GIVEN) for file in files),
        *(partial(_read_by, name, file) for file in files for name in READERS),
    )


def _read_by(name: str, file: Path) -> None:
    if READERS[name].recognises(file):
        READERS[name].read(file, Choice())


def _write_tables(folder: Path) -> None:
    head, *rows = PLAIN.replace("exact_match,0.5662", "EM,56.62").splitlines()
    (folder / "accuracy.csv").write_text("\n".join([head, *rows[:-1], ""]))
    write_accuracy(read_accuracy(folder / "accuracy.csv"), folder / "accuracy.parquet")
    (folder / "scores.csv").write_text("benchmark,metric,value\npope,F1,80.5\n")


def _read_tables(folder: Path) -> None:
    def ranks(file: Path) -> None:
        table = _checked(read_accuracy(file))
        each(
            lambda: check_accuracy(table, ["gqa", "pope"]),
            *(partial(rank_methods, table, model=model) for model in table["model"].unique()),
        )

    def extend(table: Path) -> None:
        before = table.read_bytes()
        try:
            accuracy_import(
                [folder / "scores.csv"], "full", None, "other", None, None, None, None, table, True
            )
        except OtAnalysisError:
            assert table.read_bytes() == before, "a refused import leaves the table as it was"
            raise

    tables = (folder / "accuracy.csv", folder / "accuracy.parquet")
    each(
        *(partial(ranks, file) for file in tables),
        *(partial(import_results, [file]) for file in tables),
        *(partial(extend, file) for file in tables),
    )


# Dumps, parts and tables of studies.


def _write_dump(folder: Path) -> None:
    generator = np.random.default_rng(0)
    with DumpWriter(folder / "dump", model="tiny", benchmark="noise", shard_size=2, grid=(2, 3)) as writer:
        for name in "abc":
            picture = generator.integers(0, 256, (4, 6, 3), dtype=np.uint8)
            writer.add(name, generator.standard_normal((6, 4)), thumbnail=picture, extra={"n": 1})


def _read_dump(folder: Path) -> None:
    def samples() -> None:
        for sample in open_dump(folder / "dump"):
            assert np.isfinite(sample.tokens).all()
            _ = sample.thumbnail, sample.grid

    each(samples, lambda: verify_dump(folder / "dump"))


def _dumps() -> Subject:
    """Return the dumps of the tokens room's own tests where those are there."""
    try:
        own: Any = importlib.import_module("tests.fuzz.dumps")
    except ModuleNotFoundError:
        return Subject(_write_dump, _read_dump)
    return Subject(
        lambda folder: own.write_dump(folder / "dump"),
        lambda folder: own.read_dump(folder / "dump"),
        lambda rng, folder: own.damage_dump(rng, folder / "dump"),
    )


SWEEP: dict[str, Any] = {"methods": ("first", "random"), "ratios": (0.5,), "progress": False}
SOUND: dict[str, pd.DataFrame] = {}
"""What the sweep of the sound files gave."""


def _sweep(folder: Path) -> pd.DataFrame:
    rows = read_sweep(sweep([folder / "dump"], out=folder / "results", **SWEEP))
    return rows.drop(columns="seconds")


def _write_parts(folder: Path) -> None:
    _write_dump(folder)
    SOUND["sweep"] = _sweep(folder)


def _damage_parts(rng: np.random.Generator, folder: Path) -> str:
    """Damage parts and table, and sometimes take the table away, so that it is put together again."""
    told = damage_folder(rng, folder / "results")
    if rng.integers(2):
        (folder / "results" / "sweep.parquet").unlink(missing_ok=True)
    return told


def _read_parts(folder: Path) -> None:
    pd.testing.assert_frame_equal(_sweep(folder), SOUND["sweep"])


def _write_studies(folder: Path) -> None:
    synthetic(sizes=[Size(6, 3, 2)], laws=["gaussian"], trials=1, draws=4, out=folder, progress=False)
    for name in ("sweep", "certify", "ladder"):
        shutil.copy(DATA / "results" / f"{name}.parquet", folder / f"{name}.parquet")
        table = pq.read_table(DATA / "results" / f"{name}.parquet")
        write_table(folder / f"{name}-sealed.parquet", table, request="r", about={})


def _read_studies(folder: Path) -> None:
    reads = (("sweep", read_sweep), ("certify", read_certificates), ("ladder", read_ladder))
    files = [(folder / f"{name}{end}.parquet", read) for name, read in reads for end in ("", "-sealed")]
    each(
        *(partial(read, file) for file, read in files),
        *(partial(read_provenance, file) for file, _ in files),
    )


def _read_summaries(folder: Path) -> None:
    kinds = {"certify": summarise_certificates, "ladder": summarise_ladder, "synthetic": summarise_synthetic}
    files = [(kinds.get(file.stem.partition("-")[0]), file) for file in sorted(folder.glob("*.parquet"))]
    each(*(partial(summarise, file) for summarise, file in files if summarise is not None))


# Pictures to capture, arrays, instances.


def _picture(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, "PNG", dpi=(72, 72))
    return held.getvalue()


def _write_pictures(folder: Path) -> None:
    for number in range(2):
        (folder / f"{number}.png").write_bytes(_picture(number))
    lines = [{"image": "0.png", "id": "a", "question": "q"}, {"image": "1.png", "n": 2}]
    (folder / "list.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def _write_dataset(folder: Path) -> None:
    cells = [{"bytes": _picture(number), "path": f"{number}.png"} for number in range(2)]
    pd.DataFrame({"id": ["a", "b"], "image": cells, "n": [1.5, 2.5]}).to_parquet(folder / "train.parquet")


def _read_pictures(folder: Path) -> None:
    def read(where: Path) -> None:
        for item in open_pictures(where):
            json.dumps(dict(item.extra), allow_nan=False)
            each(item.checksum, partial(_decode, item))

    each(*(partial(read, where) for where in (folder, *folder.glob("*.jsonl"), *folder.glob("*.parquet"))))


def _decode(item: PictureItem) -> None:
    pixels = item.read().pixels
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3


def _write_arrays(folder: Path) -> None:
    np.save(folder / "tokens.npy", np.random.default_rng(0).standard_normal((6, 4)))
    matrix = np.random.default_rng(1).standard_normal((6, 4))
    save_worst_case(folder / "worst.json", "tokens", matrix)


def _read_arrays(folder: Path) -> None:
    each(lambda: load_tokens(folder / "tokens.npy"), lambda: replay_worst_case(folder / "worst.json"))


def _plain(folder: Path) -> None:
    (folder / "scores.csv").write_text(PLAIN)


SUBJECTS: dict[str, Subject] = {
    "lmms-eval": Subject(_write_lmms, _read_scores),
    "older lmms-eval": Subject(_write_older, _read_scores),
    "VLMEvalKit": Subject(_write_kit, _read_scores),
    "plain CSV": Subject(_plain, _read_scores),
    "accuracy tables": Subject(_write_tables, _read_tables),
    "dumps": _dumps(),
    "parts of a sweep": Subject(_write_parts, _read_parts, _damage_parts, share=2),
    "tables of studies": Subject(_write_studies, _read_studies, share=4),
    "summaries of studies": Subject(_write_studies, _read_summaries, share=1),
    "pictures": Subject(_write_pictures, _read_pictures),
    "datasets of pictures": Subject(_write_dataset, _read_pictures),
    "arrays and instances": Subject(_write_arrays, _read_arrays),
}
"""Every reader of files in the package."""


def rounds() -> Iterator[str]:
    """Yield names of subjects for ever, each as often as its share says."""
    most = max(subject.share for subject in SUBJECTS.values())
    while True:
        for turn in range(most):
            yield from (
                name
                for name, one in SUBJECTS.items()
                if turn * one.share // most != (turn - 1) * one.share // most
            )


def quietly(call: Callable[[], object]) -> object:
    """Call with nothing printed."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        return call()
