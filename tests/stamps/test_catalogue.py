"""What the stamps of a folder show: the bundled catalogue, or the texts beside the pictures."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from otanalysis.errors import InputError
from otanalysis.stamps.catalogue import PLURALS, Entry, catalogue, entries_of, plural

from .made_up import MADE_UP, draw_stamp


def test_the_catalogue_names_every_photograph_once_and_every_name_is_of_one_kind() -> None:
    entries = catalogue()
    assert len({entry.file for entry in entries}) == len(entries) == 190
    kinds = {(entry.name, entry.kind) for entry in entries}
    assert len(kinds) == len({name for name, _ in kinds}) == 139
    assert list(dict.fromkeys(entry.kind for entry in entries)) == list(PLURALS)
    assert not [entry for entry in entries if "," in entry.name or entry.name != entry.name.strip().lower()]


def test_a_folder_of_ones_own_is_read_as_tux_paint_reads_it(stamps: Path) -> None:
    found = entries_of(stamps)
    assert len(found) == len(MADE_UP)
    assert Entry("animal", "dog", "animals/pets/dog-2.png") in found
    assert Entry("animal", "ant", "animals/ant.png") in found
    assert Entry("food", "apple", "food/apple-red.png") in found
    assert Entry("vehicle", "fire truck", "vehicles/fire truck.png") in found
    assert Counter(entry.kind for entry in found) == {
        "animal": 5,
        "food": 4,
        "vehicle": 3,
        "tool": 2,
        "sign": 2,
    }


def test_kinds_of_ones_own_have_a_plural_too() -> None:
    assert [plural(kind) for kind in ("food", "plant", "spoon")] == ["foods", "plants", "spoons"]


def test_pictures_without_a_text_or_without_a_kind_are_no_stamps(tmp_path: Path) -> None:
    draw_stamp(tmp_path / "animals" / "cat", "A cat.", (20, 20), "black")
    draw_stamp(tmp_path / "lost", "A lost thing.", (20, 20), "black")
    draw_stamp(tmp_path / "animals" / "nameless", "", (20, 20), "black")
    (tmp_path / "animals" / "nameless.txt").unlink()
    assert entries_of(tmp_path) == (Entry("animal", "cat", "animals/cat.png"),)


@pytest.mark.parametrize("text", ["", "A.", "A cat, a dog."])
def test_a_text_that_names_nothing_or_several_things_is_refused(tmp_path: Path, text: str) -> None:
    draw_stamp(tmp_path / "animals" / "cat", text, (20, 20), "black")
    with pytest.raises(InputError, match=r"first line of .*cat\.txt must name what cat\.png shows"):
        entries_of(tmp_path)


def test_an_empty_folder_and_a_part_of_the_catalogue_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no stamps"):
        entries_of(tmp_path)
    first = catalogue()[0]
    draw_stamp((tmp_path / first.file).with_suffix(""), "A frog.", (20, 20), "green")
    with pytest.raises(
        InputError, match=r"lacks 189 of the 190 photographs .* such as animals/amphibians/frog\.png"
    ):
        entries_of(tmp_path)
