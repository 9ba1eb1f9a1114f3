"""A stopped capture goes on to the same bytes; bad pictures are listed; memory does not grow."""

from __future__ import annotations

import errno
import os
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from otanalysis.errors import DumpError, InputError, StorageError
from otanalysis.tokens import DumpWriter, open_dump, verify_dump
from otanalysis.vlm.capture import job as job_module
from otanalysis.vlm.capture.capture import CaptureReport, capture_tokens
from otanalysis.vlm.capture.pictures import PictureItem
from otanalysis.vlm.capture.sources import open_pictures
from otanalysis.vlm.model import VisionLanguageModel

COUNT = 7


@pytest.fixture
def vlm(zoo: Any) -> VisionLanguageModel:
    """Return the kind whose tokens hang most on the batch: sizes are mixed, windows are packed."""
    return VisionLanguageModel("qwen", *zoo.load("qwen2_5_vl"))


def capture(vlm: VisionLanguageModel, source: Any, out: Path, **options: Any) -> CaptureReport:
    settings = {"benchmark": "photos", "dump_dtype": "float32", "batch_size": 3, "shard_size": 2} | options
    return capture_tokens(vlm, source, out, progress=False, **settings)


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.mark.parametrize("thumbnails", [False, True])
@pytest.mark.parametrize("stop", range(COUNT))
def test_a_stopped_capture_goes_on_to_the_same_bytes(
    vlm: VisionLanguageModel,
    pictures: list[np.ndarray],
    made_up: Any,
    tmp_path: Path,
    stop: int,
    thumbnails: bool,
) -> None:
    """Files of two and batches of three: batches are cut by the ends of files, and must be made anew."""
    whole = capture(vlm, made_up(pictures), tmp_path / "whole", thumbnails=thumbnails)
    assert (whole.samples, whole.resumed, whole.skipped) == (COUNT, 0, ())
    with pytest.raises(KeyboardInterrupt):
        capture(vlm, made_up(pictures, stop=stop), tmp_path / "stopped", thumbnails=thumbnails)
    with pytest.raises(DumpError, match="is not finished"):
        open_dump(tmp_path / "stopped")
    report = capture(vlm, made_up(pictures), tmp_path / "stopped", thumbnails=thumbnails)
    kept = stop // 3 * 3 // 2 * 2  # whole batches, then whole files
    assert (report.samples, report.resumed) == (COUNT, kept)
    assert content(tmp_path / "stopped") == content(tmp_path / "whole")
    assert len(content(tmp_path / "whole")) == 5 + 4 * thumbnails


