"""The folder of figures: written piece by piece, what is the same left alone, other captions kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from otanalysis.errors import InputError
from otanalysis.figures.folder import FiguresFolder
from otanalysis.figures.record import CAPTIONS, DRAWN, Made


def test_files_are_written_at_once_and_pictures_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "figures"
    folder = FiguresFolder(out, shown=True)
    assert not out.exists()
    folder.put({"figure2.pdf": b"p", "figure2.png": b"q", "figure2.csv": b"r"})
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        "figure2.pdf": b"p",
        "figure2.png": b"q",
        "figure2.csv": b"r",
    }
    assert capsys.readouterr().err == f"wrote {out / 'figure2.png'}\n"


def test_what_is_there_already_is_left_and_counts_as_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    FiguresFolder(tmp_path).put({"a.png": b"1", "b.png": b"2"})
    before = (tmp_path / "a.png").stat()
    again = FiguresFolder(tmp_path, shown=True)
    again.put({"a.png": b"1", "b.png": b"3"}, "**Figure 2.** new")
    again.put({"verdicts.md": b"true"})
    assert (tmp_path / "a.png").stat() == before
    assert (tmp_path / "b.png").read_bytes() == b"3"
    assert again.written == [tmp_path / name for name in ("a.png", "b.png", "verdicts.md", CAPTIONS)]
    assert capsys.readouterr().err == f"wrote {tmp_path / 'b.png'}\n"


def test_captions_of_other_figures_stay(tmp_path: Path) -> None:
    FiguresFolder(tmp_path).put({}, "**Figure 2.** two\n\n**Figure 3.** three")
    FiguresFolder(tmp_path).put({}, "**Figure 3.** anew")
    assert (tmp_path / CAPTIONS).read_text() == "**Figure 2.** two\n\n**Figure 3.** anew\n"


def test_captions_in_another_encoding_are_refused_and_left(tmp_path: Path) -> None:
    known = tmp_path / CAPTIONS
    known.write_bytes("**Figure 2.** é".encode("latin-1"))
    before = known.read_bytes()
    with pytest.raises(InputError, match=r"captions\.md is no text in UTF-8"):
        FiguresFolder(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == {known: before}


def test_work_that_is_there_is_not_done_again_and_counts_as_written(tmp_path: Path) -> None:
    made = Made({"figure2.pdf": b"p", "figure2.csv": b"r"}, "**Figure 2.** two")
    FiguresFolder(tmp_path).make("two", "of this", lambda: made)
    before = {path: path.stat() for path in tmp_path.iterdir()}
    assert {path.name for path in before} == {*made.files, CAPTIONS, DRAWN}
    again = FiguresFolder(tmp_path)
    again.make("two", "of this", lambda: pytest.fail("made again"))
    assert {path: path.stat() for path in tmp_path.iterdir()} == before
    assert again.written == [tmp_path / name for name in (*made.files, CAPTIONS)]
    again.make("two", "of that", lambda: Made({"figure2.pdf": b"q"}, "**Figure 2.** anew"))
    assert (tmp_path / "figure2.pdf").read_bytes() == b"q"
    assert (tmp_path / CAPTIONS).read_text() == "**Figure 2.** anew\n"
