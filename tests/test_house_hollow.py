"""No test may be hollow: one that cannot fail is worse than none."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

DISCARDABLE = {
    "allclose",
    "isclose",
    "array_equal",
    "array_equiv",
    "equals",
    "issubset",
    "startswith",
    "all",
    "any",
}
"""Calls that return a verdict: as a statement of their own they check nothing."""

CHECKERS = ("assert_", "check_", "raises", "warns", "fail", "deprecated_call")
"""Calls that fail by themselves, by the beginning of their names."""


FINDERS = {
    "findall",
    "finditer",
    "flatnonzero",
    "filter",
    "glob",
    "rglob",
    "iterdir",
    "iterrows",
    "itertuples",
    "groupby",
    "unique",
    "splitlines",
    "open_dump",
    "open_pictures",
    "axes",
    "collections",
}
"""Calls and attributes that give what there is: perhaps nothing, and a loop over nothing checks nothing."""

KEEP_ALL = {"enumerate", "list", "reversed", "set", "sorted", "tuple"}
"""Calls that are empty where what they are given is."""


def name_of(call: ast.Call) -> str:
    """Return the last part of the called name, empty for calls of anything else."""
    target = call.func
    return target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")


def checks_something(function: ast.AST, helpers: set[str]) -> bool:
    """Tell whether the function asserts, calls a checker or calls a helper of its file that does."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call) and (name_of(node).startswith(CHECKERS) or name_of(node) in helpers):
            return True
    return False


def may_find_nothing(node: ast.expr) -> bool:
    """Tell whether an expression picks out what there is, itself or under calls that keep all of it."""
    if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
        return any(one.ifs or may_find_nothing(one.iter) for one in node.generators)
    if isinstance(node, ast.Attribute):
        return node.attr in FINDERS
    if isinstance(node, ast.Call) and name_of(node) in KEEP_ALL and node.args:
        return may_find_nothing(node.args[0])
    if isinstance(node, ast.Call) and name_of(node) == "zip":
        return all(map(may_find_nothing, node.args))
    return isinstance(node, ast.Call) and name_of(node) in FINDERS


def loops_that_check(function: ast.FunctionDef) -> Iterator[tuple[ast.stmt, ast.expr]]:
    """Yield each loop with checks inside, and each ``assert all(...)``, with what it goes through."""
    for node in ast.walk(function):
        if isinstance(node, ast.For) and checks_something(node, set()):
            yield node, node.iter
        elif isinstance(node, ast.Assert) and isinstance(node.test, ast.Call) and name_of(node.test) == "all":
            yield from (
                (node, one.generators[0].iter) for one in node.test.args if hasattr(one, "generators")
            )


def unentered_loops(function: ast.FunctionDef) -> list[str]:
    """Return the checking loops over what may be nothing, where no other line asserts anything of it."""
    assigned = {
        target.id: node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found = []
    for loop, over in loops_that_check(function):
        inside = set(ast.walk(loop))
        elsewhere = {
            ast.unparse(node)
            for check in ast.walk(function)
            if isinstance(check, ast.Assert) and check not in inside
            for node in ast.walk(check)
            if isinstance(node, ast.expr)
        }
        source = over
        while isinstance(source, ast.Call) and name_of(source) in KEEP_ALL and source.args:
            source = source.args[0]
        name = ast.unparse(source)
        table = name.removesuffix(".iterrows()").removesuffix(".itertuples()")
        if not {name, table} & elsewhere and may_find_nothing(assigned.get(name, source)):
            found.append(f"line {loop.lineno}: nothing is checked if {ast.unparse(over)} is empty")
    return found


def hollow_places(source: str) -> list[str]:
    """Return one description per hollow place of a test file."""
    tree = ast.parse(source)
    found = []
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Call)
            and name_of(node.value) in DISCARDABLE
        ):
            found.append(f"line {node.lineno}: the result of {name_of(node.value)} is thrown away")
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Compare):
            found.append(f"line {node.lineno}: a comparison is thrown away")
        if isinstance(node, ast.Assert) and isinstance(
            node.test, ast.Tuple | ast.Constant | ast.List | ast.JoinedStr
        ):
            found.append(f"line {node.lineno}: the assertion is true whatever happens")
        if (
            isinstance(node, ast.Assert)
            and isinstance(node.msg, ast.Tuple | ast.Constant)
            and not _is_text(node.msg)
        ):
            found.append(f"line {node.lineno}: `assert x, y` compares nothing, y is its message")
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for one in functions:
        found.extend(unentered_loops(one))
    helpers: set[str] = set()
    for _ in functions:  # as many rounds as the longest chain of helpers can be
        helpers |= {
            one.name
            for one in functions
            if not one.name.startswith("test") and checks_something(one, helpers)
        }
    found.extend(
        f"line {one.lineno}: {one.name} checks nothing"
        for one in functions
        if one.name.startswith("test") and not checks_something(one, helpers)
    )
    return found


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