def test_batches_begin_at_the_same_pictures_after_a_stop(
    vlm: VisionLanguageModel,
    pictures: list[np.ndarray],
    made_up: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Small models round alike in any batch, large ones do not: whole batches are encoded again."""
    batches: list[list[tuple[int, int]]] = []
    original = job_module.encode_pictures

    def encode(vlm: Any, inputs: Any, sizes: Any, *rest: Any) -> Any:
        batches.append(sizes)
        return original(vlm, inputs, sizes, *rest)

    monkeypatch.setattr(job_module, "encode_pictures", encode)
    capture(vlm, made_up(pictures), tmp_path / "whole")
    whole, batches[:] = list(batches), []
    assert [len(batch) for batch in whole] == [3, 3, 1]
    with pytest.raises(KeyboardInterrupt):
        capture(vlm, made_up(pictures, stop=4), tmp_path / "stopped")
    batches.clear()
    assert capture(vlm, made_up(pictures), tmp_path / "stopped").resumed == 2
    assert batches == whole


def test_what_is_finished_is_not_captured_again(
    vlm: VisionLanguageModel, pictures: list[np.ndarray], made_up: Any, tmp_path: Path
) -> None:
    capture(vlm, made_up(pictures[:2]), tmp_path / "dump")
    before = content(tmp_path / "dump")
    with pytest.raises(DumpError, match="is finished"):
        capture(vlm, made_up(pictures[:2]), tmp_path / "dump")
    assert content(tmp_path / "dump") == before


Change = Callable[[Path, Path], Any]


def _other_picture(photos: Path, _: Path) -> None:
    Image.fromarray(np.full((40, 60, 3), 7, np.uint8)).save(photos / "0.png")


def _other_picture_late(photos: Path, _: Path) -> None:
    Image.fromarray(np.full((40, 60, 3), 7, np.uint8)).save(photos / "5.png")


def _no_picture(photos: Path, _: Path) -> None:
    (photos / "0.png").unlink()
    (photos / "00.png").write_bytes((photos / "1.png").read_bytes())


def _damaged_shard(_: Path, dump: Path) -> None:
    file = next(dump.glob("*.safetensors"))
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def _renamed(photos: Path, _: Path) -> None:
    (photos / "0.png").rename(photos / "9.png")


def _more_pictures(photos: Path, _: Path) -> None:
    (photos / "8.png").write_bytes((photos / "1.png").read_bytes())


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (_other_picture, {}, r"picture '0\.png' is not the one that was captured"),
        (_other_picture_late, {"batch_size": 4}, r"picture '5\.png' is not the one that was captured"),
        (_no_picture, {}, "some pictures were renamed or taken away"),
        (_renamed, {}, "some pictures were renamed or taken away"),
        (_more_pictures, {}, "begun with extra="),
        (_damaged_shard, {}, "does not match its checksum"),
        (lambda *_: None, {"benchmark": "other"}, "begun with benchmark='photos'"),
        (lambda *_: None, {"shard_size": 3}, "begun with shard_size=2"),
        (lambda *_: None, {"limit": 5}, "begun with extra="),
    ],
)
def test_going_on_is_refused_where_something_changed(
    vlm: VisionLanguageModel,
    photos: Path,
    tmp_path: Path,
    change: Change,
    options: dict[str, Any],
    message: str,
) -> None:
    class Stopped:
        """The folder, until Ctrl-C at the seventh picture."""

        provenance = open_pictures(photos).provenance

        def __len__(self) -> int:
            return COUNT

        def __iter__(self) -> Iterator[PictureItem]:
            yield from list(open_pictures(photos))[:6]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        capture(vlm, Stopped(), tmp_path / "dump")
    change(photos, tmp_path / "dump")
    with pytest.raises(DumpError, match=message):
        capture(vlm, open_pictures(photos), tmp_path / "dump", **options)
    assert not (tmp_path / "dump" / "manifest.json").exists()


def test_another_writer_is_told_and_nothing_is_mixed(
    vlm: VisionLanguageModel, pictures: list[np.ndarray], made_up: Any, tmp_path: Path
) -> None:
    with DumpWriter(tmp_path / "dump", model="other", benchmark="photos") as writer:
        with pytest.raises(StorageError, match=r"process \d+ on .* is writing a dump there since"):
            capture(vlm, made_up(pictures), tmp_path / "dump")
        writer.add("one", np.ones((2, 2)))
    assert open_dump(tmp_path / "dump").ids == ("one",)


@pytest.mark.parametrize("stop", [1, 4, 9])
def test_a_full_disk_keeps_what_was_captured_and_the_same_goes_on(
    vlm: VisionLanguageModel,
    pictures: list[np.ndarray],
    made_up: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stop: int,
) -> None:
    capture(vlm, made_up(pictures), tmp_path / "whole", thumbnails=True)
    real, left = os.fsync, [stop]

    def full(descriptor: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"cannot be written \(No space left on device\): free some space"):
        capture(vlm, made_up(pictures), tmp_path / "dump", thumbnails=True)
    monkeypatch.undo()
    capture(vlm, made_up(pictures), tmp_path / "dump", thumbnails=True)
    assert content(tmp_path / "dump") == content(tmp_path / "whole")


def test_a_picture_of_too_many_pixels_is_a_bad_one(
    vlm: VisionLanguageModel, photos: Path, tmp_path: Path
) -> None:
    Image.new("1", (13_000, 13_000)).save(photos / "2.png")
    with pytest.raises(InputError, match=r"1 picture cannot be read: 2\.png: too many pixels"):
        capture(vlm, open_pictures(photos), tmp_path / "dump")
    report = capture(vlm, open_pictures(photos), tmp_path / "dump", skip_bad=True)
    assert report.samples == COUNT - 1
    assert len(report.skipped) == 1


def test_a_larger_batch_may_go_on(
    vlm: VisionLanguageModel, pictures: list[np.ndarray], made_up: Any, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        capture(vlm, made_up(pictures, stop=4), tmp_path / "dump", batch_size=1)
    assert capture(vlm, made_up(pictures), tmp_path / "dump", batch_size=5).resumed == 4
    assert verify_dump(tmp_path / "dump").sound


def break_some(photos: Path) -> dict[str, bytes]:
    """Break three of seven pictures, each in its way; return what they were."""
    sound = {name: (photos / name).read_bytes() for name in ("3.png", "4.png", "6.png")}
    (photos / "3.png").write_bytes(b"no picture")
    (photos / "4.png").write_bytes(sound["4.png"][:200])
    # Qwen's processor refuses shapes beyond 200 to 1.
    Image.fromarray(np.zeros((2, 600, 3), np.uint8)).save(photos / "6.png")
    return sound


def test_bad_pictures_end_the_capture_with_one_list_and_can_be_mended(
    vlm: VisionLanguageModel, photos: Path, tmp_path: Path
) -> None:
    whole = capture(vlm, open_pictures(photos), tmp_path / "whole")
    assert whole.samples == COUNT
    sound = break_some(photos)
    with pytest.raises(InputError) as raised:
        capture(vlm, open_pictures(photos), tmp_path / "dump")
    message = str(raised.value)
    assert message.startswith("3 pictures cannot be read: 3.png: no picture that Pillow knows; 4.png: ")
    assert "; 6.png: the processor cannot take it" in message
    assert message.count("\n") == 0
    assert "--skip-bad" in message
    for name in ("3.png", "4.png"):
        (photos / name).write_bytes(sound[name])
    with pytest.raises(InputError, match=r"1 picture cannot be read: 6\.png: the processor cannot take it"):
        capture(vlm, open_pictures(photos), tmp_path / "dump")
    (photos / "6.png").write_bytes(sound["6.png"])
    report = capture(vlm, open_pictures(photos), tmp_path / "dump")
    assert report.resumed == 6
    assert content(tmp_path / "dump") == content(tmp_path / "whole")


def test_bad_pictures_are_skipped_only_on_request_and_listed(
    vlm: VisionLanguageModel, photos: Path, tmp_path: Path
) -> None:
    break_some(photos)
    with pytest.raises(InputError, match="3 pictures cannot be read"):
        capture(vlm, open_pictures(photos), tmp_path / "dump")
    report = capture(vlm, open_pictures(photos), tmp_path / "dump", skip_bad=True)
    dump = open_dump(tmp_path / "dump")
    assert dump.ids == ("0.png", "1.png", "2.png", "5.png")
    assert [line.split(":")[0] for line in report.skipped] == ["3.png", "4.png", "6.png"]
    assert dump.manifest.extra["skipped"] == list(report.skipped)
    assert report.resumed == 2
    direct = capture(vlm, open_pictures(photos), tmp_path / "direct", skip_bad=True)
    assert direct.skipped == report.skipped
    assert content(tmp_path / "direct") == content(tmp_path / "dump")


def test_pictures_that_the_encoder_refuses_are_named(
    vlm: VisionLanguageModel,
    pictures: list[np.ndarray],
    made_up: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> Any:
        raise InputError("a layout that is not known")

    monkeypatch.setattr(job_module, "encode_pictures", refuse)
    with pytest.raises(InputError, match=r"picture-0, picture-1, picture-2 cannot be captured: a layout"):
        capture(vlm, made_up(pictures), tmp_path / "dump")


def test_nothing_but_bad_pictures_is_an_error(vlm: VisionLanguageModel, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"")
    with pytest.raises(DumpError, match="has no sample"):
        capture(vlm, open_pictures(folder), tmp_path / "dump", skip_bad=True)


def test_many_bad_pictures_are_counted(vlm: VisionLanguageModel, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(25):
        (folder / f"{number}.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"25 pictures cannot be read: .*; and 5 more\. "):
        capture(vlm, open_pictures(folder), tmp_path / "dump")


class Counted(np.ndarray):
    """Pixels that can be counted: plain arrays take no weak references."""


class Stream:
    """Pictures that are made when they are loaded, of which it counts those alive; it may keep them all."""

    provenance = {"kind": "stream"}  # noqa: RUF012
    side = 96

    def __init__(self, count: int, *, hoard: bool = False) -> None:
        self.count = count
        self.kept: list[np.ndarray] = []
        self.hoard = hoard
        self.alive = 0
        self.most = 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[PictureItem]:
        for number in range(self.count):
            yield PictureItem(str(number), lambda number=number: self._make(number))

    def _make(self, number: int) -> np.ndarray:
        pixels = np.full((self.side, self.side, 3), number, np.uint8).view(Counted)
        self.alive += 1
        self.most = max(self.most, self.alive)
        weakref.finalize(pixels, self._gone)
        if self.hoard:
            self.kept.append(pixels)
        return pixels

    def _gone(self) -> None:
        self.alive -= 1


def peak(vlm: VisionLanguageModel, stream: Stream, out: Path) -> int:
    """Return the most bytes that Python and NumPy held at once during a capture."""
    tracemalloc.start()
    try:
        capture(vlm, stream, out, batch_size=4, shard_size=4)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("hoard", [False, True])
def test_memory_does_not_grow_with_the_number_of_pictures(
    zoo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hoard: bool
) -> None:
    """Of twenty times the pictures no more are alive at once; a source that keeps its pictures is noticed."""
    vlm = VisionLanguageModel("llava", *zoo.load("llava"))
    features: list[weakref.ref[Any]] = []
    most: list[int] = []
    original = job_module.encode_pictures

    def encode(*arguments: Any) -> Any:
        most.append(sum(one() is not None for one in features))
        images = original(*arguments)
        features.extend(weakref.ref(image.features) for image in images)
        return images

    monkeypatch.setattr(job_module, "encode_pictures", encode)
    capture(vlm, Stream(4), tmp_path / "warm", batch_size=4)
    few, many = Stream(8, hoard=hoard), Stream(160, hoard=hoard)
    growth = -peak(vlm, few, tmp_path / "few") + peak(vlm, many, tmp_path / "many")
    pixels = 152 * Stream.side**2 * 3
    assert (growth < pixels / 2) == (not hoard)  # up to seven batches of four are on their way, or one
    assert (many.most <= 7 * 4) == (not hoard)  # two wait and one is at work before the encoder and after it
    assert max(most) <= 3 * 4
    assert len(most) == 1 + 2 + 40
