"""What the packaging files promise: one list of packages, pins that fit it, rooms that keep their borders."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
"""Names that differ on conda-forge; all others agree in lower case."""
CONDA_ONLY = {"python", "pip"}
PIP_ONLY = {"lmms-eval"}
"""Packages that conda-forge does not have; the head of environment.yml names them."""
UNPINNED_EXTRAS: set[str] = set()
"""Extras that neither the tests nor the figures use."""

DISTRIBUTIONS = packages_distributions()
CODE = ("otanalysis", "tests", "benchmarks", "notebooks")
LOADS = {
    "otanalysis/mini/training": {"vlm"},
    "otanalysis/scenes/training": {"vlm"},
    "otanalysis/vlm": {"vlm"},
    "otanalysis/vlm/lmms_eval": {"lmms-eval"},
    "otanalysis/stamps/assembly": {"vlm", "pretrained"},
    "otanalysis/stamps/training": {"vlm", "pretrained"},
    "tests": {"vlm", "pretrained", "certified", "cluster", "notebooks", "lmms-eval", "test", "dev"},
    "benchmarks": {"vlm"},
    "notebooks": {"vlm", "notebooks"},
}
"""Extras that must be installed before a file under the folder is loaded; the core is always there."""
LOADS_LATE = {
    "otanalysis/explore": {"notebooks"},
    "otanalysis/mini": {"vlm"},
    "otanalysis/stamps": {"vlm"},
    "otanalysis/studies": {"cluster"},
    "otanalysis/theorem": {"certified"},
}
"""Extras that a function of the room loads when it runs; the room itself is loaded without them."""
LOADED_ON_DEMAND = {
    "tests/mutants.py": {"cosmic-ray"},
    "otanalysis/vlm/capture/datasets.py": {"datasets"},
    # Comes with torch for GPUs; without it the searches run as on the host.
    "otanalysis/surrogate/one_launch.py": {"triton"},
}
"""Packages of no extra that a function loads if they are there, and whose absence it explains."""
FILES_LOADED_ON_DEMAND = {"otanalysis/surrogate/launch.py": {"triton"}}
"""Files that a function of another loads, with the packages of no extra that it looks for before."""
LOADERS = {"import_module", "importorskip"}
"""Functions that import what their first argument names."""
TOOLS = {
    "ruff": ("Makefile", "$(BIN)/ruff check"),
    "mypy": ("Makefile", "$(BIN)/mypy"),
    "import-linter": ("Makefile", "$(BIN)/lint-imports"),
    "jupyterlab": ("Makefile", "$(BIN)/jupyter lab"),
    "uv": ("Makefile", "$(BIN)/uv pip install"),
    "pytest-xdist": ("Makefile", "--numprocesses auto"),
    # Types that mypy reads, and that strict checking needs.
    "pandas-stubs": ("pyproject.toml", "[tool.mypy]\nstrict = true"),
    "scipy-stubs": ("pyproject.toml", "[tool.mypy]\nstrict = true"),
    # What a run of lmms-eval imports, which make installs without its own list of packages.
    **dict.fromkeys(
        ("evaluate", "pytablewriter", "pytz", "sacrebleu", "tenacity"),
        ("Makefile", "--no-deps lmms-eval"),
    ),
}
"""Declared packages that no code imports: the file and the words that need them."""


def requirements() -> dict[str, list[Requirement]]:
    """Return the requirements of pyproject.toml by extra; those of the core under the name ``core``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = {"core": project["dependencies"], **project["optional-dependencies"]}
    return {name: [Requirement(line) for line in lines] for name, lines in groups.items()}


def conda_packages() -> set[str]:
    """Return the requirements of environment.yml without those that only conda needs."""
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    return {line for line in listed if re.split(r"[<>=]", line)[0] not in CONDA_ONLY}


