"""Measuring one sample: every selection asked for, and its distances."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otanalysis.arrays import check_tokens, resolve_keep
from otanalysis.normalise import Normalisation
from otanalysis.selection import Selection, select_many
from otanalysis.studies.runs import Measurement, Run
from otanalysis.surrogate.ladder import Ladder
from otanalysis.tokens.read import Sample

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
    """The tokens of one sample, with one ladder a normalisation, made when it is needed."""

    def __init__(self, tokens: NDArray[np.floating]) -> None:
        self.tokens: NDArray[np.float64] = np.asarray(check_tokens(tokens), dtype=np.float64)
        self._ladders: dict[Normalisation, Ladder] = {}

    def ladder(self, normalisation: Normalisation) -> Ladder:
        if normalisation not in self._ladders:
            self._ladders[normalisation] = Ladder(self.tokens, normalise=normalisation)
        return self._ladders[normalisation]


def _select(
    image: _Image, run: Run, ratios: Iterable[float], sample_id: str
) -> dict[float, tuple[Selection, float]]:
    """Return the selection at each ratio and the seconds of the call that made it."""
    keeps = {ratio: resolve_keep(len(image.tokens), ratio=ratio) for ratio in ratios}
    cost = image.ladder("none").cost
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
        **image.ladder(measurement.normalisation).distances(indices),
        "logdet": image.ladder("none").released.value(indices, gamma),
        "kept_indices": indices.tolist(),
        "seconds": seconds,
        "key": measurement.key,
    }
