"""What the packaging files promise: one list of packages, pins that fit it, rooms that keep their borders."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
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


def test_no_file_of_the_house_names_an_index() -> None:
    files = ["Makefile", "constraints.txt", "environment.yml", "pyproject.toml", ".ci/run"]
    named = [
        name
        for name in files
        if re.search(r"index-url|find-links|https?://\S*simple", (ROOT / name).read_text())
    ]
    assert named == []


def test_ci_runs_what_the_readme_names() -> None:
    commands = re.findall(r"^make (\S+)$", (ROOT / ".ci" / "run").read_text(), flags=re.MULTILINE)
    assert commands == ["lint", "test"]
    script = (ROOT / ".ci" / "run").read_text()
    assert "\n  make test-browser\nelse\n  echo" in script, "what is left out must be said"
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
