"""The checks at the boundary: what passes, what is refused, and what the messages say."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from otanalysis.arrays import (
    all_finite,
    check_indices,
    check_tokens,
    check_weights,
    normalise_tokens,
    resolve_keep,
    to_numpy,
)
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


class Sparse:
    """What looks like one of SciPy's sparse matrices."""

    def toarray(self) -> np.ndarray:
        return np.eye(3)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (
            np.ma.array([[1.0, 2.0]], mask=[[True, False]]),
            r"must not be masked; got 1 masked values.*or fill",
        ),
        (np.ma.masked_invalid([[1.0, np.nan], [np.inf, 2.0]]), "got 2 masked values"),
        ([np.ma.array([1.0, 2.0], mask=[True, False])], "masked"),
        ([[1.0, np.ma.masked]], "masked"),
        (Sparse(), r"must be dense; got a sparse Sparse: pass tokens\.toarray\(\)"),
        ([[10**400, 1.0]], "real numbers; got dtype object"),
        ([[10**400]], "real numbers; got dtype object"),
        ([[1.0, None]], "real numbers; got dtype object"),
        (np.zeros((2, 2), dtype=object), "real numbers; got dtype object"),
        (np.zeros((2, 2), dtype="datetime64[s]"), "real numbers"),
        (pd.DataFrame({"a": ["x"], "b": [1.0]}), "real numbers"),
        (np.full((1, 1), np.finfo(np.longdouble).max), "must be finite"),
    ],
)
def test_arrays_that_lack_values_or_hold_no_numbers_are_refused(tokens: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_tokens(tokens)


def test_what_holds_its_values_is_taken_whatever_holds_it() -> None:
    wanted = [[3.0, 1.0], [2.0, 5.0]]

    for given in (
        np.ma.masked_invalid(wanted),
        [np.ma.array(row) for row in wanted],
        np.array(wanted).astype(">f8"),
        np.asfortranarray(wanted),
        pd.DataFrame(wanted),
        tuple(map(tuple, wanted)),
        np.array(wanted).view(np.recarray),
    ):
        taken = check_tokens(given)
        assert type(taken) is np.ndarray
        assert taken.tolist() == wanted


def test_a_matrix_of_numpy_is_normalised_as_an_array() -> None:
    rows = np.array([[3.0, 4.0], [5.0, 12.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        matrix = np.matrix(rows)

    assert np.array_equal(normalise_tokens(matrix, "rows"), normalise_tokens(rows, "rows"))


def test_tensors_are_taken_in_lists_and_refused_without_values() -> None:
    torch = pytest.importorskip("torch")
    rows = torch.tensor([[1.0, 2.5], [3.0, -4.0]])

    for given in (
        [*rows],
        [*rows.to(torch.bfloat16).requires_grad_()],
        (rows[0].numpy(), rows[1].requires_grad_()),
        torch._neg_view(-rows),
    ):
        assert check_tokens(given).tolist() == rows.tolist()
    assert to_numpy(rows.to(torch.bfloat16).requires_grad_()).dtype == np.float32
    assert check_indices([torch.tensor(2), torch.tensor(0)], 3).tolist() == [2, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrong = {
            "meta: it has no values": torch.ones((2, 3), device="meta"),
            r"layout torch\.sparse_coo: pass tokens\.to_dense": torch.eye(3).to_sparse(),
            r"layout torch\.sparse_csr": torch.eye(3).to_sparse_csr(),
            "nested": torch.nested.nested_tensor([torch.ones(2, 3), torch.ones(1, 3)]),
            "quantized": torch.quantize_per_tensor(torch.ones((2, 3)), 0.1, 0, torch.qint8),
            "real numbers": torch.ones((2, 3), dtype=torch.complex64),
        }
    for message, given in wrong.items():
        with pytest.raises(InputError, match=message):
            check_tokens(given)


@pytest.mark.parametrize(
    "indices",
    [
        [[0, 1], [2]],
        [True, False],
        ["0"],
        "01",
        [0.0],
        [10**400],
        None,
        {0, 1},
        np.ma.array([0, 1], mask=[True, False]),
        np.array([2**64 - 1], dtype=np.uint64),
    ],
)
def test_what_are_no_indices_is_refused(indices: object) -> None:
    with pytest.raises(InputError, match="indices must"):
        check_indices(indices, 4)


@pytest.mark.parametrize("ratio", [np.float32(0.5), np.float64(0.5), Fraction(1, 2), np.array(0.5), 0.5])
def test_numbers_of_other_libraries_are_shares(ratio: object) -> None:
    assert resolve_keep(8, ratio=ratio) == 4  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"ratio": True}, {"ratio": 10**400}, {"ratio": "0.5"}, {"ratio": [0.5]}])
def test_what_is_no_number_is_no_share(options: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"ratio must be a number in \(0, 1\]"):
        resolve_keep(8, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("keep", [np.True_, "3", 3.0, None, [3], 10**400, np.array([3])])
def test_what_is_no_integer_is_no_count(keep: object) -> None:
    with pytest.raises(InputError, match="keep"):
        resolve_keep(8, keep=keep)  # type: ignore[arg-type]


@pytest.mark.parametrize("how", [None, "Rows", ["rows"], np.array(["rows", "none"]), 3])
def test_what_is_no_normalisation_is_refused(how: object) -> None:
    with pytest.raises(InputError, match="normalise must be one of none, columns, rows"):
        normalise_tokens([[1.0]], how)  # type: ignore[arg-type]


def test_a_masked_vector_is_advised_what_a_vector_can_do() -> None:
    masked = np.ma.array([0, 1, 2], mask=[False, True, False])
    with pytest.raises(InputError, match=r"leave those entries out, for instance indices\[~mask\], or fill"):
        check_indices(masked, 3)
    with pytest.raises(InputError, match=r"for instance kept_weights\[~mask\], or fill"):
        check_weights(masked, 3, name="kept_weights")
    with pytest.raises(InputError, match=r"those tokens out, for instance tokens\[~mask\.any\(axis=1\)\]"):
        check_tokens(masked[:, None])


@pytest.mark.parametrize(
    ("weights", "got"),
    [([1.0, np.nan, np.inf], "2 NaN or infinite"), ([1.0, -2.0, 3.0], "-2 to 3"), ([0.0] * 3, "0 to 0")],
)
def test_weights_that_are_refused_are_counted_or_bounded(weights: list[float], got: str) -> None:
    with pytest.raises(InputError, match=rf"weights must be finite.*; got {got}: "):
        check_weights(weights, 3)


def test_every_number_of_half_precision_is_told_finite_or_not() -> None:
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    for number in every:
        assert all_finite(np.full(3, number)) == np.isfinite(number)
    finite = np.tile(every[np.isfinite(every)], 3)  # longer than what is looked at together
    for place in (0, 2**16 - 1, 2**16, len(finite) - 1):
        spoilt = finite.copy()
        spoilt[place] = np.nan
        assert all_finite(finite)
        assert not all_finite(spoilt)
        assert not all_finite(spoilt.reshape(3, -1).T)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, ">f2", ">f4"])
@pytest.mark.parametrize("number", [np.inf, -np.inf, np.nan])
def test_numbers_that_are_not_finite_are_seen_in_any_type(dtype: str, number: float) -> None:
    assert all_finite(np.ones((2, 3), dtype))
    assert not all_finite(np.array([[1.0, 2.0], [number, 3.0]], dtype))
