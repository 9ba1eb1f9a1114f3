"""Benchmarks of stamps: the same items always, apart in training and test, with a score for every answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from otanalysis.errors import InputError
from otanalysis.mini.benchmarks import BENCHMARKS
from otanalysis.stamps.benchmarks import QUESTIONS_A_SCENE, TURNS, StampBenchmark, stamp_benchmarks
from otanalysis.stamps.questions import QUESTIONS
from otanalysis.stamps.settings import StampSettings

from .made_up import draw_stamp


def test_there_are_eleven_and_each_scores_the_truth_one(benchmarks: dict[str, StampBenchmark]) -> None:
    assert list(benchmarks) == list(QUESTIONS)
    assert len(benchmarks) == 11
    for benchmark in benchmarks.values():
        (item,) = benchmark.items(1)
        assert item.picture.shape == (336, 336, 3)
        assert benchmark.score(f" {item.question.answer} ", item.question.answer) == 1
        assert benchmark.score("nothing", item.question.answer) == 0


def test_items_depend_neither_on_where_they_begin_nor_on_how_many_are_asked_for(
    benchmarks: dict[str, StampBenchmark],
) -> None:
    whole = list(benchmarks["where"].items(11))
    parts = [
        *benchmarks["where"].items(3),
        *benchmarks["where"].items(8, start=3),
        *benchmarks["where"].items(11, start=8),
    ]
    assert len(whole) == 11
    for one, other in zip(whole, parts, strict=True):
        assert (one.identifier, one.question) == (other.identifier, other.question)
        np.testing.assert_array_equal(one.picture, other.picture)
    assert [item.question for item in whole] == list(islice(benchmarks["where"].questions(), 11))
    assert list(benchmarks["where"].items(3, start=3)) == []


def test_a_scene_has_up_to_four_questions_and_no_two_alike(benchmarks: dict[str, StampBenchmark]) -> None:
    items = list(benchmarks["count"].items(25))
    assert len({item.identifier for item in items}) == 25
    asked: dict[str, list[str]] = {}
    for item in items:
        asked.setdefault(item.scene_identifier, []).append(item.question.text)
    assert max(map(len, asked.values())) == QUESTIONS_A_SCENE
    assert all(len(set(texts)) == len(texts) for texts in asked.values())
    firsts = list(benchmarks["count"].scenes(len(asked)))
    assert [item.scene_identifier for item in firsts] == list(asked)
    assert [item.question.text for item in firsts] == [texts[0] for texts in asked.values()]


def test_no_name_of_a_picture_is_one_of_the_digits(benchmarks: dict[str, StampBenchmark]) -> None:
    (digits,), (stamps,) = BENCHMARKS["presence"].items(1), benchmarks["presence"].items(1)
    assert digits.scene_identifier != stamps.scene_identifier
    assert stamps.identifier.startswith("stamps-presence-test-")


def test_training_scenes_are_taken_in_turns_and_none_is_in_the_test(
    benchmarks: dict[str, StampBenchmark],
) -> None:
    def first(generator: np.random.Generator) -> float:
        return float(generator.random())

    rounds = {name: 2 * TURNS.count(name) for name in benchmarks}
    train = Counter(
        first(benchmark._generator("train", number))
        for name, benchmark in benchmarks.items()
        for number in range(rounds[name])
    )
    assert train == Counter(first(np.random.default_rng((1, number))) for number in range(2 * len(TURNS)))
    test = {
        first(benchmark._generator("test", number))
        for benchmark in benchmarks.values()
        for number in range(9)
    }
    assert test == {
        first(np.random.default_rng((2, kind, number))) for kind in range(11) for number in range(9)
    }
    assert not test & set(train)


@pytest.mark.parametrize("change", [{"seed": 1}, {"crowding": 2.0}, {"object_size": 0.5}, {"hold_out": True}])
def test_every_setting_changes_the_pictures_and_what_is_told_of_them(
    benchmarks: dict[str, StampBenchmark], change: dict[str, Any]
) -> None:
    benchmark = benchmarks["presence"]
    other = stamp_benchmarks(replace(benchmark.settings, **change))["presence"]
    (one,), (changed,) = benchmark.items(1), other.items(1)
    assert (one.picture != changed.picture).any()
    assert dict(other.about) == dict(benchmark.about) | change
    assert "stamps" not in other.about, "a path says nothing elsewhere"


def test_the_commonest_answer_is_that_of_the_training_questions(
    benchmarks: dict[str, StampBenchmark],
) -> None:
    answers = Counter(question.answer for question in islice(benchmarks["either"].questions("train"), 2000))
    assert answers[benchmarks["either"].majority_answer()] == max(answers.values())


def test_a_picture_says_how_much_of_every_patch_objects_cover(benchmarks: dict[str, StampBenchmark]) -> None:
    (item,) = benchmarks["list"].items(1)
    covered = item.side["objects"]
    assert covered.shape == (576,)
    assert 0 <= covered.min() < covered.max() <= 1
    area = sum(thing.area for thing in item.scene.objects) / 14**2
    assert 0.7 * area < covered.sum() <= area + 1e-9


def test_held_out_photographs_are_shown_in_the_test_only(stamps: Path) -> None:
    benchmark = stamp_benchmarks(StampSettings(stamps, hold_out=True))["presence"]
    shown = {
        split: {
            bank.cutouts[thing.name][thing.photograph].tobytes()
            for item in benchmark.items(12, split)
            for thing in item.scene.objects
            for bank in [benchmark.settings.bank(split)]
        }
        for split in ("train", "test")
    }
    assert len(shown["train"]) > 5
    assert len(shown["test"]) == 2
    assert not shown["train"] & shown["test"]


def test_scenes_that_admit_no_question_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otanalysis.stamps.benchmarks._BARREN", 20)
    draw_stamp(tmp_path / "animals" / "cat", "A cat.", (20, 20), "black")
    benchmark = stamp_benchmarks(StampSettings(tmp_path))["either"]
    with pytest.raises(InputError, match="None of 20 scenes admits a question of the benchmark 'either'"):
        next(benchmark.questions())


def test_missing_photographs_are_said_before_anything_runs(stamps: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="The stamps of Tux Paint are wanted"):
        stamp_benchmarks(StampSettings(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="--backgrounds must be smooth, natural or a folder"):
        stamp_benchmarks(StampSettings(stamps, backgrounds="nowhere"))
