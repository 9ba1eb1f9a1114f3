"""Hostile and extreme calls of the public functions, drawn from a table of functions and kinds of arguments.

A call either succeeds, with results that are finite, in range and consistent with each other, or raises an
OtAnalysisError. A warning, any other error, and results that contradict themselves are failures. Every case
is drawn from its own number and the seed, so that ``--first N --cases 1`` makes case N again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from reprlib import Repr
from typing import Any, ClassVar

import numpy as np
import pandas as pd

import otanalysis as ota
from otanalysis.errors import OtAnalysisError
from otanalysis.selection import SELECTORS, TOKEN_METHODS, Selection, Selector, build_selection
from otanalysis.stats import spearman_test
from otanalysis.studies import random_distances, select_all
from otanalysis.surrogate import (
    cosine_kernel,
    greedy_logdet,
    kernel_upper_bound,
    logdet_value,
    normalise_tokens,
    otprune_kernel,
    paper_objective,
)
from otanalysis.tokens import DumpWriter
from otanalysis.transport import verify_transport

Draw = Callable[[np.random.Generator, int], Any]
"""Makes a value of a kind; the second argument is a number of tokens that most arguments are made for."""

SOUND = 0.75
"""Chance of an argument to be a sound one: with several arguments most calls then have a hostile one."""

GIVEN = 0.3
"""Chance of an optional argument to be given."""

GAP = 1e-6
"""Between numbers that must be equal or ordered, relative to the larger: the loosest promise of them."""


@dataclass(frozen=True)
class Failure:
    """A call that neither succeeded with a sound result nor raised an error of ours."""

    case: int
    function: str
    arguments: str
    error: str

    def __str__(self) -> str:
        return f"case {self.case}: {self.function}({self.arguments}): {self.error}"


@dataclass(frozen=True)
class Target:
    """A public function, the kinds of its arguments by name, and what must hold of its result.

    ``optional`` arguments are mostly left out; ``weight`` is how often it is called, relative to the others.
    """

    call: Callable[..., Any]
    kinds: Mapping[str, str]
    check: Callable[[Any, Mapping[str, Any]], None]
    optional: Mapping[str, str]
    weight: float = 1.0


# Kinds of arguments: what is sound, and what is not or only just.


def torch() -> Any:
    import torch as library

    return library


def cloud(generator: np.random.Generator, m: int) -> np.ndarray:
    tokens = generator.normal(size=(m, int(generator.integers(1, 7))))
    kind = generator.integers(6)
    if kind == 0:
        tokens[generator.integers(m)] = tokens[0]
    elif kind == 1:
        tokens = np.round(tokens)
    elif kind == 2:
        tokens[generator.integers(m)] *= 10.0 ** generator.integers(1, 6)
    return tokens


def scaled(generator: np.random.Generator, m: int) -> np.ndarray:
    """Return tokens of every size that there is, wholly or in one row, column or entry."""
    tokens = cloud(generator, m)
    factor = 10.0 ** float(generator.choice([-310, -200, -170, -100, -40, -8, 8, 40, 77, 100, 153, 200, 300]))
    kind = generator.integers(4)
    with np.errstate(all="ignore"):
        if kind == 0:
            tokens *= factor
        elif kind == 1:
            tokens[generator.integers(m)] *= factor
        elif kind == 2:
            tokens[:, generator.integers(tokens.shape[1])] *= factor
        else:
            tokens[generator.integers(m), generator.integers(tokens.shape[1])] = factor
    return tokens


def zeros(generator: np.random.Generator, m: int) -> np.ndarray:
    return np.full((m, 3), float(generator.choice([0.0, 1.0, -0.0, 1e300, 5e-324])))


def as_other(generator: np.random.Generator, tokens: np.ndarray) -> Any:
    """Return tokens in another container or of another type that holds them."""
    kinds: list[Callable[[], Any]] = [
        lambda: tokens.tolist(),
        lambda: [*tokens],
        lambda: tuple(map(tuple, tokens.tolist())),
        lambda: np.asfortranarray(tokens),
        lambda: tokens[::-1, ::-1],
        lambda: tokens.astype(">f8"),
        lambda: tokens.astype(np.longdouble),
        lambda: np.matrix(tokens),
        lambda: np.ma.masked_invalid(tokens),
        lambda: pd.DataFrame(tokens),
        lambda: ota.Image(tokens),
        lambda: torch().from_numpy(tokens.copy()),
        lambda: torch().from_numpy(tokens.copy()).requires_grad_(),
        lambda: torch().from_numpy(np.clip(tokens, -1e4, 1e4)).to(torch().bfloat16),
        lambda: torch().from_numpy(np.clip(tokens, -1e4, 1e4)).to(torch().float16),
        lambda: [*torch().from_numpy(np.clip(tokens, -1e4, 1e4)).to(torch().bfloat16).requires_grad_()],
        lambda: np.clip(tokens, -1e4, 1e4).astype(np.float16),
        lambda: np.clip(tokens, -100, 100).astype(np.int8),
    ]
    return kinds[generator.integers(len(kinds))]()


def no_cloud(generator: np.random.Generator, m: int) -> Any:
    """Return what is no matrix of numbers."""
    tokens = cloud(generator, m)
    masked = np.ma.array(tokens, mask=np.eye(*tokens.shape, dtype=bool))
    holed = tokens.copy()
    holed[0, 0] = generator.choice([np.nan, np.inf, -np.inf])
    recursive: list[Any] = []
    recursive.append(recursive)
    kinds: list[Callable[[], Any]] = [
        lambda: None,
        lambda: 3,
        lambda: "tokens",
        lambda: b"tokens",
        lambda: {},
        lambda: {1.0, 2.0},
        lambda: object(),
        lambda: [],
        lambda: [[]],
        lambda: np.zeros((0, 3)),
        lambda: np.zeros((m, 0)),
        lambda: tokens[0],
        lambda: tokens[None],
        lambda: holed,
        lambda: torch().from_numpy(holed),
        lambda: pd.DataFrame(holed),
        lambda: masked,
        lambda: [*masked],
        lambda: [[1.0, np.ma.masked], [2.0, 3.0]],
        lambda: [[1.0, 2.0], [3.0]],
        lambda: [[1.0, None]],
        lambda: [[10**400]],
        lambda: [[10**400, 1.0]],
        lambda: [["1.0", "2.0"]],
        lambda: np.array([["1.0", "2.0"]]),
        lambda: tokens.astype(complex),
        lambda: tokens.astype(object),
        lambda: tokens > 0,
        lambda: tokens.astype("datetime64[s]"),
        lambda: np.zeros(m, dtype=[("a", float)]),
        lambda: pd.DataFrame({"a": ["x"] * m, "b": 1.0}),
        lambda: pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}),
        lambda: recursive,
        lambda: torch().ones((m, 3), device="meta"),
        lambda: torch().eye(m).to_sparse(),
        lambda: torch().eye(m).to_sparse_csr(),
        lambda: torch().ones((m, 3), dtype=torch().complex64),
        lambda: torch().ones((m, 3), dtype=torch().bool),
        lambda: torch().quantize_per_tensor(torch().ones((m, 3)), 0.1, 0, torch().qint8),
        lambda: torch().nested.nested_tensor([torch().ones(2, 3), torch().ones(1, 3)]),
        lambda: Sparse(),
        lambda: SELECTORS["first"],
    ]
    return kinds[generator.integers(len(kinds))]()


class Sparse:
    """What looks like one of SciPy's sparse matrices."""

    shape = (3, 3)

    def toarray(self) -> np.ndarray:
        return np.eye(3)


