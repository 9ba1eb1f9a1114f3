"""Dumps: what is written comes back, and nothing half-written or damaged is taken for whole."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from otanalysis.errors import DumpError, InputError
from otanalysis.tokens import DumpWriter, open_dump, verify_dump
from tests.dumps import content_of, written

SETTINGS: dict[str, Any] = {"model": "tiny", "benchmark": "noise", "shard_size": 2, "grid": (3, 4)}


def clouds(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Return ``count`` float32 matrices of different lengths whose values float16 holds exactly."""
    generator = np.random.default_rng(seed)
    return {
        f"image {number}": generator.integers(-8, 8, size=(12 + number, 5)).astype(np.float32) / 4
        for number in range(count)
    }


def write(folder: Path, tokens: dict[str, np.ndarray], **settings: Any) -> Path:
    samples = {name: {"tokens": cloud} for name, cloud in tokens.items()}
    return written(folder, samples, **{**SETTINGS, **settings})


def test_round_trip_keeps_order_values_and_settings(tmp_path: Path) -> None:
    tokens = clouds(5)
    names = ["image 3", "image 0", "image 4", "image 1", "image 2"]
    folder = write(
        tmp_path / "dump",
        {name: tokens[name] for name in names},
        layer=-2,
        processor={"size": [192, 192]},
        extra={"seed": 7},
    )
    dump = open_dump(folder)
    assert dump.ids == tuple(names)
    assert len(dump) == 5
    for sample, name in zip(dump, names, strict=True):
        assert sample.id == name
        assert sample.tokens.dtype == np.float32
        np.testing.assert_array_equal(sample.tokens, tokens[name])
    np.testing.assert_array_equal(dump[-1].tokens, tokens["image 2"])
    np.testing.assert_array_equal(dump.sample("image 4").tokens, tokens["image 4"])
    assert (dump.manifest.layer, dump.manifest.processor, dump.manifest.extra) == (
        -2,
        {"size": [192, 192]},
        {"seed": 7},
    )
    assert sorted(path.name for path in folder.iterdir()) == [
        "manifest.json",
        "tokens-00001-of-00003.safetensors",
        "tokens-00002-of-00003.safetensors",
        "tokens-00003-of-00003.safetensors",
    ]


def test_shards_and_checksums_agree_with_an_independent_reader(tmp_path: Path) -> None:
    tokens = clouds(3)
    folder = write(tmp_path / "dump", tokens)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["shards"]
    assert {entry["id"] for entry in manifest["samples"]} == set(tokens)
    for shard in manifest["shards"]:
        data = (folder / shard["file"]).read_bytes()
        assert shard["sha256"] == hashlib.sha256(data).hexdigest()
        assert shard["size"] == len(data)
    for entry in manifest["samples"]:
        stored = load_file(folder / manifest["shards"][entry["shard"]]["file"])[entry["id"]]
        assert stored.dtype == np.float16
        np.testing.assert_array_equal(stored.astype(np.float32), tokens[entry["id"]])


def write_and_stop(folder: Path, tokens: dict[str, np.ndarray]) -> None:
    """Add some samples and leave the writer as Ctrl-C does."""

    def stopped() -> None:
        with DumpWriter(folder, **SETTINGS) as writer:
            for name, cloud in tokens.items():
                writer.add(name, cloud)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()


@pytest.mark.parametrize("layout", ["transposed", "strided", "fortran", "reversed"])
def test_arrays_that_are_not_contiguous_come_back_unscrambled(tmp_path: Path, layout: str) -> None:
    base = np.arange(48, dtype=np.float16).reshape(6, 8)
    cloud = {
        "transposed": base.T,
        "strided": base[::2, ::2],
        "fortran": np.asfortranarray(base),
        "reversed": base[::-1],
    }[layout]
    dump = open_dump(write(tmp_path / "dump", {"a": cloud}))
    np.testing.assert_array_equal(dump[0].tokens, cloud.astype(np.float32))


def test_the_writer_copies_what_the_caller_goes_on_to_change(tmp_path: Path) -> None:
    buffer = np.zeros((4, 3), dtype=np.float16)
    with DumpWriter(tmp_path / "dump", **SETTINGS) as writer:
        for number in range(2):
            buffer[:] = number
            writer.add(str(number), buffer)
    dump = open_dump(tmp_path / "dump")
    assert [float(sample.tokens.max()) for sample in dump] == [0.0, 1.0]


