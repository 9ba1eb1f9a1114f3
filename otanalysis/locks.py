"""One writer a folder: who holds it, doing what, since when."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from filelock import FileLock, Timeout

from otanalysis.errors import StorageError
from otanalysis.files import as_path, make_folder, remove_strays, storing, write_atomic

__all__ = ["HOLDER_NAME", "LOCK_NAME", "Hold", "held"]

LOCK_NAME = ".otanalysis.lock"
"""File that a process locks while it writes into a folder; it goes with the lock."""

HOLDER_NAME = ".otanalysis.holder.json"
"""Beside it: which process that is, what it does and since when."""


@dataclass(frozen=True)
class Hold:
    """That a folder is held, as :func:`held` gives it.

    ``lock`` tells this lock from any other: device and number of its file, or None where there is none.
    """

    place: Path
    lock: tuple[int, int] | None

    def check(self) -> None:
        """Make sure that this is still the folder that was locked; before what others must not mix with.

        Raises
        ------
        StorageError
            It was removed or replaced meanwhile, and others may write there now.
        """
        if self.lock not in (None, _identity(self.place / LOCK_NAME)):
            raise StorageError(
                f"The folder {self.place} was removed or replaced while this process wrote there; what it "
                "wrote may be gone: give the same command again, and leave the folder until it ends."
            )


_HERE: ContextVar[Mapping[Path, Hold]] = ContextVar("_HERE", default=MappingProxyType({}))
"""What the work at hand holds already: a figure's folder may be that of the sweep under it."""


@contextmanager
def held(
    folder: str | os.PathLike[str], doing: str, *, wait: bool = False, reading: bool = False
) -> Iterator[Hold]:
    """Hold a folder for writing, for a ``with`` block; the lock goes with the process, however that ends.

    Processes and threads exclude each other; what holds a folder already may take it again. Temporary files
    that a killed process left in the folder are removed, and so is a folder that was made and stayed empty.

    Parameters
    ----------
    folder : path
        The folder; made if it is missing.
    doing : str
        What is done there, for the others: ``"measuring the sweep"``.
    wait : bool
        Wait until the folder is free, and say so on stderr, in place of raising.
    reading : bool
        Take a folder that is there and may not be written as it is, without a lock: what is wanted may all
        be there.

    Yields
    ------
    Hold
        Whose :meth:`~Hold.check` is also made at the end of the block.

    Raises
    ------
    StorageError
        Another process or thread holds the folder, which the message names; or the folder cannot be made or
        written, or was removed meanwhile.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, held(folder, "showing a lock"):
    ...     (Path(folder) / LOCK_NAME).exists()
    True
    """
    place = as_path(folder, "a folder").resolve()
    new = not place.exists()
    closed = reading and place.is_dir() and not os.access(place, os.W_OK)
    if not closed:
        make_folder(place)
    if closed or place in _HERE.get():
        yield _HERE.get().get(place, Hold(place, None))
        return
    lock = FileLock(place / LOCK_NAME)
    with storing(place):
        _acquire(lock, place, wait=wait)
    hold = Hold(place, _identity(place / LOCK_NAME))
    before = _HERE.set({**_HERE.get(), place: hold})
    try:
        remove_strays(place)
        write_atomic(place / HOLDER_NAME, _holder(doing))
        yield hold
        hold.check()
    finally:
        _HERE.reset(before)
        if hold.lock == _identity(place / LOCK_NAME):  # else these are another's
            # Removed while it is locked: who opened the file before finds it gone, and opens the next one.
            for name in (HOLDER_NAME, LOCK_NAME):
                _remove(place / name)
        lock.release()
        if new:
            _remove_empty(place)


def _acquire(lock: FileLock, place: Path, *, wait: bool) -> None:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        busy = f"The folder {place} is in use: {_described(place)}"
        if not wait:
            raise StorageError(
                f"{busy}; wait for it (--wait, wait=True), or choose another folder."
            ) from None
        print(f"{busy}; waiting for it.", file=sys.stderr)
        lock.acquire(poll_interval=0.2)
    except NotImplementedError as error:
        raise StorageError(f"The folder {place} cannot be locked ({error}); choose another disk.") from error


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from all others, or None if it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _remove(path: Path) -> None:
    with suppress(OSError):  # Windows keeps an open file, and a folder may be gone: the next holder goes on
        path.unlink(missing_ok=True)


def _remove_empty(place: Path) -> None:
    with suppress(OSError):  # what was written is there, or somebody else goes on
        place.rmdir()


def _holder(doing: str) -> bytes:
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return json.dumps(
        {"pid": os.getpid(), "host": socket.gethostname(), "doing": doing, "since": since}
    ).encode()


def _described(place: Path) -> str:
    try:
        holder = json.loads((place / HOLDER_NAME).read_bytes())
        return (
            f"process {holder['pid']} on {holder['host']} is {holder['doing']} there since {holder['since']}"
        )
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return "another process is writing there"