def tokens(generator: np.random.Generator, m: int) -> Any:
    if generator.random() < SOUND:
        made = cloud(generator, m)
        return as_other(generator, made) if generator.random() < 0.4 else made
    kind = generator.integers(4)
    if kind == 0:
        made = scaled(generator, m)
        if generator.random() < 0.3:
            return torch().from_numpy(made)
        return made
    if kind == 1:
        return zeros(generator, m)
    return no_cloud(generator, m)


ODD_NUMBERS: tuple[Any, ...] = (
    None,
    True,
    False,
    np.True_,
    float("nan"),
    float("inf"),
    -float("inf"),
    0,
    0.0,
    -1,
    -1.5,
    1e308,
    1e300,
    1e-300,
    5e-324,
    10**400,
    -(10**400),
    10**5000,
    2**63,
    2**64,
    "3",
    "",
    b"1",
    1j,
    [],
    [1],
    [0.5, 0.5],
    {},
    np.array(2),
    np.array([0.5]),
    np.array("x"),
    np.datetime64("2026-01-01"),
    Fraction(1, 3),
    object(),
    Ellipsis,
    print,
)


def odd(generator: np.random.Generator, _m: int) -> Any:
    if generator.random() < 0.05:
        return torch().tensor(float(generator.choice([0.5, 2.0, np.nan])))
    return ODD_NUMBERS[generator.integers(len(ODD_NUMBERS))]


def either(sound: Draw, hostile: Draw) -> Draw:
    return lambda generator, m: (sound if generator.random() < SOUND else hostile)(generator, m)


def one_of(*values: Any) -> Draw:
    return lambda generator, _m: values[generator.integers(len(values))]


def kept(generator: np.random.Generator, m: int) -> np.ndarray:
    return generator.permutation(m)[: generator.integers(1, m + 1)]


def sound_indices(generator: np.random.Generator, m: int) -> Any:
    chosen = kept(generator, m)
    kinds: list[Callable[[], Any]] = [
        lambda: chosen,
        lambda: chosen.tolist(),
        lambda: tuple(chosen.tolist()),
        lambda: chosen.astype(np.uint8),
        lambda: torch().from_numpy(chosen),
        lambda: pd.Series(chosen),
        lambda: [*torch().from_numpy(chosen)],
    ]
    return kinds[generator.integers(len(kinds))]()


