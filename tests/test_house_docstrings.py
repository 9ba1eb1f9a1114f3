"""What the fronts export says what a user needs: shapes of arrays, errors, and an example that is run.

The example stands in the docstring itself, or in one that it refers to with ``:func:`` or ``:class:``: there
the name is used or (of a class) one of its attributes is read, as results are where they are returned.
"""

from __future__ import annotations

import ast
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import is_dataclass
from doctest import DocTestParser
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest

import otanalysis
from otanalysis import errors
from otanalysis.arrays import Array
from otanalysis.errors import DumpError, InputError

NOT_RUN = {
    "ConvergenceError": "a solver has to fail",
    "MissingDependencyError": "a package has to be missing",
    "Explorer": "needs ipywidgets and starts a process; the notebooks show it",
    "other_process": "starts a process",
    "assemble": "fetches 183 MB of packages and writes 320 MB; `make test-assembly` runs it",
    "build_certified_claims": "needs the optional python-flint",
    "build_claims": "draws instances for some seconds",
    "Effort": "of build_claims",
    "print_outcomes": "prints a table as wide as the console",
    "evaluate": "runs a model for some seconds",
    "main": "reads the arguments of the process",
    "use_paper_style": "changes matplotlib for the rest of the process",
    "run": "measures and draws for some seconds; the notebooks show it",
    "stamp_benchmarks": "needs the photographs of a package of the system",
    "write_stamp_dumps": "needs the photographs of a package of the system",
    "write_bundled_dumps": "runs a model for minutes; open_bundled shows what it writes",
}
"""Names without an example that is run, each with the reason."""

RAISES_NOTHING = {
    "caption3": "takes what was drawn",
    "caption4": "takes what was drawn",
    "caption5": "takes what was drawn",
    "as_markdown": "takes what verdict_table returns",
    "caption_distances": "takes what was drawn",
    "caption_floor": "takes what was drawn",
    "caption_ladder": "takes what was drawn",
    "caption_scatter": "takes what was drawn",
    "caption_within": "takes what was drawn",
    "model_fingerprint": "a file that is not there does not count",
    "model_revision": "falls back on an empty name",
    "worst_addition": "takes what tabulate returns",
    "worst_nesting": "takes what tabulate returns",
    "write_results": "takes what read_accuracy returns",
}
"""Functions of arrays, tables or paths that list no errors, each with the reason."""

SOURCES = {
    "wasserstein2": "Section 3.2 of arXiv:2602.20205",
    "bures_squared": "Equation 3 of arXiv:2602.20205",
    "trace_objective": "Equation 4 of arXiv:2602.20205",
    "paper_objective": "Equations 7 and 8 of arXiv:2602.20205",
    "paper_factor": "Equations 7 and 8 of arXiv:2602.20205",
    "otprune_kernel": "arXiv:2602.20205",
    "normalise_tokens": "arXiv:2602.20205",
    "greedy_logdet": "arXiv:1709.05135",
    "kernel_upper_bound": "Nemhauser, Wolsey and Fisher, 1978",
    "quantisation_bound": "Cornuéjols, Fisher and Nemhauser, 1977",
    "GreedyRatio": "The guarantee of arXiv:2602.20205",
    "SubmodularEverywhere": "Lemma 1 of arXiv:2602.20205",
    "synthetic": "Table 2 of arXiv:2602.20205",
    "published_synthetic": "Table 2 of arXiv:2602.20205",
}
"""Where a definition, bound or table comes from, in the words of the docstring."""

ARRAY = re.compile(r"\b(Array|BoolArray|IntArray|FloatArray|NDArray|ArrayLike|Tensor)\b")
SHAPE = re.compile(r"\[[\w ,*]+\]")
ELSEWHERE = re.compile(r"\bAs (for|in) ")
DATA = re.compile(rf"{ARRAY.pattern}|PathLike|\bPath\b|DataFrame")
KINDS = {name for name in errors.__all__ if name != "OtAnalysisError"}


