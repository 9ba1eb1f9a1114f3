"""Lessons: the scenes of the benchmarks' training split, with more questions, whose answers are right."""

from __future__ import annotations

from itertools import islice

import numpy as np

from otanalysis.scenes import Question
from otanalysis.stamps.benchmarks import TURNS, StampBenchmark
from otanalysis.stamps.painting import paint
from otanalysis.stamps.settings import StampSettings
from otanalysis.stamps.training.lessons import Lessons


class Flat:
    """An image processor that leaves pictures as they are."""

    def __call__(self, picture: np.ndarray, return_tensors: str) -> dict[str, np.ndarray]:
        assert return_tensors == "pt"
        return {"pixel_values": picture[None]}


def test_scenes_and_first_questions_are_those_of_the_benchmarks(
    settings: StampSettings, benchmarks: dict[str, StampBenchmark]
) -> None:
    lessons = Lessons(settings, 2 * len(TURNS), Flat())
    checked = 0
    for name in ("presence", "count", "either"):
        turn = TURNS.index(name)
        item = next(benchmarks[name].items(1, "train"))
        if item.scene_identifier.endswith("-00000"):  # else its first scene admits no question
            scene, questions = lessons.drawn(turn)
            assert item.question == questions[0]
            assert np.array_equal(paint(scene, settings.bank("train"))[0], item.picture)
            assert np.array_equal(lessons[turn][0], item.picture)
            checked += 1
    assert checked >= 2


def test_every_question_is_one_that_its_kind_would_ask_of_the_scene(settings: StampSettings) -> None:
    lessons = Lessons(settings, 40, None)
    seen: dict[str, int] = {}
    for number in range(40):
        scene, questions = lessons.drawn(number)
        assert len({one.text for one in questions}) == len(questions) > 3
        names = {thing.name for thing in scene.objects}
        for one in questions:
            if one.text.startswith("Is there "):
                asked = one.text.removeprefix("Is there ").removesuffix(" in the picture?").split(" ", 1)[1]
                assert one.answer == ("yes" if asked in names else "no")
            if one.text == "How many objects are there?":
                assert one.answer == str(len(scene.objects))
            seen[one.text.split(" ", 2)[0]] = seen.get(one.text.split(" ", 2)[0], 0) + 1
    assert set(seen) >= {"Is", "How", "What", "Where", "Which", "Are"}
    assert lessons.drawn(3)[1] == lessons.drawn(3)[1] != lessons.drawn(18)[1]


def test_the_questions_of_a_scenes_own_kind_come_first(
    settings: StampSettings, benchmarks: dict[str, StampBenchmark]
) -> None:
    own: list[Question] = list(islice(benchmarks["presence"].questions("train"), 6))
    _, first = Lessons(settings, 16, None).drawn(TURNS.index("presence"))
    _, second = Lessons(settings, 16, None).drawn(TURNS.index("presence") + len(TURNS))
    asked = [one for one in (*first, *second) if one in own]
    assert asked[:6] == own