def sound_weights(generator: np.random.Generator, m: int) -> Any:
    uneven = 10.0 ** generator.uniform(-9, 9, m)
    weights = one_of(np.ones(m), generator.random(m), generator.integers(0, 3, m), uneven)(generator, m)
    return one_of(weights, weights.tolist(), torch().as_tensor(weights))(generator, m)


def sound_side(generator: np.random.Generator, m: int) -> Any:
    return {name: sound_weights(generator, m) for name in ("cls_attention", "x1")[: generator.integers(3)]}


def no_side(generator: np.random.Generator, m: int) -> Any:
    name = one_of("", "../x", "a b", None, 3, "cls_attention")(generator, m)
    return one_of({name: odd(generator, m)}, {name: [np.nan] * m}, [1.0] * m, "side", 3)(generator, m)


def no_indices(generator: np.random.Generator, m: int) -> Any:
    kinds: list[Callable[[], Any]] = [
        lambda: None,
        lambda: 0,
        lambda: [],
        lambda: [0, 0],
        lambda: [m],
        lambda: [-1],
        lambda: [0.0],
        lambda: [True],
        lambda: ["0"],
        lambda: "0",
        lambda: [[0], [1, 2]],
        lambda: [[0]],
        lambda: {0},
        lambda: [None],
        lambda: [10**400],
        lambda: [2**64 - 1],
        lambda: np.array([2**64 - 1], dtype=np.uint64),
        lambda: np.array([0.5]),
        lambda: np.ma.array([0, 1], mask=[True, False]),
        lambda: torch().ones(2, device="meta", dtype=torch().int64),
        lambda: torch().tensor([0]).to_sparse(),
        lambda: slice(0, 2),
        lambda: object(),
    ]
    return kinds[generator.integers(len(kinds))]()


def selection_of(generator: np.random.Generator, m: int) -> Any:
    chosen = kept(generator, m)
    return build_selection(SELECTORS["first"], np.zeros((m, 1)), chosen)


def counts(generator: np.random.Generator, m: int) -> Any:
    return one_of(int(generator.integers(1, m + 1)), np.int64(1), np.uint8(2), m, m + 1, np.array(1))(
        generator, m
    )


def many_counts(generator: np.random.Generator, m: int) -> Any:
    return one_of([1, m], range(1, m + 1), np.arange(1, m), {1}, (2,), iter([1]))(generator, m)


def clouds(generator: np.random.Generator, m: int) -> Any:
    kind = generator.integers(4)
    if kind == 0:
        return generator.normal(size=(3, m, 2))
    if kind == 1:
        return torch().from_numpy(generator.normal(size=(2, m, 2)))
    return [tokens(generator, max(1, m - int(generator.integers(2)))) for _ in range(generator.integers(4))]


def no_clouds(generator: np.random.Generator, m: int) -> Any:
    holed = np.ma.array(np.ones((2, m, 2)), mask=np.zeros((2, m, 2)))
    holed[0, 0, 0] = np.ma.masked
    return one_of(None, 3, "clouds", {}, object(), np.ones((m, 2)), [None], ["a"], holed, Sparse())(
        generator, m
    )


def kernel(generator: np.random.Generator, m: int) -> Any:
    made = cloud(generator, m)
    matrix = np.eye(m) + made @ made.T
    kinds: list[Callable[[], Any]] = [
        lambda: matrix,
        lambda: matrix.tolist(),
        lambda: torch().from_numpy(matrix),
        lambda: matrix - np.eye(m),
        lambda: np.stack([matrix, matrix]),
        lambda: matrix * 1e150,
        lambda: np.eye(m),
    ]
    return kinds[generator.integers(len(kinds))]()


def no_kernel(generator: np.random.Generator, m: int) -> Any:
    matrix = np.eye(m)
    holed = matrix.copy()
    holed[0, 0] = np.nan
    kinds: list[Callable[[], Any]] = [
        lambda: -matrix,
        lambda: holed,
        lambda: np.full((m, m), np.inf),
        lambda: np.ones((m, m + 1)),
        lambda: np.triu(np.ones((m, m))),
        lambda: np.zeros((0, 0)),
        lambda: np.zeros((0, 3, 3)),
        lambda: matrix * 1e308,
        lambda: matrix * 5e-324,
        lambda: matrix.astype(complex),
        lambda: no_cloud(generator, m),
    ]
    return kinds[generator.integers(len(kinds))]()


def tables(generator: np.random.Generator, _m: int) -> pd.DataFrame:
    """Return a table of a sweep, whole or without one of its columns."""
    rows = pd.DataFrame(
        {
            "dump": "d",
            "model": "m",
            "benchmark": ["a", "a", "a", "a", "b", "b", "b", "b"],
            "sample": [0, 0, 1, 1] * 2,
            "method": ["otprune", "first"] * 4,
            "ratio": 0.098,
            "seed": None,
            "gamma": [0.01, np.nan] * 4,
            "normalisation": "none",
            "w2": generator.random(8) + 0.1,
        }
    )
    lost = int(generator.integers(2 * rows.shape[1]))
    return rows.drop(columns=rows.columns[lost]) if lost < rows.shape[1] else rows


