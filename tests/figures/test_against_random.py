"""Methods beside random kept sets: the numbers of the tables, at their places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from otanalysis.errors import InputError
from otanalysis.figures.against_random import draw_against_random
from otanalysis.figures.style import method_look

RANDOM = np.linspace(0.9, 1.3, 64)


def test_every_method_is_a_marker_of_its_own_look_at_its_distance() -> None:
    chosen = {"otprune": 2.0, "uniform": 0.7, "mine": 0.8}
    upper, lower = draw_against_random(RANDOM, chosen, floor=0.5).axes
    marks = {
        float(line.get_xdata()[0]): (line.get_color(), line.get_marker())
        for line in upper.lines
        if line.get_marker() != "None"
    }
    assert marks == {
        value: (method_look(name).colour, method_look(name).marker) for name, value in chosen.items()
    }
    assert [text.get_text() for text in upper.texts] == ["2.00", "0.70", "0.80"]
    assert [label.get_text() for label in upper.get_yticklabels()] == ["OTPrune", "Uniform", "mine"]
    assert sum(bar.get_height() for bar in lower.patches if bar.get_hatch() is None) == len(RANDOM)
    assert upper.get_xlim() == lower.get_xlim()
    assert upper.get_xlim()[1] > 2.0


def test_the_floor_is_hatched_only_where_there_is_one() -> None:
    def hatched(floor: float | None) -> list[float]:
        panels = draw_against_random(RANDOM, {"uniform": 0.7}, floor=floor).axes
        return [patch.get_width() for panel in panels for patch in panel.patches if patch.get_hatch()]

    assert hatched(0.5) == [0.5, 0.5]
    assert hatched(None) == []


@pytest.mark.parametrize("name", [3, None, b"first", ("a", 1)])
def test_a_method_without_a_name_is_refused(name: Any) -> None:
    with pytest.raises(InputError, match="Methods are wanted by name"):
        draw_against_random(RANDOM, {name: 0.7})


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(InputError, match=r"got 0 and \{.uniform"):
        draw_against_random([], {"uniform": 0.7})
    with pytest.raises(InputError, match=r"got 64 and \{\}"):
        draw_against_random(RANDOM, {})
