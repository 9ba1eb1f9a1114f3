# ruff: noqa: ARG002, ARG005  # signatures are those of the protocol
"""Selectors that a user wrote: taken as they are where they are whole, refused with advice where not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

import otanalysis as ota
from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.selection import Selection, Selector, build_selection, select, select_batch
from otanalysis.selection.selector import check_recorded, is_own

TOKENS = np.random.default_rng(0).standard_normal((12, 3))


@dataclass(frozen=True)
class Every:
    """Keeps every so manieth token."""

    step: int = 2

    name = "every"
    nested = True
    stochastic = False

    def __call__(self, tokens: Any, keep: int, *, generator: Any = None, cost: Any = None) -> Any:
        return build_selection(self, tokens, np.arange(len(tokens))[:: self.step][:keep])


def test_an_own_selector_goes_wherever_a_name_goes() -> None:
    selection = ota.select(TOKENS, Every(step=3), keep=3)
    np.testing.assert_array_equal(selection.indices, [0, 3, 6])
    assert (selection.method, selection.provenance) == ("every", "Every(step=3)")
    assert is_own(Every())
    assert not is_own(ota.SELECTORS["uniform"])


def calling(**parts: Any) -> Any:
    """Return a function with these attributes."""

    def keep_first(tokens: Any, keep: int, **_: Any) -> Any:
        return ota.SELECTORS["first"](tokens, keep)

    vars(keep_first).update(parts)
    return keep_first


def test_a_function_with_all_parts_is_a_selector() -> None:
    own = calling(name="beginning", nested=True, stochastic=False)
    assert ota.select(TOKENS, own, keep=2).indices.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (Every, "got the class Every"),
        (lambda tokens, keep: None, "lacks name, nested, stochastic"),
        (calling(name=3, nested=True, stochastic=False), "lacks a name that is text"),
        (calling(name="half", stochastic=False), "lacks nested:"),
    ],
)
def test_what_is_no_selector_is_refused_with_advice(wrong: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        ota.select(TOKENS, wrong, keep=2)


def test_a_study_refuses_what_cannot_be_called() -> None:
    with pytest.raises(InputError, match="lacks a __call__"):
        check_recorded(SimpleNamespace(name="still", nested=True, stochastic=False))


def test_a_selector_that_could_change_is_refused() -> None:
    @dataclass
    class Loose:
        name = "loose"
        nested = True
        stochastic = False
        __call__ = Every.__call__

    with pytest.raises(InputError, match="frozen dataclass"):
        check_recorded(Loose())


def returning(what: Callable[[Any, Any], Any]) -> Any:
    """Return an own selector that returns something else than it should."""

    @dataclass(frozen=True)
    class Wrong(Every):
        def __call__(self, tokens: Any, keep: int, *, generator: Any = None, cost: Any = None) -> Any:
            return what(self, tokens)

    return Wrong()


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (lambda one, tokens: [0, 1], "must return a Selection, got list"),
        (lambda one, tokens: build_selection(one, tokens, np.array([1, 1])), "distinct"),
        (lambda one, tokens: build_selection(one, tokens, np.array([1, 12])), "0..11"),
        (lambda one, tokens: build_selection(one, tokens, np.array([1, 2, 3])), "for 2 tokens and kept 3"),
    ],
)
def test_an_own_selector_that_does_not_keep_what_was_asked_is_named(what: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        ota.select(TOKENS, returning(what), keep=2)


@dataclass(frozen=True)
class WithACallOfItsOwn(Selector):
    """Derived, but called with plain tokens as before there was ``pick``."""

    name: ClassVar[str] = "with-a-call"

    def __call__(self, tokens: Any, keep: int, *, generator: Any = None, cost: Any = None) -> Selection:
        assert isinstance(tokens, np.ndarray)
        return build_selection(self, tokens, np.argsort(tokens[:, 0])[:keep])


@dataclass(frozen=True)
class StackOfTokens:
    """No ``Selector``; takes images of one size together, as plain tokens."""

    name, nested, stochastic = "stack-of-tokens", False, False

    def __call__(self, tokens: Any, keep: int, *, generator: Any = None) -> Selection:
        return build_selection(self, tokens, np.argsort(tokens[:, 0] ** 2)[:keep])  # type: ignore[arg-type]

    def select_stack(self, clouds: Any, keep: int) -> list[Selection]:
        return [self(tokens, keep) for tokens in clouds]


@pytest.mark.parametrize("selector", [WithACallOfItsOwn(), StackOfTokens()])
def test_selectors_of_before_take_plain_tokens_of_images_too(selector: Any) -> None:
    tokens = np.random.default_rng(3).standard_normal((9, 2))
    wanted = selector(tokens, 3).indices.tolist()

    assert select(Image(tokens), selector, keep=3).indices.tolist() == wanted
    both = select_batch([Image(tokens), tokens], selector, keep=3)
    assert [one.indices.tolist() for one in both] == [wanted, wanted]


def test_a_selector_may_pick_a_list_and_must_pick_at_all() -> None:
    @dataclass(frozen=True)
    class Listed(Selector):
        name: ClassVar[str] = "listed"

        def pick(self, image: Any, keep: int, generator: Any) -> Any:
            return list(range(keep))

    @dataclass(frozen=True)
    class Idle(Selector):
        name: ClassVar[str] = "idle"

    assert select(np.eye(4), Listed(), keep=2).indices.tolist() == [0, 1]
    with pytest.raises(NotImplementedError, match="write pick"):
        select(np.eye(4), Idle(), keep=2)


def test_one_image_in_place_of_several_is_refused() -> None:
    with pytest.raises(InputError, match=r"pass one image as \[tokens\]"):
        select_batch(Image(np.eye(4)), keep=2)


@pytest.mark.parametrize(
    "picked",
    [
        [3, 1],
        (3, 1),
        np.array([3, 1], dtype=np.uint8),
        range(3, 0, -2),
        ([3, 1], [0.5, 0.25]),
        (np.array([3, 1]), None),
    ],
)
def test_picks_may_come_in_whatever_holds_integers(picked: Any) -> None:
    selection = select(TOKENS, picking(picked), keep=2)

    assert (selection.indices.tolist(), selection.pick_order.tolist()) == ([1, 3], [3, 1])
    assert selection.indices.dtype == selection.pick_order.dtype == np.int64
    assert selection.gains is None or selection.gains.tolist() == [0.5, 0.25]


def picking(what: Any) -> Any:
    """Return an own selector that picks just this."""

    @dataclass(frozen=True)
    class Picking(Selector):
        name: ClassVar[str] = "picking"

        def pick(self, image: Any, keep: int, generator: Any) -> Any:
            return what

    return Picking()


@pytest.mark.parametrize(
    ("picked", "said"),
    [
        ([0.5, 1.5], "non-empty vector of integers"),
        ([1, 1], "distinct"),
        ([1, 12], r"0\.\.11"),
        ([1, -1], r"0\.\.11"),
        ([[1], [2, 3]], "numbers"),
        (None, "integers"),
        ("ab", "integers"),
        ([1, 2, 3], "asked for 2 tokens and kept 3"),
        (([1, 2], [0.5]), "number for each of the 2 picks"),
        (([1, 2], ["a", "b"]), "number for each of the 2 picks"),
        (([1, 2], [np.nan, 0.0]), "none of them NaN"),
    ],
)
def test_picks_that_are_none_are_refused(picked: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        select(TOKENS, picking(picked), keep=2)
    with pytest.raises(InputError, match=said):
        select_batch([TOKENS], picking(picked), keep=2)


def test_picks_follow_the_tokens_to_their_library() -> None:
    torch = pytest.importorskip("torch")
    tokens = torch.from_numpy(TOKENS)

    for one in (
        select(tokens, picking([3, 1]), keep=2),
        build_selection(picking(None), tokens, np.array([3, 1]), [0.5, 0.25]),
        build_selection(picking(None), tokens, torch.tensor([3, 1]), torch.tensor([0.5, 0.25])),
    ):
        assert (one.indices.tolist(), one.indices.dtype) == ([1, 3], torch.int64)
        assert one.gains is None or (one.gains.tolist(), one.gains.dtype) == ([0.5, 0.25], torch.float64)
    assert type(select(TOKENS, picking(torch.tensor([3, 1])), keep=2).indices) is np.ndarray
    # A column of a frame may not be written to, of which torch would warn.
    fixed = np.array([3, 1])
    fixed.flags.writeable = False
    assert build_selection(picking(None), tokens, fixed).indices.tolist() == [1, 3]


@dataclass(frozen=True)
class Stacking(StackOfTokens):
    """Returns for a stack whatever it was told."""

    what: Any = None

    def select_stack(self, clouds: Any, keep: int) -> Any:
        return self.what([self(tokens, keep) for tokens in clouds])


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (lambda whole: whole[:1], "a Selection for each of 2 images; got 1"),
        (lambda whole: [*whole[:1], None], "must return a Selection, got NoneType"),
        (lambda whole: None, "must be several"),
        (lambda whole: [replace(one, indices=np.array([0, 1, 12])) for one in whole], r"0\.\.11"),
        (lambda whole: [replace(one, pick_order=one.pick_order[::-1] * 0) for one in whole], "distinct"),
        (lambda whole: [replace(one, indices=one.indices[::-1]) for one in whole], "ascending order"),
        (lambda whole: [one.prefix(2) for one in whole], "asked for 3 tokens and kept 2"),
    ],
)
def test_what_an_own_selector_returns_for_a_stack_is_checked(what: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        select_batch([TOKENS, TOKENS], Stacking(what=what), keep=3)  # type: ignore[arg-type]
    assert len(select_batch([TOKENS, TOKENS], Stacking(what=list), keep=3)) == 2  # type: ignore[arg-type]


def test_frames_are_images_of_a_batch_too() -> None:
    frame = pd.DataFrame(TOKENS)
    wanted = select(TOKENS, keep=3).indices.tolist()

    assert select(frame, keep=3).indices.tolist() == wanted
    assert [one.indices.tolist() for one in select_batch([frame, TOKENS.tolist()], keep=3)] == [wanted] * 2


def test_images_of_two_libraries_are_no_stack() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(InputError, match="more than one library or device"):
        ota.SELECTORS["dpp"].select_stack([TOKENS, torch.from_numpy(TOKENS)], 3)  # type: ignore[attr-defined]