def no_table(generator: np.random.Generator, m: int) -> Any:
    return one_of(
        None, 3, "table", [], {}, pd.DataFrame(), pd.Series([1.0]), np.eye(3), pd.DataFrame({"a": [1]})
    )(generator, m)


@dataclass(frozen=True)
class Own(Selector):
    """A selector of one's own that picks whatever it was told."""

    what: Any = None

    name: ClassVar[str] = "own"

    def pick(self, image: Any, keep: int, generator: Any) -> Any:  # noqa: ARG002
        return {
            "list": lambda: list(range(keep)),
            "tuple": lambda: tuple(range(keep)),
            "pair": lambda: (list(range(keep)), [0.0] * keep),
            "torch": lambda: torch().arange(keep),
            "floats": lambda: np.arange(keep) / 2.0,
            "many": lambda: range(keep + 1),
            "twice": lambda: [0] * keep,
            "off": lambda: [len(image)] * keep,
            "gains": lambda: (list(range(keep)), ["a"] * keep),
            "few gains": lambda: (list(range(keep)), [0.0]),
            "none": lambda: None,
            "text": lambda: "picks",
        }[self.what]()


OWN = (
    "list",
    "tuple",
    "pair",
    "torch",
    "floats",
    "many",
    "twice",
    "off",
    "gains",
    "few gains",
    "none",
    "text",
)

SOUND_METHODS = (*TOKEN_METHODS, *map(SELECTORS.get, TOKEN_METHODS), *(Own(what) for what in OWN))
NO_METHODS = (
    None,
    3,
    "otprun",
    "",
    ["otprune"],
    {"otprune"},
    Selector,
    Own,
    object(),
    print,
    b"dpp",
    np.array("dpp"),
)
NO_NAMES = (None, 3, "", "Columns", ["rows"], {"rows"}, np.array(["rows", "none"]), b"none", np.nan, print)

KINDS: Mapping[str, Draw] = {
    "tokens": tokens,
    "clouds": either(clouds, no_clouds),
    "indices": either(sound_indices, no_indices),
    "selection": either(lambda g, m: (selection_of if g.random() < 0.3 else sound_indices)(g, m), no_indices),
    "gamma": either(one_of(0.01, 1, 1e-4, 10.0, np.float32(0.01), np.int64(1), np.float64(2.5)), odd),
    "ratio": either(one_of(0.1, 0.5, 1, 1.0, np.float32(0.25), np.float64(1e-9), Fraction(1, 2)), odd),
    "keep": either(counts, odd),
    "keeps": either(many_counts, odd),
    "seed": either(one_of(0, 1, 7, np.int64(3), np.uint8(4), 2**63 - 1), odd),
    "seeds": either(one_of(0, np.int64(1), [0, 1], np.arange(2), (5,), range(2), []), odd),
    "effort": either(
        one_of(0.05, 0.1, np.float32(0.05)), one_of(0.0, -1, None, "1", np.nan, np.inf, True, 10**400, [])
    ),
    "gamma_of": either(one_of("released", "paper", np.str_("paper")), one_of(*NO_NAMES)),
    "normalise": either(one_of("none", "columns", "rows", np.str_("rows")), one_of(*NO_NAMES)),
    "weights": either(sound_weights, odd),
    "side": either(sound_side, no_side),
    "kept_weights": either(one_of("uniform", "optimal"), one_of(*NO_NAMES, [1.0, 2.0], [np.nan], -1.0)),
    "method": either(one_of(*SOUND_METHODS), one_of(*NO_METHODS)),
    "methods": either(
        one_of(["first"], ("random", "dpp"), [Own("list"), "last"], TOKEN_METHODS),
        one_of(None, [], 3, [None], "otprune", [["dpp"]]),
    ),
    "kernel": either(kernel, no_kernel),
    "floor": either(one_of(0.0, 1.0, 0, np.float32(0.5)), odd),
    "multipliers": either(
        lambda g, m: g.normal(size=m), lambda g, m: one_of(odd(g, m), np.full(m, 1e308), ["a"] * m)(g, m)
    ),
    "numbers": either(
        lambda g, _m: one_of(
            g.normal(size=5), g.integers(3, size=5), [1, 2, 3, 4, 5], pd.Series([1.0, 2, 3, 4, 4])
        )(g, 5),
        lambda g, m: one_of(
            "abcde", [*"abcde"], [1, None, 2, 3, 4], [1j] * 5, [True] * 5, odd(g, m), no_cloud(g, m)
        )(g, m),
    ),
    "generator": either(lambda g, _m: np.random.default_rng(int(g.integers(9))), odd),
    "draws": one_of(0, 1, 3, -1, None, "2", 2.5, np.int64(2), True),
    "gains": either(lambda g, m: g.normal(size=m), odd),
    "sample_id": one_of("", None, 3, "__metadata__", "a\x00b", "../x", "é", ["a"], b"a"),
    "table": either(tables, no_table),
    "distances": either(
        one_of({"first": 1.0}, {"dpp": np.float32(2.0), "own": 0}),
        one_of(None, {}, [], {"first": None}, {"first": "1"}, {"first": np.nan}, {"first": -1.0}, {3: 1.0}),
    ),
    "number": lambda g, _m: int(g.integers(6)),
    "m": either(one_of(1, 2, np.int64(3)), odd),
    "grid": one_of(
        None, (2, 2), (1, 4), (0, 4), "22", 4, (2.5, 2), (None, 1), [2, 2], (2, 2, 1), (10**400, 1), (True, 4)
    ),
}