def front_names() -> dict[str, Any]:
    """Return the functions and classes of all fronts, by name and, where two share it, by module."""
    packages = pkgutil.walk_packages(otanalysis.__path__, "otanalysis.")
    fronts = [otanalysis, *(import_module(one.name) for one in packages if one.ispkg)]
    things = [getattr(front, name) for front in fronts for name in getattr(front, "__all__", ())]
    own = [thing for thing in things if inspect.isclass(thing) or inspect.isfunction(inspect.unwrap(thing))]
    own = [thing for thing in own if thing.__module__.startswith("otanalysis.")]
    by_name: dict[str, Any] = {}
    for thing in own:
        key = thing.__name__
        if by_name.get(key, thing) is not thing:
            key = f"{thing.__module__}.{key}"
        by_name[key] = thing
    return by_name


def documentation(thing: Any) -> str:
    return inspect.cleandoc(thing.__doc__ or "")


def examples(thing: Any) -> str:
    """Return the statements and the answers of a docstring's examples, those that are skipped left out."""
    found = DocTestParser().get_examples(documentation(thing))
    return "".join(one.source + one.want for one in found if "+SKIP" not in one.source)


def attributes(thing: Any) -> set[str]:
    """Return the public fields, properties and methods of a class; none of a function."""
    if not inspect.isclass(thing):
        return set()
    fields = set(thing.__dataclass_fields__) if is_dataclass(thing) else set()
    return fields | {name for name in [*vars(thing), *thing.__annotations__] if not name.startswith("_")}


def referred(thing: Any) -> Iterator[Any]:
    """Yield the functions and classes that the docstring refers to; a name that is not there raises."""
    for role in re.findall(r":(?:func|class):`~?([\w.]+)`", documentation(thing)):
        path = role if role.startswith("otanalysis.") else f"{thing.__module__}.{role}"
        module, _, name = path.rpartition(".")
        yield getattr(import_module(module), name)


def lacks_example(thing: Any) -> list[str]:
    if examples(thing):
        return []
    used = "|".join([rf"\b{thing.__name__}\b", *(rf"\.{name}\b" for name in attributes(thing))])
    shown = any(re.search(used, examples(other)) for other in referred(thing))
    return [] if shown else ["example"]


def entries(doc: str) -> dict[str, str]:
    """Return the text of every entry of the sections that list parameters and attributes, by its names."""
    sections = re.findall(
        r"^(?:Parameters|Attributes)\n-+\n(.*?)(?=^\w[^\n]*\n---|\Z)", doc, flags=re.M | re.S
    )
    heads = re.findall(r"^([\w*, ]+?)((?: :.*)?\n(?:    .*\n?|\n)*)", "\n".join(sections), flags=re.M)
    return {name.strip(" *"): text for names, text in heads for name in names.split(",")}


def annotations(thing: Any) -> Mapping[str, str]:
    """Return the annotation of every parameter of a function, or of every field of a class."""
    fields = vars(thing).get("__annotations__", {}) if inspect.isclass(thing) else {}
    try:
        parameters = inspect.signature(inspect.unwrap(thing)).parameters
    except ValueError:  # of an exception
        return {}
    given = {name: one.annotation for name, one in parameters.items()} | fields
    return {name: str(kind) for name, kind in given.items() if not name.startswith("_")}


def lacks_shapes(thing: Any) -> list[str]:
    """Return the parameters and fields that are arrays and have no shape, here or where the entry leads."""
    told, doc = entries(documentation(thing)), documentation(thing)
    arrays = [
        name for name, kind in annotations(thing).items() if ARRAY.search(kind) and "Callable" not in kind
    ]
    if not re.search(r"^(Parameters|Attributes)$", doc, flags=re.M):
        return [] if SHAPE.search(doc) else [f"shape of {name}" for name in arrays]
    return [
        f"shape of {name}"
        for name in arrays
        if not (SHAPE.search(told.get(name, "")) or ELSEWHERE.search(told.get(name, "")))
    ]


