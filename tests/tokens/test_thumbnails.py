"""Thumbnails: small pictures that come back, that are checked, and that older dumps lack."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from otanalysis.errors import DumpError, InputError
from otanalysis.tokens import DumpWriter, open_dump, verify_dump
from otanalysis.tokens.thumbnails import encode_thumbnail
from tests.dumps import content_of, written

SETTINGS: dict[str, Any] = {"model": "tiny", "benchmark": "noise", "shard_size": 2, "grid": (3, 4)}
LOSS = 6.0  # of 255: what a JPEG of quality 90 loses of a smooth picture
IDS = ["../../etc/passwd", "a/b\\c", "Ünïcode 图 \n", "con", "x" * 300]


def picture(number: int = 0, height: int = 48, width: int = 64) -> np.ndarray:
    """Return a smooth picture that depends on the number."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / (7 + number) + y / (9 + channel)) for channel in range(3)]
    return (127 + 120 * np.stack(waves, axis=-1)).astype(np.uint8)


def write(folder: Path, ids: list[str], *, without: tuple[str, ...] = (), stop: bool = False) -> Path:
    samples = {
        name: {
            "tokens": np.full((12, 5), number / 4),
            "thumbnail": None if name in without else picture(number),
        }
        for number, name in enumerate(ids)
    }
    return written(folder, samples, stop=stop, **SETTINGS)


def test_pictures_come_back_under_any_id_and_stay_in_the_folder(tmp_path: Path) -> None:
    folder = write(tmp_path / "dump", IDS)
    dump = open_dump(folder)
    assert len(dump) == len(IDS)
    for number, sample in enumerate(dump):
        assert sample.id == IDS[number]
        assert sample.thumbnail is not None
        assert sample.thumbnail.dtype == np.uint8
        assert np.abs(sample.thumbnail.astype(float) - picture(number)).mean() < LOSS
        assert np.abs(sample.thumbnail.astype(float) - picture(number + 1)).mean() > LOSS
    names = {path.name for path in folder.iterdir()}
    assert {name for name in names if "thumbnails" in name} == {
        f"thumbnails-0000{number}-of-00003.safetensors" for number in (1, 2, 3)
    }
    assert [path.name for path in tmp_path.iterdir()] == ["dump"]
    assert verify_dump(folder).sound
    assert verify_dump(folder).thumbnails == 5


def test_what_is_stored_is_a_small_jpeg_for_any_reader(tmp_path: Path) -> None:
    with DumpWriter(tmp_path / "dump", **SETTINGS) as writer:
        writer.add("large", np.ones((12, 5)), thumbnail=picture(height=900, width=600))
    manifest = json.loads((tmp_path / "dump" / "manifest.json").read_text())
    [file] = manifest["thumbnails"]
    data = (tmp_path / "dump" / file["file"]).read_bytes()
    assert (file["size"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    stored = load_file(tmp_path / "dump" / file["file"])["large"]
    with Image.open(io.BytesIO(stored.tobytes())) as image:
        assert (image.format, image.size) == ("JPEG", (149, 224))
    assert len(stored) < 224 * 149  # a byte a pixel, of three


def test_some_samples_may_have_no_picture(tmp_path: Path) -> None:
    dump = open_dump(write(tmp_path / "dump", list("abcdef"), without=("a", "c", "d")))
    assert [sample.thumbnail is None for sample in dump] == [True, False, True, True, False, False]
    assert verify_dump(dump.path).sound
    assert verify_dump(dump.path).thumbnails == 3
    assert len(dump.manifest.thumbnails) == 2


def test_a_dump_without_pictures_is_what_it_was_before_there_were_any(tmp_path: Path) -> None:
    dump = open_dump(write(tmp_path / "dump", ["a", "b", "c"], without=("a", "b", "c")))
    content = json.loads((dump.path / "manifest.json").read_text())
    digest = content.pop("digest")
    assert "thumbnails" not in content
    assert [set(entry) for entry in content["samples"]] == [{"id", "shard", "m", "d", "extra"}] * 3
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    assert dump.manifest.fingerprint == hashlib.sha256(canonical.encode()).hexdigest() == digest
    assert dump[0].thumbnail is None


@pytest.mark.parametrize("stop_after", [1, 2, 3, 4, 5])
def test_a_stopped_writer_goes_on_to_the_same_bytes(tmp_path: Path, stop_after: int) -> None:
    ids = list("abcde")
    whole = write(tmp_path / "whole", ids, without=("b",))
    folder = write(tmp_path / "stopped", ids[:stop_after], without=("b",), stop=True)
    write(folder, ids, without=("b",))
    assert content_of(folder) == content_of(whole)


def test_a_writer_stopped_between_two_renames_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = write(tmp_path / "whole", list("abcde"))
    real = Path.replace

    def stopping(self: Path, target: Path) -> Path:
        if target.name.startswith("thumbnails-00002-of"):
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "replace", stopping)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "stopped", list("abcde"))
    monkeypatch.undo()
    write(tmp_path / "stopped", list("abcde"))
    assert content_of(tmp_path / "stopped") == content_of(whole)