def test_samples_of_many_shapes_and_shards_come_back_as_they_were(tmp_path: Path) -> None:
    """The memory of a shard is used for the next one."""
    generator = np.random.default_rng(0)
    shapes = [(4, 3), (4, 3), (2, 6), (4, 3), (2, 6), (2, 6), (4, 3), (3, 4)]
    clouds = {str(number): generator.random(shape).astype("float32") for number, shape in enumerate(shapes)}
    with DumpWriter(tmp_path / "dump", **(SETTINGS | {"dtype": "float32", "shard_size": 3})) as writer:
        for name, cloud in clouds.items():
            writer.add(name, cloud)
    dump = open_dump(tmp_path / "dump")
    assert len(dump.manifest.shards) == 3
    for sample in dump:
        np.testing.assert_array_equal(sample.tokens, clouds[sample.id])


def test_float32_keeps_what_float16_rounds(tmp_path: Path) -> None:
    third = {"a": np.full((2, 2), 1 / 3, dtype=np.float32)}
    fine = open_dump(write(tmp_path / "fine", third, dtype="float32"))[0].tokens
    coarse = open_dump(write(tmp_path / "coarse", third))[0].tokens
    np.testing.assert_array_equal(fine, third["a"])
    assert (coarse != third["a"]).all()


def test_a_sample_may_have_its_own_grid(tmp_path: Path) -> None:
    with DumpWriter(tmp_path / "dump", **SETTINGS) as writer:
        writer.add("own", np.ones((6, 2)), extra={"grid": [2, 3]})
        writer.add("shared", np.ones((12, 2)))
        writer.add("none", np.ones((7, 2)), extra={"grid": None})
    dump = open_dump(tmp_path / "dump")
    assert [sample.grid for sample in dump] == [(2, 3), (3, 4), None]
    assert dump[0].extra == {"grid": [2, 3]}


def test_what_is_known_at_the_end_joins_the_manifest(tmp_path: Path) -> None:
    writer = DumpWriter(tmp_path / "dump", **SETTINGS, extra={"seed": 7})
    writer.add("a", np.ones((2, 2)))
    assert writer.dtype == np.float16
    with pytest.raises(InputError, match="JSON values only"):
        writer.finish(notes={"skipped": {1, 2}})
    assert not (tmp_path / "dump" / "manifest.json").exists()
    writer.finish(notes={"skipped": ["b"]})
    assert open_dump(tmp_path / "dump").manifest.extra == {"seed": 7, "skipped": ["b"]}
    assert verify_dump(tmp_path / "dump").sound


def test_an_open_dump_can_be_sent_to_another_process(tmp_path: Path) -> None:
    dump = open_dump(write(tmp_path / "dump", clouds(2)))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(dump))[1].tokens, dump[1].tokens)


@pytest.mark.parametrize("stop_after", [0, 1, 2, 3, 4, 5])
def test_a_stopped_writer_goes_on_to_the_same_bytes(tmp_path: Path, stop_after: int) -> None:
    tokens = clouds(5)
    whole = write(tmp_path / "whole", tokens)
    folder = tmp_path / "stopped"
    write_and_stop(folder, dict(list(tokens.items())[:stop_after]))
    with pytest.raises(
        DumpError, match=f"not finished: {stop_after // 2 * 2} samples in {stop_after // 2} shards"
    ):
        open_dump(folder)
    write(folder, tokens)
    assert content_of(folder) == content_of(whole)


@pytest.mark.parametrize("renamed", [1, 2, 3])
def test_a_writer_stopped_between_two_renames_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renamed: int
) -> None:
    tokens = clouds(5)
    whole = write(tmp_path / "whole", tokens)
    folder = tmp_path / "stopped"
    real, final = Path.replace, []

    def stopping(self: Path, target: Path) -> Path:
        if "-of-" in target.name:
            final.append(target)
            if len(final) > renamed:
                raise KeyboardInterrupt
        elif final and target.name == "manifest.json":
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "replace", stopping)
    with pytest.raises(KeyboardInterrupt):
        write(folder, tokens)
    monkeypatch.undo()
    assert not (folder / "manifest.json").exists()
    assert len(list(folder.glob("*-of-*"))) == renamed
    write(folder, tokens)
    assert content_of(folder) == content_of(whole)


