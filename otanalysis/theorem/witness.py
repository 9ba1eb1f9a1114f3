"""The worst instance of greedy on disk: saved whole, and run again from its numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from otanalysis.arrays import check_tokens
from otanalysis.errors import InputError
from otanalysis.files import write_atomic
from otanalysis.image import FloatArray
from otanalysis.theorem.greedy import GUARANTEE, RATIO_TOLERANCE, greedy_ratios, released_greedy
from otanalysis.theorem.setfunctions import best_by_size, logdet_table
from otanalysis.theorem.worst_case import RELEASED_GAMMA, kernel_of

__all__ = ["Replay", "replay_witness", "save_witness"]

_FORMAT = "otanalysis greedy witness 1"
_MOST_ITEMS = 16


@dataclass(frozen=True)
class Replay:
    """A saved instance, run again.

    Attributes
    ----------
    keep : int
        Number of items at which the ratio is worst.
    greedy, optimum : list of int
        The items that greedy picks, in order, and a best set.
    ratio : float
        F(greedy) / F(optimum), computed now.
    saved_ratio : float
        The ratio in the file.
    """

    keep: int
    greedy: list[int]
    optimum: list[int]
    ratio: float
    saved_ratio: float

    @property
    def reproduced(self) -> bool:
        """Whether the ratio in the file is met again, up to the rounding of two logarithms."""
        return abs(self.ratio - self.saved_ratio) <= RATIO_TOLERANCE

    @property
    def within_guarantee(self) -> bool:
        """Whether greedy keeps its guarantee here."""
        return self.ratio >= GUARANTEE - RATIO_TOLERANCE


def save_witness(path: Path, form: str, matrix: FloatArray) -> Replay:
    """Write an instance with what greedy does on it; numbers are written so that they are read back exactly.

    Parameters
    ----------
    path : Path
        The JSON file; its folder is made if it is missing.
    form : {"factor", "tokens"}
        See :class:`~otanalysis.theorem.worst_case.Arena`.
    matrix : ndarray [m, d]

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    found = _run(form, matrix, None)
    content = {
        "format": _FORMAT,
        "form": form,
        "gamma": RELEASED_GAMMA if form == "tokens" else None,
        "normalise": "columns" if form == "tokens" else None,
        "keep": found.keep,
        "ratio": found.ratio,
        "greedy": found.greedy,
        "optimum": found.optimum,
        "matrix": matrix.tolist(),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, (json.dumps(content, indent=1) + "\n").encode())
    except OSError as error:
        raise InputError(
            f"The worst instance cannot be written to {path} ({error.strerror}); choose another --save."
        ) from error
    return found


def replay_witness(path: Path) -> Replay:
    """Read a saved instance and run greedy and brute force on it again.

    Raises
    ------
    InputError
        If the file is missing or is no saved instance.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        form, ratio, matrix = content["form"], float(content["ratio"]), check_tokens(content["matrix"])
        known = content["format"] == _FORMAT and form in ("factor", "tokens")
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}; check the path.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not an instance that otanalysis theorem --save wrote ({type(error).__name__})."
        ) from error
    if not known or len(matrix) > _MOST_ITEMS:
        raise InputError(
            f"{path} cannot be run again: {_FORMAT!r} with at most {_MOST_ITEMS} items was wanted; "
            f"got {content['format']!r}, form {form!r} and {len(matrix)} items."
        )
    return _run(form, matrix, ratio)


def _run(form: str, matrix: FloatArray, saved_ratio: float | None) -> Replay:
    kernel = kernel_of(form, matrix)
    ratios = greedy_ratios(kernel)
    keep = int(np.argmin(ratios)) + 1
    order, _ = released_greedy(kernel, keep)
    best: Any = best_by_size(logdet_table(kernel))[1][keep]
    ratio = float(ratios[keep - 1])
    return Replay(
        keep=keep,
        greedy=order.tolist(),
        optimum=[item for item in range(len(kernel)) if int(best) >> item & 1],
        ratio=ratio,
        saved_ratio=ratio if saved_ratio is None else saved_ratio,
    )
