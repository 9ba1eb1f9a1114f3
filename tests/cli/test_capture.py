"""``otanalysis capture`` from pictures to figures, on the bundled model and on real classes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from otanalysis.cli import app
from otanalysis.mini.benchmarks import BENCHMARKS
from otanalysis.mini.bundled import bundled_model_path
from otanalysis.tokens import open_dump
from otanalysis.vlm.capture import job as job_module
from otanalysis.vlm.model import load_model, model_fingerprint

Refused = Callable[[Result, str, Path], None]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def photos(zoo: Any, tmp_path: Path) -> Path:
    """Return a folder of five pictures of different shapes."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, shape in enumerate(((40, 60), (96, 30), (96, 96), (30, 30), (48, 48))):
        zoo.picture(*shape, seed=number).save(folder / f"{number}.png")
    return folder


def test_from_scenes_to_distances_on_the_bundled_model(tmp_path: Path) -> None:
    """The scenes as files give the tokens that the model makes of the scenes; the rest takes the dump."""
    pytest.importorskip("torch")
    items = list(islice(BENCHMARKS["presence"].items(3), 3))
    lines = []
    for item in items:
        Image.fromarray(item.picture).save(tmp_path / f"{item.identifier}.png")
        entry = {"image": f"{item.identifier}.png", "id": item.identifier, "question": item.question.text}
        lines.append(json.dumps(entry))
    (tmp_path / "presence.jsonl").write_text("\n".join(lines))
    dump = tmp_path / "dumps" / "presence"
    options = ("--dump-dtype", "float32", "--device", "cpu", "--thumbnails", "--quiet")
    model = bundled_model_path()
    result = run(
        "capture", "--model", model, "--images", tmp_path / "presence.jsonl", "--out", dump, *options
    )
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(dump)
    assert result.stderr == ""

    held = open_dump(dump)
    assert (held.manifest.model, held.manifest.benchmark) == ("mini-llava", "presence")
    assert (held.manifest.revision, held.manifest.grid) == (model_fingerprint(model), (24, 24))
    expected = load_model(model).visual_tokens([item.picture for item in items])
    for sample, item, tokens in zip(held, items, expected, strict=True):
        assert (sample.id, sample.extra["question"]) == (item.identifier, item.question.text)
        np.testing.assert_allclose(sample.tokens, tokens.numpy(), rtol=1e-5, atol=1e-5)
        assert sample.thumbnail is not None

    assert "3 samples" in run("verify", dump).stdout
    np.save(tmp_path / "tokens.npy", held[0].tokens)
    chosen = run("select", tmp_path / "tokens.npy", "--ratio", "0.05", "--json")
    assert json.loads(chosen.stdout)["keep"] == 29
    results = tmp_path / "results"
    sweep = ("--methods", "otprune,random,first", "--ratios", "0.05,0.2", "--jobs", 1, "--quiet")
    swept = run("sweep", dump, *sweep, "--out", results)
    assert swept.exit_code == 0, swept.output
    assert len(pd.read_parquet(swept.stdout.strip())) == 3 * 3 * 2


@pytest.mark.parametrize("kind", ["llava_next", "internvl", "qwen2_5_vl"])
def test_from_pictures_to_figures_on_real_classes(zoo: Any, photos: Path, tmp_path: Path, kind: str) -> None:
    """Every picture has its own number of tokens."""
    dump = tmp_path / kind
    result = run("capture", "--model", zoo.folder(kind), "--images", photos, "--out", dump,
                 "--benchmark", "photos", "--limit", 4, "--batch-size", 3, "--shard-size", 2,
                 "--dtype", "float32", "--device", "cpu", "--quiet")  # fmt: skip
    assert result.exit_code == 0, result.output
    held = open_dump(dump)
    assert (len(held), held.manifest.benchmark, held.manifest.dtype) == (4, "photos", "float16")
    assert len({len(sample.tokens) for sample in held}) > 1
    assert run("verify", dump).exit_code == 0
    swept = run("sweep", dump, "--methods", "otprune,divprune", "--ratios", "0.25", "--jobs", 1,
                "--out", tmp_path / "results", "--quiet")  # fmt: skip
    assert swept.exit_code == 0, swept.output
    table = pd.read_parquet(swept.stdout.strip())
    assert sorted(table["m"].unique()) == sorted({len(sample.tokens) for sample in held})
    figures = ("--only", 4, "--out", tmp_path / "figures", "--results", tmp_path / "more", "--jobs", 1)
    drawn = run("figures", "--dumps", dump, *figures)
    assert drawn.exit_code == 0, drawn.output
    assert (tmp_path / "figures" / "figure4.png").stat().st_size > 10_000