# What must hold of results.


def require(holds: Any, words: str) -> None:
    if not holds:
        raise AssertionError(words)


def as_numpy(values: Any) -> np.ndarray:
    return np.asarray(values.cpu() if hasattr(values, "cpu") else values)


def finite(result: Any, _given: Mapping[str, Any]) -> None:
    require(np.isfinite(as_numpy(result)).all(), f"not finite: {result}")


def not_negative(result: Any, given: Mapping[str, Any]) -> None:
    finite(result, given)
    require(as_numpy(result).min() >= 0.0, f"negative: {result}")


def a_selection(result: Selection, given: Mapping[str, Any]) -> None:
    indices, order = as_numpy(result.indices), as_numpy(result.pick_order)
    require(indices.shape == order.shape == (result.keep,), "as many indices and picks as kept")
    require(indices.dtype == order.dtype == np.int64, f"integers: {indices.dtype}, {order.dtype}")
    require(np.unique(indices).size == result.keep, f"distinct: {indices}")
    require(indices.min() >= 0 and indices.max() < result.m, f"within range: {indices}")
    require(np.array_equal(indices, np.sort(order)), f"the picks, ascending: {indices}, {order}")
    if result.gains is not None:
        require(not np.isnan(as_numpy(result.gains)).any(), f"gains: {result.gains}")
        require(as_numpy(result.gains).shape == order.shape, f"a gain each: {result.gains}")
    require(result.seed is None or type(result.seed) is int, f"seed: {result.seed!r}")
    keep = given.get("keep")
    if isinstance(keep, int):
        require(result.keep == keep, f"{keep} were asked for, {result.keep} kept")


def selections(result: Any, given: Mapping[str, Any]) -> None:
    for one in result.values() if isinstance(result, dict) else result:
        a_selection(one, given)


def a_transport(result: Any, _given: Mapping[str, Any]) -> None:
    finite([result.distance, result.squared_distance, result.duality_gap, result.infeasibility], {})
    require(result.distance >= 0.0 and result.squared_distance >= 0.0, "negative distance")
    require(
        np.isclose(result.distance**2, result.squared_distance, rtol=1e-9, atol=1e-300)
        or result.squared_distance < 1e-290,
        f"{result.distance} is not the root of {result.squared_distance}",
    )
    require(np.allclose(result.plan.sum(axis=1), result.weights, rtol=0, atol=1e-9), "rows of the plan")
    require(
        np.allclose(result.plan.sum(axis=0), result.kept_weights, rtol=0, atol=1e-9), "columns of the plan"
    )


def a_floor(result: Any, _given: Mapping[str, Any]) -> None:
    finite([result.squared_distance, result.distance], {})
    require(
        0.0 <= result.squared_distance <= result.best.squared_distance * (1 + GAP),
        f"floor {result.squared_distance} above {result.best.squared_distance}",
    )


def a_ceiling(result: Any, _given: Mapping[str, Any]) -> None:
    finite([result.value, result.greedy, result.rounding, *result.parts.values()], {})
    require(result.greedy <= result.value, f"greedy {result.greedy} above the ceiling {result.value}")


def a_certificate(result: Any, given: Mapping[str, Any]) -> None:
    a_transport(result.transport, given)
    a_floor(result.floor, given)
    a_ceiling(result.ceiling, given)
    require(result.verification.sound, f"unsound: {result.verification}")
    floor, distance = result.floor.squared_distance, result.transport.squared_distance
    require(floor <= distance * (1 + GAP), f"floor {floor} above the distance {distance}")
    require(result.surrogate <= result.ceiling.value * (1 + GAP) + GAP, "surrogate above its ceiling")
    require(0.0 <= result.distance_gap <= 1.0, f"gap {result.distance_gap}")


def rungs(result: Mapping[str, float], _given: Mapping[str, Any]) -> None:
    finite(list(result.values()), {})
    require(result["w2"] >= 0.0, "negative distance")
    require(
        result["quantisation_error"] <= result["w2_squared"] * (1 + GAP) + 1e-300,
        f"quantisation error {result['quantisation_error']} above {result['w2_squared']}",
    )


