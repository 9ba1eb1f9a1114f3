"""The registry of readers: each knows its own files alone, and a further one is used, searched and listed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

import pytest

from otanalysis.errors import InputError
from otanalysis.scores import READERS, Choice, Reader, Score, Settings, import_results

Write = Callable[..., Path]


@pytest.fixture
def files(write_lmms: Write, write_older: Write, tmp_path: Path) -> dict[str, Path]:
    """Return one file of each program, by the name of the reader that must read it."""
    kit = tmp_path / "llava_POPE_score.csv"
    kit.write_text("split,Overall\nOverall,79.5\n")
    plain = tmp_path / "scores_acc.csv"  # named as VLMEvalKit names them, with the columns of a table
    plain.write_text("benchmark,metric,value\npope,F1,79.5\n")
    return {
        "lmms_eval": next(write_lmms({"pope": 0.795}).rglob("*.json")),
        "lmms_eval_older": write_older({"pope": 0.795}),
        "vlmevalkit": kit,
        "plain_csv": plain,
    }


def test_every_reader_is_declared_in_the_module_of_its_name_and_cannot_be_changed() -> None:
    for name, reader in READERS.items():
        assert reader.name == name
        assert import_module(f"otanalysis.scores.{name}").READER is reader
    with pytest.raises(TypeError, match="item assignment"):
        READERS["mine"] = reader  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        reader.name = "other"  # type: ignore[misc]


def test_every_program_is_read_by_its_own_reader(files: dict[str, Path]) -> None:
    assert set(files) == set(READERS)
    for name, file in files.items():
        assert [one for one in READERS if READERS[one].recognises(file)][-1] == name
        [score] = READERS[name].read(file, Choice())
        assert (score.task, score.metric, score.value) == ("pope", "F1", 79.5)
        assert READERS[name].read(file, Choice(tasks=("gqa",))) == []


@pytest.mark.parametrize("content", ["{}", "[]", '{"results": []}', '{"results": {"gqa": 0.5}}'])
def test_no_reader_recognises_or_stumbles_over_what_is_none(tmp_path: Path, content: str) -> None:
    for name in ("mmbench_results.json", "other.json", "notes.csv", "absent", "absent.csv", "absent.json"):
        file = tmp_path / name
        if not name.startswith("absent"):
            file.write_text(content)
        assert [reader.name for reader in READERS.values() if reader.recognises(file)] == []


def read_toy(file: Path, choice: Choice) -> list[Score]:
    content = json.loads(file.read_text())
    rows = [(task, value) for task, value in content.items() if choice.wants(task)]
    return [Score(task, "EM", value, None, None, Settings(model="toy"), file.name) for task, value in rows]


TOY = Reader("toy", "Toy (<run>.toy)", lambda file: file.suffix == ".toy", read_toy, ("*.toy",))


@pytest.fixture
def with_toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otanalysis.scores.importing.READERS", MappingProxyType({**READERS, TOY.name: TOY}))


@pytest.mark.usefixtures("with_toy")
def test_a_further_reader_reads_is_searched_for_and_is_listed(tmp_path: Path, files: dict[str, Path]) -> None:
    run = tmp_path / "toys"
    run.mkdir()
    (run / "first.toy").write_text('{"gqa": 56.5, "pope": 79.5}')
    (run / "notes.txt").write_text("nothing")
    for results in ([run], [run / "first.toy"]):
        rows = import_results(results, Settings(method="otprune", ratio=0.1))
        assert rows[["model", "benchmark", "value"]].to_numpy().tolist() == [
            ["toy", "gqa", 56.5],
            ["toy", "pope", 79.5],
        ]
    assert import_results([run], Settings(method="full"), tasks=["pope"]).benchmark.tolist() == ["pope"]
    assert len(import_results([files["lmms_eval"]])) == 1, "the others are read as before"
    with pytest.raises(InputError, match=r"wanted are lmms-eval .*standard_error, or Toy \(<run>\.toy\)\."):
        import_results([run / "notes.txt"])


def test_without_it_the_file_is_of_no_known_format(tmp_path: Path) -> None:
    file = tmp_path / "first.toy"
    file.write_text('{"gqa": 56.5}')
    for results in ([file], [tmp_path]):
        with pytest.raises(InputError, match=r"wanted are lmms-eval .*, or a CSV with the columns model, "):
            import_results(results)


def test_a_reader_that_is_not_searched_for_reads_only_what_is_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    quiet = replace(TOY, searched=())
    monkeypatch.setattr("otanalysis.scores.importing.READERS", MappingProxyType({"toy": quiet}))
    (tmp_path / "first.toy").write_text('{"gqa": 56.5}')
    with pytest.raises(InputError, match="holds no results that can be read"):
        import_results([tmp_path])
    assert len(import_results([tmp_path / "first.toy"], Settings(method="full"))) == 1
