"""Keys follow what decides the picks of an own selector, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from otanalysis.selection.fingerprint import code_fingerprint

SOURCE = """
from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from typing import ClassVar

import numpy as np

from otanalysis.selection import Selector, build_selection

THRESHOLD = 0.25
TABLE = {"a": [1.0, 2.0], "b": {"s", "t", "u"}}
WEIGHTS = np.arange(5.0)
UNUSED = 1


def far(row, scale=2.0, *, shift=3.0):
    return near(row) * scale + shift


@contextmanager
def held(row):
    yield row * 23


def near(row):
    return row + THRESHOLD if row < 7 or str(row) in {"w", "x"} else far(row - 8)


@lru_cache
def kept_in_mind(row):
    return row * 9


def unused(row):
    return row


def wrapped(power):
    def call(self, row):
        return row**power

    return call


class Helper:
    def __call__(self, row):
        return row / 10


class Kept:
    def __init__(self, weight):
        self.weight = weight

    def __call__(self, row):
        return self.weight * row + 25


KEPT = Kept(24.0)


@dataclass(frozen=True)
class Setting:
    offset: float = 0.5


class Mixin:
    def mixed(self, row):
        return row - 11


@dataclass(frozen=True)
class Made(Mixin, Selector):
    gamma: float = 1.5
    weights: tuple[float, ...] = field(default=(12.0,), repr=False)
    settings: dict[str, float] = field(default_factory=lambda: {"rate": 13.0}, compare=False)
    steps: list[int] = field(default_factory=lambda: [14], repr=False, compare=False)
    setting: Setting = Setting(15.0)

    name, nested = "made", True
    table: ClassVar[dict[str, int]] = {"c": 16}
    absent: ClassVar[float | None] = None
    powers = wrapped(17)
    plus = partial(far, scale=18.0)

    @staticmethod
    def of_no_instance(row):
        return row + 19

    @classmethod
    def of_the_class(cls, row, least=20):
        return max(row, least)

    @property
    def rate(self):
        return self.gamma * 21

    @cached_property
    def once(self):
        return self.gamma * 22

    def pick(self, image, keep, generator):
        rows = image.tokens[:, 0]
        cost = [far(row) + kept_in_mind(row) + TABLE["a"][0] + Helper()(row) + KEPT(row) for row in rows]
        with held(keep):
            return np.argsort(WEIGHTS[: len(cost)] + cost)[:keep]