def picks(result: Any, given: Mapping[str, Any]) -> None:
    order, gains = as_numpy(result[0]), as_numpy(result[1])
    require(order.shape == gains.shape, "a gain a pick")
    for one in np.atleast_2d(order):
        require(np.unique(one).size == len(one), f"distinct: {one}")
    size = np.shape(as_numpy(given["kernel"]))[-1]
    require(order.min() >= 0 and order.max() < size, f"within range: {order}")
    require(not np.isnan(gains).any() and gains.max() < np.inf, f"gains: {gains}")


def a_correlation(result: Any, _given: Mapping[str, Any]) -> None:
    if np.isnan(result.rho):
        return
    require(-1.0 <= result.rho <= 1.0 and 0.0 < result.smallest_p <= result.p_value <= 1.0, f"{result}")


def a_table(result: pd.DataFrame, _given: Mapping[str, Any]) -> None:
    require(not result.select_dtypes("number").isna().to_numpy().any(), "NaN in the table")


def an_objective(result: Any, _given: Mapping[str, Any]) -> None:
    require(not isinstance(result, float) or not np.isnan(result), "NaN")


def logdet(result: float, _given: Mapping[str, Any]) -> None:
    require(result < np.inf, f"not finite: {result}")  # minus infinity is that of a singular matrix


def anything(_result: Any, _given: Mapping[str, Any]) -> None:
    """Accept what has no numbers to check."""


# The public functions.


def called_by_itself(tokens: Any, method: Any, keep: Any, generator: Any = None) -> Any:
    """Call a selector itself, as one's own code may do."""
    selector = SELECTORS.get(method, method) if isinstance(method, str) else method
    if not isinstance(selector, Selector):
        return ota.select(tokens, selector, keep=keep)
    return selector(tokens, keep, generator=generator)


def on_an_objective(tokens: Any, method: Any, indices: Any) -> Any:
    """Measure a kept set on the objective of a selector."""
    selector = SELECTORS.get(method, method) if isinstance(method, str) else method
    if not isinstance(selector, Selector):
        return ota.select(tokens, selector, keep=1)
    return selector.objective_value(tokens, indices)


def stacked(tokens: Any, keep: Any) -> Any:
    return SELECTORS["otprune"].select_stack([tokens, tokens], keep)  # type: ignore[attr-defined]


def first_picks(tokens: Any, keep: Any, keeps: Any) -> Any:
    return ota.select(tokens, "dpp", keep=keep).prefix(keeps)


def of_indices(tokens: Any, indices: Any, gains: Any = None) -> Any:
    return build_selection(SELECTORS["first"], tokens, indices, gains)


def laddered(tokens: Any, indices: Any, **options: Any) -> Any:
    return ota.Ladder(tokens, **options).values(indices)


def verified(tokens: Any, indices: Any, other: Any) -> Any:
    return verify_transport(other, ota.wasserstein2(tokens, indices))


@cache
def writer() -> DumpWriter:
    """Return a writer that the calls add to; its folder goes with the process."""
    folder = tempfile.TemporaryDirectory()
    made = DumpWriter(f"{folder.name}/dump", model="m", benchmark="b", shard_size=10**9)
    made.folder = folder  # type: ignore[attr-defined]
    return made


def added(tokens: Any, sample_id: Any = None) -> None:
    made = writer()
    made.add(f"sample {len(made)}" if sample_id is None else sample_id, tokens)


def drawn(tokens: Any, indices: Any, grid: Any = None) -> Any:
    from otanalysis.explore import overlay

    return overlay(tokens, indices, grid=grid)


def arrows(tokens: Any, indices: Any, grid: Any = None) -> Any:
    from otanalysis.explore import plan_arrows

    return plan_arrows(tokens, indices, grid=grid)


def coloured(tokens: Any, grid: Any = None) -> Any:
    from otanalysis.explore import pca_rgb

    return pca_rgb(tokens, grid)


def figured(table: Any, number: Any) -> Any:
    from otanalysis import figures

    draw = (
        *(figures.draw_figure3, figures.draw_figure4, figures.draw_figure5),
        *(figures.draw_floor, figures.draw_ladder, figures.draw_scatter),
    )
    return draw[number](table)


def against(random: Any, chosen: Any, floor: Any = None) -> Any:
    from otanalysis.figures import draw_against_random

    return draw_against_random(random, chosen, floor=floor)


def tabulated(table: Any, number: Any) -> Any:
    from otanalysis import stats

    return (stats.figure4_table, stats.ladder_table, stats.scatter_table)[number % 3](table)


def written_out(m: Any) -> Any:
    from otanalysis.theorem import tabulate

    return tabulate(lambda kept: float(kept.sum()), m, empty=0.0)


HOW = {"gamma": "gamma", "gamma_of": "gamma_of", "normalise": "normalise", "seed": "seed"}
CHOICE = {"ratio": "ratio", **HOW}
KEPT = {"tokens": "tokens", "indices": "indices"}
SIZED = {"tokens": "tokens", "keep": "keep"}
CHOOSING = {"tokens": "tokens", "method": "method", "keep": "keep"}

