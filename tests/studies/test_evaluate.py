"""Accuracy under pruning: each number is what answering by hand gives, and a stop loses nothing."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch

import otanalysis as ota
from otanalysis.defaults import MAJORITY, NO_IMAGE
from otanalysis.errors import InputError
from otanalysis.files import sha256_of_json
from otanalysis.image import Image
from otanalysis.mini.benchmarks import BENCHMARKS
from otanalysis.mini.bundled import bundled_model_path
from otanalysis.scores.table import ACCURACY_COLUMNS, read_accuracy
from otanalysis.selection import Selector
from otanalysis.stamps import StampSettings, stamp_benchmarks
from otanalysis.studies.evaluate import evaluate
from otanalysis.studies.runs import Run
from otanalysis.vlm.answer import Places, answer_prompts
from otanalysis.vlm.choose import FULL
from otanalysis.vlm.model import load_model

evaluate_module = import_module("otanalysis.studies.evaluate")

SETTINGS: dict[str, Any] = {
    "benchmarks": ("presence", "count-digits"),
    "methods": ("otprune", "random"),
    "ratios": (0.05, 0.2),
    "gammas": (0.01, 1.0),
    "seeds": (0, 1),
    "questions": 6,
    "progress": False,
}


@pytest.fixture(scope="module")
def bundled() -> Path:
    return bundled_model_path()


@pytest.fixture(scope="module")
def measured(bundled: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """Return a folder with what :data:`SETTINGS` measure, which nobody changes, and the table."""
    folder = tmp_path_factory.mktemp("measured")
    return folder, evaluate(bundled, **SETTINGS, out=folder / "accuracy.csv", parts=folder / "parts")


def test_every_value_is_the_mean_score_of_answers_given_by_hand(
    bundled: Path, measured: tuple[Path, pd.DataFrame]
) -> None:
    folder, table = measured
    pd.testing.assert_frame_equal(
        read_accuracy(folder / "accuracy.csv"),
        table.reset_index(drop=True),
        check_dtype=False,
        check_exact=False,
    )
    assert tuple(table.columns) == ACCURACY_COLUMNS
    # full, two gammas and two seeds at two ratios, majority; for each of two benchmarks
    assert len(table) == 2 * (1 + 2 * 2 + 2 * 2 + 1)

    vlm = load_model(bundled)
    for name in SETTINGS["benchmarks"]:
        benchmark = BENCHMARKS[name]
        items = list(benchmark.items(6))
        tokens = vlm.visual_tokens([item.picture for item in items])
        prompts = [f"<image> {item.question.text}" for item in items]
        kept = {
            (FULL, 1.0): tokens,
            ("otprune", 0.05): [
                one[ota.select(one.numpy(), "otprune", ratio=0.05, gamma=1.0).indices] for one in tokens
            ],
        }
        for (method, ratio), visual in kept.items():
            answers = answer_prompts(vlm, prompts, visual)
            scores = [
                benchmark.score(answer, item.question.answer)
                for answer, item in zip(answers, items, strict=True)
            ]
            row = table[(table.benchmark == name) & (table.method == method) & (table.ratio == ratio)]
            row = row[row.gamma.isna() | (row.gamma == 1.0)]
            assert row.value.item() == pytest.approx(np.mean(scores))
            assert row.standard_error.item() == pytest.approx(np.std(scores, ddof=1) / np.sqrt(6))
    assert table.value.nunique() > 3, "scores that are all alike would hide a mistake"


def test_the_majority_row_scores_the_commonest_training_answer(bundled: Path, tmp_path: Path) -> None:
    settings = SETTINGS | {"methods": ("first",), "benchmarks": ("presence",), "questions": 20}
    table = evaluate(bundled, **settings, out=tmp_path / "a.csv", parts=tmp_path / "parts")
    guess = BENCHMARKS["presence"].majority_answer()
    assert guess in ("yes", "no")
    share = np.mean([item.question.answer == guess for item in BENCHMARKS["presence"].items(20)])
    assert table[table.method == MAJORITY].value.item() == pytest.approx(share)


def test_no_image_is_answered_as_the_words_alone(bundled: Path, tmp_path: Path) -> None:
    """Asked of the language model by hand, with a prompt from which the placeholder is gone."""
    benchmark = BENCHMARKS["count-digits"]
    settings = SETTINGS | {
        "benchmarks": (benchmark.name,),
        "methods": (NO_IMAGE,),
        "parts": tmp_path / "parts",
    }
    table = evaluate(bundled, **settings, out=tmp_path / "a.csv")
    assert sorted(table.method) == [FULL, MAJORITY, NO_IMAGE]
    vlm = load_model(bundled)
    scores = []
    for item in benchmark.items(6):
        words = vlm.processor.tokenizer(f" {item.question.text}", return_tensors="pt")
        said = vlm.model.generate(**words, max_new_tokens=8, do_sample=False)
        answer = vlm.processor.tokenizer.decode(
            said[0, words["input_ids"].shape[1] :], skip_special_tokens=True
        )
        scores.append(benchmark.score(answer, item.question.answer))
    row = table[table.method == NO_IMAGE]
    assert row.value.item() == pytest.approx(np.mean(scores))
    assert row.value.item() < table[table.method == FULL].value.item()
    assert row[["ratio", "gamma", "seed"]].isna().all(axis=None)
    assert row.n.item() == 6
    again = evaluate(bundled, **settings | {"methods": ("first", NO_IMAGE)}, out=tmp_path / "a.csv")
    assert (again.method == NO_IMAGE).sum() == 1


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that every prompt which is answered goes into."""
    prompts_so_far: list[str] = []
    original = evaluate_module.answer_prompts

    def counted(vlm: Any, prompts: list[str], *rest: Any, **how: Any) -> list[str]:
        prompts_so_far.extend(prompts)
        return original(vlm, prompts, *rest, **how)

    monkeypatch.setattr(evaluate_module, "answer_prompts", counted)
    return prompts_so_far


