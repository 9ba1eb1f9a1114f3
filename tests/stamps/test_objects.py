"""Photographs of objects: where they are looked for, how they are cut out, and what training never sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from otanalysis.errors import InputError
from otanalysis.stamps import objects
from otanalysis.stamps.objects import ObjectBank, find_stamps, open_objects

from .made_up import MADE_UP, draw_stamp


def content(bank: ObjectBank) -> set[bytes]:
    return {cutout.tobytes() for own in bank.cutouts.values() for cutout in own}


def test_a_cutout_is_what_is_seen_of_the_picture_scaled_to_160_pixels(bank: ObjectBank) -> None:
    for name, (_, (width, height), _) in MADE_UP.items():
        (cutout, *_) = bank.cutouts[MADE_UP[name][0].split("\n")[0].split(" ", 1)[1].rstrip(".!")]
        assert max(cutout.size) == 160
        alpha = np.asarray(cutout.getchannel("A"))
        assert alpha.max(axis=0).min() > 0
        assert alpha.max(axis=1).min() > 0
        if "-" not in name:
            assert cutout.width / cutout.height == pytest.approx(width / height, rel=0.02)


def test_a_faint_shadow_is_no_part_of_the_object(tmp_path: Path) -> None:
    picture = np.zeros((40, 60, 4), np.uint8)
    picture[:, :, 3] = 32
    picture[10:20, 30:50] = 255
    draw_stamp(tmp_path / "animals" / "cat", "A cat.", (20, 20), "black")
    Image.fromarray(picture).save(tmp_path / "animals" / "cat.png")
    (cutout,) = open_objects(tmp_path).cutouts["cat"]
    assert cutout.size == (160, 80)
    assert np.asarray(cutout).min() == 255


def test_names_stand_under_their_kinds_in_the_order_of_the_alphabet(bank: ObjectBank) -> None:
    assert list(bank.names) == ["animal", "food", "sign", "tool", "vehicle"]
    assert bank.names["animal"] == ["ant", "cat", "dog", "owl"]
    assert [len(bank.cutouts[name]) for name in ("dog", "cat", "apple")] == [2, 1, 2]


def test_no_photograph_of_the_test_is_in_training(bank: ObjectBank) -> None:
    train, test = bank.held_out("train"), bank.held_out("test")
    assert not content(train) & content(test)
    assert content(train) | content(test) == content(bank)
    assert set(test.kind_of) == {"dog", "apple"}, "the names that have several photographs"
    assert set(train.kind_of) == set(bank.kind_of)


def test_where_every_name_has_one_photograph_none_can_be_held_out(bank: ObjectBank) -> None:
    single = ObjectBank(bank.kind_of, {name: own[:1] for name, own in bank.cutouts.items()}, "")
    with pytest.raises(InputError, match="some name must have several"):
        single.held_out("test")


def test_the_checksum_tells_photographs_and_names_apart(tmp_path: Path) -> None:
    seen = set()
    for number, (text, colour) in enumerate((("A cat.", "black"), ("A cat.", "white"), ("A dog.", "black"))):
        folder = tmp_path / str(number)
        draw_stamp(folder / "animals" / "cat", text, (20, 20), colour)
        seen.add(open_objects(folder).checksum)
    assert len(seen) == 3


def test_stamps_are_found_where_they_were_unpacked_or_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "usr" / "share" / "tuxpaint" / "stamps"
    inside.mkdir(parents=True)
    assert find_stamps(tmp_path) == inside
    assert find_stamps(inside) == inside
    monkeypatch.setattr(objects, "PLACES", (str(tmp_path / "nowhere"), str(inside)))
    assert find_stamps() == inside
    monkeypatch.setattr(objects, "PLACES", (str(tmp_path / "nowhere"),))
    with pytest.raises(
        InputError, match=r"are in none of .*nowhere: install them \(.*tuxpaint-stamps-default"
    ):
        find_stamps()
    with pytest.raises(InputError, match=r"there is no folder .*nowhere"):
        find_stamps(tmp_path / "nowhere")


@pytest.mark.parametrize("fault", ["torn", "empty"])
def test_a_picture_that_shows_nothing_is_refused(tmp_path: Path, fault: str) -> None:
    draw_stamp(tmp_path / "animals" / "cat", "A cat.", (20, 20), "black")
    file = tmp_path / "animals" / "cat.png"
    if fault == "torn":
        file.write_bytes(file.read_bytes()[:60])
    else:
        Image.new("RGBA", (20, 20)).save(file)
    message = "cannot be read as a picture" if fault == "torn" else "shows nothing"
    with pytest.raises(InputError, match=rf"cat\.png {message}"):
        open_objects(tmp_path)
