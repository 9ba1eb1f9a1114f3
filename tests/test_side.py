"""Side information at the boundary: plain names, one finite number a token, and what is missing is said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from otanalysis.errors import InputError
from otanalysis.side import check_side, is_side_name, require_side


def test_side_information_comes_back_as_own_read_only_vectors_in_the_order_given() -> None:
    mine = np.array([1, 2, 3])
    side = check_side({"b": mine, "a": [0.5, -1.0, 0.0]}, 3)
    mine[:] = 9
    assert list(side) == ["b", "a"]
    assert side["b"].tolist() == [1.0, 2.0, 3.0]
    assert {values.dtype for values in side.values()} == {np.dtype(np.float64)}
    with pytest.raises(ValueError, match="read-only"):
        side["a"][0] = 1.0
    assert check_side(None, 3) == check_side({}, 3) == {}


@pytest.mark.parametrize(
    ("side", "message"),
    [
        ([1.0, 2.0, 3.0], "must be a mapping from names"),
        ({"a": [1.0, 2.0]}, r"side\['a'\] must be 3 numbers, one a token; got shape \(2,\)"),
        ({"a": np.ones((3, 1))}, "must be 3 numbers"),
        ({"a": [1.0, np.nan, np.inf]}, "must be finite; got 2 that are not"),
        ({"a": ["x", "y", "z"]}, "must hold real numbers"),
        ({"a": None}, "must"),
        ({"": np.ones(3)}, "a letter and up to 63 more"),
        ({"a/b": np.ones(3)}, "got 'a/b'"),
        ({3: np.ones(3)}, "got 3"),
    ],
)
def test_what_is_no_side_information_is_refused(side: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_side(side, 3)


@pytest.mark.parametrize("name", ["a", "cls_attention", "A1_", "x" * 64])
def test_plain_names_are_names(name: str) -> None:
    assert is_side_name(name)


@pytest.mark.parametrize("name", ["1a", "_a", "a b", "a\n", "ä", "a.b", "x" * 65, None, b"a"])
def test_other_names_are_none(name: object) -> None:
    assert not is_side_name(name)


def test_what_a_method_lacks_is_said_with_how_to_get_it() -> None:
    require_side(("a", "b"), {"b": 0, "a": 0, "c": 0}, method="mine")
    require_side((), (), method="mine")
    with pytest.raises(
        InputError, match=r"'mine' needs .*'cls_attention'.*without any.*--side cls-attention"
    ):
        require_side(("cls_attention",), (), method="mine")
    with pytest.raises(InputError, match=r"'b' of every token, and there is only a, c: give Image\(tokens"):
        require_side(("a", "b"), ("a", "c"), method="mine")
