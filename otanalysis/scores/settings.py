"""Which tokens a run kept: what its results file records, and what the user says about it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isclose, isnan
from pathlib import PurePath

from otanalysis.errors import InputError
from otanalysis.scores.table import VARIABLE_RATIO

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """Settings of one run, as far as they are known.

    Attributes
    ----------
    model : str, optional
        Name of the model, as in the manifest of its dumps.
    method : str, optional
        Selection method; ``full`` is the unpruned model.
    ratio : float, optional
        Share of the tokens kept, in (0, 1]; 1 for ``full``, NaN where the method chooses it itself.
    gamma : float, optional
        Of otprune.
    seed : int, optional
        Of the methods that draw at random.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    model: str | None = None
    method: str | None = None
    ratio: float | None = None
    gamma: float | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.ratio is not None and not (isnan(self.ratio) or 0 < self.ratio <= 1):
            raise InputError(f"The ratio, the share of tokens kept, must lie in (0, 1], got {self.ratio:g}.")
        if self.method == "full" and self.ratio not in (None, 1):
            raise InputError(f"The method full keeps all tokens, so its ratio is 1, got {self.ratio:g}.")
        if self.gamma is not None and not self.gamma > 0:
            raise InputError(f"gamma must be positive, got {self.gamma:g}.")
        if self.seed is not None and self.seed < 0:
            raise InputError(f"The seed must be a whole number from 0 on, got {self.seed}.")
        for name in ("model", "method"):
            if getattr(self, name) == "":
                raise InputError(f"The {name} must not be empty: leave it out, or name it.")

    def confirmed_by(self, given: Settings, where: str) -> Settings:
        """Return these recorded settings, completed by given ones that must not contradict them.

        Parameters
        ----------
        given : Settings
            What the user says. A model may be given by the last part of its recorded path.
        where : str
            The file, for the message.

        Raises
        ------
        InputError
            If one of the settings is recorded and given with two values.
        """
        settled = {}
        for name in (field.name for field in fields(self)):
            recorded, said = getattr(self, name), getattr(given, name)
            if recorded is not None and said is not None and not _same(name, recorded, said):
                raise InputError(
                    f"{where} records {name} {_shown(recorded)}, and --{name} says {_shown(said)}: "
                    f"leave --{name} out, or give the file of the run that is meant."
                )
            settled[name] = recorded if said is None else said
        return Settings(**settled)

    def complete(self, where: str) -> Settings:
        """Return the settings with the ratio of ``full`` filled in.

        Raises
        ------
        InputError
            If model, method or ratio is not known.
        """
        if self.method is None:
            raise InputError(
                f"{where} does not say which method kept the tokens: give --method "
                "(full for the model with all tokens)."
            )
        if self.method not in ("full", "majority") and self.ratio is None:
            raise InputError(
                f"{where} does not say which share of the tokens {self.method} kept: give --ratio, for "
                f"instance 0.098 (a CSV may say {VARIABLE_RATIO} where the method chooses it itself)."
            )
        if self.model is None:
            raise InputError(f"{where} does not say which model it is: give --model, as its dumps name it.")
        if self.method == "full":
            return Settings(self.model, self.method, 1.0, self.gamma, self.seed)
        return self


def _same(name: str, recorded: str | float, said: str | float) -> bool:
    if name == "model":
        return said in (recorded, PurePath(str(recorded)).name)
    if isinstance(recorded, str) or isinstance(said, str):
        return recorded == said
    return isclose(recorded, said, rel_tol=1e-9)


def _shown(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return VARIABLE_RATIO if isnan(value) else f"{value:g}"
