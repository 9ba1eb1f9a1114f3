"""Measuring one sample: every selection asked for, and its distances."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otanalysis.experiments.sweep_plan import Measurement, Run
from otanalysis.selection import Selection, select_many
from otanalysis.surrogate import logdet_value, otprune_kernel
from otanalysis.tokens.dump import Sample
from otanalysis.tokens.normalise import Normalisation, normalise_tokens
from otanalysis.tokens.validate import check_tokens, resolve_keep
from otanalysis.transport import (
    TokenMoments,
    bures_squared,
    gelbrich_squared,
    quantisation_error,
    squared_distances,
    trace_objective,
    wasserstein2,
)

__all__ = ["DEFAULT_LOGDET_GAMMA", "measure_sample"]

DEFAULT_LOGDET_GAMMA = 0.01
"""Factor of the surrogate's kernel in the rows of methods without a gamma: the released code's."""

Record = dict[str, Any]


def measure_sample(sample: Sample, measurements: Sequence[Measurement]) -> list[Record]:
    """Measure one sample.

    Parameters
    ----------
    sample : Sample
        Its tokens have the shape ``[m, d]``.
    measurements : sequence of Measurement
        What to measure.

    Returns
    -------
    list of dict
        One a measurement, in the order given.

    Raises
    ------
    InputError
        The tokens are not a finite matrix.
    ConvergenceError
        An exact distance could not be certified.
    """
    image = _Image(sample.tokens)
    runs: dict[Run, set[float]] = {}
    for one in measurements:
        runs.setdefault(one.run, set()).add(one.ratio)
    selections = {run: _select(image, run, ratios, sample.id) for run, ratios in runs.items()}
    return [_record(sample, image, one, *selections[one.run][one.ratio]) for one in measurements]


class _Image:
    """The tokens of one sample with what all their subsets share, each part computed once, when needed."""

    def __init__(self, tokens: NDArray[np.floating]) -> None:
        self.tokens: NDArray[np.float64] = np.asarray(check_tokens(tokens), dtype=np.float64)
        self._clouds: dict[Normalisation, _Cloud] = {}

    def cloud(self, normalisation: Normalisation) -> _Cloud:
        if normalisation not in self._clouds:
            self._clouds[normalisation] = _Cloud(np.asarray(normalise_tokens(self.tokens, normalisation)))
        return self._clouds[normalisation]

    @cached_property
    def _surrogate_gram(self) -> NDArray[np.float64]:
        return np.asarray(otprune_kernel(self.tokens, gamma=1.0)) - np.eye(len(self.tokens))

    def logdet(self, indices: NDArray[np.int64], gamma: float) -> float:
        """Return log det K_CC; only the kept block of the kernel is formed."""
        block = np.eye(len(indices)) + gamma * self._surrogate_gram[np.ix_(indices, indices)]
        return logdet_value(block, np.arange(len(indices)))


class _Cloud:
    """Normalised tokens with their distance matrix and moments; equal subsets are measured once."""

    def __init__(self, tokens: NDArray[np.float64]) -> None:
        self.tokens = tokens
        self.cost = squared_distances(tokens)
        self._moments = TokenMoments(tokens)
        self._measured: dict[bytes, Record] = {}

    def distances(self, indices: NDArray[np.int64]) -> Record:
        subset = indices.tobytes()
        if subset not in self._measured:
            transport = wasserstein2(self.tokens, indices, cost=self.cost)
            self._measured[subset] = {
                "w2": transport.distance,
                "w2_squared": transport.squared_distance,
                "quantisation_error": quantisation_error(self.tokens, indices, cost=self.cost),
                "gelbrich_w2_squared": gelbrich_squared(self._moments, indices),
                "bures_w2_squared": bures_squared(self._moments, indices),
                "trace_objective": trace_objective(self._moments, indices),
                "duality_gap": transport.duality_gap,
            }
        return self._measured[subset]


def _select(
    image: _Image, run: Run, ratios: Iterable[float], sample_id: str
) -> dict[float, tuple[Selection, float]]:
    """Return the selection at each ratio and the seconds of the call that made it."""
    keeps = {ratio: resolve_keep(len(image.tokens), ratio=ratio) for ratio in ratios}
    cost = image.cloud("none").cost
    groups = [sorted(set(keeps.values()))]
    if not run.selector.nested:
        groups = [[keep] for keep in groups[0]]
    made: dict[int, tuple[Selection, float]] = {}
    for group in groups:
        start = time.perf_counter()
        selections = select_many(image.tokens, run.selector, group, seed=run.image_seed(sample_id), cost=cost)
        seconds = time.perf_counter() - start
        made |= {keep: (selection, seconds) for keep, selection in selections.items()}
    return {ratio: made[keep] for ratio, keep in keeps.items()}


def _record(
    sample: Sample, image: _Image, measurement: Measurement, selection: Selection, seconds: float
) -> Record:
    run = measurement.run
    indices = np.asarray(selection.indices)
    gamma = DEFAULT_LOGDET_GAMMA if run.gamma is None else run.gamma
    m, d = image.tokens.shape
    return {
        "sample": sample.id,
        "m": m,
        "d": d,
        "method": run.selector.name,
        "ratio": measurement.ratio,
        "keep": selection.keep,
        "gamma": run.gamma,
        "logdet_gamma": gamma,
        "seed": run.seed,
        "normalisation": measurement.normalisation,
        **image.cloud(measurement.normalisation).distances(indices),
        "logdet": image.logdet(indices, gamma),
        "kept_indices": indices.tolist(),
        "seconds": seconds,
        "key": measurement.key,
    }