def test_going_on_with_a_damaged_thumbnail_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "dump", list("ab"), stop=True)
    file = folder / "thumbnails-00001.partial.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DumpError, match=r"thumbnails-00001\.partial.*checksum"):
        DumpWriter(folder, **SETTINGS)


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        (np.zeros((4, 4, 3)), "float64"),
        (np.zeros((4, 4), dtype=np.uint8), "of shape"),
        (np.zeros((4, 4, 4), dtype=np.uint8), "convert"),
        (np.zeros((0, 4, 3), dtype=np.uint8), "of shape"),
    ],
)
def test_what_is_no_picture_is_refused_and_the_name_stays_free(
    tmp_path: Path, shown: np.ndarray, message: str
) -> None:
    writer = DumpWriter(tmp_path / "dump", **SETTINGS)
    with pytest.raises(InputError, match=message):
        writer.add("a", np.ones((2, 2)), thumbnail=shown)
    writer.add("a", np.ones((2, 2)))
    writer.finish()
    assert open_dump(tmp_path / "dump")[0].thumbnail is None


def test_the_same_picture_gives_the_same_bytes_in_any_layout() -> None:
    first = encode_thumbnail(picture())
    turned = np.asfortranarray(picture())
    np.testing.assert_array_equal(first, encode_thumbnail(turned))
    assert len(first) != len(encode_thumbnail(picture(5)))


def test_a_sample_with_a_picture_can_be_sent_to_another_process(tmp_path: Path) -> None:
    sample = open_dump(write(tmp_path / "dump", ["a"]))[0]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(sample)).thumbnail, sample.thumbnail)


def test_pictures_are_read_only_when_they_are_asked_for(tmp_path: Path) -> None:
    folder = write(tmp_path / "dump", ["a"])
    (folder / "thumbnails-00001-of-00001.safetensors").unlink()
    sample = open_dump(folder)[0]
    assert sample.tokens.shape == (12, 5)
    with pytest.raises(DumpError, match="cannot be read"):
        _ = sample.thumbnail


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("bit", "does not match its SHA-256"),
        ("missing", "cannot be read (No such file"),
        ("no picture", "no readable picture"),
        ("id", "'a' is missing from the shard thumbnails"),
    ],
)
def test_verify_finds_each_damage(tmp_path: Path, damage: str, problem: str) -> None:
    folder = write(tmp_path / "dump", ["a", "b"])
    file = folder / "thumbnails-00001-of-00001.safetensors"
    manifest = json.loads((folder / "manifest.json").read_text())
    held = load_file(file)
    if damage == "bit":
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(bytes(data))
    elif damage == "missing":
        file.unlink()
    else:
        save_file({**held, "a": held["a"][:40]} if damage == "no picture" else {"b": held["b"]}, file)
        data = file.read_bytes()
        manifest["thumbnails"][0].update(size=len(data), sha256=hashlib.sha256(data).hexdigest())
        del manifest["digest"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert problem in " ".join(verify_dump(folder).problems)
