"""The model arguments of a harness: read, checked and refused before a model is loaded."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal, get_args

from otanalysis.arrays import Normalisation
from otanalysis.defaults import FULL, RELEASED_GAMMA, GammaOf
from otanalysis.errors import InputError
from otanalysis.selection import SELECTORS
from otanalysis.vlm.kept_call import Positions
from otanalysis.vlm.model import Dtype

Newlines = Literal["keep", "drop"]


@dataclass(frozen=True)
class HarnessArguments:
    """What ``--model_args`` says: which model, which tokens are kept, how it is run.

    Attributes
    ----------
    pretrained : str
        Folder, or name on the Hub.
    method : str
        A method of :data:`otanalysis.selection.SELECTORS`, or ``"full"`` for all tokens.
    ratio : float
        Share of the visual tokens to keep; 1 for ``"full"``.
    gamma, gamma_of, normalise, seed, positions, newlines
        As for :class:`otanalysis.vlm.pruned.Pruned`.
    revision, dtype, device
        As for :func:`otanalysis.vlm.model.load_model`; ``device`` None takes a GPU where there is one. Of
        several processes (``accelerate launch``) each takes a GPU of its own.
    batch_size : int
        Prompts a call.
    max_new_tokens : int
        Longest answer where the task sets none.
    """

    pretrained: str
    method: str
    ratio: float = 1.0
    gamma: float = RELEASED_GAMMA
    gamma_of: GammaOf = "released"
    normalise: Normalisation = "columns"
    seed: int = 0
    positions: Positions = "renumbered"
    newlines: Newlines = "keep"
    revision: str | None = None
    dtype: Dtype = "auto"
    device: str | None = None
    batch_size: int = 1
    max_new_tokens: int = 1024

    @classmethod
    def parse(cls, values: Mapping[str, object]) -> HarnessArguments:
        """Check arguments as the harness hands them on: words, or numbers where a word looks like one.

        Parameters
        ----------
        values : Mapping
            Name to value.

        Raises
        ------
        InputError
            A name is unknown or missing, or a value out of range; in one sentence.

        Examples
        --------
        >>> HarnessArguments.parse({"pretrained": "folder", "method": "otprune", "ratio": 0.098}).gamma
        0.01
        >>> HarnessArguments.parse({"pretrained": "folder", "method": "otprune", "ration": 0.098})
        Traceback (most recent call last):
            ...
        otanalysis.errors.InputError: Unknown model argument 'ration', did you mean 'ratio'? Known are ...
        """
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise InputError(
                    f"Unknown model argument {name!r}{_guess(name, known)} Known are {', '.join(known)}."
                )
        for field in fields(cls):
            if field.default is MISSING and field.name not in values:
                raise InputError(f"The model argument {field.name} is missing; give {_WANTED[field.name]}.")
        checked: dict[str, Any] = {name: _CHECKS[name](name, value) for name, value in values.items()}
        return cls(**_with_ratio(checked))

    def pruning(self) -> dict[str, Any]:
        """Return the keyword arguments of :class:`otanalysis.vlm.pruned.Pruned`, the model apart."""
        return {
            "selector": self.method,
            "ratio": None if self.method == FULL else self.ratio,
            "gamma": self.gamma,
            "gamma_of": self.gamma_of,
            "normalise": self.normalise,
            "seed": self.seed,
            "positions": self.positions,
            "newlines": self.newlines,
        }


def _with_ratio(checked: dict[str, Any]) -> dict[str, Any]:
    """Refuse a method without its ratio, and all tokens with one below 1."""
    method, ratio = checked["method"], checked.get("ratio")
    if method == FULL and ratio not in (None, 1.0):
        raise InputError(
            f"method={FULL} keeps all tokens, so that ratio={ratio:g} cannot be; name a method or leave "
            "ratio out."
        )
    if method != FULL and ratio is None:
        raise InputError(
            f"method={method} needs the share of tokens to keep; give ratio=0.098, for instance."
        )
    return checked


def _guess(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f", did you mean {close[0]!r}?" if close else "."


def _text(name: str, value: object) -> str:
    # A harness turns words that look like a number into one, and a float has lost how it was written.
    if isinstance(value, bool | float) or value in ("", None):
        raise InputError(f"{name} must be {_WANTED.get(name, 'a word')}; got {value!r}.")
    return str(value)


def _choice(name: str, value: object, choices: Sequence[str]) -> str:
    if value not in choices:
        raise InputError(f"{name} must be one of {', '.join(choices)}; got {value!r}.")
    return str(value)


def _number(name: str, value: object, *, largest: float = math.inf) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 < value <= largest
        or math.isinf(value)
    ):
        wanted = "a positive number" if largest == math.inf else f"above 0 and at most {largest:g}"
        raise InputError(f"{name} must be {wanted}; got {value!r}.")
    return float(value)


def _whole(name: str, value: object, *, smallest: int) -> int:
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < smallest:
        raise InputError(f"{name} must be a whole number, at least {smallest}; got {value!r}.")
    return value


_WANTED = {
    "pretrained": "pretrained=FOLDER or the name of a model on the Hub",
    "method": f"method={FULL} for all tokens, or one of {', '.join(SELECTORS)} with a ratio",
    "revision": "a branch, a tag or a whole commit hash",
    "device": "a device such as cpu, cuda or cuda:1",
}

_CHECKS = {
    "pretrained": _text,
    "method": lambda name, value: _choice(name, value, [FULL, *SELECTORS]),
    "ratio": lambda name, value: _number(name, value, largest=1.0),
    "gamma": _number,
    "gamma_of": lambda name, value: _choice(name, value, get_args(GammaOf)),
    "normalise": lambda name, value: _choice(name, value, get_args(Normalisation)),
    "seed": lambda name, value: _whole(name, value, smallest=0),
    "positions": lambda name, value: _choice(name, value, get_args(Positions)),
    "newlines": lambda name, value: _choice(name, value, get_args(Newlines)),
    "revision": _text,
    "dtype": lambda name, value: _choice(name, value, get_args(Dtype)),
    "device": _text,
    "batch_size": lambda name, value: _whole(name, value, smallest=1),
    "max_new_tokens": lambda name, value: _whole(name, value, smallest=1),
}
