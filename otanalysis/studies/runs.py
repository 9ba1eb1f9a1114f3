"""What a sweep asks for: which selections are to be measured, and the key of every answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar, cast, get_args
from zlib import crc32

import numpy as np

from otanalysis.arrays import Normalisation, resolve_keep
from otanalysis.defaults import DEFAULT_GAMMAS, RELEASED_GAMMA
from otanalysis.distances import further_distances
from otanalysis.errors import InputError
from otanalysis.files import sha256_of_json
from otanalysis.image import Image
from otanalysis.scalars import check_seed, listed, shown
from otanalysis.selection import SELECTORS, Selection, select_many
from otanalysis.selection.fingerprint import code_fingerprint
from otanalysis.selection.otprune import OTPrunePaper
from otanalysis.selection.selector import Selector, check_recorded, is_own
from otanalysis.studies.engine import PACKAGE
from otanalysis.surrogate.kernel import check_gamma

_LARGE = 10**6  # any number of tokens will do to check a ratio


@dataclass(frozen=True)
class Run:
    """One way to select: a selector with its parameters, and the seed if it draws at random."""

    selector: Selector
    seed: int | None

    @property
    def gamma(self) -> float | None:
        """The selector's gamma, in the selector's own unit, or None if it has none."""
        return cast("float | None", getattr(self.selector, "gamma", None))

    def logdet_gamma(self, m: int, keep: int) -> float:
        """Return the gamma of the released code's kernel whose log-determinant is told of its kept sets.

        Parameters
        ----------
        m, keep : int
            Number of tokens, and of kept ones, on which hangs what a gamma of the paper is there.
        """
        if isinstance(self.selector, OTPrunePaper):
            return self.selector.released(m, keep).gamma
        return RELEASED_GAMMA if self.gamma is None else self.gamma

    def image_seed(self, sample_id: str) -> int:
        """Return the seed for one image: its own, or all images would keep the same places."""
        entropy = [self.seed or 0, crc32(sample_id.encode())]
        return int(np.random.SeedSequence(entropy).generate_state(1)[0])


@dataclass(frozen=True)
class Measurement:
    """One row per sample: a run at a ratio, with its distances under a normalisation.

    ``further`` are the distances beyond those of every sweep. ``version`` grows when the same settings would
    give other numbers, so that older parts are measured again.
    """

    run: Run
    ratio: float
    normalisation: Normalisation
    further: tuple[str, ...] = ()

    version: ClassVar[int] = 2

    @cached_property
    def key(self) -> str:
        """Text that is equal for equal measurements, across processes and sessions."""
        run = self.run
        content: list[Any] = [self.version, PACKAGE, repr(run.selector), run.seed]
        content += [self.ratio, self.normalisation]
        if is_own(run.selector):
            content.append(code_fingerprint(run.selector))
        if self.further:  # else the key is that of parts which were measured when there were no others
            content.append({"distances": self.further})
        return json.dumps(content)


@dataclass(frozen=True)
class SweepSettings:
    """What is measured of every sample; checked when made.

    Attributes
    ----------
    methods : tuple of str or Selector
        Names in :data:`otanalysis.selection.SELECTORS`, and selectors with a name of their own, which are
        used as they are.
    ratios : tuple of float
        Kept shares of the tokens, in (0, 1].
    gammas : tuple of float, or mapping from str to tuple of float
        For the named methods that have a gamma, for each in its own unit; positive. A mapping says which for
        which method, and one that it leaves out has its default.
    seeds : tuple of int
        For the methods that draw at random; the others run once.
    normalisations : tuple of {"none", "columns", "rows"}
        Of the tokens before the distances; the selection never sees it.
    distances : tuple of str
        Names in :data:`otanalysis.distances.DISTANCES` to measure as well; those of
        :data:`~otanalysis.distances.EVERYWHERE` always are, and fall out here.

    Raises
    ------
    InputError
        One but the distances is empty, or one has a repetition, an unknown name or a value out of range, or a
        selector is not whole or has a name that is taken.
    """

    methods: tuple[str | Selector, ...]
    ratios: tuple[float, ...]
    gammas: tuple[float, ...] | Mapping[str, tuple[float, ...]]
    seeds: tuple[int, ...]
    normalisations: tuple[Normalisation, ...]
    distances: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for item in fields(self):
            given = getattr(self, item.name)
            if item.name == "gammas" and isinstance(given, Mapping):
                _check_known("method with a gamma", list(given), tuple(DEFAULT_GAMMAS))
                of_methods = {name: _checked(item.name, own) for name, own in given.items()}
                object.__setattr__(self, item.name, of_methods)
            else:
                object.__setattr__(self, item.name, _checked(item.name, given))
        _check_methods(self.methods)
        _check_known("normalisation", self.normalisations, get_args(Normalisation))
        object.__setattr__(self, "distances", further_distances(self.distances))
        for name in (item.name for item in fields(self) if item.name != "distances"):
            own = getattr(self, name)
            for values in own.values() if isinstance(own, Mapping) else [own]:
                _check_list(name, values)

    def runs(self) -> Iterator[Run]:
        """Yield every run once: gammas for the methods with a gamma, seeds for the stochastic ones."""
        for method in self.methods:
            for variant in self._variants(method):
                for seed in self.seeds if variant.stochastic else (None,):
                    yield Run(variant, seed)

    def select(self, image: Image, sample_id: str, keeps: Iterable[int]) -> dict[Run, dict[int, Selection]]:
        """Return what every run keeps of an image: its selections by the number of tokens kept."""
        sizes = tuple(keeps)
        return {
            run: select_many(image, run.selector, sizes, seed=run.image_seed(sample_id))
            for run in self.runs()
        }

    def _variants(self, method: str | Selector) -> list[Selector]:
        if not isinstance(method, str):
            return [method]
        selector: Any = SELECTORS[method]
        has_gamma = "gamma" in {item.name for item in fields(selector)}
        return [replace(selector, gamma=one) for one in self._gammas_of(method)] if has_gamma else [selector]

    def _gammas_of(self, method: str) -> tuple[float, ...]:
        if isinstance(self.gammas, Mapping):
            return self.gammas.get(method, (DEFAULT_GAMMAS[method],))
        return self.gammas

    def measurements(self) -> tuple[Measurement, ...]:
        """Return every measurement, in the order of the table's rows within a sample."""
        return tuple(
            Measurement(run, ratio, normalisation, self.distances)
            for run in self.runs()
            for normalisation in self.normalisations
            for ratio in self.ratios
        )

    def digest(self) -> str:
        """Return the SHA-256 of what is measured."""
        return sha256_of_json([one.key for one in self.measurements()])


