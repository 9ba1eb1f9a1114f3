"""The few kinds of error that otanalysis raises on purpose.

Every message says what was wanted, what came and how to mend it. The command line turns each of them into
one sentence and exit status 2. This module imports nothing of the package.
"""

from __future__ import annotations

__all__ = [
    "ConvergenceError",
    "DumpError",
    "InputError",
    "MissingDependencyError",
    "OtAnalysisError",
    "StorageError",
]


class OtAnalysisError(Exception):
    """Base class of every error that otanalysis raises on purpose.

    >>> import otanalysis as ota
    >>> try:
    ...     ota.select([[1.0], [2.0]], "first", keep=3)
    ... except ota.OtAnalysisError as error:
    ...     print(type(error).__name__)
    InputError
    """


class InputError(OtAnalysisError, ValueError):
    """An argument, array or table is not what the function needs; see :class:`OtAnalysisError`."""


class DumpError(OtAnalysisError):
    """A dump on disk is missing, incomplete, truncated or does not match its checksums.

    >>> import otanalysis as ota
    >>> ota.open_dump("nowhere")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    otanalysis.errors.DumpError: ...
    """


class ConvergenceError(OtAnalysisError, RuntimeError):
    """A solver stopped before it reached the optimum, or its certificate does not hold."""


class MissingDependencyError(OtAnalysisError, ImportError):
    """An optional package (an extra such as ``vlm``) is needed and not installed."""


class StorageError(OtAnalysisError, OSError):
    """A file or folder cannot be written: full disk, no permission, size limit, or another process is at it.

    What stood there before is unchanged.

    >>> import otanalysis as ota
    >>> from pathlib import Path
    >>> from otanalysis.files import write_atomic
    >>> write_atomic(Path(ota.__file__) / "a file is no folder", b"")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    otanalysis.errors.StorageError: ...
    """