def test_what_was_measured_is_not_measured_again(
    bundled: Path, measured: tuple[Path, pd.DataFrame], tmp_path: Path, asked: list[str]
) -> None:
    folder, first = measured
    shutil.copytree(folder / "parts", tmp_path / "parts")
    run = {**SETTINGS, "parts": tmp_path / "parts"}
    again = evaluate(bundled, **run, out=tmp_path / "b.csv")
    assert asked == []
    assert (folder / "accuracy.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()

    lost = next((tmp_path / "parts").rglob("presence-*random*.parquet"))
    lost.unlink()
    healed = evaluate(bundled, **run, out=tmp_path / "c.csv")
    assert len(asked) == 6 * len(SETTINGS["ratios"])
    pd.testing.assert_frame_equal(again, first)
    pd.testing.assert_frame_equal(healed, first)


def test_a_table_gets_what_it_lacks_and_keeps_the_rest(
    bundled: Path, tmp_path: Path, asked: list[str]
) -> None:
    """Without the parts of before: what is not in the table is measured, and is as if measured with it."""
    whole: dict[str, Any] = SETTINGS | {"benchmarks": ("presence",), "gammas": (0.01,), "questions": 3}
    out, few = tmp_path / "a.csv", {"methods": ("otprune",), "ratios": (0.2,)}
    evaluate(bundled, **whole | few, out=out, parts=tmp_path / "first")
    before = out.read_bytes()
    asked.clear()
    grown = evaluate(bundled, **whole, out=out, parts=tmp_path / "second")
    assert len(asked) == 3 * (1 + 2 * 2), "otprune at one more ratio, two seeds of random at both"
    assert out.read_bytes().startswith(before)
    everything = evaluate(bundled, **whole, out=tmp_path / "b.csv", parts=tmp_path / "third")
    order = ["method", "ratio", "seed"]
    pd.testing.assert_frame_equal(
        *(one.sort_values(order).reset_index(drop=True) for one in (grown, everything)), check_dtype=False
    )
    [later] = json.loads((tmp_path / "a.provenance.json").read_text())["measured_later"]
    assert "Random()" in later["selectors"]


def test_the_provenance_names_model_settings_and_versions(measured: tuple[Path, pd.DataFrame]) -> None:
    provenance = json.loads((measured[0] / "accuracy.provenance.json").read_text())
    assert provenance["questions_per_benchmark"] == 6
    assert provenance["ratios"] == [0.05, 0.2]
    assert any("OTPrune(gamma=1.0" in selector for selector in provenance["selectors"])
    assert provenance["versions"]["torch"].startswith(torch.__version__.split("+")[0])


def test_images_get_random_choices_of_their_own() -> None:
    """The same places in every image would make Random a single subset, whatever the number of images."""
    from otanalysis.studies.runs import SweepSettings

    run = next(SweepSettings(("random",), (0.05,), (0.01,), (0,), ("none",)).runs())
    items = list(BENCHMARKS["presence"].items(3))
    image = Image(np.random.default_rng(0).standard_normal((40, 3)))
    kept = evaluate_module._select(run, items, {item.identifier: image for item in items}, (0.2,))[0.2]
    assert len({tuple(places) for places in kept}) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"benchmarks": ("absence",)}, "Unknown benchmark 'absence'"),
        ({"methods": ("magic",)}, "Unknown method 'magic'"),
        ({"ratios": (1.5,)}, "ratio"),
        ({"questions": 1}, "At least 2 questions"),
    ],
)
def test_bad_settings_are_refused_before_anything_runs(
    untrained: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        evaluate(untrained, **SETTINGS | change, out=tmp_path / "a.csv", parts=tmp_path / "parts")
    assert not (tmp_path / "a.csv").exists()


@dataclass(frozen=True)
class Firsts(Selector):
    """Keeps the first tokens; a class of its own at every call of :func:`own`, with its own code."""

    name: ClassVar[str] = "firsts"
    nested: ClassVar[bool] = True

    def pick(self, image: Image, keep: int, generator: np.random.Generator | None) -> np.ndarray:
        del image, generator
        return np.arange(keep)


def key_of(selector: Any) -> str:
    run = Run(selector, None)
    return evaluate_module._Chunk(Path("model"), BENCHMARKS["presence"], 0, 4, (None, run), (0.5,)).key(run)


def test_keys_of_parts_know_the_code_of_a_selector_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key_of(Firsts())
    assert key_of(Firsts()) == before

    def pick(self: Any, image: Image, keep: int, generator: np.random.Generator | None) -> np.ndarray:
        del self, generator
        return len(image) - 1 - np.arange(keep)

    monkeypatch.setattr(Firsts, "pick", pick)
    assert key_of(Firsts()) != before


def test_keys_of_parts_know_the_version_from_0_1_0_on(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = set()
    for version in ("0.1.0", "0.2.0", "0.2.1"):
        monkeypatch.setattr(evaluate_module, "PACKAGE", version)
        keys.add(key_of(ota.SELECTORS["first"]))
    assert len(keys) == 3
    monkeypatch.setattr(evaluate_module, "PACKAGE", "0.1.0")
    content = [1, repr(ota.SELECTORS["first"]), None, (0.5,)]
    assert key_of(ota.SELECTORS["first"]).endswith(sha256_of_json(content)[:16]), "parts of 0.1.0 are found"


def test_keys_stay_while_a_selector_keeps_things_in_mind(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = (None, Run(Firsts(), None))
    chunk = evaluate_module._Chunk(Path("model"), BENCHMARKS["presence"], 0, 4, runs, (0.5,))
    keys = chunk.keys
    monkeypatch.setattr(Firsts, "memory", ["an image"], raising=False)
    assert chunk.key(runs[1]) != keys[1]
    assert pickle.loads(pickle.dumps(chunk)).keys == keys == chunk.keys


def test_versions_that_the_answers_were_measured_with_are_recorded_and_said_where_they_moved(
    bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = SETTINGS | {
        "benchmarks": ("presence",),
        "methods": ("first",),
        "ratios": (0.05,),
        "questions": 2,
    }
    evaluate(bundled, **settings, out=tmp_path / "a.csv", parts=tmp_path / "parts")
    about = json.loads((tmp_path / "a.provenance.json").read_text())
    [told] = about["measured_with"]
    assert told["files"] == 2
    assert told["versions"]["numpy"] == np.__version__
    assert {"torch", "transformers", "scipy", "POT"} <= told["versions"].keys()
    assert "taken as they were measured" not in capsys.readouterr().err
    later = json.dumps(told["versions"] | {"POT": "99.0"})
    monkeypatch.setattr(import_module("otanalysis.studies.store"), "versions_now", lambda _: later)
    for name, files in (("a", "all"), ("b", "2")):  # the table that is there, and the parts of another one
        evaluate(bundled, **settings, out=tmp_path / f"{name}.csv", parts=tmp_path / "parts")
        assert f"POT {told['versions']['POT']} (now 99.0): {files}." in capsys.readouterr().err


def test_questions_about_stamps_are_answered_from_the_picture_that_they_share(
    bundled: Path, stamps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmark = stamp_benchmarks(StampSettings(stamps))["presence"]
    settings = SETTINGS | {"benchmarks": [benchmark], "methods": ("first",), "ratios": (0.2,), "questions": 7}
    vlm = load_model(bundled)
    encoded: list[int] = []
    original = type(vlm).image_tokens

    def counted(self: Any, pictures: list[Any], **how: Any) -> Any:
        encoded.append(len(pictures))
        return original(self, pictures, **how)

    monkeypatch.setattr(type(vlm), "image_tokens", counted)
    table = evaluate(bundled, **settings, out=tmp_path / "a.csv", parts=tmp_path / "parts")
    items = list(benchmark.items(7))
    assert sum(encoded) == len({item.scene_identifier for item in items}) < 7
    tokens = vlm.visual_tokens([item.picture for item in items])
    prompts = [f"<image>\n{item.question.text}" for item in items]
    for method, visual in (("full", tokens), ("first", [one[:115] for one in tokens])):
        answers = answer_prompts(vlm, prompts, visual, max_new_tokens=24)
        right = [answer == item.question.answer for answer, item in zip(answers, items, strict=True)]
        assert table[table.method == method].value.item() == pytest.approx(np.mean(right))
    provenance = json.loads((tmp_path / "a.provenance.json").read_text())
    assert provenance["scenes"]["objects_sha256"] == benchmark.settings.bank("test").checksum


def test_other_pictures_are_measured_anew(bundled: Path, stamps: Path, tmp_path: Path) -> None:
    parts = set()
    for size in (1.0, 0.5):
        benchmark = stamp_benchmarks(StampSettings(stamps, object_size=size))["presence"]
        settings = SETTINGS | {"benchmarks": [benchmark], "methods": ("first",), "questions": 2}
        evaluate(bundled, **settings, out=tmp_path / "a.csv", parts=tmp_path / "parts")
        parts.add(len(list((tmp_path / "parts").rglob("*.parquet"))))
    assert parts == {2, 4}


def test_pictures_that_are_made_differently_are_not_put_into_one_table(
    bundled: Path, stamps: Path, tmp_path: Path
) -> None:
    worlds = ["presence", stamp_benchmarks(StampSettings(stamps))["presence"]]
    with pytest.raises(InputError, match="evaluate each world by itself"):
        evaluate(bundled, **SETTINGS | {"benchmarks": worlds}, out=tmp_path / "a.csv")


def test_original_positions_are_those_of_the_whole_prompt(bundled: Path, tmp_path: Path) -> None:
    settings = SETTINGS | {"benchmarks": ("count-digits",), "methods": ("otprune",), "ratios": (0.05,)}
    settings |= {"gammas": (1.0,), "parts": tmp_path / "parts"}
    table = evaluate(bundled, **settings, positions="original", out=tmp_path / "original.csv")
    vlm, benchmark = load_model(bundled), BENCHMARKS["count-digits"]
    items = list(benchmark.items(6))
    tokens = vlm.visual_tokens([item.picture for item in items])
    kept = [np.asarray(ota.select(one.numpy(), "otprune", ratio=0.05, gamma=1.0).indices) for one in tokens]
    visual = [one[own] for one, own in zip(tokens, kept, strict=True)]
    prompts = [f"<image> {item.question.text}" for item in items]
    original, renumbered = (
        np.mean(
            [
                benchmark.score(answer, item.question.answer)
                for answer, item in zip(answer_prompts(vlm, prompts, visual, places), items, strict=True)
            ]
        )
        for places in ([Places(own, 576) for own in kept], None)
    )
    assert table[table.method == "otprune"].value.item() == pytest.approx(original)
    assert original != renumbered
    with pytest.raises(InputError, match="positions"):
        evaluate(bundled, **settings, positions="odd", out=tmp_path / "odd.csv")  # type: ignore[arg-type]


def test_other_positions_are_other_parts() -> None:
    usual = evaluate_module._Chunk(Path("model"), BENCHMARKS["presence"], 0, 4, (None,), (0.5,))
    assert usual.key(None) != replace(usual, positions="original").key(None)
