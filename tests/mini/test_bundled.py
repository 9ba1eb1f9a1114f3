"""The bundled model and its measured table: what the README says of them holds."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoModelForImageTextToText, LlavaForConditionalGeneration

import otanalysis as ota
from otanalysis import files
from otanalysis.defaults import COMPARED_METHODS
from otanalysis.errors import InputError
from otanalysis.mini.benchmarks import BENCHMARKS
from otanalysis.mini.bundled import (
    bundled_accuracy_path,
    bundled_dumps,
    bundled_model_path,
    open_bundled,
    write_bundled_dumps,
    written_accuracy_path,
)
from otanalysis.scores.table import read_accuracy
from otanalysis.selection import SELECTORS
from otanalysis.tokens import verify_dump
from otanalysis.vlm.answer import answer_prompts, question_prompt
from otanalysis.vlm.model import VisionLanguageModel, load_model, model_fingerprint

JPEG_LOSS = 6.0  # of 255, mean over a scene: its noise, of mean length 4.8, is what a JPEG drops


@pytest.fixture(scope="module")
def vlm() -> VisionLanguageModel:
    return load_model(bundled_model_path())


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return read_accuracy(bundled_accuracy_path())


def test_the_model_is_a_small_real_llava() -> None:
    folder = bundled_model_path()
    model = AutoModelForImageTextToText.from_pretrained(folder)
    assert isinstance(model, LlavaForConditionalGeneration)
    assert model.dtype == torch.float16
    assert sum(parameter.numel() for parameter in model.parameters()) <= 3_000_000
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 6_000_000


def test_it_answers_better_than_the_majority_by_the_margin_the_table_claims(table: pd.DataFrame) -> None:
    scores = table[table.method.isin(["full", "majority"])].pivot(
        index="benchmark", columns="method", values="value"
    )
    assert len(scores) == 11
    assert scores.full.mean() >= 0.75
    assert (scores.full - scores.majority >= 0.15).sum() >= 10


def test_what_is_kept_matters_at_the_smallest_ratio(table: pd.DataFrame) -> None:
    default = table[(table.ratio == 0.05) & (table.gamma.isna() | (table.gamma == 0.01))]
    mean = default.groupby("method").value.mean()
    assert set(COMPARED_METHODS) <= set(mean.index) <= set(SELECTORS)
    assert mean.max() - mean.min() >= 0.10


def test_the_table_is_of_this_model_and_of_enough_questions(table: pd.DataFrame) -> None:
    provenance = json.loads(bundled_accuracy_path().with_name("accuracy.provenance.json").read_text())
    assert provenance["model_fingerprint"] == model_fingerprint(bundled_model_path())
    assert (table.n >= 400).all()
    assert set(table.benchmark) == set(BENCHMARKS)


@pytest.mark.parametrize("name", ["digit-colour", "read-row"])
def test_the_table_can_be_measured_again(vlm: VisionLanguageModel, table: pd.DataFrame, name: str) -> None:
    """60 fresh answers, all tokens and 5 % by otprune, agree with the table within four standard errors."""
    benchmark = BENCHMARKS[name]
    items = list(benchmark.items(60))
    tokens = vlm.visual_tokens([item.picture for item in items])
    prompts = [f"<image> {item.question.text}" for item in items]
    kept = [one[ota.select(one.numpy(), "otprune", ratio=0.05).indices] for one in tokens]
    mine = table[(table.benchmark == name) & (table.gamma.isna() | (table.gamma == 0.01))]
    for method, ratio, visual in (("full", 1.0, tokens), ("otprune", 0.05, kept)):
        answers = answer_prompts(vlm, prompts, visual)
        scores = [benchmark.score(a, item.question.answer) for a, item in zip(answers, items, strict=True)]
        row = mine[(mine.method == method) & (mine.ratio == ratio)]
        error = row.standard_error.item() * np.sqrt(400 / 60)
        assert abs(np.mean(scores) - row.value.item()) <= 4 * error + 1e-9


def test_a_line_break_behind_the_picture_is_the_blank_that_it_was_trained_on(
    vlm: VisionLanguageModel,
) -> None:
    for benchmark in BENCHMARKS.values():
        for question in islice(benchmark.questions(), 5):
            put = [f"<image> {question.text}", question_prompt(vlm.processor, question.text)]
            assert put[0] != put[1]
            trained, asked = vlm.processor.tokenizer(put)["input_ids"]
            assert trained == asked


def test_dumps_hold_the_tokens_of_the_questions_scenes_and_are_written_once(
    vlm: VisionLanguageModel, tmp_path: Path
) -> None:
    paths = write_bundled_dumps(tmp_path, scenes_per_benchmark=2, progress=False)
    assert [ota.open_dump(path).manifest.benchmark for path in paths] == list(BENCHMARKS)
    for path in paths[:2]:
        assert verify_dump(path).sound
        dump = ota.open_dump(path)
        items = list(BENCHMARKS[dump.manifest.benchmark].items(2))
        expected = vlm.visual_tokens([item.picture for item in items])
        for number, (sample, item, tokens) in enumerate(zip(dump, items, expected, strict=True)):
            assert sample.id == item.identifier
            assert sample.extra["answer"] == item.question.answer
            np.testing.assert_allclose(sample.tokens, tokens.numpy(), rtol=1e-4, atol=1e-4)
            assert sample.thumbnail is not None
            far = [np.abs(sample.thumbnail.astype(float) - one.picture).mean() for one in items]
            assert sum(one < JPEG_LOSS for one in far) == 1
            assert far[number] < JPEG_LOSS
    begun = [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*.safetensors"))]
    assert write_bundled_dumps(tmp_path, scenes_per_benchmark=2, progress=False) == paths
    assert [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*.safetensors"))] == begun


def test_without_its_files_the_error_names_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTANALYSIS_DATA", str(tmp_path))
    with pytest.raises(InputError, match=r"bundled model was wanted at .* OTANALYSIS_DATA is set"):
        bundled_model_path()
    with pytest.raises(InputError, match="bundled model was wanted at"):
        bundled_accuracy_path()
    (tmp_path / "mini-llava").mkdir()
    (tmp_path / "mini-llava" / "config.json").touch()
    with pytest.raises(InputError, match="measured accuracy table of the bundled model was wanted at"):
        bundled_accuracy_path()


def test_an_installed_package_writes_dumps_and_accuracies_into_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried = tmp_path / "otanalysis" / "_data"
    carried.mkdir(parents=True)
    (carried / "mini-llava").symlink_to(bundled_model_path())
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.delenv("OTANALYSIS_DATA", raising=False)
    monkeypatch.setattr(files, "_INSTALLED", carried)
    dump = open_bundled("presence", scenes=1)
    assert dump.path.parts[:3] == ("data", "dumps", "mini-llava")
    assert bundled_dumps(1, benchmarks=["presence"]) == [dump.path]
    assert written_accuracy_path() == Path("data/mini-llava/accuracy.csv")
    assert sorted(path.name for path in carried.iterdir()) == ["mini-llava"]


SINGLE_ROUNDING = 1e-5
"""Of single precision, on tokens of about one after some dozen layers of sums."""


def test_a_dump_is_found_from_any_folder_and_a_larger_one_serves_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "mini-llava").symlink_to(bundled_model_path())
    monkeypatch.setenv("OTANALYSIS_DATA", str(data))
    monkeypatch.chdir(tmp_path)
    dump = open_bundled("presence", scenes=3)
    assert dump.manifest.benchmark == "presence"
    assert len(dump) == 3
    assert bundled_dumps(2, benchmarks=["presence"]) == [dump.path]
    assert [path.name for path in dump.path.parent.iterdir()] == ["presence"], "only what was asked for"
    more = bundled_dumps(4, benchmarks=["presence"])
    assert more != [dump.path]
    # Batches of three and of four pictures: matrix products of other shapes round differently.
    again = ota.open_dump(more[0])[1].tokens
    np.testing.assert_allclose(again, dump[1].tokens, rtol=0, atol=SINGLE_ROUNDING)
    assert open_bundled("presence", scenes=1).path == dump.path, "the smallest that will do"


def test_an_unknown_benchmark_is_refused() -> None:
    with pytest.raises(InputError, match="known are presence"):
        open_bundled("vqa")
