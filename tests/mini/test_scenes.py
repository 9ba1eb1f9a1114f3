"""Scenes, questions and answers: every answer is checked by a second, plainer reading of the scene."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from otanalysis.errors import InputError
from otanalysis.mini.benchmarks import BENCHMARKS, Benchmark, find_scene
from otanalysis.mini.digits import TRAINING_IMAGES, digit_bank
from otanalysis.mini.geometry import COLOURS, GRID, PATCH, PLACES, SHAPES, SIZES, shape_mask
from otanalysis.mini.questions import QUESTIONS, WORDS
from otanalysis.mini.scenes import LAYOUTS, Scene, SceneObject, paint
from otanalysis.scenes import Item

THIRD = GRID // 3


def covered(thing: SceneObject) -> set[tuple[int, int]]:
    """Return the patches under an object."""
    rows, columns = range(thing.row, thing.row + thing.size), range(thing.column, thing.column + thing.size)
    return {(row, column) for row in rows for column in columns}


def place(thing: SceneObject) -> str | None:
    """Return the name of the cell that holds all patches of an object."""
    cells = {3 * (row // THIRD) + column // THIRD for row, column in covered(thing)}
    return PLACES[cells.pop()] if len(cells) == 1 else None


def expected(item: Item[Scene]) -> set[str]:
    """Return the answers that the scene allows; one, if the question is well posed."""
    words = item.question.text.split()
    digits = [thing for thing in item.scene.objects if thing.label in "0123456789"]
    match words:
        case ["is", "there", "a", digit, "?"]:
            return {"yes" if digit in [thing.label for thing in digits] else "no"}
        case ["how", "many", "digits", "?"]:
            return {str(len(digits))}
        case ["how", "many", colour, "digits", "?"]:
            return {str(sum(thing.colour == colour for thing in digits))}
        case ["which", "digit", "is", "largest", "?"]:
            largest = max(thing.size for thing in digits)
            return {f"{thing.label}" for thing in digits if thing.size == largest}
        case ["which", "digit", "is", colour, "?"] if colour in COLOURS:
            return {thing.label for thing in digits if thing.colour == colour}
        case ["which", "digit", "is", where, "?"]:
            return {thing.label for thing in digits if place(thing) == where}
        case ["what", "colour", "is", "the", label, "?"]:
            return {thing.colour for thing in item.scene.objects if thing.label == label}
        case ["where", "is", "the", label, "?"]:
            return {str(place(thing)) for thing in digits if thing.label == label}
        case ["list", "digits", "left", "to", "right", "?"]:
            return {" ".join(thing.label for thing in sorted(digits, key=lambda one: one.column))}
        case ["which", "colour", "is", "commonest", "?"]:
            counted = Counter(thing.colour for thing in item.scene.objects)
            return {colour for colour, count in counted.items() if count == max(counted.values())}
    raise AssertionError(f"no reading for {item.question.text!r}")


@pytest.mark.parametrize("benchmark", BENCHMARKS.values(), ids=lambda one: one.name)
def test_every_answer_is_the_only_one_that_the_scene_allows(benchmark: Benchmark) -> None:
    items = list(benchmark.items(60))
    assert [expected(item) for item in items] == [{item.question.answer} for item in items]
    assert len({item.question.answer for item in items}) > 1


def test_there_are_eleven_benchmarks_of_at_least_three_metrics_and_every_word_is_known() -> None:
    assert len(BENCHMARKS) == 11
    assert set(BENCHMARKS) == set(QUESTIONS)
    assert len({one.metric for one in BENCHMARKS.values()}) == 3
    spoken = {
        word
        for benchmark in BENCHMARKS.values()
        for item in benchmark.items(15)
        for word in f"{item.question.text} {item.question.answer}".split()
    }
    assert spoken <= set(WORDS)
    assert len(WORDS) == len(set(WORDS))


def test_items_depend_neither_on_how_many_are_asked_for_nor_on_the_last_run() -> None:
    few, many = (list(BENCHMARKS["count-colour"].items(count)) for count in (3, 5))
    for one, other in zip(few, many, strict=False):
        assert one.identifier == other.identifier
        assert one.question == other.question
        np.testing.assert_array_equal(one.picture, other.picture)
    train = next(BENCHMARKS["count-colour"].items(1, "train"))
    assert train.scene != few[0].scene


@pytest.mark.parametrize("layout", LAYOUTS)
def test_objects_lie_inside_and_never_overlap(layout: str) -> None:
    generator = np.random.default_rng(0)
    for _ in range(40):
        scene = LAYOUTS[layout](generator)
        assert scene.objects
        for thing in scene.objects:
            assert thing.size in SIZES
            assert 0 <= thing.row <= GRID - thing.size
            assert 0 <= thing.column <= GRID - thing.size
        for one, other in combinations(scene.objects, 2):
            assert not covered(one) & covered(other)


def test_layouts_run_from_sparse_to_dense() -> None:
    generator = np.random.default_rng(0)
    share = {
        name: np.mean(
            [sum(t.size**2 for t in layout(generator).objects) / GRID**2 for _ in range(60)], dtype=float
        )
        for name, layout in LAYOUTS.items()
    }
    assert share["row"] < share["cells"] < share["mosaic"]
    assert share["mosaic"] == pytest.approx(1.0)


def test_the_picture_shows_each_object_in_its_colour_and_nothing_elsewhere() -> None:
    thing = SceneObject("square", "red", 4, 2, 5)
    picture = paint(Scene((thing,)), digit_bank("test"), np.random.default_rng(0)).astype(float)
    assert picture.shape == (GRID * PATCH, GRID * PATCH, 3)
    middle = picture[PATCH * 3 : PATCH * 5, PATCH * 6 : PATCH * 8].mean(axis=(0, 1))
    assert middle[0] > middle[1] + 100
    away = picture[PATCH * 12 :].mean(axis=(0, 1))
    assert np.all(away < 110)


def test_no_handwriting_is_in_both_splits() -> None:
    train, test = digit_bank("train"), digit_bank("test")
    assert len(train.labels) == TRAINING_IMAGES
    assert len(test.labels) == 1797 - TRAINING_IMAGES
    seen = {mask.tobytes() for mask in train.masks[6]}
    assert not [mask for mask in test.masks[6] if mask.tobytes() in seen]


def test_warped_copies_keep_labels_and_differ_from_the_images() -> None:
    plain, warped = digit_bank("test"), digit_bank("test", variants=1)
    half = len(plain.labels)
    np.testing.assert_array_equal(warped.labels[half:], plain.labels)
    np.testing.assert_array_equal(warped.masks[4][:half], plain.masks[4])
    different = np.abs(warped.masks[4][half:].astype(float) - plain.masks[4]).mean(axis=(1, 2))
    assert np.all(different > 0)
    with pytest.raises(InputError, match="'train' or 'test'"):
        digit_bank("validation")  # type: ignore[arg-type]


@pytest.mark.parametrize("size", SIZES)
def test_shapes_can_be_told_apart(size: int) -> None:
    masks = {name: shape_mask(name, size) > 0 for name in SHAPES}
    for one, other in combinations(SHAPES, 2):
        assert np.mean(masks[one] != masks[other]) > 0.08


def test_a_benchmark_that_its_layout_never_admits_is_refused() -> None:
    impossible = Benchmark("read-row", "edit_similarity", "mosaic")
    with pytest.raises(InputError, match="none of 1000 scenes"):
        list(impossible.items(1))


def test_covered_patches_are_those_under_an_object() -> None:
    scene = Scene((SceneObject("3", "red", 2, 1, 2), SceneObject("square", "blue", 1, 0, 0)), grid=4)
    assert np.flatnonzero(scene.covered).tolist() == [0, 6, 7, 10, 11]
    assert not Scene(()).covered.any()


@pytest.mark.parametrize("name", ["presence", "read-row", "mosaic-majority"])
def test_a_scene_is_found_by_the_identifier_of_its_item(name: str) -> None:
    for item in BENCHMARKS[name].items(3):
        assert find_scene(item.identifier) == item.scene
    assert find_scene(f"{name}-test-00001") != find_scene(f"{name}-train-00001")
    for other in ("presence", "presence-test-", "absence-test-00000", "presence-test-00000.png", ""):
        assert find_scene(other) is None