def test_going_on_with_other_settings_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "dump"
    write_and_stop(folder, clouds(3))
    before = content_of(folder)
    with pytest.raises(DumpError, match="begun with layer=-1, now layer=-2"):
        DumpWriter(folder, **SETTINGS, layer=-2)
    assert content_of(folder) == before


def test_where_nothing_was_written_yet_other_settings_begin_anew(tmp_path: Path) -> None:
    folder = tmp_path / "dump"
    write_and_stop(folder, {})
    with DumpWriter(folder, **SETTINGS, layer=-2) as writer:
        writer.add("one", np.ones((2, 3)))
    assert open_dump(folder).manifest.layer == -2


def test_going_on_with_a_damaged_shard_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "dump"
    write_and_stop(folder, clouds(3))
    shard = folder / "tokens-00001.partial.safetensors"
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(bytes(data))
    with pytest.raises(DumpError, match=r"tokens-00001\.partial.*checksum"):
        DumpWriter(folder, **SETTINGS)


def test_a_finished_dump_is_not_written_again(tmp_path: Path) -> None:
    folder = write(tmp_path / "dump", clouds(2))
    before = content_of(folder)
    with pytest.raises(DumpError, match="finished"):
        DumpWriter(folder, **SETTINGS)
    assert content_of(folder) == before


def test_a_writer_finished_by_hand_takes_no_more(tmp_path: Path) -> None:
    with DumpWriter(tmp_path / "dump", **SETTINGS) as writer:
        writer.add("a", np.ones((2, 2)))
        writer.finish()
        with pytest.raises(DumpError, match="is finished; add 'b' to a new one"):
            writer.add("b", np.ones((2, 2)))
    assert open_dump(tmp_path / "dump").ids == ("a",)


def test_a_dump_without_samples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DumpError, match="no sample"), DumpWriter(tmp_path / "dump", **SETTINGS):
        pass


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (np.zeros(4), r"matrix \[m, d\]"),
        (np.zeros((2, 0)), r"matrix \[m, d\]"),
        (np.zeros((2, 2), dtype=int), "int64"),
        (np.array([[0.0, np.nan]]), "1 values that are NaN"),
        (np.array([[0.0, 1e6]]), "too large for float16"),
    ],
)
def test_unfit_tokens_are_refused(tmp_path: Path, tokens: np.ndarray, message: str) -> None:
    writer = DumpWriter(tmp_path / "dump", **SETTINGS)
    with pytest.raises(InputError, match=message):
        writer.add("bad", tokens)
    assert "bad" not in writer
    writer.add("bad", np.ones((2, 2)))  # the name is still free


@pytest.mark.parametrize("sample_id", ["", "__metadata__", 3, "taken"])
def test_unfit_ids_are_refused(tmp_path: Path, sample_id: Any) -> None:
    writer = DumpWriter(tmp_path / "dump", **SETTINGS)
    writer.add("taken", np.ones((2, 2)))
    with pytest.raises(InputError, match="sample"):
        writer.add(sample_id, np.ones((2, 2)))


def test_unfit_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="float64"):
        DumpWriter(tmp_path / "a", model="m", benchmark="b", dtype="float64")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="shard_size"):
        DumpWriter(tmp_path / "b", model="m", benchmark="b", shard_size=0)
    with pytest.raises(InputError, match="JSON"):
        DumpWriter(tmp_path / "c", model="m", benchmark="b", extra={"array": np.ones(2)})
    writer = DumpWriter(tmp_path / "d", model="m", benchmark="b")
    with pytest.raises(InputError, match="JSON"):
        writer.add("a", np.ones((2, 2)), extra={"score": float("nan")})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d"]


def test_missing_and_foreign_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(DumpError, match="no such folder"):
        open_dump(tmp_path / "missing")
    with pytest.raises(DumpError, match="foreign folder"):
        open_dump(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "not valid JSON"), ("[]", "schema version None"), ('{"schema_version": 99}', "schema version 99")],
)
def test_unreadable_manifests_are_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(DumpError, match=message):
        open_dump(tmp_path)