def lacks_errors(thing: Any) -> list[str]:
    """Return the errors that the thing raises and does not list; "Raises" if it takes data and lists none."""
    doc = documentation(thing)
    listed = doc.partition("Raises\n------\n")[2] or "".join(re.findall(r"raise \w+ if", doc))
    makers = [getattr(thing, name, None) for name in ("__init__", "__post_init__")]
    own = (
        [one for one in makers if inspect.isfunction(one)]
        if inspect.isclass(thing)
        else [inspect.unwrap(thing)]
    )
    raised = {name for one in own for name in raises(one)}
    absent = [name for name in sorted(raised) if name not in listed]
    takes_data = not inspect.isclass(thing) and any(DATA.search(kind) for kind in annotations(thing).values())
    return absent or (["Raises"] if takes_data and not listed else [])


def raises(function: Callable[..., Any]) -> set[str]:
    """Return the errors of the package that a function's body raises by name."""
    try:
        tree = ast.parse(dedent(inspect.getsource(function)))
    except (OSError, TypeError):  # made by dataclass
        return set()
    calls = [
        node.exc.func
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
    ]
    return {call.id for call in calls if isinstance(call, ast.Name)} & KINDS


NAMES = front_names()


def test_the_fronts_are_looked_at() -> None:
    assert len(NAMES) > 140
    assert {"wasserstein2", "Selection", "Pruned", "draw_figure2", "CapacityCuts"} <= NAMES.keys()


@pytest.mark.parametrize("check", [lacks_example, lacks_shapes, lacks_errors])
def test_a_front_name_has_shapes_errors_and_an_example(check: Callable[[Any], list[str]]) -> None:
    exempt = {lacks_example: NOT_RUN, lacks_errors: RAISES_NOTHING}.get(check, {})
    found = {name: check(thing) for name, thing in NAMES.items()}
    assert {name: lacks for name, lacks in found.items() if lacks and name not in exempt} == {}
    assert {name for name in exempt if not found[name]} == set()


def test_no_example_of_a_front_is_skipped() -> None:
    assert [name for name, thing in NAMES.items() if "+SKIP" in documentation(thing)] == []


def test_what_a_front_name_refers_to_is_there() -> None:
    assert sum(len(list(referred(thing))) for thing in NAMES.values()) > 50


@pytest.mark.parametrize("name", SOURCES)
def test_the_source_is_told(name: str) -> None:
    assert SOURCES[name] in " ".join(documentation(NAMES[name]).split())


def made_up() -> dict[str, Any]:
    """Return things whose docstrings lack something; where they stand, no doctest takes them for its own."""

    def shown(tokens: Array) -> None:
        """Do it; see :func:`skips`.

        Parameters
        ----------
        tokens : array
            All tokens.
        """
        if len(tokens) == 0:
            raise InputError("There are no tokens.")

    def skips(tokens: Array) -> None:
        """Do it on tokens [m, d].

        >>> shown([])  # doctest: +SKIP
        """
        raise DumpError(f"There is no dump of {tokens}.")

    class Result:
        """What came out; see :func:`reads`."""

        gains: Array

    def reads(path: Path) -> Result:
        """Read; an example that shows nothing of the result.

        >>> reads("here").loss
        0.0
        """

    def whole(tokens: Array) -> Result:
        """Do it; see :func:`uses`.

        Parameters
        ----------
        tokens : array [m, d]
            All tokens.

        Raises
        ------
        InputError
            If there are none.
        """
        if len(tokens) == 0:
            raise InputError("There are no tokens.")

    def uses() -> None:
        """Use it.

        >>> whole([[1.0]])
        """

    return {thing.__name__: thing for thing in (shown, skips, Result, reads, whole, uses)}


@pytest.mark.parametrize(
    ("name", "example", "shapes", "raised"),
    [
        ("shown", ["example"], ["shape of tokens"], ["InputError"]),
        ("skips", ["example"], [], ["DumpError"]),
        ("Result", ["example"], ["shape of gains"], []),
        ("reads", [], [], ["Raises"]),
        ("whole", [], [], []),
    ],
)
def test_what_is_missing_is_found(
    monkeypatch: pytest.MonkeyPatch, name: str, example: list[str], shapes: list[str], raised: list[str]
) -> None:
    things = made_up()
    here = ModuleType("here")
    vars(here).update(things)
    monkeypatch.setitem(sys.modules, things[name].__module__, here)
    found = lacks_example(things[name]), lacks_shapes(things[name]), lacks_errors(things[name])
    assert found == (example, shapes, raised)
