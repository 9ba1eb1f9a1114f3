"""Files that appear whole or not at all, their checksums, and where the bundled data are."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

from otanalysis.errors import InputError

__all__ = [
    "DATA_VARIABLE",
    "bundled_data",
    "data_folder",
    "sha256_of_file",
    "sha256_of_json",
    "write_atomic",
    "written_data_folder",
]

_BLOCK = 1 << 20

DATA_VARIABLE = "OTANALYSIS_DATA"
"""Environment variable that says where the data folder is, if not in the clone or the installed package."""

_INSTALLED = Path(__file__).resolve().parent / "_data"
"""Where a wheel puts what it carries of the clone's ``data`` folder; a clone has no such folder."""


def data_folder() -> Path:
    """Return the folder of the bundled data.

    It is where :data:`DATA_VARIABLE` points, else what an installed package carries, else ``data`` of the
    clone.
    """
    if given := os.environ.get(DATA_VARIABLE):
        return Path(given)
    return _INSTALLED if _INSTALLED.is_dir() else _INSTALLED.parents[1] / "data"


def written_data_folder() -> Path:
    """Return the folder into which dumps and tables of the bundled model are written.

    It is :func:`data_folder`, but for an installed package: into that nothing is written, and the folder is
    ``data`` of the current one, where the commands of a clone find theirs too.
    """
    folder = data_folder()
    return Path("data") if folder == _INSTALLED else folder


def bundled_data(name: str, what: str) -> Path:
    """Return a file of the bundled data.

    Parameters
    ----------
    name : str
        Its path in the :func:`data_folder`, with ``/`` between folders.
    what : str
        What it is, for the error: ``"bundled model"``.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If it is not there: :data:`DATA_VARIABLE` points elsewhere, or the clone or package is not whole.

    Examples
    --------
    >>> bundled_data("published/accuracy.csv", "published table").name
    'accuracy.csv'
    """
    path = data_folder() / name
    if not path.is_file():
        mend = (
            f"{DATA_VARIABLE} is set and must be the data folder of otanalysis; unset it, or mend it."
            if os.environ.get(DATA_VARIABLE)
            else "restore it from the repository, or install otanalysis again."
        )
        raise InputError(f"The {what} was wanted at {path}, but is not there; {mend}")
    return path


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
