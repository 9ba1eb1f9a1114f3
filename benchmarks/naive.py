"""How a script of a researcher measures pruning: every cell of the grid from the tokens, nothing shared.

The formulas are the shortest ones that are right, in float64 with NumPy and POT, and nothing is slowed
down: the nuclear norms are those of thin products, and of distances only those to the kept tokens are made.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from common import Record


def otprune(tokens: np.ndarray, keep: int, gamma: float = 0.01) -> list[int]:
    """Return the picks of the released OTPrune."""
    gram = _gram(tokens / np.linalg.norm(tokens, axis=0))
    return _greedy(np.eye(len(tokens)) + gamma * gram @ gram.T, keep)


def dpp(tokens: np.ndarray, keep: int) -> list[int]:
    """Return the picks of greedy MAP inference on cosine similarities."""
    similar = _gram(tokens / np.linalg.norm(tokens, axis=1, keepdims=True))
    np.fill_diagonal(similar, 1.0)
    return _greedy(similar, keep)


def divprune(tokens: np.ndarray, keep: int) -> list[int]:
    """Return the picks of the released DivPrune."""
    distances = 1.0 - _gram(tokens / np.linalg.norm(tokens, axis=1, keepdims=True))
    np.fill_diagonal(distances, np.inf)
    picks = [int(distances.min(axis=0).argmax())]
    while len(picks) < keep:
        nearest = distances[picks].min(axis=0)
        nearest[picks] = -np.inf
        picks.append(int(nearest.argmax()))
    return picks


def random(tokens: np.ndarray, keep: int) -> list[int]:
    """Return distinct positions by chance."""
    return np.random.default_rng(0).permutation(len(tokens))[:keep].tolist()


METHODS = {"otprune": otprune, "divprune": divprune, "dpp": dpp, "random": random}


@dataclass
class Solves:
    """Seconds of this process in the exact solver so far."""

    seconds: float = 0.0


def measure(tokens: np.ndarray, kept: list[int], solves: Solves) -> Record:
    """Return what a sweep measures of a kept set."""
    import ot

    some = tokens[kept]
    cost = ot.dist(tokens, some)
    start = time.process_time()
    w2_squared = ot.emd2([], [], cost, numItermax=10**7)
    solves.seconds += time.process_time() - start
    mean, kept_mean = tokens.mean(axis=0), some.mean(axis=0)
    bures, trace = _bures(tokens, some)
    centred, _ = _bures(tokens - mean, some - kept_mean)
    unit = tokens / np.linalg.norm(tokens, axis=0)
    rows = unit[kept] @ unit.T
    return {
        "w2_squared": float(w2_squared),
        "quantisation_error": float(cost.min(axis=1).mean()),
        "gelbrich_w2_squared": centred + float(np.sum((mean - kept_mean) ** 2)),
        "bures_w2_squared": bures,
        "trace_objective": trace,
        "logdet": float(np.linalg.slogdet(np.eye(len(kept)) + 0.01 * rows @ rows.T)[1]),
    }


def _bures(tokens: np.ndarray, some: np.ndarray) -> tuple[float, float]:
    """Return the squared distance between two second moments, and the trace term of it."""
    cross = tokens @ some.T / np.sqrt(len(tokens) * len(some))
    trace = float(np.linalg.svd(cross, compute_uv=False).sum())
    return float(np.sum(tokens**2) / len(tokens) + np.sum(some**2) / len(some)) - 2.0 * trace, trace


def _gram(rows: np.ndarray) -> np.ndarray:
    return rows @ rows.T


def _greedy(kernel: np.ndarray, keep: int) -> list[int]:
    """Return the picks of the greedy log-determinant (Chen, Zhang and Zhou, 2018)."""
    factor = np.zeros((keep, len(kernel)))
    residual = kernel.diagonal().copy()
    picks: list[int] = []
    for step in range(keep):
        pick = int(residual.argmax())
        row = (kernel[pick] - factor[:step, pick] @ factor[:step]) / np.sqrt(residual[pick])
        factor[step] = row
        residual -= row**2
        residual[pick] = -np.inf
        picks.append(pick)
    return picks