@pytest.mark.parametrize(
    "path", sorted(TESTS.rglob("test_*.py")), ids=lambda path: path.relative_to(TESTS).as_posix()
)
def test_no_test_file_has_a_hollow_place(path: Path) -> None:
    assert hollow_places(path.read_text()) == []


@pytest.mark.parametrize(
    "body",
    [
        "np.allclose(a, b)\n    assert a is b",
        "np.array_equal(a, b)\n    assert a is b",
        "(a == b).all()\n    assert a is b",
        "a == b\n    assert a is b",
        "assert a.shape, (3,)",
        "assert a, 3",
        "assert (a, b)",
        "assert (a == b, 'differs')",
        "assert 'always'",
        "assert True",
        "compute(a)",
        "pass",
        "for one in a.rglob('*'):\n        assert one",
        "for one in sorted(a.glob('*')):\n        assert one",
        "for one in (x for x in a if x.b):\n        assert one.c == b",
        "found = [x for x in a if x.b]\n    for i, one in enumerate(found):\n        assert one.c == b",
        "for one in open_dump(a):\n        assert one.d == b",
        "for one, other in zip(a.axes, b.axes, strict=True):\n        assert one == other",
        "for _, row in a.iterrows():\n        np.testing.assert_array_equal(row, b)",
        "for one in a.splitlines():\n        with pytest.raises(ValueError):\n            b(one)",
        "assert all(panel.title for panel in a.axes)",
    ],
)
def test_a_hollow_test_is_found(body: str) -> None:
    assert hollow_places(f"def test_it(a, b):\n    {body}\n")


@pytest.mark.parametrize(
    "source",
    [
        "def test_it(a, b):\n    assert np.allclose(a, b)",
        "def test_it(a, b):\n    assert a == b, f'{a} differs'",
        "def test_it(a, b):\n    np.testing.assert_allclose(a, b)",
        "def test_it(a):\n    with pytest.raises(ValueError):\n        a()",
        "def test_it(a):\n    b = a.findall()\n    assert b\n    for one in b:\n        assert one.c",
        "def test_it(a):\n    assert a.axes\n    for one in a.axes:\n        assert one.c",
        "def test_it(a):\n    b = [x for x in a if x]\n    assert len(b) == 3\n    assert all(x for x in b)",
        "def test_it(a):\n    for one in (1, 2):\n        assert a(one)",
        "def test_it(a):\n    assert len(a) == 2\n    for row in a.itertuples():\n        assert row.b",
        "def test_it(a, b):\n    for x, y in zip(a.axes, (1, 2), strict=True):\n        assert x == y",
        "def law(a):\n    assert a\ndef test_it(a):\n    law(a)",
        "def deep(a):\n    assert a\ndef law(a):\n    deep(a)\ndef test_it(a):\n    law(a)",
    ],
)
def test_a_sound_test_is_not_accused(source: str) -> None:
    assert hollow_places(source) == []