TARGETS: Mapping[str, Target] = {
    "select": Target(ota.select, CHOOSING, a_selection, CHOICE, 4.0),
    "select ratio": Target(
        ota.select, {"tokens": "tokens", "ratio": "ratio"}, a_selection, {**CHOICE, "method": "method"}, 2.0
    ),
    "select_many": Target(
        ota.select_many,
        {"tokens": "tokens", "method": "method", "keeps": "keeps"},
        selections,
        HOW,
        2.0,
    ),
    "select_batch": Target(
        ota.select_batch,
        {"clouds": "clouds", "method": "method", "keep": "keep"},
        selections,
        {name: name for name in ("ratio", "gamma", "gamma_of", "normalise", "seeds")},
        2.0,
    ),
    "a selector": Target(
        called_by_itself,
        CHOOSING,
        a_selection,
        {"generator": "generator"},
    ),
    "objective_value": Target(on_an_objective, {**KEPT, "method": "method"}, an_objective, {}),
    "select_stack": Target(stacked, SIZED, selections, {}),
    "prefix": Target(
        first_picks,
        {"tokens": "tokens", "keep": "keep", "keeps": "keep"},
        lambda r, _g: a_selection(r, {}),
        {},
    ),
    "build_selection": Target(of_indices, KEPT, a_selection, {"gains": "gains"}),
    "select_all": Target(
        select_all,
        {"tokens": "tokens", "methods": "methods", "keep": "keep"},
        selections,
        {"gamma": "gamma", "gamma_of": "gamma_of", "seed": "seed"},
        0.3,
    ),
    "random_distances": Target(
        random_distances,
        {"tokens": "tokens", "keep": "keep", "draws": "draws"},
        a_table,
        {"normalise": "normalise", "seed": "seed"},
        0.3,
    ),
    "compare": Target(
        ota.compare,
        {"tokens": "tokens", "methods": "methods", "keep": "keep", "effort": "effort"},
        a_table,
        HOW,
        0.05,
    ),
    "certify": Target(
        ota.certify,
        {"tokens": "tokens", "selection": "selection", "effort": "effort"},
        a_certificate,
        {"gamma": "gamma", "gamma_of": "gamma_of", "kernel_normalise": "normalise", "normalise": "normalise"},
        0.15,
    ),
    "quantisation_floor": Target(
        ota.quantisation_floor,
        SIZED,
        a_floor,
        {"normalise": "normalise", "effort": "effort", "weights": "weights"},
    ),
    "quantisation_bound": Target(
        ota.quantisation_bound, {**SIZED, "multipliers": "multipliers"}, finite, {"weights": "weights"}
    ),
    "wasserstein2_floor": Target(
        ota.wasserstein2_floor,
        {"tokens": "tokens", "keep": "keep", "effort": "effort"},
        a_floor,
        {"normalise": "normalise", "weights": "weights"},
        0.15,
    ),
    "wasserstein2": Target(ota.wasserstein2, KEPT, a_transport, {"normalise": "normalise"}, 2.0),
    "wasserstein2 weights": Target(
        ota.wasserstein2, {**KEPT, "weights": "weights"}, a_transport, {"kept_weights": "kept_weights"}, 1.0
    ),
    "verify_transport": Target(verified, {**KEPT, "other": "tokens"}, anything, {}),
    "quantisation_error": Target(ota.quantisation_error, KEPT, not_negative, {"weights": "weights"}),
    "gelbrich_squared": Target(ota.gelbrich_squared, KEPT, not_negative, {}),
    "bures_squared": Target(ota.bures_squared, KEPT, not_negative, {}),
    "trace_objective": Target(ota.trace_objective, KEPT, not_negative, {}),
    "TokenMoments": Target(ota.TokenMoments, {"tokens": "tokens"}, anything, {}, 0.3),
    "Image": Target(
        ota.Image,
        {"tokens": "tokens"},
        lambda r, g: [finite(one, g) for one in (r.tokens, *r.side.values())],
        {"weights": "weights", "side": "side"},
        0.5,
    ),
    "squared_distances": Target(ota.squared_distances, {"a": "tokens"}, not_negative, {"b": "tokens"}),
    "spectral_bound": Target(ota.spectral_bound, SIZED, not_negative, {}),
    "lagrangian_bound": Target(
        ota.lagrangian_bound,
        {"tokens": "tokens", "keep": "keep", "multipliers": "multipliers"},
        finite,
        {"cut_prices": "multipliers"},
    ),
    "Ladder": Target(laddered, KEPT, rungs, {"normalise": "normalise", "gamma": "gamma"}),
    "otprune_kernel": Target(
        otprune_kernel, {"tokens": "tokens"}, finite, {"gamma": "gamma", "normalise": "normalise"}
    ),
    "cosine_kernel": Target(cosine_kernel, {"tokens": "tokens"}, finite, {}),
    "normalise_tokens": Target(normalise_tokens, {"tokens": "tokens", "how": "normalise"}, finite, {}),
    "paper_objective": Target(
        paper_objective, {**KEPT, "gamma": "gamma"}, finite, {"normalise": "normalise"}
    ),
    "logdet_upper_bound": Target(
        ota.logdet_upper_bound,
        SIZED,
        a_ceiling,
        {"gamma": "gamma", "normalise": "normalise"},
        0.5,
    ),
    "kernel_upper_bound": Target(
        kernel_upper_bound, {"kernel": "kernel", "keep": "keep"}, a_ceiling, {}, 0.5
    ),
    "greedy_logdet": Target(greedy_logdet, {"kernel": "kernel", "keep": "keep"}, picks, {"floor": "floor"}),
    "logdet_value": Target(logdet_value, {"kernel": "kernel", "indices": "indices"}, logdet, {}),
    "spearman_test": Target(
        spearman_test, {"x": "numbers", "y": "numbers"}, a_correlation, {"generator": "generator"}
    ),
    "DumpWriter.add": Target(added, {"tokens": "tokens"}, anything, {"sample_id": "sample_id"}),
    "overlay": Target(drawn, KEPT, anything, {"grid": "grid"}, 0.05),
    "plan_arrows": Target(arrows, KEPT, anything, {"grid": "grid"}, 0.05),
    "draw_...": Target(figured, {"table": "table", "number": "number"}, anything, {}, 0.3),
    "draw_against_random": Target(
        against, {"random": "numbers", "chosen": "distances"}, anything, {"floor": "floor"}, 0.05
    ),
    "..._table": Target(tabulated, {"table": "table", "number": "number"}, anything, {}, 0.3),
    "tabulate": Target(written_out, {"m": "m"}, finite, {}, 0.2),
    "pca_rgb": Target(coloured, {"tokens": "tokens"}, finite, {"grid": "grid"}, 0.3),
}

