"""Lists of questions: bundled ones in turn of all kinds, and files of one's own, read or refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from otanalysis.errors import InputError
from otanalysis.mini import BENCHMARKS, write_pictures
from otanalysis.stamps import StampSettings, stamp_benchmarks
from otanalysis.studies.questions import bundled_questions, read_questions


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Return a folder of two pictures."""
    for number in range(2):
        pixels = np.full((4, 5, 3), 100 * number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return tmp_path


def test_bundled_questions_are_those_of_the_benchmarks_in_turn() -> None:
    pytest.importorskip("sklearn")
    asked = bundled_questions(2, benchmarks=("presence", "read-row"))
    assert [one.benchmark for one in asked] == ["presence", "read-row"] * 2
    for one in asked:
        item = next(item for item in BENCHMARKS[one.benchmark].items(2) if item.identifier == one.id)
        assert (one.question, one.answer) == (item.question.text, item.question.answer)
        assert np.array_equal(one.picture.read().pixels, item.picture)
        assert pickle.loads(pickle.dumps(one)).content == one.content
    assert len(bundled_questions(1)) == len(BENCHMARKS)
    assert len({one.scene for one in asked}) == 4


def test_a_csv_is_read_with_kinds_in_turn(pictures: Path) -> None:
    file = pictures / "mine.csv"
    file.write_text(
        "image,question,answer,benchmark,scene,id\n"
        "0.png,what ?,black,colour,,\n"
        "0.png,how many ?,0,count,desk,q2\n"
        "1.png,what ?,grey,colour,desk,\n"
    )
    asked = read_questions(file)
    assert [(one.id, one.benchmark, one.scene) for one in asked] == [
        ("0.png#1", "colour", "0.png"),
        ("q2", "count", "desk"),
        ("1.png#3", "colour", "desk"),
    ]
    assert [one.picture.read().pixels.max() for one in asked] == [0, 0, 100]
    assert [one.answer for one in read_questions(file, count=1)] == ["black", "0"]


def test_json_lines_are_the_lists_that_capture_reads(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    asked = read_questions(write_pictures(tmp_path, "presence", 2))
    items = list(BENCHMARKS["presence"].items(2))
    assert [(one.id, one.question, one.answer) for one in asked] == [
        (item.identifier, item.question.text, item.question.answer) for item in items
    ]
    assert np.array_equal(asked[1].picture.read().pixels, items[1].picture)
    assert {one.benchmark for one in asked} == {"questions"}


def test_content_is_of_words_and_picture(pictures: Path) -> None:
    def content(line: str) -> str:
        (pictures / "list.csv").write_text(f"image,question,answer,id\n{line}\n")
        return read_questions(pictures / "list.csv")[0].content

    first = content("0.png,what ?,black,q")
    assert content("0.png,what ?,black,q") == first
    others = {content(line) for line in ("1.png,what ?,black,q", "0.png,why ?,black,q", "0.png,what ?,no,q")}
    assert len(others | {first}) == 4


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "image,question\n0.png,what ?\n", "lacks answer"),
        ("a.csv", "image,question,answer\n0.png,,black\n", r"lacks question \(0.png#1\)"),
        ("a.csv", "image,question,answer\n,what ?,black\n", "row 1 has no image"),
        ("a.csv", "image,question,answer,id\n0.png,a,b,q\n1.png,a,b,q\n", "'q' twice"),
        ("a.csv", "image,question,answer\n", "no question"),
        ("a.jsonl", json.dumps({"image": "0.png", "question": "what ?"}), r"lacks answer \(0.png\)"),
        ("a.txt", "what ?", "list that ends in"),
    ],
)
def test_what_is_no_list_of_questions_is_refused(name: str, text: str, said: str, pictures: Path) -> None:
    (pictures / name).write_text(text)
    with pytest.raises(InputError, match=said):
        read_questions(pictures / name)


def test_unknown_kinds_and_no_questions_are_refused(pictures: Path) -> None:
    with pytest.raises(InputError, match="Unknown benchmark 'poetry'"):
        bundled_questions(1, benchmarks=("poetry",))
    for call in (lambda: bundled_questions(0), lambda: read_questions(pictures / "a.csv", count=0)):
        with pytest.raises(InputError, match="At least 1 question of every kind"):
            call()


def test_questions_about_one_picture_of_stamps_are_of_one_scene(stamps: Path) -> None:
    pytest.importorskip("sklearn")
    benchmarks = stamp_benchmarks(StampSettings(stamps))
    asked = bundled_questions(5, benchmarks=[benchmarks["place"], "presence", benchmarks["list"]])
    assert [one.benchmark for one in asked[:4]] == ["place", "presence", "list", "place"]
    items = list(benchmarks["place"].items(5))
    own = asked[::3]
    assert [(one.id, one.question, one.scene) for one in own] == [
        (item.identifier, item.question.text, item.scene_identifier) for item in items
    ]
    assert len({one.scene for one in own}) < 5
    np.testing.assert_array_equal(own[-1].picture.read().pixels, items[-1].picture)
