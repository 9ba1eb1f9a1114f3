"""The rooms: reached through their fronts, mirrored by their tests, and one meaning a name."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TESTS, PACKAGE = ROOT / "tests", ROOT / "otanalysis"

NO_ROOMS = {"browser", "chaos", "fuzz", "notebooks"}
"""Folders of tests that mirror no room: what they test stands outside of the package."""
END_TO_END = {"test_public_api", "test_results_to_figures", "test_shown_commands"}
"""Tests of several rooms at once; those of the house begin with ``test_house_``."""
NO_MIRRORS: set[str] = {
    "figures/test_reader.py",
    "test_readme_blocks.py",
    "vlm/test_species.py",
    "vlm/test_zoo.py",
}
"""Tests named after no module, still to be renamed or to be kept for a reason."""
TWO_MEANINGS: set[str] = set()
"""Names of public classes that two rooms still give to different things, to be emptied."""


def users_of_the_package() -> dict[str, str]:
    """Return the Python code outside of the package that shows how to use it, by where it stands."""
    files = sorted([*ROOT.glob("notebooks/*.py"), *ROOT.glob("benchmarks/*.py")])
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), flags=re.M | re.S)
    return {path.relative_to(ROOT).as_posix(): path.read_text() for path in files} | {
        f"README.md, block {number}": without_prompts(block) for number, block in enumerate(blocks, start=1)
    }


def without_prompts(block: str) -> str:
    """Return the statements of a session, or the block itself if it is none."""
    lines = block.splitlines()
    if not any(line.startswith(">>>") for line in lines):
        return block
    return "\n".join(line[4:] for line in lines if line.startswith((">>>", "...")))


def front(dotted: str) -> set[str] | None:
    """Return the names of a front: of the package, a room, or a package in a room; None if it is none."""
    path = ROOT.joinpath(*dotted.split("."))
    if not (path.is_dir() or (path.parent == PACKAGE and path.with_suffix(".py").is_file())):
        return None
    names = getattr(import_module(dotted), "__all__", None)
    return None if names is None else set(names)


def past_the_fronts(source: str) -> list[str]:
    """Return what a piece of code takes from the package that no front offers, one line a place."""
    found, nodes = [], list(ast.walk(ast.parse(source)))
    imported = [one for node in nodes if isinstance(node, ast.Import) for one in node.names]
    aliases = {one.asname or one.name for one in imported if one.name == "otanalysis"}
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [f"import {one.name}" for one in node.names if one.name.startswith("otanalysis.")]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "otanalysis":
            offered = front(str(node.module))
            if offered is None:
                found.append(f"{node.module} is no front")
            else:
                found += [f"{node.module}.{one.name}" for one in node.names if one.name not in offered]
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in aliases
            and node.attr not in (front("otanalysis") or set())
        ):
            found.append(f"{node.value.id}.{node.attr}")
    return found


USERS = users_of_the_package()


@pytest.mark.parametrize("place", USERS)
def test_what_is_shown_outside_takes_names_from_fronts_only(place: str) -> None:
    assert past_the_fronts(USERS[place]) == []


def test_all_that_shows_the_package_is_looked_at() -> None:
    assert {"notebooks/01_exact_transport.py", "benchmarks/floor.py", "README.md, block 1"} <= USERS.keys()
    assert (
        sum("import otanalysis" in source or "from otanalysis" in source for source in USERS.values()) >= 15
    )


@pytest.mark.parametrize(
    "source",
    [
        "from otanalysis.surrogate.kernel import otprune_kernel",
        "def late():\n    from otanalysis.transport import exact",
        "from otanalysis.transport import _private",
        "from otanalysis.nowhere import name",
        "from otanalysis import surrogate",
        "import otanalysis.transport",
        "import otanalysis as ota\nota.surrogate.Ladder",
        without_prompts(">>> from otanalysis.tokens.read import (\n...     Dump,\n... )\n'shown'"),
    ],
)
def test_a_way_past_the_front_is_found(source: str) -> None:
    assert len(past_the_fronts(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "import otanalysis as ota\nota.select(tokens, 'otprune')",
        "from otanalysis.tokens import DumpWriter",
        "from otanalysis.transport.floor import CapacityCuts",
        "from otanalysis.files import write_atomic",
        "import numpy as np\nnp.linalg.svd",
    ],
)
def test_a_way_through_the_front_is_not_accused(source: str) -> None:
    assert past_the_fronts(source) == []


def missing_from(room: str) -> list[str]:
    """Return what a front lists and does not have."""
    module = import_module(room)
    return [name for name in module.__all__ if not hasattr(module, name)]


FRONTS = [
    name
    for path in sorted(PACKAGE.rglob("__init__.py"))
    if "__all__" in path.read_text()
    for name in [".".join(path.parent.relative_to(ROOT).parts)]
]


@pytest.mark.parametrize("room", FRONTS)
def test_a_front_has_what_it_lists(room: str) -> None:
    assert missing_from(room) == []
    assert not hasattr(import_module(room), "nowhere")


def test_a_name_that_is_listed_and_missing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"otanalysis", "otanalysis.theorem", "otanalysis.transport.floor"} <= set(FRONTS)
    monkeypatch.setattr("otanalysis.transport.floor.__all__", ["CapacityCuts", "nowhere"])
    assert missing_from("otanalysis.transport.floor") == ["nowhere"]


def without_mirror(test: str, modules: Iterable[str]) -> bool:
    """Tell whether a test, ``ROOM/test_NAME_aspect.py``, is named after no module, ``ROOM/NAME.py``."""
    names = {module.removesuffix(".py").replace("__init__", "init") for module in modules}
    folder, _, file = test.rpartition("/")
    if folder.split("/")[0] in NO_ROOMS:
        return False
    stem = file.removesuffix(".py")
    if not folder and (stem in END_TO_END or stem.startswith("test_house_")):
        return False
    words = stem.removeprefix("test_").split("_")
    mirrored = ("_".join(words[: length + 1]) for length in range(len(words)))
    return not any(f"{folder}/{name}".lstrip("/") in names for name in mirrored)


MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def test_every_test_is_named_after_a_module_of_its_room() -> None:
    tests = [path.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py")]
    assert len(tests) > 80
    assert {test for test in tests if without_mirror(test, MODULES)} - NO_MIRRORS == set()


@pytest.mark.parametrize(
    ("test", "lost"),
    [
        ("transport/test_exact.py", False),
        ("transport/test_exact_threads.py", False),
        ("transport/floor/test_cut_separation.py", False),
        ("cli/test_try_.py", False),
        ("test_arrays.py", False),
        ("test_house_rooms.py", False),
        ("test_public_api.py", False),
        ("notebooks/test_notebooks.py", False),
        ("transport/test_exactly.py", True),
        ("transport/test_cut_separation.py", True),
        ("surrogate/test_exact.py", True),
        ("surrogate/test_house_rooms.py", True),
        ("test_exact.py", True),
    ],
)
def test_a_test_without_its_module_is_found(test: str, lost: bool) -> None:
    assert without_mirror(test, MODULES) is lost


def rooms_of_classes(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """Return the rooms (folders, or files of the house) that define each public class, from all files."""
    rooms = defaultdict(set)
    for path, source in sources.items():
        for node in ast.parse(source).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                rooms[node.name].add(path.rpartition("/")[0] or path.removesuffix(".py"))
    return dict(rooms)


def aliases_of_arrays(sources: Mapping[str, str]) -> set[str]:
    """Return the files that name an array of float64, int64 or bool, which ``arrays.py`` has names for."""
    wanted = re.compile(r"^\w+(: \w+)? = (npt\.)?NDArray\[(np\.)?(float64|int64|bool_?)\]$")
    return {
        path
        for path, source in sources.items()
        for node in ast.parse(source).body
        if path != "arrays.py" and wanted.match(ast.unparse(node))
    }


SOURCES = {module: (PACKAGE / module).read_text() for module in MODULES}


def test_no_two_rooms_give_one_name_to_their_classes() -> None:
    found = {name for name, rooms in rooms_of_classes(SOURCES).items() if len(rooms) > 1}
    assert found - TWO_MEANINGS == set()


def test_a_class_of_two_rooms_is_found() -> None:
    sources = {
        "image.py": "class Image: ...",
        "vlm/layout.py": "class Image: ...\nclass _Own: ...",
        "vlm/model.py": "class Layer: ...",
        "vlm/layers.py": "class Layer: ...\nclass _Own: ...",
        "vlm/capture/layers.py": "class Image: ...",
    }
    assert rooms_of_classes(sources) == {"Image": {"image", "vlm", "vlm/capture"}, "Layer": {"vlm"}}


def test_arrays_have_one_name() -> None:
    assert aliases_of_arrays(SOURCES) == set()


@pytest.mark.parametrize(
    ("line", "alias"),
    [
        ("Floats = npt.NDArray[np.float64]", True),
        ("Floats: TypeAlias = npt.NDArray[np.float64]", True),
        ("Bools = NDArray[np.bool_]", True),
        ("Indices: TypeAlias = NDArray[np.int64]", True),
        ("Small = npt.NDArray[np.int32]", False),
        ("Masks: TypeAlias = IntArray", False),
        ("def f(x: npt.NDArray[np.float64]): ...", False),
    ],
)
def test_another_name_for_an_array_is_found(line: str, alias: bool) -> None:
    assert aliases_of_arrays({"room/module.py": line}) == ({"room/module.py"} if alias else set())
    assert aliases_of_arrays({"arrays.py": line}) == set()