def test_ctrl_c_keeps_whole_files_and_the_same_command_goes_on(
    zoo: Any, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(out: Path) -> Result:
        options = ("--batch-size", 2, "--shard-size", 2, "--benchmark", "photos", "--device", "cpu")
        return run("capture", "--model", zoo.folder("internvl"), "--images", photos, "--out", out, *options)

    original, calls = job_module.encode_pictures, []

    def encode(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(job_module, "encode_pictures", encode)
    stopped = command(tmp_path / "stopped")
    assert stopped.exit_code == 130
    assert "what was finished is kept" in stopped.stderr
    assert "2/5 pictures" in stopped.stderr or "4/5 pictures" in stopped.stderr
    unfinished = run("verify", tmp_path / "stopped")
    assert "4 samples in 2 shards are written" in unfinished.stderr
    assert command(tmp_path / "stopped").exit_code == 0
    assert command(tmp_path / "whole").exit_code == 0
    files = {file.name: file.read_bytes() for file in (tmp_path / "whole").iterdir()}
    assert {file.name: file.read_bytes() for file in (tmp_path / "stopped").iterdir()} == files


def test_skipped_pictures_are_told(zoo: Any, photos: Path, tmp_path: Path) -> None:
    (photos / "2.png").write_bytes(b"no picture")
    command = ("capture", "--model", zoo.folder("llava"), "--images", photos, "--device", "cpu", "--quiet")
    refused = run(*command, "--out", tmp_path / "strict")
    assert refused.exit_code == 2
    assert refused.stderr.startswith("1 picture cannot be read: 2.png: no picture that Pillow knows")
    assert refused.stderr.count("\n") == 1
    result = run(*command, "--out", tmp_path / "lenient", "--skip-bad")
    assert result.exit_code == 0
    assert result.stderr == "skipped 2.png: no picture that Pillow knows\n"
    assert open_dump(tmp_path / "lenient").ids == ("0.png", "1.png", "3.png", "4.png")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"--images": "nowhere/at/all"}, "There is no file or folder nowhere/at/all"),
        ({"--model": "."}, "holds no config.json"),
        ({"--dtype": "int8"}, "dtype must be one of"),
        ({"--device": "abacus"}, "device must be such as"),
        ({"--dump-dtype": "float64"}, "dtype must be one of float16, float32"),
        ({"--layer": "9"}, "--layer must lie in"),
        ({"--batch-size": "0"}, "batch_size must be at least 1"),
        ({"--shard-size": "0"}, "shard_size must be an integer from 1 on"),
        ({"--revision": "main"}, "has no revision"),
    ],
)
def test_mistakes_are_one_sentence(
    zoo: Any,
    photos: Path,
    assert_refused: Refused,
    tmp_path: Path,
    options: dict[str, str],
    message: str,
) -> None:
    given = {"--model": zoo.folder("llava"), "--images": photos, "--out": tmp_path / "dump"} | options
    words = [word for pair in given.items() for word in pair]
    assert_refused(run("capture", *words, "--quiet"), message, tmp_path / "dump")


def test_a_finished_dump_is_refused_before_a_model_is_loaded(
    make_dump: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    result = run("capture", "--model", "no/model", "--images", "no/pictures", "--out", make_dump("finished"))
    assert result.exit_code == 2
    assert "is finished" in result.stderr


def test_a_capture_that_sweeps_says_what_a_sweep_of_its_dump_says(photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    out, dump = tmp_path / "on-the-fly" / "photos", tmp_path / "dumps" / "photos"
    model = ("--model", bundled_model_path(), "--images", photos, "--limit", 2, "--device", "cpu", "--quiet")
    measure = ("--methods", "otprune,first", "--ratios", "0.02", "--jobs", 1)
    told = run("capture", *model, "--out", out, "--sweep", *measure)
    assert told.exit_code == 0, told.output
    assert told.stdout.strip() == str(out / "sweep.parquet")
    assert run("capture", *model, "--out", dump).exit_code == 0
    swept = run("sweep", dump, *measure, "--out", tmp_path / "results", "--quiet")
    tables = [pd.read_parquet(one.stdout.strip()).drop(columns=["dump", "seconds"]) for one in (told, swept)]
    pd.testing.assert_frame_equal(*tables, check_exact=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--ratios", "0.1"), "--ratios is for a capture with --sweep: add --sweep"),
        (("--dask", "tcp://x:1"), "--dask is for a capture with --sweep: add --sweep"),
        (("--sweep", "--thumbnails"), "--thumbnails is for a capture without --sweep: leave it out"),
        (("--sweep", "--ratios", "2"), "ratio"),
        (("--sweep", "--methods", "nonsense"), "nonsense"),
    ],
)
def test_options_of_a_sweep_are_for_a_capture_that_sweeps(
    assert_refused: Refused, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    out = tmp_path / "out"
    assert_refused(run("capture", "--model", "M", "--images", "I", "--out", out, *options), said, out)