_SHORT = Repr()
_SHORT.maxother = _SHORT.maxstring = 90


def short(value: Any) -> str:
    """Return what was given in a few words, on one line."""
    try:
        words = " ".join(_SHORT.repr(value).split())
    except Exception as error:
        words = f"<{type(error).__name__} in its repr>"
    kind = type(value)
    return f"{kind.__module__}.{kind.__name__} {words}" if kind.__module__ != "builtins" else words


def drawn_call(case: int, seed: int) -> tuple[str, dict[str, Any]]:
    """Return the name of a function and the arguments of a case."""
    generator = np.random.default_rng([seed, case])
    names = list(TARGETS)
    weights = np.array([TARGETS[name].weight for name in names])
    name = names[int(generator.choice(len(names), p=weights / weights.sum()))]
    target, m = TARGETS[name], int(generator.integers(1, 12))
    kinds = dict(target.kinds)
    kinds |= {argument: kind for argument, kind in target.optional.items() if generator.random() < GIVEN}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what NumPy and torch say of rare kinds of arrays when they are made
        return name, {argument: KINDS[kind](generator, m) for argument, kind in kinds.items()}


def tried(case: int, seed: int) -> Failure | None:
    """Make a call and return what was wrong with it, if anything was."""
    name, arguments = drawn_call(case, seed)
    said = ", ".join(f"{argument}={short(value)}" for argument, value in arguments.items())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            TARGETS[name].check(TARGETS[name].call(**arguments), arguments)
    except OtAnalysisError:
        return None
    except Exception as error:
        words = " ".join(str(error).split())[:300]
        return Failure(case, name, said, f"{type(error).__name__}: {words}")
    return None


def fuzz_calls(cases: int, seed: int, *, first: int = 0) -> list[Failure]:
    """Make so many calls and return those that failed.

    Parameters
    ----------
    cases : int
        Number of calls.
    seed : int
        Of the cases, each of which is drawn from it and its own number.
    first : int
        Number of the first case.
    """
    found = (tried(case, seed) for case in range(first, first + cases))
    return [failure for failure in found if failure is not None]


def chunks(cases: int, first: int, size: int = 500) -> Iterator[tuple[int, int]]:
    """Yield first case and number of cases, chunk by chunk."""
    for start in range(first, first + cases, size):
        yield start, min(size, first + cases - start)


def main(arguments: list[str] | None = None) -> int:
    """Make the calls, print those that failed, and return 1 if there are any."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.calls", description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    asked = parser.parse_args(arguments)
    begun, failures = time.monotonic(), 0
    for start, count in chunks(asked.cases, asked.first):
        for failure in fuzz_calls(count, asked.seed, first=start):
            failures += 1
            print(failure, flush=True)
        done = start + count - asked.first
        left = (time.monotonic() - begun) / done * (asked.cases - done)
        print(
            f"{done} of {asked.cases} calls, {failures} failed, {left:.0f} s left",
            file=sys.stderr,
            flush=True,
        )
    print(f"{asked.cases} calls with seed {asked.seed}: {failures} failed.")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
