"""Files that appear whole or not at all, their checksums, and where the bundled data are."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

__all__ = ["DATA_VARIABLE", "data_folder", "sha256_of_file", "sha256_of_json", "write_atomic"]

_BLOCK = 1 << 20

DATA_VARIABLE = "OTANALYSIS_DATA"
"""Environment variable that says where the data folder is, if not in the clone."""


def data_folder() -> Path:
    """Return the ``data`` folder: of the clone, or where :data:`DATA_VARIABLE` points."""
    return Path(os.environ.get(DATA_VARIABLE) or Path(__file__).resolve().parents[1] / "data")


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` so that a reader sees the old file or the new one, never half of it.

    The bytes go to a temporary file in the same folder, are flushed to the disk and then renamed; the folder
    is flushed too, so that the rename survives a power cut.

    Parameters
    ----------
    path : Path
        The file to write; its folder must exist.
    data : bytes
        The whole content.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _flush_folder(path.parent)


def sha256_of_file(path: Path, *, advance: Callable[[int], object] | None = None) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits, read in blocks.

    Parameters
    ----------
    path : Path
        An existing file.
    advance : callable, optional
        Called with the size in bytes of each block that was read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
            if advance is not None:
                advance(len(block))
    return digest.hexdigest()


def sha256_of_json(content: object) -> str:
    """Return the SHA-256 of JSON values as 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _flush_folder(folder: Path) -> None:
    if os.name != "posix":  # Windows cannot open a folder for flushing
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
