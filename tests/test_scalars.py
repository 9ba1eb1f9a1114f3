"""Numbers, counts, seeds and names at the boundary: those of any library pass, what looks like them not."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import otanalysis as ota
from otanalysis.errors import InputError
from otanalysis.scalars import check_choice, check_integer, check_number, check_seed, listed, shown
from otanalysis.selection.medoids import KMedoids, OTMedoids
from otanalysis.selection.otprune import OTPrune

TOKENS = np.random.default_rng(0).standard_normal((12, 3))
NO_NUMBERS: tuple[Any, ...] = (
    *(None, True, np.True_, "3", b"3", "", 1j, [], [1], {}, object(), print),
    *(float("nan"), float("inf"), -float("inf"), 10**400, -(10**400), np.array([1.0]), np.array("x")),
)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (1, 1),
        (0.01, 0.01),
        (np.float32(0.5), 0.5),
        (np.float64(0.01), 0.01),
        (np.int8(3), 3),
        (np.array(2.5), 2.5),
        (Fraction(1, 4), 0.25),
        (2**60, 2**60),
    ],
)
def test_numbers_of_any_library_come_back_as_pythons(given: Any, wanted: float) -> None:
    number = check_number(given, "x", wanted="a number")
    assert (number, type(number)) == (wanted, type(wanted))


@pytest.mark.parametrize("given", NO_NUMBERS, ids=lambda value: type(value).__name__)
def test_what_is_no_finite_number_is_refused(given: Any) -> None:
    with pytest.raises(InputError, match=r"x must be a number; got .*: try 1"):
        check_number(given, "x", wanted="a number", advice="try 1")


def test_ranges_are_open_where_they_say_so() -> None:
    assert check_number(1.0, "x", wanted="w", low=1.0, high=1.0) == 1.0
    for given in (0.0, 2.0):
        with pytest.raises(InputError, match="x must be w; got"):
            check_number(given, "x", wanted="w", above=0.0, high=1.5)


@pytest.mark.parametrize("given", [*NO_NUMBERS[:-7], 1.0, np.float64(2.0), -1])
def test_what_is_no_integer_of_the_range_is_refused(given: Any) -> None:
    with pytest.raises(InputError, match="x must be w; got"):
        check_integer(given, "x", wanted="w", low=0)


def test_tensors_without_a_dimension_are_numbers() -> None:
    torch = pytest.importorskip("torch")
    assert check_number(torch.tensor(0.5, requires_grad=True), "x", wanted="w") == 0.5
    assert check_integer(torch.tensor(3), "x", wanted="w", low=0) == 3
    for wrong in (torch.tensor(True), torch.tensor(0.5, device="meta")):
        with pytest.raises(InputError, match="x must be w"):
            check_integer(wrong, "x", wanted="w", low=0)


@pytest.mark.parametrize("seed", [0, np.int64(7), np.uint8(3), 2**63 - 1])
def test_seeds_are_recorded_as_they_were(seed: Any) -> None:
    selection = ota.select(TOKENS, "random", keep=4, seed=seed)
    assert type(selection.seed) is int
    assert selection.seed == int(seed)
    same = ota.select_batch([TOKENS], "random", keep=4, seeds=np.array([seed]))[0]
    assert same.indices.tolist() == selection.indices.tolist()


@pytest.mark.parametrize("seed", [None, -1, 1.5, "3", True, 2**63, 10**400, [1, 2]])
@pytest.mark.parametrize("method", ["random", "first"])
def test_what_is_no_seed_is_refused_by_every_method(seed: Any, method: str) -> None:
    for call in (
        lambda: check_seed(seed),
        lambda: ota.select(TOKENS, method, keep=4, seed=seed),
        lambda: ota.select_many(TOKENS, method, [4], seed=seed),
        lambda: ota.compare(TOKENS, [method], keep=4, seed=seed),
        lambda: ota.select_batch([TOKENS], method, keep=4, seeds=[seed]),
    ):
        with pytest.raises(InputError, match=r"seeds? must be an integer in 0\.\.2\*\*63 - 1"):
            call()


def test_names_are_texts() -> None:
    assert check_choice(np.str_("rows"), "normalise", ("none", "rows")) == "rows"
    for wrong in (None, 3, ["rows"], np.array(["none", "rows"]), "Rows", b"rows"):
        with pytest.raises(InputError, match="normalise must be one of none, rows; got"):
            check_choice(wrong, "normalise", ("none", "rows"))


@pytest.mark.parametrize("method", [None, 3, ["otprune"], {"otprune"}, np.array("dpp"), "otprun", b"dpp"])
def test_what_is_no_method_is_refused_with_those_that_are(method: Any) -> None:
    for call in (
        lambda: ota.select(TOKENS, method, keep=3),
        lambda: ota.select_many(TOKENS, method, [3]),
        lambda: ota.select_batch([TOKENS], method, keep=3),
    ):
        with pytest.raises(InputError, match=r"Unknown method .*; known are otprune, "):
            call()


def test_several_are_several() -> None:
    assert listed(np.arange(3), "seeds") == [0, 1, 2]
    for wrong in (3, None, "abc", b"abc", np.array(1)):
        with pytest.raises(InputError, match="keeps must be several"):
            listed(wrong, "keeps")
        with pytest.raises(InputError, match="keeps must be several"):
            ota.select_many(TOKENS, "first", wrong)


def test_whatever_was_given_can_be_shown() -> None:
    class Unspeakable:
        def __repr__(self) -> str:
            raise RuntimeError

    assert shown(10**5000) == "an int"
    assert "Unspeakable" in shown(Unspeakable())
    assert len(shown("a" * 10**6)) < 100


@pytest.mark.parametrize("gamma", [np.float32(0.25), np.float64(0.25), np.array(0.25), Fraction(1, 4)])
def test_gammas_of_any_library_are_taken_and_recorded_as_numbers(gamma: Any) -> None:
    wanted = ota.select(TOKENS, keep=4, gamma=0.25)
    selection = ota.select(TOKENS, keep=4, gamma=gamma)
    assert selection.provenance == wanted.provenance == "OTPrune(gamma=0.25, normalise='columns')"
    assert selection.indices.tolist() == wanted.indices.tolist()
    assert (
        ota.select(TOKENS, OTPrune(gamma=np.int64(1)), keep=4).provenance
        == "OTPrune(gamma=1, normalise='columns')"
    )


@pytest.mark.parametrize("gamma", [*NO_NUMBERS, 0, 0.0, -1.0])
def test_what_is_no_gamma_is_refused_by_all_that_take_one(gamma: Any) -> None:
    for call in (
        lambda: OTPrune(gamma=gamma),
        lambda: ota.select(TOKENS, keep=4, gamma=gamma),
        lambda: ota.Ladder(TOKENS, gamma=gamma),
        lambda: ota.certify(TOKENS, [0, 1], gamma=gamma),
        lambda: ota.logdet_upper_bound(TOKENS, 3, gamma=gamma),
    ):
        with pytest.raises(InputError, match="gamma must be a positive, finite number"):
            call()


@pytest.mark.parametrize("effort", [*NO_NUMBERS, 0, -1.0, 1e300])
def test_what_is_no_effort_is_refused(effort: Any) -> None:
    for call in (
        lambda: ota.wasserstein2_floor(TOKENS, 3, effort=effort),
        lambda: ota.certify(TOKENS, [0, 1], effort=effort),
        lambda: ota.compare(TOKENS, ["first"], keep=3, effort=effort),
    ):
        with pytest.raises(InputError, match="effort must be positive and finite"):
            call()


@pytest.mark.parametrize("number", [0, -1, 1.5, None, True, "3"])
def test_limits_of_passes_and_rounds_are_checked_when_a_selector_is_made(number: Any) -> None:
    with pytest.raises(InputError, match="max_iter must be an integer"):
        KMedoids(max_iter=number)
    with pytest.raises(InputError, match="max_rounds must be an integer"):
        OTMedoids(max_rounds=number)
