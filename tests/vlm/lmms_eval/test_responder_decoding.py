"""A task's generation settings become those of generate; answers end where the task says."""

from __future__ import annotations

from typing import Any

import pytest

from otanalysis.errors import InputError
from otanalysis.vlm.lmms_eval.responder import Decoding, cut_at_stops


@pytest.mark.parametrize(
    ("settings", "arguments"),
    [
        ({}, {"max_new_tokens": 9, "do_sample": False}),
        ({"max_new_tokens": 4}, {"max_new_tokens": 4, "do_sample": False}),
        ({"temperature": 0.0, "top_p": 1.0, "num_beams": 1}, {"num_beams": 1, "do_sample": False}),
        ({"temperature": 0.7}, {"temperature": 0.7, "do_sample": True}),
        (
            {"temperature": 0.7, "top_p": 0.9, "top_k": None},
            {"temperature": 0.7, "top_p": 0.9, "do_sample": True},
        ),
        ({"temperature": 0.7, "do_sample": False}, {"do_sample": False}),
        ({"do_sample": True}, {"do_sample": True}),
        ({"do_sample": True, "temperature": 0}, {"do_sample": False}),
        (
            {"num_beams": 3, "length_penalty": 0.5},
            {"num_beams": 3, "length_penalty": 0.5, "do_sample": False},
        ),
    ],
)
def test_settings_become_arguments_of_generate(settings: dict[str, Any], arguments: dict[str, Any]) -> None:
    decoding = Decoding.of_task(settings, max_new_tokens=9)
    assert decoding.arguments == {"max_new_tokens": 9, **arguments}
    assert decoding.ignored == ()


def test_settings_that_mean_nothing_here_are_told() -> None:
    decoding = Decoding.of_task({"image_aspect_ratio": "original", "until": None}, max_new_tokens=9)
    assert decoding.ignored == ("image_aspect_ratio",)


@pytest.mark.parametrize(
    ("until", "stops"), [("###", ("###",)), (["\n\n", ""], ("\n\n",)), (None, ()), ([], ())]
)
def test_stop_strings_are_read(until: Any, stops: tuple[str, ...]) -> None:
    assert Decoding.of_task({"until": until}, max_new_tokens=9).stops == stops


def test_stop_strings_of_another_kind_are_refused() -> None:
    with pytest.raises(InputError, match=r"until must be a string or a list of strings; got \[3\]"):
        Decoding.of_task({"until": [3]}, max_new_tokens=9)


@pytest.mark.parametrize(
    ("text", "stops", "answer"),
    [
        ("two digits", [], "two digits"),
        ("two\n\ndigits USER: no", ["\n\n"], "two"),
        ("two USER: a ### b", ["###", "USER:"], "two"),
        ("\n\n two \n\n", ["\n\n"], "two"),
        ("###", ["###"], ""),
    ],
)
def test_an_answer_ends_at_the_first_stop(text: str, stops: list[str], answer: str) -> None:
    assert cut_at_stops(text, stops) == answer
