"""Reading: what is measured is what was written, byte for byte, and lies in the folder of the dump."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from otanalysis.errors import DumpError, InputError
from otanalysis.studies import sweep
from otanalysis.tokens import DumpWriter, open_dump, read
from otanalysis.tokens.read import check_file

FLIPS = 40


def swept(folder: Path, out: Path) -> pd.DataFrame:
    path = sweep([folder], methods=("otprune", "random"), ratios=(0.5,), out=out, progress=False)
    return pd.read_parquet(path).drop(columns="seconds")


def flip(file: Path, place: int, bit: int) -> None:
    data = bytearray(file.read_bytes())
    data[place] ^= 1 << bit
    file.write_bytes(data)


def test_no_flipped_bit_is_measured_and_mending_it_gives_the_sound_table(dump: Path, tmp_path: Path) -> None:
    """Header, tokens, either shard: each flip ends the sweep, and what it left does not reach the table."""
    sound = swept(dump, tmp_path / "sound")
    generator = np.random.default_rng(0)
    files = sorted(dump.glob("tokens*"))
    for number in range(FLIPS):
        file = files[number % len(files)]
        place, bit = int(generator.integers(file.stat().st_size)), int(generator.integers(8))
        flip(file, place, bit)
        with pytest.raises(DumpError, match=rf"{file.name} is damaged: it does not match its SHA-256"):
            swept(dump, tmp_path / f"out-{number}")
        assert not (tmp_path / f"out-{number}" / "sweep.parquet").exists()
        flip(file, place, bit)
        if number < 4:
            pd.testing.assert_frame_equal(swept(dump, tmp_path / f"out-{number}"), sound)


def test_a_flipped_bit_of_a_thumbnail_is_not_shown(dump: Path) -> None:
    [first, _] = sorted(dump.glob("thumbnails*"))
    flip(first, first.stat().st_size - 1, 0)
    samples = list(open_dump(dump))
    assert samples[2].thumbnail is not None
    with pytest.raises(DumpError, match=rf"{first.name} is damaged: it does not match its SHA-256"):
        _ = samples[0].thumbnail


def test_a_checksum_is_compared_once_an_opening_and_file(dump: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    real = read.sha256_of_file

    def counting(path: Path) -> str:
        compared.append(path.name)
        return real(path)

    monkeypatch.setattr(read, "sha256_of_file", counting)
    opened = open_dump(dump)
    names = [f"{kind}-0000{number}-of-00002.safetensors" for number in (1, 2) for kind in ("tokens", "side")]
    assert compared == []
    for _ in range(3):
        list(opened)
        list(pickle.loads(pickle.dumps(opened)))  # as a pool of processes sends it
    assert compared == names
    list(open_dump(dump))
    assert compared == 2 * names
    os.utime(dump / names[0], ns=(1, 1))  # touched since
    list(opened)
    assert compared == [*names, *names, names[0]]


def test_damage_that_comes_while_a_dump_is_open_is_seen(dump: Path) -> None:
    opened = open_dump(dump)
    tokens = opened[0].tokens
    file = dump / "tokens-00001-of-00002.safetensors"
    flip(file, file.stat().st_size - 1, 3)
    os.utime(file, ns=(1, 1))
    with pytest.raises(DumpError, match="does not match its SHA-256"):
        opened[0]
    flip(file, file.stat().st_size - 1, 3)
    np.testing.assert_array_equal(opened[0].tokens, tokens)


@pytest.mark.parametrize("damage", ["dtype", "shape", "missing", "scalar"])
def test_what_the_manifest_does_not_promise_is_not_measured(dump: Path, damage: str) -> None:
    """The checksums fit; the tensors are others."""
    file = dump / "tokens-00001-of-00002.safetensors"
    held = load_file(file)
    changed: dict[str, dict[str, Any]] = {
        "dtype": {"a": held["a"].astype(np.float64)},
        "shape": {"a": held["a"].T.copy()},
        "missing": {},
        "scalar": {"a": np.array(1.0, np.float16)},
    }
    save_file({"b": held["b"], **changed[damage]}, file)
    content = json.loads((dump / "manifest.json").read_text())
    data = file.read_bytes()
    content["shards"][0].update(size=len(data), sha256=hashlib.sha256(data).hexdigest())
    del content["digest"]
    (dump / "manifest.json").write_text(json.dumps(content))
    assert open_dump(dump)[1].id == "b"
    with pytest.raises(DumpError, match=r"'a' in .* has the shape|'a' cannot be read from"):
        open_dump(dump)[0]


def _out(file: Path) -> None:
    other = file.parent.parent / "elsewhere"
    other.mkdir()
    file.rename(other / file.name)
    file.symlink_to(other / file.name)


def _out_relative(file: Path) -> None:
    file.rename(file.parent.parent / "outside")
    file.symlink_to("../outside")


def _in_a_circle(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.name)


def _to_nothing(file: Path) -> None:
    file.unlink()
    file.symlink_to("nothing")


def _a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize("change", [_out, _out_relative, _in_a_circle, _to_nothing, _a_folder, _a_pipe])
@pytest.mark.parametrize("kind", ["tokens", "thumbnails"])
def test_only_files_of_the_folder_itself_are_read(
    dump: Path, kind: str, change: Callable[[Path], None]
) -> None:
    change(dump / f"{kind}-00001-of-00002.safetensors")
    with pytest.raises(
        DumpError, match=rf"The shard .*{kind}-00001.* (is a link out|cannot be read|is no file)"
    ):
        _ = open_dump(dump)[0].thumbnail


def test_links_within_the_folder_and_to_it_are_followed(dump: Path, tmp_path: Path) -> None:
    file = dump / "tokens-00001-of-00002.safetensors"
    file.rename(dump / "held")
    file.symlink_to("held")
    (tmp_path / "link").symlink_to(dump)
    assert [sample.id for sample in open_dump(tmp_path / "link")] == ["a", "b", "c"]
    manifest = open_dump(dump).manifest
    assert check_file(tmp_path / "link", manifest.shards[0], "once").name == file.name


@pytest.mark.parametrize("index", ["a", 1.0, slice(2), None, np.array([0, 1])])
def test_a_place_is_a_whole_number(dump: Path, index: Any) -> None:
    opened = open_dump(dump)
    assert opened[np.int64(1)].id == "b"
    with pytest.raises(InputError, match="by its place, a whole number"):
        opened[index]


def test_a_sample_shows_its_contents_and_not_the_file_of_its_picture(dump: Path) -> None:
    sample = open_dump(dump)[0]
    assert sample.thumbnail is not None
    assert repr(sample).startswith("Sample(id='a', tokens=array(")
    assert "thumbnails-" not in repr(sample)


@pytest.mark.parametrize("sample_id", [["a"], None, 0, {"a": 1}])
def test_an_id_is_a_text(dump: Path, sample_id: Any) -> None:
    with pytest.raises(InputError, match=r"has no sample .* among its 3 \(the first is 'a'\)"):
        open_dump(dump).sample(sample_id)


@pytest.mark.parametrize("path", [None, 3, ["dump"], b"dump", "a\0b"])
def test_what_is_no_path_is_a_mistake_of_the_caller(path: Any) -> None:
    with pytest.raises(InputError, match="The path of a folder was wanted"):
        open_dump(path)


def test_a_path_that_is_too_long_is_one_sentence() -> None:
    with pytest.raises(DumpError, match="cannot be read"):
        open_dump("x" * 5000)


def test_some_samples_of_a_dump_are_read_as_from_the_whole(tmp_path: Path) -> None:
    """Also where only some have thumbnails, weights and side information, in files with other numbers."""
    generator = np.random.default_rng(0)
    with DumpWriter(tmp_path / "dump", model="m", benchmark="b", shard_size=2) as writer:
        for number in range(6):
            beside = {
                "thumbnail": generator.integers(0, 255, (8, 8, 3), dtype=np.uint8),
                "weights": generator.random(4),
                "side": {"attention": generator.random(4)},
            }
            kept = beside if number in (1, 4) else {}
            writer.add(f"image-{number}", generator.standard_normal((4, 3)), **kept)
    whole = open_dump(tmp_path / "dump")
    some = whole.only(["image-4", "image-0"])
    assert some.ids == ("image-4", "image-0")
    assert (len(some.manifest.shards), len(some.manifest.weights)) == (2, 1)
    for name in some.ids:
        one, same = some.sample(name), whole.sample(name)
        np.testing.assert_array_equal(one.tokens, same.tokens)
        for found, wanted in (
            (one.weights, same.weights),
            (one.side.get("attention"), same.side.get("attention")),
            (one.thumbnail, same.thumbnail),
        ):
            assert (found is None) == (wanted is None) == (name == "image-0")
            np.testing.assert_array_equal(found, wanted)
    with pytest.raises(InputError, match="no sample 'image-9'"):
        whole.only(["image-9"])


def test_some_samples_are_found_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with DumpWriter(tmp_path / "dump", model="m", benchmark="b") as writer:
        writer.add("image", np.ones((2, 2)))
    monkeypatch.chdir(tmp_path)
    some = open_dump("dump").only(["image"])
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(some.sample("image").tokens, np.ones((2, 2)))
