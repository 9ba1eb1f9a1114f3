"""The command line: it says what the library says, and a mistake is one sentence and exit status 2."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

import otanalysis as ota
from otanalysis.cli import app
from otanalysis.errors import StorageError
from otanalysis.selection import TOKEN_METHODS
from otanalysis.studies.sweep import read_sweep
from otanalysis.tokens import DumpWriter

# The module, whose name in the room is that of its function.
sweep_module = import_module("otanalysis.studies.sweep")


def commands_of(group: Any, *before: str) -> dict[tuple[str, ...], Any]:
    """Every command, those of groups of commands too, by the words that call it."""
    found: dict[tuple[str, ...], Any] = {}
    for name, command in group.commands.items():
        words = (*before, name)
        found |= commands_of(command, *words) if hasattr(command, "commands") else {words: command}
    return found


COMMANDS = commands_of(typer.main.get_command(app))


def run(*arguments: object) -> Result:
    """Run the program in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(result: Result) -> str:
    """Check that the program ended with one sentence on stderr and status 2; return the sentence."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
    return result.stderr.strip()


@pytest.fixture
def tokens_file(tmp_path: Path) -> Path:
    file = tmp_path / "tokens.npy"
    np.save(file, np.random.default_rng(0).standard_normal((40, 6)).astype(np.float32))
    return file


def test_the_issues_commands_are_there() -> None:
    assert {("select",), ("distance",), ("verify",), ("sweep",), ("figures",)} <= set(COMMANDS)
    assert {("accuracy", "import"), ("accuracy", "ranks")} <= set(COMMANDS)


@pytest.mark.parametrize("words", sorted(COMMANDS), ids=" ".join)
def test_every_help_shows_an_example_that_parses(words: tuple[str, ...]) -> None:
    result = run(*words, "--help")
    assert result.exit_code == 0
    example = re.search(r"Example: (otanalysis .*)", " ".join(result.stdout.split()))
    assert example is not None
    program, *shown = shlex.split(example.group(1))
    assert (program, *shown[: len(words)]) == ("otanalysis", *words)
    with COMMANDS[words].make_context(words[-1], shown[len(words) :]) as context:
        assert context.params


HELLO = '''"""A toy."""

import typer

from otanalysis.cli import options


def hello_again(seed: options.Seed = 0, as_json: options.Json = False) -> None:
    """Say hello."""
    options.check_seed(seed)
    typer.echo(f"hello {seed}, {as_json}")
'''


def test_a_new_command_is_one_file_and_one_line(tmp_path: Path) -> None:
    package = tmp_path / "otanalysis"
    shutil.copytree(Path(ota.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "cli" / "hello_again.py").write_text(HELLO)
    list_of_commands = (package / "cli" / "app.py").read_text()
    line = '    "hello_again": "otanalysis hello-again --seed 7",\n'
    (package / "cli" / "app.py").write_text(list_of_commands.replace("\n}\n", f"\n{line}}}\n", 1))

    def say(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "otanalysis", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert say("hello-again", "--seed", "3", "--json").stdout == "hello 3, True\n"
    mistaken = say("hello-again", "--seed", "-1")
    assert (mistaken.returncode, mistaken.stdout) == (2, "")
    assert mistaken.stderr == "--seed must be a whole number from 0 on, got -1.\n"
    shown = say("hello-again", "--help").stdout
    assert "Seed of the methods that draw at random." in shown
    assert "Example: otanalysis hello-again --seed 7" in shown
    assert "hello-again" in say("--help").stdout
    assert ("hello-again",) not in COMMANDS


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from otanalysis.cli import app\n"
        "try:\n    app(['sweep', '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'pandas', 'torch', 'matplotlib', 'transformers', 'ot'} & set(sys.modules)\n"
        "sys.exit(' '.join(heavy) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("method", sorted(TOKEN_METHODS))
def test_select_says_what_the_library_says(tokens_file: Path, method: str) -> None:
    result = run("select", tokens_file, "--method", method, "--ratio", 0.2, "--seed", 3, "--json")
    assert result.exit_code == 0, result.stderr
    said = json.loads(result.stdout)
    expected = ota.select(np.load(tokens_file), method, ratio=0.2, seed=3)
    assert said["indices"] == expected.indices.tolist()
    assert said["pick_order"] == expected.pick_order.tolist()
    assert (said["method"], said["m"], said["keep"]) == (method, 40, 8)
    assert (said["gains"] is None) == (expected.gains is None)


def test_gains_that_json_has_not_are_null(tmp_path: Path) -> None:
    np.save(tmp_path / "equal.npy", np.ones((6, 3)))
    result = run("select", tmp_path / "equal.npy", "--method", "dpp", "--keep", 3, "--json")
    assert json.loads(result.stdout, parse_constant=pytest.fail)["gains"] == [0.0, None, None]


def test_select_passes_its_options_on(tokens_file: Path) -> None:
    result = run("select", tokens_file, "--keep", 7, "--gamma", 5, "--normalise", "none", "--json")
    expected = ota.select(np.load(tokens_file), keep=7, gamma=5.0, normalise="none")
    assert json.loads(result.stdout)["indices"] == expected.indices.tolist()
    text = run("select", tokens_file, "--keep", 7, "--gamma", 5, "--normalise", "none").stdout
    assert text.split(":\n")[1].split() == [str(index) for index in expected.indices]


def test_the_papers_gamma_is_an_option_and_a_name(tokens_file: Path) -> None:
    paper = ("--gamma-of", "paper", "--gamma", 5, "--keep", 7, "--json")
    expected = ota.select(np.load(tokens_file), "otprune-paper", keep=7, gamma=5.0)
    assert expected.indices.tolist() != ota.select(np.load(tokens_file), keep=7, gamma=5.0).indices.tolist()
    for method in ("otprune", "otprune-paper"):
        said = json.loads(run("select", tokens_file, "--method", method, *paper).stdout)
        assert (said["method"], said["selector"]) == ("otprune-paper", expected.provenance)
        assert said["indices"] == expected.indices.tolist()
        said = json.loads(run("distance", tokens_file, "--method", method, *paper).stdout)
        assert said["selector"] == expected.provenance
        assert said["w2"] == ota.wasserstein2(np.load(tokens_file), expected.indices).distance


def test_side_information_goes_to_what_chooses_by_it(tokens_file: Path, tmp_path: Path) -> None:
    """The largest attention is kept by hand; names may have dashes, and files a = too."""
    attention, relevance = np.random.default_rng(1).random((2, 40))
    np.save(tmp_path / "a=b.npy", attention)
    np.save(tmp_path / "relevance.npy", relevance)
    given = ["--keep", 5, "--side", f"cls-attention={tmp_path / 'a=b.npy'}", "--json"]
    said = json.loads(run("select", tokens_file, "--method", "attention", *given).stdout)
    assert said["pick_order"] == np.argsort(-attention)[:5].tolist()
    both = ["--method", "cdprune", "--side", f"text_relevance={tmp_path / 'relevance.npy'}", *given]
    image = ota.Image(np.load(tokens_file), side={"text_relevance": relevance})
    kept = ota.select(image, "cdprune", keep=5).indices
    assert json.loads(run("select", tokens_file, *both).stdout)["indices"] == kept.tolist()
    assert (
        json.loads(run("distance", tokens_file, *both).stdout)["w2"] == ota.wasserstein2(image, kept).distance
    )


@pytest.mark.parametrize("asked", ["hausdorff_radius,logdet,w2", "all"])
def test_further_distances_are_those_of_the_library(tokens_file: Path, asked: str) -> None:
    how = ["--indices", "3,17,20", "--json"]
    plain = json.loads(run("distance", tokens_file, *how).stdout)
    said = json.loads(run("distance", tokens_file, *how, "--distances", asked).stdout)
    assert plain.items() <= said.items()
    names = set(ota.DISTANCES) if asked == "all" else {"hausdorff_radius", "logdet"}
    added = {name: value for name, value in said.items() if name not in plain}
    assert added.keys() == names - plain.keys()
    image, kept = ota.Image(np.load(tokens_file)), np.array([3, 17, 20])
    assert added == {name: ota.DISTANCES[name].measure(image, kept) for name in added}


@pytest.mark.parametrize("normalise", ["none", "columns", "rows"])
def test_distance_says_what_the_library_says(tokens_file: Path, normalise: str) -> None:
    tokens = np.load(tokens_file)
    kept = ota.select(tokens, "divprune", keep=4).indices
    expected = ota.wasserstein2(tokens, kept, normalise=normalise).distance
    listed = ",".join(str(index) for index in kept)
    for how in (["--indices", listed], ["--method", "divprune", "--keep", 4]):
        said = json.loads(run("distance", tokens_file, *how, "--normalise", normalise, "--json").stdout)
        assert said["w2"] == pytest.approx(expected)
        assert said["w2_squared"] == pytest.approx(expected**2)
        assert said["bures_w2_squared"] <= said["gelbrich_w2_squared"] <= said["w2_squared"]
    assert f"{expected:.6g}" in run("distance", tokens_file, *how, "--normalise", normalise).stdout


def test_weights_go_to_the_distance_and_to_what_chooses_by_them(tokens_file: Path, tmp_path: Path) -> None:
    tokens, weights = np.load(tokens_file), np.random.default_rng(0).exponential(size=40)
    np.save(tmp_path / "weights.npy", weights)
    image, how = ota.Image(tokens, weights=weights), ["--weights", tmp_path / "weights.npy", "--json"]
    kept = ota.select(image, "kmedoids", keep=4).indices

    assert json.loads(run("select", tokens_file, "--method", "kmedoids", "--keep", 4, *how).stdout)[
        "indices"
    ] == (kept.tolist())
    for asked, masses in (
        ("uniform", "uniform"),
        ("optimal", "optimal"),
        ("3,1,1,2", [3.0, 1.0, 1.0, 2.0]),
    ):
        options = ["--method", "kmedoids", "--keep", 4, "--kept-weights", asked, *how]
        said = json.loads(run("distance", tokens_file, *options).stdout)
        expected = ota.wasserstein2(image, kept, kept_weights=masses)
        assert said["w2"] == expected.distance
        assert said["kept_weights"] == expected.kept_weights.tolist()
        assert said["quantisation_error"] == ota.quantisation_error(image, kept)
        assert said["weighted"] is True
    plain = json.loads(run("distance", tokens_file, "--indices", "0,1", "--json").stdout)
    assert (plain["weighted"], plain["kept_weights"]) == (False, [0.5, 0.5])
    refused = run("distance", tokens_file, "--indices", "0,1", "--kept-weights", "best")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "--kept-weights wants numbers" in refused.stderr


def test_sweep_writes_the_table_that_it_names(make_dump: Callable[..., Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = [
        "--methods",
        "first,random",
        "--ratios",
        "0.25,0.5",
        "--seeds",
        "0,1",
        "--normalise",
        "none,rows",
        "--distances",
        "sliced_w2,effective_rank",
    ]
    result = run(
        "sweep", make_dump("a"), make_dump("b", seed=1), *options, "--out", out, "--jobs", 1, "--quiet"
    )
    assert result.exit_code == 0, result.stderr
    table = read_sweep(result.stdout.strip())
    assert len(table) == 2 * 3 * (1 + 2) * 2 * 2
    assert table.columns[-2:].tolist() == ["effective_rank", "sliced_w2"]
    assert result.stderr == ""


def test_ctrl_c_says_what_is_kept(
    make_dump: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt("Stopped: 3 of 7 parts are kept.")

    monkeypatch.setattr(import_module("otanalysis.studies.sweep"), "sweep", stopped)
    result = run("sweep", make_dump("a"), "--out", tmp_path / "out")
    assert result.exit_code == 130
    assert result.stderr == "Stopped: 3 of 7 parts are kept.\n"


def test_verify_tells_sound_from_damaged(make_dump: Callable[..., Path]) -> None:
    folder = make_dump("a", samples=3)
    result = run("verify", folder)
    assert result.exit_code == 0
    assert "is sound: 3 samples in 2 shards" in result.stdout
    shard = next(folder.glob("*.safetensors"))
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(bytes(data))
    assert "does not match its SHA-256" in refused(run("verify", folder))


def test_an_unfinished_dump_is_refused_everywhere(tmp_path: Path) -> None:
    DumpWriter(tmp_path / "half", model="m", benchmark="b")
    for command in (["verify"], ["sweep", "--out", tmp_path / "out"]):
        assert "is not finished: 0 samples" in refused(run(*command, tmp_path / "half"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["select", "FILE", "--ratio", "2"], "(0, 1]"),
        (["select", "FILE", "--ratio", "0.1", "--method", "best"], "known are otprune"),
        (["select", "FILE"], "ratio"),
        (["select", "FILE", "--ratio", "0.1", "--keep", "3"], "ratio"),
        (["select", "FILE", "--keep", "41"], "40"),
        (["select", "FILE", "--keep", "3", "--normalise", "cells"], "cells"),
        (["select", "FILE", "--keep", "3", "--seed", "-1"], "--seed"),
        (["select", "FILE", "--keep", "3", "--gamma-of", "mine"], "gamma_of must be one of released, paper"),
        (["select", "FILE", "--keep", "3", "--side", "FILE"], "--side wants NAME=FILE.npy"),
        (["select", "FILE", "--keep", "3", "--side", "a-b=x.npy", "--side", "a_b=y.npy"], "a_b twice"),
        (["select", "FILE", "--keep", "3", "--side", "a=missing.npy"], "missing.npy"),
        (["select", "FILE", "--keep", "3", "--method", "attention"], "needs the side information"),
        (["distance", "FILE", "--indices", "0", "--side", "a=x.npy"], "--side go with --method"),
        (["distance", "FILE", "--indices", "0", "--distances", "manhattan"], "A distance must be one of"),
        (["select", "missing.npy", "--keep", "3"], "missing.npy"),
        (["select", "NAN", "--keep", "3"], "NaN"),
        (["select", "TEXT", "--keep", "3"], "numpy.save"),
        (["select", "PICKLE", "--keep", "3"], "numpy.save"),
        (["select", "SEVERAL", "--keep", "3"], "numpy.save"),
        (["distance", "FILE"], "--indices or --method"),
        (["distance", "FILE", "--indices", "1,x"], "'1,x'"),
        (["distance", "FILE", "--indices", "1,1"], "distinct"),
        (["distance", "FILE", "--indices", "40"], "40"),
        (["distance", "FILE", "--indices", "1", "--keep", "3"], "go with --method"),
        (["distance", "FILE", "--indices", "1", "--method", "first"], "either"),
        (["verify", "FOLDER"], "not a dump"),
        (["sweep", "FOLDER"], "not a dump"),
        (["sweep", "FOLDER", "--ratios", "0.1,,0.2"], "--ratios"),
        (["sweep", "FOLDER", "--ratios", "a"], "--ratios"),
        (["sweep", "FOLDER", "--seeds", "0.5"], "--seeds"),
        (["sweep", "FOLDER", "--methods", "best"], "known are otprune"),
    ],
)
def test_mistakes_are_one_sentence(
    tokens_file: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    bad = np.load(tokens_file)
    bad[3, 2] = np.nan
    files = {name: tmp_path / f"{name.lower()}.npy" for name in ("NAN", "TEXT", "PICKLE")}
    np.save(files["NAN"], bad)
    files["TEXT"].write_text("not an array")
    np.save(files["PICKLE"], np.array([{}]), allow_pickle=True)
    files["SEVERAL"] = tmp_path / "several.npz"
    np.savez(files["SEVERAL"], a=bad, b=bad)
    files |= {"FILE": tokens_file, "FOLDER": tmp_path}
    before = sorted(tmp_path.rglob("*"))
    assert message in refused(run(*(files.get(word, word) for word in arguments)))
    assert sorted(tmp_path.rglob("*")) == before


def test_the_module_and_the_script_are_the_same_program(tokens_file: Path) -> None:
    script = Path(sys.executable).with_name("otanalysis")
    for program in ([sys.executable, "-m", "otanalysis"], [str(script)]):
        command = [*program, "select", str(tokens_file), "--ratio", "0"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.startswith("ratio must be a number in (0, 1]")
        version = subprocess.run([*program, "--version"], capture_output=True, text=True, check=True)
        assert version.stdout == f"otanalysis {ota.__version__}\n"


@pytest.mark.parametrize(
    ("command", "seed", "module"),
    [
        ("ladder DUMP --subsets 4 --ratios 0.25", "--seed", "ladder"),
        ("certify DUMP --methods random --ratios 0.25 --effort 0.1", "--seeds", "certify"),
        ("synthetic --sizes 6x3x2 --laws gaussian --trials 1", "--seed", "table2.study"),
    ],
)
def test_a_table_without_room_for_its_summary_leaves_both_as_they_were(
    make_dump: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    seed: str,
    module: str,
) -> None:
    dump, out = make_dump("a", samples=1), tmp_path / "out"
    words = [str(dump) if word == "DUMP" else word for word in command.split()]
    words += ["--jobs", "1", "--quiet", "--out", str(out)]
    assert run(*words, seed, "0").exit_code == 0
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    assert len(before) >= 3

    def full(*_: object, **__: object) -> None:
        raise StorageError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(f"otanalysis.studies.{module}.write_summaries", full)
        assert refused(run(*words, seed, "1")) == "no room"
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before
    assert run(*words, seed, "1").exit_code == 0
    after = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    assert after.keys() == before.keys()
    assert all(after[name] != before[name] for name in before if name.endswith(".parquet"))
