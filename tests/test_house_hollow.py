"""No test may be hollow: one that cannot fail is worse than none."""

from __future__ import annotations

import ast
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
        "def law(a):\n    assert a\ndef test_it(a):\n    law(a)",
        "def deep(a):\n    assert a\ndef law(a):\n    deep(a)\ndef test_it(a):\n    law(a)",
    ],
)
def test_a_sound_test_is_not_accused(source: str) -> None:
    assert hollow_places(source) == []
