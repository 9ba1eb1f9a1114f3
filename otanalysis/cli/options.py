"""Reading what the user typed: arrays from files, lists from commas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from otanalysis.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["comma_list", "load_tokens", "numbers", "whole_numbers"]


def load_tokens(file: Path) -> NDArray[Any]:
    """Read the array of a ``.npy`` file; its shape and values are checked where it is used.

    Raises
    ------
    InputError
        The file is missing, or is no such file (an ``.npz`` archive is none) or holds objects.
    """
    import numpy as np

    try:
        with file.open("rb") as handle:
            array: NDArray[Any] = np.lib.format.read_array(handle, allow_pickle=False)
    except OSError as error:
        raise InputError(f"Cannot read {file}: {error.strerror or error}; check the path.") from error
    except (ValueError, EOFError) as error:
        raise InputError(f"{file} is not a .npy file of numbers; save one array with numpy.save.") from error
    return array


def comma_list(text: str, option: str) -> tuple[str, ...]:
    """Split ``a,b,c``; raise InputError if an entry is empty."""
    entries = tuple(entry.strip() for entry in text.split(","))
    if not all(entries):
        raise InputError(f"{option} wants values separated by commas, got {text!r}.")
    return entries


def numbers(text: str, option: str) -> tuple[float, ...]:
    """Split ``0.05,0.2`` into numbers; raise InputError if an entry is none."""
    try:
        return tuple(float(entry) for entry in comma_list(text, option))
    except ValueError as error:
        raise InputError(f"{option} wants numbers separated by commas, got {text!r}.") from error


def whole_numbers(text: str, option: str) -> tuple[int, ...]:
    """Split ``0,1,2`` into whole numbers; raise InputError if an entry is none."""
    values = numbers(text, option)
    if any(value % 1 for value in values):
        raise InputError(f"{option} wants whole numbers, got {text!r}.")
    return tuple(int(value) for value in values)