def _checked(name: str, given: Any) -> tuple[Any, ...]:
    """Return the values of a setting, with numbers as Python's: they stand in keys, which are JSON."""
    return tuple(map(_CHECKS.get(name, _as_it_is), listed(given, f"The {name} of a sweep")))


def _checked_ratio(ratio: Any) -> float:
    resolve_keep(_LARGE, ratio=ratio)
    return float(ratio)


def _as_it_is(value: Any) -> Any:
    return value


_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "ratios": _checked_ratio,
    "gammas": lambda gamma: float(check_gamma(gamma)),
    "seeds": check_seed,
}


def _check_list(name: str, values: Sequence[object]) -> None:
    if not values:
        raise InputError(f"A sweep needs at least one of {name}, got none.")
    if len(set(values)) < len(values):
        raise InputError(f"The {name} of a sweep must be distinct, got {', '.join(map(str, values))}.")


def _check_methods(methods: Sequence[str | Selector]) -> None:
    _check_known("method", [one for one in methods if isinstance(one, str)], tuple(SELECTORS))
    own = [check_recorded(one).name for one in methods if not isinstance(one, str)]
    if taken := [name for name in own if name in SELECTORS or own.count(name) > 1]:
        raise InputError(
            f"The name {taken[0]!r} of a selector is taken, and a table could not tell the two apart; "
            "give it a name of its own."
        )


def _check_known(kind: str, names: Sequence[str], known: Sequence[str]) -> None:
    if unknown := [name for name in names if not isinstance(name, str) or name not in known]:
        raise InputError(f"Unknown {kind} {shown(unknown[0])}; known are {', '.join(known)}.")
