"""A bounded part of the fuzzing of calls, and proof that it sees what it is there for."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from otanalysis.errors import OtAnalysisError
from tests.fuzz import calls
from tests.fuzz.calls import TARGETS, Target, drawn_call, fuzz_calls, main

pytest.importorskip("torch")

CASES = 600
"""Some seconds; ``make fuzz`` makes 20,000."""


def test_hostile_calls_succeed_soundly_or_are_refused_in_our_words() -> None:
    assert fuzz_calls(CASES, seed=1) == []


def test_every_function_is_called() -> None:
    assert Counter(drawn_call(case, 0)[0] for case in range(4000)).keys() == TARGETS.keys()


def test_many_calls_succeed_and_many_are_refused() -> None:
    refused = 0
    for case in range(300):
        name, arguments = drawn_call(case, 2)
        try:
            TARGETS[name].call(**arguments)
        except OtAnalysisError:
            refused += 1
    assert 75 <= refused <= 225


def test_a_case_is_drawn_again_from_its_number() -> None:
    for case in (0, 17, 1234):
        (name, arguments), (again, same) = drawn_call(case, 0), drawn_call(case, 0)
        assert name == again
        assert {key: calls.short(value) for key, value in arguments.items() if not callable(value)} == {
            key: calls.short(value) for key, value in same.items() if not callable(value)
        }


def raising(**_: Any) -> None:
    raise TypeError("unhashable type")


def warning(**_: Any) -> float:
    warnings.warn("overflow", RuntimeWarning, stacklevel=1)
    return 1.0


@pytest.mark.parametrize(
    ("call", "check", "said"),
    [
        (raising, calls.anything, "TypeError: unhashable type"),
        (warning, calls.finite, "RuntimeWarning: overflow"),
        (lambda **_: np.nan, calls.finite, "AssertionError: not finite"),
        (lambda **_: -1.0, calls.not_negative, "AssertionError: negative"),
    ],
)
def test_what_is_not_sound_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], call: Any, check: Any, said: str
) -> None:
    target = Target(call, {"tokens": "tokens"}, check, {})
    monkeypatch.setattr(calls, "TARGETS", {"broken": target})
    found = fuzz_calls(3, seed=0)
    assert [(one.case, one.function) for one in found] == [(0, "broken"), (1, "broken"), (2, "broken")]
    assert all(said in one.error for one in found)
    assert main(["--cases", "2"]) == 1
    assert "2 calls with seed 0: 2 failed." in capsys.readouterr().out


def test_a_run_without_failures_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--cases", "20", "--seed", "3"]) == 0
    assert capsys.readouterr().out == "20 calls with seed 3: 0 failed.\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"indices": np.array([0, 0])}, "distinct"),
        ({"indices": np.array([0, 9])}, "within range"),
        ({"indices": np.array([0, 2])}, "the picks"),
        ({"keep": 3}, "as many"),
        ({"gains": np.array([np.nan, 0.0])}, "gains"),
        ({"seed": 1.5}, "seed"),
    ],
)
def test_a_selection_that_contradicts_itself_is_seen(change: dict[str, Any], said: str) -> None:
    sound = calls.selection_of(np.random.default_rng(0), 2)
    sound = replace(sound, indices=np.array([0, 1]), pick_order=np.array([1, 0]), keep=2, m=4)
    calls.a_selection(sound, {})
    with pytest.raises(AssertionError, match=said):
        calls.a_selection(replace(sound, **change), {})
