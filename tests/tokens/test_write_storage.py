"""Writers and the disk: one a folder, nothing outside, one sentence where it is full, nothing left over."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from otanalysis.errors import DumpError, StorageError
from otanalysis.files import sha256_of_file
from otanalysis.locks import HOLDER_NAME, LOCK_NAME
from otanalysis.tokens import DumpWriter, open_dump, verify_dump
from tests.dumps import content_of

SETTINGS: dict[str, Any] = {"model": "tiny", "benchmark": "noise", "shard_size": 1}
TOKENS = np.ones((4, 3), np.float16)

_WRITE = """
import sys
import numpy as np
from otanalysis.tokens import DumpWriter
with DumpWriter(sys.argv[1], model="tiny", benchmark="noise", shard_size=1) as writer:
    writer.add("theirs", np.zeros((4, 3), np.float16))
    print("begun", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def another_writing(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process in the middle of a dump."""
    command = [sys.executable, "-c", _WRITE, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        try:
            yield process
        finally:
            process.kill()


def test_two_processes_never_mix_their_files(tmp_path: Path) -> None:
    folder = tmp_path / "dump"
    with another_writing(folder) as process:
        before = content_of(folder)
        with pytest.raises(StorageError, match=rf"process {process.pid} on .* is writing a dump there since"):
            DumpWriter(folder, **SETTINGS)
        assert content_of(folder) == before
        process.communicate("\n", timeout=60)
    assert open_dump(folder).ids == ("theirs",)
    assert {path.suffix for path in folder.iterdir()} == {".json", ".safetensors"}


def test_a_writer_that_waits_finds_what_the_other_made(tmp_path: Path) -> None:
    folder = tmp_path / "dump"
    with another_writing(folder):
        pass  # killed
    assert (folder / ".otanalysis.lock").exists()
    with DumpWriter(folder, **SETTINGS, wait=True) as writer:
        assert "theirs" in writer
        writer.add("mine", TOKENS)
    assert open_dump(folder).ids == ("theirs", "mine")
    with another_writing(tmp_path / "other") as process:
        code = _WRITE.replace("shard_size=1", "shard_size=1, wait=True")
        command = [sys.executable, "-c", code, str(tmp_path / "other")]
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as waiting:
            assert waiting.stderr is not None
            assert "waiting for it" in waiting.stderr.readline()
            process.communicate("\n", timeout=60)
            assert "is finished" in waiting.communicate(timeout=60)[1]
    assert open_dump(tmp_path / "other").ids == ("theirs",)


def test_two_writers_of_one_process_never_mix_their_files(tmp_path: Path) -> None:
    """Folders are let go in any order; what one of them holds is not the other's."""
    first = DumpWriter(tmp_path / "a", **SETTINGS)
    second = DumpWriter(tmp_path / "b", **SETTINGS)
    first.close()
    for folder, held in (("a", False), ("b", True)):
        if held:
            with pytest.raises(StorageError, match="is writing a dump there"):
                DumpWriter(tmp_path / folder, **SETTINGS)
        else:
            DumpWriter(tmp_path / folder, **SETTINGS).close()
    second.add("one", TOKENS)
    second.finish()
    assert list(tmp_path.glob("*/.otanalysis*")) == []


def test_who_was_robbed_of_the_folder_does_not_mix_with_the_next_one(tmp_path: Path) -> None:
    folder = tmp_path / "dump"
    robbed = DumpWriter(folder, **SETTINGS)
    robbed.add("mine", TOKENS)
    shutil.rmtree(folder)
    with another_writing(folder) as process:
        before = content_of(folder)
        for act in (lambda: robbed.add("more", TOKENS), robbed.finish):
            with pytest.raises(StorageError, match="removed or replaced while"):
                act()
        robbed.close()
        assert content_of(folder) == before
        process.communicate("\n", timeout=60)
    assert verify_dump(folder).sound
    assert open_dump(folder).ids == ("theirs",)


def test_a_writer_that_is_gone_or_failed_holds_nothing(tmp_path: Path) -> None:
    writer = DumpWriter(tmp_path / "dump", **SETTINGS)
    writer.add("one", TOKENS)
    del writer
    with pytest.raises(DumpError, match="begun with layer=-1"):
        DumpWriter(tmp_path / "dump", **SETTINGS, layer=-2)
    with DumpWriter(tmp_path / "dump", **SETTINGS) as writer:
        writer.add("two", TOKENS)
    assert open_dump(tmp_path / "dump").ids == ("one", "two")


def test_a_closed_writer_takes_no_more(tmp_path: Path) -> None:
    writer = DumpWriter(tmp_path / "dump", **SETTINGS)
    writer.add("one", TOKENS)
    writer.close()
    writer.close()
    with pytest.raises(DumpError, match="is closed"):
        writer.add("two", TOKENS)
    with pytest.raises(DumpError, match="is closed"):
        writer.finish()
    assert not (tmp_path / "dump" / "manifest.json").exists()


def test_a_killed_writer_leaves_nothing_for_ever(tmp_path: Path) -> None:
    folder = tmp_path / "dump"
    with another_writing(folder):
        pass
    stray = folder / f".tokens-00002.partial.safetensors.{2**22}-1.otanalysis.tmp"
    stray.write_bytes(b"half")
    with DumpWriter(folder, **SETTINGS) as writer:
        writer.add("mine", TOKENS)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["manifest.json", *(f"tokens-0000{number}-of-00002.safetensors" for number in (1, 2))]


def test_a_writer_killed_at_the_very_end_leaves_a_finished_dump_and_nothing_for_ever(tmp_path: Path) -> None:
    folder = tmp_path / "dump"
    with DumpWriter(folder, **SETTINGS) as writer:
        writer.add("one", TOKENS)
    whole = content_of(folder)
    for name in ("manifest.partial.json", LOCK_NAME, HOLDER_NAME, ".a.1-1.otanalysis.tmp"):
        (folder / name).write_bytes(whole["manifest.json"])
    assert open_dump(folder).ids == ("one",)
    with pytest.raises(DumpError, match="is finished"):
        DumpWriter(folder, **SETTINGS)
    assert content_of(folder) == whole


def forge(begun: Path, change: Callable[[dict[str, Any]], None]) -> None:
    file = begun / "manifest.partial.json"
    content = json.loads(file.read_text())
    change(content)
    del content["digest"]
    file.write_text(json.dumps(content))


@pytest.mark.parametrize("kind", ["shards", "thumbnails"])
def test_an_unfinished_dump_from_elsewhere_moves_nothing_outside(
    begun: Path, damages: ModuleType, kind: str
) -> None:
    """Its manifest names a file outside, with the checksum that this file has."""
    victim = begun.parent / "victim.safetensors"
    victim.write_bytes(b"precious")
    forge(
        begun,
        lambda content: content[kind][0].update(
            file="../victim.safetensors", size=8, sha256=sha256(b"precious").hexdigest()
        ),
    )
    with pytest.raises(DumpError, match=r"file must be '(tokens|thumbnails)-00001\.partial"):
        DumpWriter(begun, **damages.SETTINGS)
    assert victim.read_bytes() == b"precious"


@pytest.mark.parametrize("name", ["tokens-00001.partial.safetensors", "tokens-00001-of-00001.safetensors"])
def test_a_link_in_place_of_a_shard_is_not_gone_on_with(begun: Path, damages: ModuleType, name: str) -> None:
    victim = begun.parent / "victim.safetensors"
    (begun / "tokens-00001.partial.safetensors").rename(victim)
    (begun / name).symlink_to(victim)
    before = sha256_of_file(victim)
    with pytest.raises(DumpError, match="missing or does not match its checksum"):
        DumpWriter(begun, **damages.SETTINGS)
    assert sha256_of_file(victim) == before


def test_a_planted_link_is_not_written_through(tmp_path: Path, begun: Path, damages: ModuleType) -> None:
    victim = tmp_path / "overwritten.txt"
    victim.write_text("precious")
    (begun / "tokens-00002.partial.safetensors").symlink_to(victim)
    (begun / f".manifest.json.{os.getpid()}-1.otanalysis.tmp").symlink_to(victim)
    with DumpWriter(begun, **damages.SETTINGS) as writer:
        writer.add("c", TOKENS)
    assert victim.read_text() == "precious"
    assert verify_dump(begun).sound
    assert not any(path.is_symlink() for path in begun.iterdir())


def fail_once(
    monkeypatch: pytest.MonkeyPatch, number: int, *functions: tuple[Any, str], code: int = errno.ENOSPC
) -> list[str]:
    """Let one call of functions of the system fail, counted over all of them; return the calls there were."""
    calls: list[str] = []

    def failing(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            calls.append(real.__name__)
            if len(calls) == number:
                raise OSError(code, os.strerror(code))
            return real(*arguments, **options)

        return call

    for owner, name in functions:
        monkeypatch.setattr(owner, name, failing(getattr(owner, name)))
    return calls


@pytest.mark.parametrize("stop", range(1, 12))
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_full_disk_is_one_sentence_and_keeps_what_was_written(
    damages: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int, code: int
) -> None:
    """Every flush, rename and removal fails in turn; the same goes on when there is space again."""
    whole = content_of(damages.write_dump(tmp_path / "whole"))
    fail_once(monkeypatch, stop, (os, "fsync"), (Path, "replace"), code=code)
    with pytest.raises(StorageError, match=os.strerror(code)) as caught:
        damages.write_dump(tmp_path / "dump")
    assert str(caught.value).count("\n") == 0
    monkeypatch.undo()
    assert not (tmp_path / "dump" / "manifest.json").exists() or open_dump(tmp_path / "dump").ids
    damages.write_dump(tmp_path / "dump", go_on=True)
    assert content_of(tmp_path / "dump") == whole


FAILURES = [
    *(("fsync", os, number) for number in range(1, 21)),
    *(("replace", Path, number) for number in range(1, 17)),
]


@pytest.mark.parametrize(("name", "owner", "number"), FAILURES)
def test_a_writer_goes_on_itself_when_there_is_space_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, owner: Any, number: int
) -> None:
    """Three samples a shard, with weights: whatever fails once, the dump is that of an undisturbed one."""

    def write(writer: DumpWriter) -> int:
        refused, generator = 0, np.random.default_rng(0)
        for place in range(7):
            tokens, extra = generator.random((2 + place % 2, 3)), {"of": place}
            try:
                writer.add(f"a{place}", tokens, weights=generator.random(len(tokens)), extra=extra)
            except StorageError:
                refused += 1
        try:
            writer.finish(notes={"done": True})
        except StorageError:
            refused += 1
            writer.finish(notes={"done": True})
        return refused

    settings = SETTINGS | {"shard_size": 3}
    assert write(DumpWriter(tmp_path / "whole", **settings)) == 0
    writer = DumpWriter(tmp_path / "dump", **settings)
    calls = fail_once(monkeypatch, number, (owner, name))
    assert write(writer) == 1
    assert len(calls) >= number
    assert content_of(tmp_path / "dump") == content_of(tmp_path / "whole")
    assert verify_dump(tmp_path / "dump").problems == ()


def test_a_limit_of_the_size_of_files_is_one_sentence(tmp_path: Path) -> None:
    code = (
        "import resource, sys, numpy as np\n"
        "from otanalysis.errors import StorageError\n"
        "from otanalysis.tokens import DumpWriter\n"
        "writer = DumpWriter(sys.argv[1], model='m', benchmark='b', shard_size=1)\n"
        "writer.add('small', np.ones((2, 2)))\n"
        "hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))\n"
        "try:\n"
        "    writer.add('large', np.ones((200, 200)))\n"
        "except StorageError as error:\n"
        "    print(error)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "dump")], capture_output=True, text=True, check=True
    )
    assert "cannot be written (File too large)" in done.stdout
    with pytest.raises(DumpError, match="not finished: 1 samples in 1 shards"):
        open_dump(tmp_path / "dump")


def test_a_file_in_the_place_of_the_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "dump", tmp_path / ("x" * 5000)):
        with pytest.raises(StorageError, match="cannot be written"):
            DumpWriter(folder, **SETTINGS)
