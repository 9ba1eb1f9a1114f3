"""Every answer is checked by a second, plainer reading of the scene, from the words of the question alone."""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice

import numpy as np
import pytest

from otanalysis.scenes import Item
from otanalysis.stamps.benchmarks import StampBenchmark
from otanalysis.stamps.catalogue import plural
from otanalysis.stamps.geometry import CELLS
from otanalysis.stamps.objects import ObjectBank
from otanalysis.stamps.questions import QUESTIONS
from otanalysis.stamps.scenes import StampObject, StampScene

READINGS = {
    r"Is there an? (.+) in the picture\?": "presence",
    r"What is in the (.+)\?": "place",
    r"What kind of thing is in the (.+)\?": "category",
    r"Where is the (.+)\?": "where",
    r"How many (.+) are there\?": "count",
    r"What is the largest object\?": "largest",
    r"What is to the left of the (.+)\?": "leftof",
    r"What is there, from left to right\?": "list",
    r"Are there more (.+) than (.+)\?": "more",
    r"Which is there, an? (.+) or an? (.+)\?": "either",
    r"What kind of thing is most common\?": "majority",
}
THIRDS = {"top": 0, "middle": 1, "bottom": 2, "left": 0, "center": 1, "right": 2}


def middle(thing: StampObject) -> np.ndarray:
    return np.array([thing.x, thing.y]) + np.array([thing.width, thing.height]) / 2


def is_in(thing: StampObject, cell: str) -> bool:
    """Tell whether a centre lies in a cell, from the words of its name."""
    down, across = ("middle", "center") if cell == "center" else cell.split()
    x, y = middle(thing) // 112
    return (x, y) == (THIRDS[across], THIRDS[down])


def expected(text: str, scene: StampScene) -> set[str]:
    """Return the answers that the scene allows; one, if the question is well posed."""
    ((words, kind),) = [
        (found.groups(), kind) for to, kind in READINGS.items() if (found := re.fullmatch(to, text))
    ]
    things = scene.objects
    names, kinds = [one.name for one in things], Counter(one.kind for one in things)
    number = {plural(one): kinds[one] for one in ("animal", "food", "vehicle", "tool", "sign")} | {
        "objects": len(things)
    }
    match kind:
        case "presence":
            return {"yes" if words[0] in names else "no"}
        case "place":
            return {one.name for one in things if is_in(one, words[0])}
        case "category":
            return {one.kind for one in things if is_in(one, words[0])}
        case "where":
            return {cell for cell in CELLS for one in things if one.name == words[0] and is_in(one, cell)}
        case "count":
            return {str(number[words[0]])}
        case "largest":
            most = max(one.width * one.height for one in things)
            return {one.name for one in things if one.width * one.height == most}
        case "leftof":
            (there,) = [middle(one) for one in things if one.name == words[0]]
            beside = [(one.name, middle(one) - there) for one in things]
            return {
                name for name, (across, down) in beside if across < 0 and abs(down) <= 85 and name != words[0]
            }
        case "list":
            return {", ".join(one.name for one in sorted(things, key=lambda one: middle(one)[0]))}
        case "more":
            assert number[words[0]] != number[words[1]]
            return {"yes" if number[words[0]] > number[words[1]] else "no"}
        case "either":
            return set(words) & set(names)
    return {one for one in kinds if kinds[one] == max(kinds.values())}


def allowed(kind: str, bank: ObjectBank) -> re.Pattern[str]:
    """Return what an answer to a kind of question looks like."""
    name = "|".join(bank.kind_of)
    forms = {
        **dict.fromkeys(("presence", "more"), "yes|no"),
        **dict.fromkeys(("category", "majority"), "|".join(bank.names)),
        "where": "|".join(CELLS),
        "count": "[0-9]",
        "list": rf"({name})(, ({name})){{1,2}}",
    }
    return re.compile(forms.get(kind, name))


@pytest.mark.parametrize("kind", QUESTIONS)
def test_every_answer_is_the_only_one_that_the_scene_allows(
    kind: str, benchmarks: dict[str, StampBenchmark], bank: ObjectBank
) -> None:
    items: list[Item[StampScene]] = list(benchmarks[kind].items(30))
    answers = [item.question.answer for item in items]
    assert [expected(item.question.text, item.scene) for item in items] == [{answer} for answer in answers]
    assert len(set(answers)) > 1
    assert [answer for answer in answers if not allowed(kind, bank).fullmatch(answer)] == []


@pytest.mark.parametrize("kind", ["presence", "more"])
def test_yes_and_no_are_about_as_frequent(kind: str, benchmarks: dict[str, StampBenchmark]) -> None:
    answers = Counter(question.answer for question in islice(benchmarks[kind].questions(), 400))
    assert 150 < answers["yes"] < 250


def test_a_scene_that_cannot_be_asked_about_gets_no_question(bank: ObjectBank) -> None:
    generator = np.random.default_rng(0)
    assert {
        kind: QUESTIONS[kind]((), bank, generator) for kind in ("place", "where", "largest", "leftof", "list")
    } == {**dict.fromkeys(("place", "where", "largest", "leftof", "list"))}
    assert QUESTIONS["majority"]((), bank, generator) is None
