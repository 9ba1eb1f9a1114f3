"""The checks at the boundary: what passes, what is refused, and what the messages say."""

from __future__ import annotations

import numpy as np
import pytest

from otanalysis.arrays import check_indices, check_tokens, resolve_keep
from otanalysis.errors import InputError


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.uint16])
def test_real_matrices_become_double_precision(dtype: type) -> None:
    tokens = np.arange(6, dtype=dtype).reshape(3, 2)

    result = check_tokens(tokens)

    assert result.dtype == np.float64
    assert result.tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (np.zeros(3), r"got shape \(3,\)"),
        (np.zeros((2, 3, 4)), r"got shape \(2, 3, 4\)"),
        (np.zeros((0, 3)), "at least one token"),
        (np.zeros((3, 0)), "one feature"),
        (np.zeros((2, 2), dtype=bool), "real numbers; got dtype bool"),
        (np.zeros((2, 2), dtype=complex), "real numbers; got dtype complex128"),
        ([[1.0, 2.0], [3.0]], "differ in length"),
        ([["a", "b"]], "real numbers"),
        (None, "must be a matrix"),
    ],
)
def test_what_is_no_token_cloud_is_refused(tokens: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_tokens(tokens)


def test_the_message_counts_bad_values_and_names_the_first_rows() -> None:
    tokens = np.zeros((10, 4), dtype=np.float32)
    tokens[1:9, 2] = np.nan
    tokens[1, 3] = np.inf

    with pytest.raises(
        InputError, match=r"cloud must be finite; got 9 NaN .* 8 rows \(1, 2, 3, 4, 5, \.\.\.\)"
    ):
        check_tokens(tokens, name="cloud")


@pytest.mark.parametrize(
    ("m", "ratio", "expected"),
    [
        (576, 0.05, 29),
        (576, 0.098, 56),
        (576, 0.15, 86),
        (576, 0.2, 115),
        (576, 1.0, 576),
        (10, 1e-9, 1),
        (5, 0.5, 2),
    ],
)
def test_ratios_round_as_the_released_code_does(m: int, ratio: float, expected: int) -> None:
    assert resolve_keep(m, ratio=ratio) == expected


def test_counts_pass_through() -> None:
    assert resolve_keep(8, keep=8) == 8
    assert resolve_keep(8, keep=np.int64(3)) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "got neither"),
        ({"ratio": 0.5, "keep": 3}, "got ratio=0.5 and keep=3"),
        ({"ratio": 0.0}, r"\(0, 1\]; got 0.0"),
        ({"ratio": 1.01}, r"\(0, 1\]; got 1.01"),
        ({"ratio": float("nan")}, r"\(0, 1\]; got nan"),
        ({"ratio": "much"}, "a number"),
        ({"keep": 0}, r"1\.\.8, the number of tokens; got 0"),
        ({"keep": 9}, r"1\.\.8, the number of tokens; got 9"),
        ({"keep": 2.5}, "an integer"),
        ({"keep": True}, "an integer"),
    ],
)
def test_what_is_no_share_and_no_count_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        resolve_keep(8, **options)  # type: ignore[arg-type]


def test_indices_keep_their_order() -> None:
    kept = check_indices(np.array([5, 0, 3], dtype=np.uint8), 6)

    assert kept.tolist() == [5, 0, 3]
    assert kept.dtype == np.int64


def test_tensors_are_detached_and_stay_tensors() -> None:
    torch = pytest.importorskip("torch")

    result = check_tokens(torch.ones((2, 3), dtype=torch.bfloat16, requires_grad=True))

    assert isinstance(result, torch.Tensor)
    assert result.dtype == torch.float64
    assert not result.requires_grad
