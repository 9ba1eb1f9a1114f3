"""Arrays to a safetensors file, without a copy of them.

The library's own ways hold all threads up while they copy what may be hundreds of megabytes, or write a file
that only its owner may read; it reads what is written here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otanalysis.files import replacing

_NAMES = {"float16": "F16", "float32": "F32", "float64": "F64", "uint8": "U8"}
_ALIGNED = 8


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> tuple[int, str]:
    """Write arrays by name, as ``safetensors.numpy.save`` makes the file of them, byte for byte.

    Parameters
    ----------
    path : Path
        There whole in the end, or not at all; its folder must exist.
    arrays : mapping from str to ndarray
        All of one type, of those that a dump stores.

    Returns
    -------
    size : int
        In bytes.
    checksum : str
        SHA-256, 64 hexadecimal digits.

    Raises
    ------
    StorageError
        The disk is full, the folder may not be written, or the like.

    Examples
    --------
    >>> import tempfile
    >>> from safetensors.numpy import load_file
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "two.safetensors"
    ...     size, _ = write_arrays(path, {"b": np.zeros((1, 2)), "a": np.ones(3)})
    ...     size == path.stat().st_size, load_file(path)["a"]
    (True, array([1., 1., 1.]))
    """
    size, digest = 0, hashlib.sha256()
    with replacing(path) as handle:
        for part in _parts({name: arrays[name] for name in sorted(arrays)}):
            handle.write(part)
            digest.update(part)
            size += len(part)
    return size, digest.hexdigest()


def _parts(arrays: Mapping[str, NDArray[Any]]) -> Iterator[bytes | memoryview]:
    """Yield length and text of the header, and the numbers of every array, little-endian."""
    header: dict[str, Any] = {"__metadata__": {"format": "np"}}
    start = 0
    for name, array in arrays.items():
        end = start + array.nbytes
        header[name] = {
            "dtype": _NAMES[array.dtype.name],
            "shape": array.shape,
            "data_offsets": (start, end),
        }
        start = end
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNED)
    yield len(text).to_bytes(8, "little") + text
    for array in arrays.values():
        numbers = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        yield numbers.reshape(-1).view(np.uint8).data
