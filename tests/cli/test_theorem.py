"""The command: what it prints, what it writes and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from otanalysis import theorem as room
from otanalysis.cli.theorem import theorem
from otanalysis.progress import reported
from otanalysis.theorem import Claim, Effort, build_claims

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(reported()(theorem))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "160"})


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep only the claims that are quick, on few instances."""
    effort = Effort(draws=1, most_kept=2, starts=2, images=1)
    monkeypatch.setattr(room, "DEFAULT", effort)

    def chosen(*arguments: object) -> list[Claim]:
        names = ("monotone", "monotone@tokens", "greedy-attacked-factor", "greedy-attacked-tokens")
        return [one for one in build_claims(*arguments) if one.id in names]  # type: ignore[arg-type]

    monkeypatch.setattr(room, "build_claims", chosen)


def test_the_table_names_every_check_and_the_file(tmp_path: Path) -> None:
    result = run("--save", tmp_path / "worst.json", "--quiet")
    assert result.exit_code == 0, result.output
    assert "monotone" in result.stdout
    assert "without proof" in " ".join(result.stdout.split())
    assert "No real tokens were checked" in result.stdout
    assert "3 of 3 checks pass and reject their control" in result.stdout
    assert result.stderr == ""
    assert (tmp_path / "worst.json").is_file()


def test_json_says_everything_of_every_check(make_dump: Callable[..., Path], tmp_path: Path) -> None:
    dump = make_dump("noise", m=9)
    result = run("--json", "--quiet", "--dump", dump, "--save", tmp_path / "worst.json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert (said["passed"], said["seed"], said["dumps"]) == (True, 0, [str(dump)])
    assert [one["id"] for one in said["checks"]] == [
        "monotone",
        "greedy-attacked-factor",
        "greedy-attacked-tokens",
        "monotone@tokens",
    ]
    for one in said["checks"]:
        assert {"statement", "cases", "worst_margin", "tolerance", "verdict", "where"} <= set(one)
        said_by_the_paper = one["id"].startswith("monotone")
        assert one["source"] == (
            "the paper says so in its text, without proof" if said_by_the_paper else None
        )
        assert one["control"]["rejected"] is True
        assert one["control"]["worst_margin"] < 0
    assert said["worst_greedy"]["ratio"] == json.loads((tmp_path / "worst.json").read_text())["ratio"]


@pytest.mark.parametrize(
    ("spoil", "verdict", "message"),
    [
        (lambda one: replace(one, check=one.control.check), "violated", "violations"),
        (lambda one: replace(one, control=replace(one.control, check=one.check)), "pass", "did not reject"),
        (lambda one: replace(one, instances=()), "undecided", "did not reject"),
    ],
)
def test_a_violation_or_a_control_that_passes_is_status_1(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    spoil: Callable[[Claim], Claim],
    verdict: str,
    message: str,
) -> None:
    claims = [spoil(one) if one.id == "monotone" else one for one in room.build_claims(room.DEFAULT, 0)]
    monkeypatch.setattr(room, "build_claims", lambda *_: claims)
    result = run("--json", "--quiet", "--save", tmp_path / "worst.json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["passed"] is False
    assert json.loads(result.stdout)["checks"][0]["verdict"] == verdict
    text = run("--quiet", "--save", tmp_path / "worst.json")
    assert text.exit_code == 1
    assert message in text.stdout


def test_a_saved_instance_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "worst.json"
    run("--save", path, "--quiet")
    result = run("--replay", path)
    assert result.exit_code == 0
    assert result.stdout.endswith("\nreproduced\n")
    assert json.loads(run("--replay", path, "--json").stdout)["reproduced"] is True

    path.write_text(json.dumps(json.loads(path.read_text()) | {"ratio": 0.99}))
    changed = run("--replay", path)
    assert changed.exit_code == 1
    assert "NOT reproduced" in changed.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed", "-1"], "--seed"),
        (["--dump", "nowhere"], "not a dump"),
        (["--replay", "nowhere.json"], "nowhere.json"),
    ],
)
def test_mistakes_are_one_sentence_and_status_2(arguments: list[str], message: str) -> None:
    result = run(*arguments, "--quiet")
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("--quiet", "--save", tmp_path / "file" / "worst.json")
    assert result.exit_code == 2
    assert "--save" in result.stderr


def test_the_module_shows_its_help_without_loading_numpy() -> None:
    code = (
        "import sys\nsys.argv = ['theorem', '--help']\nfrom otanalysis.theorem.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\nsys.exit('numpy' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "Example: python -m otanalysis.theorem" in " ".join(result.stdout.split())


@pytest.mark.parametrize("columns", ["80", "120"])
def test_no_terminal_cuts_a_name_or_a_verdict(tmp_path: Path, columns: str) -> None:
    result = CliRunner().invoke(
        app, ["--quiet", "--save", str(tmp_path / "worst.json")], env={"COLUMNS": columns}
    )
    rows = [line for line in result.stdout.splitlines() if line.strip().endswith("rejected")]
    assert [row.split()[0] for row in rows] == [
        "monotone",
        "greedy-attacked-factor",
        "greedy-attacked-tokens",
    ]
    assert all("pass" in row and len(row) <= int(columns) for row in rows)
    assert "F(S + x) >= F(S)" in result.stdout