def pins() -> dict[str, str]:
    """Return the versions of constraints.txt by normalised name."""
    lines = (line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#"))
    return {normalised(name): version for name, version in (line.split("==") for line in lines)}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_conda_names_the_same_packages_as_pip() -> None:
    wanted = {
        f"{CONDA_NAMES.get(one.name, one.name.lower())}{one.specifier}"
        for group in requirements().values()
        for one in group
        if one.name not in PIP_ONLY
    }
    assert conda_packages() == wanted


def test_conda_wants_the_same_python() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert f"python{project['requires-python']}" in listed


@pytest.mark.parametrize("group", sorted(requirements().keys() - UNPINNED_EXTRAS))
def test_every_requirement_has_a_pin_that_fits_it(group: str) -> None:
    pinned = pins()
    for one in requirements()[group]:
        assert normalised(one.name) in pinned, f"{one.name} has no pin"
        assert one.specifier.contains(pinned[normalised(one.name)]), f"{one} does not allow its pin"


def imports(file: Path) -> set[tuple[str, bool]]:
    """Return the packages of others that a file imports, and whether they load with it."""
    found: set[tuple[str, bool]] = set()

    def visit(node: ast.AST, with_it: bool) -> None:
        if isinstance(node, ast.Import):
            found.update((one.name.partition(".")[0], with_it) for one in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(((node.module or "").partition(".")[0], with_it))
        elif (
            isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in LOADERS
        ):
            names = [one.value for one in node.args[:1] if isinstance(one, ast.Constant)]
            found.update((str(name).partition(".")[0], with_it) for name in names)
        late = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        late = late or (isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING")
        for child in ast.iter_child_nodes(node):
            visit(child, with_it and not late)

    visit(ast.parse(file.read_text()), True)
    return {one for one in found if one[0] != "otanalysis" and one[0] not in sys.stdlib_module_names}


def imports_by_file(root: Path) -> dict[str, set[tuple[str, bool]]]:
    """Return the imports of every file of code, by its path from the root; packages as pip names them."""
    found = {}
    for file in (file for folder in CODE for file in sorted((root / folder).rglob("*.py"))):
        path = file.relative_to(root)
        # A script finds what lies beside it; a module of the package does not.
        near = set() if path.parts[0] == "otanalysis" else {one.stem for one in file.parent.glob("*.py")}
        if path.parts[0] == "tests":  # from the root, as pytest and `python -m tests.fuzz.calls` run them
            near.add("tests")
        found[str(path)] = {
            (normalised(DISTRIBUTIONS.get(name, [name])[0]), with_it)
            for name, with_it in imports(file)
            if name not in near
        }
    return found


def groups_of(file: str, with_it: bool) -> set[str]:
    """Return the groups of requirements that a file may import, when it is loaded or later."""
    tables = (LOADS,) if with_it else (LOADS, LOADS_LATE)
    return {"core"}.union(
        *(groups for table in tables for room, groups in table.items() if f"{file}/".startswith(f"{room}/"))
    )


def undeclared(root: Path) -> list[str]:
    """Return the imports whose package is in no group that fits the file."""
    declared = {name: {normalised(one.name) for one in group} for name, group in requirements().items()}
    told = []
    for file, found in imports_by_file(root).items():
        for package, with_it in sorted(found):
            groups = groups_of(file, with_it)
            known = set().union(*(declared[group] for group in groups), FILES_LOADED_ON_DEMAND.get(file, ()))
            if not with_it:
                known |= LOADED_ON_DEMAND.get(file, set())
            if package not in known:
                late = "" if with_it else " late"
                told.append(f"{file} imports {package}{late}: wanted in {' or '.join(sorted(groups))}")
    return told


def unused(root: Path, groups: dict[str, list[Requirement]]) -> set[str]:
    """Return the declared packages that no file imports; of the core, those that the package does not."""
    by_file = imports_by_file(root)

    def imported(files: Iterable[str]) -> set[str]:
        return {package for file in files for package, _ in by_file[file]}

    of_package = imported(file for file in by_file if file.startswith("otanalysis/"))
    return {
        normalised(one.name)
        for name, group in groups.items()
        for one in group
        if normalised(one.name) not in (of_package if name == "core" else imported(by_file))
    }


def test_every_import_is_declared_where_it_is_needed() -> None:
    assert undeclared(ROOT) == []


def test_every_requirement_is_imported_or_a_tool_that_is_run() -> None:
    assert unused(ROOT, requirements()) == set(TOOLS), "used nowhere, or a tool that is imported after all"
    for file, words in TOOLS.values():
        assert words in (ROOT / file).read_text()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("otanalysis/stats/new.py", "import attr\n", "attrs: wanted in core"),
        (
            "otanalysis/stats/new.py",
            "def late():\n    from yaml.nodes import Node\n",
            "pyyaml late: wanted in core",
        ),
        ("otanalysis/stats/new.py", "import torch\n", "torch: wanted in core"),
        ("otanalysis/mini/new.py", "import sklearn.datasets\n", "scikit-learn: wanted in core"),
        ("otanalysis/theorem/new.py", "import flint\n", "python-flint: wanted in core"),
        ("otanalysis/vlm/new.py", "from lmms_eval import utils\n", "lmms-eval: wanted in core or vlm"),
        ("otanalysis/vlm/new.py", "def late():\n    import_module('datasets')\n", "datasets late: wanted in"),
        ("otanalysis/vlm/capture/datasets.py", "import datasets\n", "datasets: wanted in core or vlm"),
        ("benchmarks/new.py", "import pytest\n", "pytest: wanted in core or vlm"),
        ("tests/vlm/test_new.py", "import attr\n", "attrs: wanted in "),
    ],
)
def test_an_import_that_is_declared_nowhere_or_elsewhere_is_told(
    tmp_path: Path, name: str, content: str, said: str
) -> None:
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text(f"import json\nimport numpy as np\nfrom . import near\n{content}")
    [told] = undeclared(tmp_path)
    assert told.startswith(f"{name} imports {said}")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("otanalysis/theorem/new.py", "def late():\n    import flint\n"),
        ("otanalysis/mini/new.py", "if TYPE_CHECKING:\n    import torch\n"),
        ("otanalysis/vlm/new.py", "import torch\n"),
        ("otanalysis/vlm/lmms_eval/new.py", "import lmms_eval.utils, torch\n"),
        ("otanalysis/vlm/capture/datasets.py", "def late():\n    import_module('datasets')\n"),
        ("tests/new.py", "import pytest, flint, torch, IPython\n"),
        ("benchmarks/new.py", "import torch, new\n"),
    ],
)
def test_imports_that_fit_are_not_told(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text(content)
    assert undeclared(tmp_path) == []


def test_a_requirement_that_nothing_imports_is_told(tmp_path: Path) -> None:
    groups = {name: [Requirement("attrs"), Requirement("PyYAML>=6")] for name in ("core", "dev")}
    for folder in CODE:
        (tmp_path / folder).mkdir()
    assert unused(tmp_path, groups) == {"attrs", "pyyaml"}
    (tmp_path / "tests" / "test_new.py").write_text("import attr, yaml\n")
    assert unused(tmp_path, {"dev": groups["dev"]}) == set()
    assert unused(tmp_path, {"core": groups["core"]}) == {"attrs", "pyyaml"}, "tests are not the package"
    (tmp_path / "otanalysis" / "new.py").write_text("import attr\n")
    assert unused(tmp_path, groups) == {"pyyaml"}


def test_no_file_of_the_house_names_an_index() -> None:
    files = ["Makefile", "constraints.txt", "environment.yml", "pyproject.toml", ".ci/run"]
    named = [
        name
        for name in files
        if re.search(r"index-url|find-links|https?://\S*simple", (ROOT / name).read_text())
    ]
    assert named == []


def test_ci_runs_what_the_readme_names() -> None:
    commands = re.findall(r"^make (?:--\S+ )*(.+)$", (ROOT / ".ci" / "run").read_text(), flags=re.MULTILINE)
    assert commands == ["lint test-wheel test-bounds", "test", "test-assembly"]
    script = (ROOT / ".ci" / "run").read_text()
    for left_out in ("test-kernels", "test-browser"):
        assert f"\n  make {left_out}\nelse\n  echo" in script, "what is left out must be said"
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"]
    return subprocess.run([*command, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False)


def house_with(tmp_path: Path, files: dict[str, str]) -> Path:
    """Build a package of empty rooms under the project's contracts, with the given files in it."""
    contracts = (ROOT / ".importlinter").read_text()
    rooms = re.search(r"^layers =\n((?: {4}\w+\n)+)", contracts, flags=re.MULTILINE)
    assert rooms is not None
    package = tmp_path / "otanalysis"
    for room in rooms[1].split():
        name = "__main__.py" if room == "__main__" else f"{room}/__init__.py"
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).touch()
    (package / "__init__.py").touch()
    for name, content in files.items():
        (package / name).write_text(content)
    (tmp_path / ".importlinter").write_text(contracts)
    return tmp_path


def test_the_contracts_accept_imports_down_the_list(tmp_path: Path) -> None:
    files = {
        "explore/overlay.py": "import matplotlib\nfrom otanalysis.figures import draw\n",
        "figures/draw.py": "import matplotlib\nfrom otanalysis.tokens import read\n",
        "tokens/read.py": "from otanalysis import errors\n",
        "vlm/capture.py": "import torch\nimport transformers\n",
    }
    result = lint_imports(house_with(tmp_path, files))
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokens/read.py", "from otanalysis import selection\n"),
        ("selection/lazy.py", "def late():\n    from otanalysis.studies import sweep\n"),
        ("studies/sweep.py", "import torch\n"),
        ("mini/scenes.py", "import transformers\n"),
        ("studies/tables.py", "import matplotlib\n"),
        ("studies/sweep.py", "import distributed\n"),
        ("vlm/capture.py", "def late():\n    from lmms_eval.api.model import lmms\n"),
        ("cli/app.py", "import seaborn\n"),
        ("explore/style.py", "import seaborn\n"),
        ("figures/draw.py", "from otanalysis.explore import overlay\n"),
        ("attic.py", ""),
    ],
)
def test_the_contracts_refuse_imports_that_break_them(tmp_path: Path, name: str, content: str) -> None:
    result = lint_imports(house_with(tmp_path, {"studies/sweep.py": "", name: content}))
    assert result.returncode != 0, result.stdout
