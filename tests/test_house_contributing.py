"""CONTRIBUTING.md to the letter: its recipes work in a copy of the package, and none without its line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
DATA = Path("tests/data/results_0.1.0")
"""A tiny dump, which the commands of the page name."""
HOUSE_FILES = ("pyproject.toml", ".importlinter")

WITHOUT_ITS_LINE = {
    "A selector": "Unknown method 'longest'",
    "A figure": "'nearest' was asked for",
    "A reader of results": "run.shares.json is of no known format",
    "A command": "No such command 'count'",
}
"""Every recipe, and what its command says where the new file is there and not listed."""


@dataclass(frozen=True)
class Recipe:
    """What a section of the page has one do: files to write, edits of others, commands, what they print."""

    files: Mapping[Path, str]
    edits: Mapping[Path, str]
    commands: tuple[str, ...]
    printed: str


def recipes_of(page: str) -> dict[str, Recipe]:
    """Return the recipes by their headings: sections with a file to write, an edit and commands."""
    sections = re.split(r"^### (.+)\n", page, flags=re.M)[1:]
    return {title: recipe_of(text) for title, text in zip(sections[::2], sections[1::2], strict=True)}


def recipe_of(section: str) -> Recipe:
    """Return what the fenced blocks of a section say; a fence tells the language, and the path of a file."""
    blocks = re.findall(r"^```(\w+) ?(.*)\n([\s\S]*?)^```$", section, flags=re.M)
    files = {Path(path): body for language, path, body in blocks if language == "python"}
    edits = {Path(path): body for language, path, body in blocks if language == "diff"}
    [console] = [body for language, _, body in blocks if language == "console"]
    lines = console.splitlines()
    commands = tuple(line.removeprefix("$ ") for line in lines if line.startswith("$ "))
    printed = "".join(f"{line}\n" for line in lines if not line.startswith("$ "))
    return Recipe(files, edits, commands, printed)


def edited(source: str, edit: str) -> str:
    """Return a file with the lines marked ``+`` put below and above those they stand between in the edit."""
    for hunk in re.split(r"^@@\n", edit, flags=re.M):
        lines = hunk.splitlines(keepends=True)
        assert {line[0] for line in lines} == {" ", "+"}, f"an edit adds lines to lines that stay: {hunk}"
        before = "".join(line[1:] for line in lines if line.startswith(" "))
        assert source.count(before) == 1, f"{before!r} stands {source.count(before)} times"
        source = source.replace(before, "".join(line[1:] for line in lines))
    return source


def follow(recipe: Recipe, house: Path, *, edits: bool = True) -> None:
    """Write the files of a recipe into a copy of the package and, unless told not to, edit those it edits."""
    for path, content in recipe.files.items():
        assert not (house / path).exists(), f"{path} is there already"
        (house / path).write_text(content, encoding="utf-8")
    for path, edit in recipe.edits.items() if edits else ():
        source = (house / path).read_text(encoding="utf-8")
        (house / path).write_text(edited(source, edit), encoding="utf-8")


def run(command: str, house: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a copy of the package, by the Python of the tests."""
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    known = {"PATH": paths, "PYTHONPATH": str(house), "PYTHONUTF8": "1", "COLUMNS": "80"}
    return subprocess.run(
        command,
        shell=True,
        check=False,
        capture_output=True,
        encoding="utf-8",
        cwd=house,
        env=os.environ | known,
    )


def copy_of_the_house(house: Path) -> Path:
    """Return a folder with the package, what checks it, and the data that the page names."""
    shutil.copytree(ROOT / "otanalysis", house / "otanalysis", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / DATA, house / DATA)
    for name in HOUSE_FILES:
        shutil.copy(ROOT / name, house / name)
    return house


RECIPES = recipes_of(PAGE)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the package in which every recipe was followed."""
    house = copy_of_the_house(tmp_path_factory.mktemp("built"))
    for recipe in RECIPES.values():
        follow(recipe, house)
    return house


@pytest.fixture(scope="module")
def unlisted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the package that has the new files, and in which none is listed."""
    house = copy_of_the_house(tmp_path_factory.mktemp("unlisted"))
    for recipe in RECIPES.values():
        follow(recipe, house, edits=False)
    return house


def test_every_recipe_is_one_file_and_one_registry() -> None:
    assert RECIPES.keys() == WITHOUT_ITS_LINE.keys()
    for recipe in RECIPES.values():
        assert len(recipe.files) == len(recipe.edits) == 1
        assert recipe.printed


@pytest.mark.parametrize("title", WITHOUT_ITS_LINE)
def test_a_recipe_works_as_the_page_says(title: str, built: Path) -> None:
    done = [run(command, built) for command in RECIPES[title].commands]
    assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * len(done)
    assert "".join(one.stdout for one in done) == RECIPES[title].printed


@pytest.mark.parametrize(("title", "said"), WITHOUT_ITS_LINE.items())
def test_a_recipe_fails_without_its_line(title: str, said: str, unlisted: Path) -> None:
    *before, last = [run(command, unlisted) for command in RECIPES[title].commands]
    assert all(one.returncode == 0 for one in before)
    assert last.returncode != 0
    assert said in last.stderr
    assert last.stdout == ""


@pytest.mark.parametrize("check", ["ruff check .", "ruff format --check .", "lint-imports --no-cache"])
def test_what_the_recipes_build_keeps_the_rules_of_the_house(check: str, built: Path) -> None:
    done = run(check, built)
    assert done.returncode == 0, done.stdout + done.stderr


def test_code_that_breaks_the_rules_is_found(tmp_path: Path) -> None:
    house = copy_of_the_house(tmp_path / "house")
    with (house / "otanalysis/defaults.py").open("a") as file:
        file.write("import otanalysis.cli , json\n")
    for check in ("ruff check .", "ruff format --check .", "lint-imports --no-cache"):
        assert run(check, house).returncode == 1


@pytest.mark.parametrize("edit", [" lost\n+new\n", " twice\n+new\n", " once\n-twice\n+new\n"])
def test_an_edit_that_does_not_fit_is_refused(edit: str) -> None:
    assert edited("once\ntwice\ntwice\n", " once\n+new\n twice\n") == "once\nnew\ntwice\ntwice\n"
    with pytest.raises(AssertionError, match=r"stands [02] times|adds lines"):
        edited("once\ntwice\ntwice\n", edit)


def test_a_file_that_is_there_is_not_written_over(built: Path) -> None:
    with pytest.raises(AssertionError, match=r"longest\.py is there already"):
        follow(RECIPES["A selector"], built)


def rooms_of(page: str) -> list[str]:
    """Return the rooms in the order in which the page lists them, the ground floor first."""
    cells = re.findall(r"^\| (`.+?) \|", page, flags=re.M)
    return [room for cell in cells for room in re.findall(r"`(\w+)`", cell)]


def test_the_page_lists_the_rooms_from_the_ground_up_as_the_contract_does() -> None:
    contract = (ROOT / ".importlinter").read_text(encoding="utf-8")
    layers = re.search(r"^layers =\n((?: +\w+\n)+)", contract, flags=re.M)
    assert layers is not None
    from_the_ground = [room for room in reversed(layers[1].split()) if room != "__main__"]
    assert len(from_the_ground) > 15
    listed = rooms_of(PAGE)
    assert sorted(listed) == sorted(from_the_ground)
    assert listed == from_the_ground


def test_the_page_names_targets_that_make_has() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M))
    named = set(re.findall(r"`make ([a-z-]+)`", PAGE))
    assert {"install", "test", "lint"} <= named <= targets