def test_incomplete_and_malformed_manifests_are_named(tmp_path: Path) -> None:
    file = write(tmp_path / "dump", clouds(2)) / "manifest.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({name: value for name, value in content.items() if name != "layer"}))
    with pytest.raises(DumpError, match="lacks layer"):
        open_dump(file.parent)
    file.write_text(json.dumps({**content, "samples": [{"id": "a"}]}))
    with pytest.raises(DumpError, match="malformed"):
        open_dump(file.parent)


def test_unknown_samples_are_named(tmp_path: Path) -> None:
    dump = open_dump(write(tmp_path / "dump", clouds(2)))
    with pytest.raises(InputError, match="no sample 'nowhere'"):
        dump.sample("nowhere")
    with pytest.raises(IndexError, match="has 2 samples"):
        dump[2]


def test_a_truncated_or_missing_shard_is_one_sentence(tmp_path: Path) -> None:
    folder = write(tmp_path / "dump", clouds(3))
    shard = folder / "tokens-00002-of-00002.safetensors"
    shard.write_bytes(shard.read_bytes()[:-10])
    dump = open_dump(folder)
    assert dump[0].id == "image 0"  # the other shard is whole
    with pytest.raises(DumpError, match=r"tokens-00002.* is damaged: \d+ bytes were written, \d+ are there"):
        dump[2]
    shard.unlink()
    with pytest.raises(DumpError, match=r"tokens-00002.*cannot be read"):
        dump[2]


def test_a_shard_with_the_right_size_and_the_wrong_header_is_one_sentence(tmp_path: Path) -> None:
    folder = write(tmp_path / "dump", clouds(2))
    shard = folder / "tokens-00001-of-00001.safetensors"
    shard.write_bytes(b"\xff" * shard.stat().st_size)
    with pytest.raises(DumpError, match="does not match its SHA-256"):
        open_dump(folder)[0]


def test_verify_accepts_a_sound_dump(tmp_path: Path) -> None:
    folder = write(tmp_path / "dump", clouds(5))
    report = verify_dump(folder)
    assert report.sound
    assert (report.samples, report.shards) == (5, 3)
    assert report.size == sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def test_verify_finds_one_flipped_bit(tmp_path: Path) -> None:
    folder = write(tmp_path / "dump", clouds(3))
    shard = folder / "tokens-00001-of-00002.safetensors"
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(bytes(data))
    report = verify_dump(folder)
    assert not report.sound
    [problem] = report.problems
    assert str(shard) in problem
    assert "does not match its SHA-256, its content was changed" in problem


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("shape", "has the shape (2, 2)"),
        ("dtype", "has the dtype float32"),
        ("nan", "NaN or infinite values in 1 of its tokens"),
        ("id", "'stranger' is missing from the manifest"),
        ("missing", "cannot be read (No such file"),
        ("truncated", "bytes were written, "),
    ],
)
def test_verify_finds_each_damage(tmp_path: Path, damage: str, problem: str) -> None:
    folder = write(tmp_path / "dump", {"a": np.ones((3, 2)), "b": np.ones((3, 2))})
    shard = folder / "tokens-00001-of-00001.safetensors"
    good = np.ones((3, 2), dtype=np.float16)
    bad = good.copy()
    bad[1] = np.nan
    content = {
        "shape": {"a": np.ones((2, 2), dtype=np.float16), "b": good},
        "dtype": {"a": good.astype(np.float32), "b": good},
        "nan": {"a": bad, "b": good},
        "id": {"stranger": good, "a": good, "b": good},
    }.get(damage)
    manifest = json.loads((folder / "manifest.json").read_text())
    if content is not None:
        save_file(content, shard)
        data = shard.read_bytes()
        manifest["shards"][0].update(size=len(data), sha256=hashlib.sha256(data).hexdigest())
        del manifest["digest"]
    elif damage == "missing":
        shard.unlink()
    else:
        shard.write_bytes(shard.read_bytes()[:-1])
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert problem in " ".join(verify_dump(folder).problems)


def test_the_fingerprint_follows_the_content(tmp_path: Path) -> None:
    first = open_dump(write(tmp_path / "first", clouds(3))).manifest
    same = open_dump(write(tmp_path / "same", clouds(3))).manifest
    other = open_dump(write(tmp_path / "other", clouds(3, seed=1))).manifest
    assert first.fingerprint == same.fingerprint
    assert first.fingerprint != other.fingerprint
