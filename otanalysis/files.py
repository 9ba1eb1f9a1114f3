"""Files that appear whole or not at all, their checksums, and where the bundled data are."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from otanalysis.errors import InputError, StorageError

__all__ = [
    "DATA_VARIABLE",
    "as_path",
    "bundled_data",
    "data_folder",
    "earlier_kept",
    "json_bytes",
    "make_folder",
    "remove_strays",
    "replacing",
    "sha256_of_file",
    "sha256_of_json",
    "storing",
    "write_atomic",
    "write_together",
    "written_data_folder",
]

_BLOCK = 1 << 20

DATA_VARIABLE = "OTANALYSIS_DATA"
"""Environment variable that says where the data folder is, if not in the clone or the installed package."""

_INSTALLED = Path(__file__).resolve().parent / "_data"
"""Where a wheel puts what it carries of the clone's ``data`` folder; a clone has no such folder."""

_STRAY = re.compile(r"\..+\.\d+-\d+\.otanalysis\.tmp")

_CURES = {
    errno.ENOSPC: "free some space, or choose another disk",
    errno.EDQUOT: "free some of your quota, or choose another disk",
    errno.EFBIG: "raise the limit of a file's size (ulimit -f), or choose another disk",
    errno.EROFS: "choose a folder on a disk that can be written",
    errno.EACCES: "choose a folder in which you may write",
    errno.EPERM: "choose a folder in which you may write",
    errno.EEXIST: "a file is in the way of a folder: move it, or choose another folder",
    errno.ENOTDIR: "a file is in the way of a folder: move it, or choose another folder",
}


def as_path(given: object, wanted: str) -> Path:
    """Return what was given as a path.

    Parameters
    ----------
    given : object
        A text or a path.
    wanted : str
        What lies there, for the error: ``"a folder"``.

    Raises
    ------
    InputError
        It is something else, or a text that no file system takes.

    Examples
    --------
    >>> as_path("results", "a folder").name
    'results'
    """
    try:
        path = Path(given)  # type: ignore[arg-type]
        named = b"\0" not in os.fsencode(path)
    except TypeError as error:
        kind = type(given).__name__
        raise InputError(f"The path of {wanted} was wanted, got {kind}: give a text or a Path.") from error
    except UnicodeEncodeError:  # half a character
        named = False
    if not named:
        raise InputError(f"The path of {wanted} was wanted, got {str(path)!r}, which no file can have.")
    return path


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


def json_bytes(content: object, what: str, **layout: Any) -> bytes:
    """Return JSON values as the bytes of a file.

    Parameters
    ----------
    content : object
        Texts, finite numbers, booleans, None, and lists and mappings of them.
    what : str
        What they are, for the error: ``"The provenance"``.
    **layout
        As of :func:`json.dumps`.

    Raises
    ------
    InputError
        Something in it is no JSON value: NaN, an array, half a character.

    Examples
    --------
    >>> json_bytes({"a": (1, None)}, "The provenance")
    b'{"a": [1, null]}'
    """
    try:
        return json.dumps(content, allow_nan=False, ensure_ascii=False, **layout).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"{what} takes JSON values only, texts, finite numbers and lists and mappings of them ({error}): "
            "convert what is none."
        ) from error


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

    Raises
    ------
    StorageError
        The disk is full, the folder may not be written, or the like; the old file is as it was.
    """
    write_together(path.parent, {path.name: data})


def write_together(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files of one folder as :func:`write_atomic` does, none of them before there is room for all.

    Parameters
    ----------
    folder : Path
        An existing folder.
    files : mapping from str to bytes
        Names and whole contents.

    Raises
    ------
    StorageError
        As for :func:`write_atomic`; all old files are as they were.
    """
    temporary = {name: _temporary(folder / name) for name in files}
    with storing(folder / next(iter(files)) if len(files) == 1 else folder):
        try:
            for name, data in files.items():
                with temporary[name].open("wb") as handle:
                    handle.write(data)
                    handle.flush()
                    os.fsync(handle.fileno())
            for name, path in temporary.items():
                path.replace(folder / name)
        finally:
            for path in temporary.values():
                path.unlink(missing_ok=True)
        _flush_folder(folder)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Write a file piece by piece in a ``with`` block, to be there as :func:`write_atomic` leaves it, or not.

    Parameters
    ----------
    path : Path
        The file; its folder must exist.

    Yields
    ------
    file
        Empty, to be written and read.

    Raises
    ------
    StorageError
        As for :func:`write_atomic`; the old file is as it was, also where the block raises anything.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder) / "words") as file:
    ...         _ = file.write(b"one") + file.write(b" two")
    ...     (Path(folder) / "words").read_bytes()
    b'one two'
    """
    temporary = _temporary(path)
    with storing(path):
        try:
            with temporary.open("w+b") as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        _flush_folder(path.parent)


@contextmanager
def earlier_kept(*paths: Path) -> Iterator[None]:
    """Bring back earlier files if a ``with`` block writes some anew, but then not all that belongs to them.

    A table and its summaries are of one measurement, also where the disk is full between the two. On disks
    without hard links the new files stay. Only for who is alone in writing there, see
    :func:`otanalysis.locks.held`.

    Parameters
    ----------
    *paths : Path
        The files, which may be missing.

    Raises
    ------
    StorageError
        As the block raises it.
    """
    # A file's own temporary name is taken when it is written.
    kept = {path: _temporary(path.with_name(f"earlier-{path.name}")) for path in paths}
    for path, earlier in kept.items():
        with suppress(OSError):
            os.link(path, earlier)
    try:
        yield
    except StorageError:
        for path, earlier in kept.items():
            with suppress(OSError):
                earlier.replace(path)
        raise
    finally:
        for earlier in kept.values():
            with suppress(OSError):
                earlier.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    """Return a name beside a file that no other process or thread takes; see :func:`remove_strays`."""
    return path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.otanalysis.tmp")


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, if it is missing.

    Raises
    ------
    StorageError
        It cannot be made, or a file stands there.
    """
    with storing(path):
        path.mkdir(parents=True, exist_ok=True)


def remove_strays(folder: Path) -> None:
    """Remove the temporary files of :func:`write_atomic` that killed processes left in a folder.

    Only for who is alone in writing there, see :func:`otanalysis.locks.held`.
    """
    with storing(folder):
        for path in folder.iterdir():
            if _STRAY.fullmatch(path.name):
                path.unlink(missing_ok=True)


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn an error of the system in a ``with`` block that writes ``path`` into one of this package.

    Raises
    ------
    StorageError
        In place of any other OSError: what could not be written, why, and how to mend it.

    Examples
    --------
    >>> import errno
    >>> with storing(Path("table")):
    ...     raise OSError(errno.ENOSPC, "No space left")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    otanalysis.errors.StorageError: table cannot be written (No space left): free some space, ...
    """
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        cure = _CURES.get(error.errno or 0, "check the disk and the path, or choose another folder")
        raise StorageError(f"{path} cannot be written ({error.strerror or error}): {cure}.") from error


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