"""
"""An own selector that leans on all that one can lean on; a number in it stands there once."""

CHANGES = [
    ("THRESHOLD = 0.25", "THRESHOLD = 0.26"),
    ("2.0]", "2.5]"),
    ('"u"}', '"v"}'),
    ('"x"}', '"y"}'),
    ("arange(5.0)", "arange(6.0)"),
    ("scale=2.0", "scale=2.5"),
    ("shift=3.0", "shift=3.5"),
    ("* scale", "- scale"),
    ("row < 7", "row < 6"),
    ("row - 8", "row - 7"),
    ("row * 9", "row * 8"),
    ("row / 10", "row / 9"),
    ("row - 11", "row - 10"),
    ("(12.0,)", "(12.5,)"),
    ("13.0", "13.5"),
    ("[14]", "[15]"),
    ("Setting(15.0)", "Setting(15.5)"),
    ('{"c": 16}', '{"c": 17}'),
    ("| None] = None", "| None] = 0.5"),
    ("wrapped(17)", "wrapped(18)"),
    ("scale=18.0", "scale=18.5"),
    ("row + 19", "row + 20"),
    ("least=20", "least=21"),
    ("max(row", "min(row"),
    ("gamma * 21", "gamma * 22"),
    ("gamma * 22", "gamma * 23"),
    ("[:keep]", "[-keep:]"),
    ('nested = "made", True', 'nested = "made", False'),
    ("@staticmethod\n    def of", "@classmethod\n    def of"),
    ("row * 23", "row * 24"),
    ("Kept(24.0)", "Kept(24.5)"),
    ("row + 25", "row + 26"),
]

NO_CHANGES = [
    ("UNUSED = 1", "UNUSED = 2"),
    ("def unused(row):\n    return row", "def unused(row):\n    return 2 * row"),
    ("\nTHRESHOLD", "\n\n# A remark, and another place.\nTHRESHOLD"),
    ('"s", "t"', '"t", "s"'),
    ('"w", "x"', '"x", "w"'),
]


@lru_cache
def print_of(source: str) -> str:
    return code_fingerprint(loaded(source).Made())


def loaded(source: str, name: str = "own_selectors") -> Any:
    """Return what a file of a user defines."""
    module: Any = ModuleType(name)
    sys.modules[name] = module  # where dataclasses look their annotations up
    try:
        exec(compile(source, f"{name}.py", "exec", dont_inherit=True), module.__dict__)
    finally:
        del sys.modules[name]
    return module


@pytest.mark.parametrize(("old", "new"), CHANGES)
def test_each_change_is_seen(old: str, new: str) -> None:
    assert SOURCE.count(old) == 1
    assert print_of(SOURCE.replace(old, new)) != print_of(SOURCE)


@pytest.mark.parametrize(("old", "new"), NO_CHANGES)
def test_what_changes_no_pick_is_not(old: str, new: str) -> None:
    assert SOURCE.count(old) == 1
    assert print_of(SOURCE.replace(old, new)) == print_of(SOURCE)


@pytest.mark.parametrize("seed", ["1", "2"])
def test_another_process_sees_the_same(tmp_path: Path, seed: str) -> None:
    (tmp_path / "own_selectors.py").write_text(SOURCE)
    code = (
        "import own_selectors; from otanalysis.selection.fingerprint import code_fingerprint; "
        "print(code_fingerprint(own_selectors.Made()))"
    )
    places = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": places, "PYTHONHASHSEED": seed}
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == print_of(SOURCE)


def test_the_values_of_fields_count_where_the_repr_does_not_show_them() -> None:
    own = loaded(SOURCE)
    plain, shown = own.Made(), own.Made(gamma=2.5)
    assert code_fingerprint(shown) == code_fingerprint(plain), "the repr stands in the key itself"
    for change in ({"weights": (1.0,)}, {"steps": [1]}, {"setting": own.Setting(1.0)}):
        assert code_fingerprint(own.Made(**change)) != code_fingerprint(plain)
    long, other = np.zeros(5000), np.zeros(5000)
    other[2500] = 1.0  # which the repr of the array leaves out
    assert repr(own.Made(settings=long)) == repr(own.Made(settings=other))
    assert code_fingerprint(own.Made(settings=long)) != code_fingerprint(own.Made(settings=other))


def test_picking_does_not_change_it() -> None:
    own = loaded(SOURCE).Made()
    before = code_fingerprint(own)
    assert own(np.arange(8.0).reshape(4, 2), 2).indices.tolist() == [0, 1]
    assert own.once == 33.0
    assert code_fingerprint(own) == before


OF_BEFORE = """
from dataclasses import dataclass
import numpy as np
from otanalysis.selection import Selector, build_selection

@dataclass(frozen=True)
class Made(Selector):
    step: int = 2
    name, nested, stochastic = "made", True, False
    def pick(self, image, keep, generator):
        order = np.arange(len(image))[:: self.step]
        return build_selection(self, image, order[:keep]).indices
"""


def _as_before(selector: Any) -> str:
    """Return what version 1.0.0 made of a selector: its functions' code and plain attributes."""
    import hashlib
    import inspect

    from otanalysis.selection.fingerprint import _code

    parts: list[Any] = []
    for one in type(selector).__mro__:
        if one.__module__ != "builtins" and not one.__module__.startswith("otanalysis."):
            for name, value in sorted(vars(one).items()):
                if inspect.isfunction(value):
                    parts.append((name, _code(value.__code__)))
                elif isinstance(value, str | int | float | tuple) and not name.startswith("__"):
                    parts.append((name, repr(value)))
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def test_parts_of_a_selector_that_leans_on_nothing_are_found_again() -> None:
    own = loaded(OF_BEFORE).Made()
    assert code_fingerprint(own) == _as_before(own)


def test_circles_end() -> None:
    source = OF_BEFORE + "LOOP = [1]\nLOOP.append(LOOP)\nMade.loop = LOOP\nMade.itself = Made\n"
    wider = source.replace("[1]", "[2]")
    assert print_of(source) == print_of(source)
    assert print_of(source) != print_of(wider)


def made_by(build: Callable[[], Any]) -> str:
    return code_fingerprint(build())


def test_objects_that_are_neither_data_nor_code_count_by_their_type() -> None:
    with_lock = OF_BEFORE + "import threading\nMade.lock = threading.Lock()\n"
    with_event = with_lock.replace("Lock()", "Event()")
    assert made_by(lambda: loaded(with_lock).Made()) == made_by(lambda: loaded(with_lock).Made())
    assert print_of(with_lock) != print_of(with_event)
