"""Methods that need side information in every study: measured where it is, named where it is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import otanalysis as ota
from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.mini.benchmarks import BENCHMARKS
from otanalysis.mini.bundled import bundled_model_path
from otanalysis.selection import select
from otanalysis.selection.attention import ByAttention
from otanalysis.selection.cdprune import CDPrune
from otanalysis.studies import sweep as run_sweep
from otanalysis.studies.certify import CertifyStudy
from otanalysis.studies.engine import measure_samples
from otanalysis.studies.evaluate import evaluate
from otanalysis.studies.sweep import read_sweep
from otanalysis.tokens import DumpWriter, open_dump
from otanalysis.vlm import answer_prompts
from otanalysis.vlm.model import load_model

METHODS = ("attention", ByAttention("mine"), "cdprune", "dpp")


def write(folder: Path, *, without: str = "") -> Path:
    generator = np.random.default_rng(0)
    with DumpWriter(folder, model="noise", benchmark=folder.name, dtype="float32") as writer:
        for name in "ab":
            side = {one: generator.random(12) for one in ("cls_attention", "text_relevance", "mine")}
            side.pop(without, None)
            writer.add(name, generator.standard_normal((12, 5)), side=side)
    return folder


def test_a_sweep_chooses_by_the_side_information_of_each_sample(tmp_path: Path) -> None:
    folder = write(tmp_path / "dump")
    how: dict[str, Any] = {"ratios": (0.25, 0.5), "progress": False, "jobs": 2}
    table = read_sweep(run_sweep([folder], methods=METHODS, out=tmp_path / "out", **how))
    names = ("attention", "attention-by-mine", "cdprune", "dpp")
    assert list(dict.fromkeys(table["method"])) == list(names)
    assert len(table) == 2 * 4 * 2
    methods = dict(zip(names, METHODS, strict=True))
    for row in table.itertuples():
        image = Image.of_sample(open_dump(folder).sample(row.sample))
        wanted = select(image, methods[row.method], ratio=row.ratio).indices
        np.testing.assert_array_equal(row.kept_indices, wanted)


@pytest.mark.parametrize(
    "study",
    [
        lambda folder, out: run_sweep([folder], methods=["attention"], out=out, progress=False),
        lambda folder, out: measure_samples(
            CertifyStudy(methods=("attention",), ratios=(0.5,)), [folder], out=out, progress=False
        ),
        lambda folder, _: ota.compare(open_dump(folder)[0], ["attention"], keep=4),
    ],
)
def test_a_study_of_dumps_without_says_what_is_missing(
    tmp_path: Path, study: Callable[[Path, Path], Any]
) -> None:
    folder = write(tmp_path / "dump", without="cls_attention")
    with pytest.raises(
        InputError, match=r"'attention' needs .*'cls_attention'.*only text_relevance, mine: cap"
    ):
        study(folder, tmp_path / "out")


def test_certificates_and_comparisons_take_them_where_they_are(tmp_path: Path) -> None:
    folder = write(tmp_path / "dump")
    sample = open_dump(folder)[0]
    compared = ota.compare(sample, METHODS[:3], keep=4)
    kept = select(Image.of_sample(sample), "attention", keep=4).indices
    exact = ota.wasserstein2(sample.tokens, kept)
    assert compared.loc["attention", "w2"] == pytest.approx(exact.distance)
    rows = pd.DataFrame(CertifyStudy(methods=("attention", "cdprune"), ratios=(1 / 3,))(sample))
    assert rows.set_index("method").loc["attention", "w2"] == pytest.approx(exact.distance)


def test_accuracy_is_measured_by_the_attention_of_the_model(tmp_path: Path) -> None:
    """The bundled model has a class token: by hand from its attention, and every method that it can serve."""
    pytest.importorskip("torch")
    how: dict[str, Any] = {"benchmarks": ("presence",), "ratios": (0.05,), "questions": 3, "progress": False}
    methods = ("attention", CDPrune("cls_attention"))
    out = tmp_path / "a.csv"
    table = evaluate(bundled_model_path(), methods=methods, out=out, parts=tmp_path / "parts", **how)
    assert {"attention", "cdprune-by-cls_attention"} <= set(table["method"])
    vlm, benchmark = load_model(bundled_model_path()), BENCHMARKS["presence"]
    items = list(benchmark.items(3))
    images = vlm.image_tokens([item.picture for item in items], side=["cls_attention"])
    kept = [image.tokens[image.side["cls_attention"].topk(29).indices.sort().values] for image in images]
    answers = answer_prompts(vlm, [f"<image> {item.question.text}" for item in items], kept)
    scores = [benchmark.score(one, item.question.answer) for one, item in zip(answers, items, strict=True)]
    row = table[table["method"] == "attention"]
    assert row["value"].item() == pytest.approx(np.mean(scores))
    with pytest.raises(InputError, match="not text_relevance"):
        evaluate(bundled_model_path(), methods=("cdprune",), out=out, parts=tmp_path / "parts", **how)
