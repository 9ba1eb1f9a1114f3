r"""The worst case of greedy: a search for instances on which it does badly, and the file that keeps one.

**As kernels.** Number the items so that greedy takes :math:`0, \dots, k-1` in this order, and let the last
:math:`k` be its rival. Over kernels :math:`I + A A^\top`

.. math:: \min_A \; \frac{F(\{0, \dots, k-1\})}{F(\{m-k, \dots, m-1\})} \quad \text{s.t.} \quad
          F(P_t \cup t) \geq F(P_t \cup x), \quad P_t = \{0, \dots, t-1\}, \; t < k, \; x > t

has smooth objective and constraints, while the ratio itself jumps where greedy changes its mind and stops a
plain hill climb. Each feasible point is an instance whose true ratio is at most the objective.

**As tokens.** Every kernel with eigenvalues of at least one is :math:`I + P` with :math:`P \succeq 0`, so no
kernel of the theorem is out of reach of the paper's form; :func:`tokens_of` writes down the tokens.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from scipy.optimize import minimize

from otanalysis.arrays import FloatArray, IntArray, check_tokens
from otanalysis.defaults import RELEASED_GAMMA
from otanalysis.errors import InputError
from otanalysis.files import write_atomic
from otanalysis.surrogate import otprune_kernel
from otanalysis.theorem.check import Tally
from otanalysis.theorem.greedy import GUARANTEE, RATIO_TOLERANCE, Greedy, greedy_ratios, released_greedy
from otanalysis.theorem.setfunctions import best_by_size, logdet_table, members_of

# Greedy's picks stay ahead by this much (in log-determinant), so that rounding does not undo the instance.
TIE_SLACK = 1e-6
# Entries stay below: where a worse and worse instance grows without end, kernels would turn singular.
_LARGEST_ENTRY = 30.0
_ITERATIONS = 300
_PRECISION = 1e-10
# Some instances stay about as bad while their scale grows without end; real tokens have a few thousand
# columns.
_MOST_COLUMNS = 1024
# Of the file that keeps an instance.
_FORMAT = "otanalysis greedy witness 1"
_MOST_ITEMS = 16

Comparisons: TypeAlias = Callable[[int, int], list[IntArray]]
"""From ``m`` and ``k`` to one array [n, size] of index sets a step: the first set is the one picked."""


@dataclass(frozen=True)
class WorstCaseSearch:
    """Where and how long to search for greedy's worst case.

    Attributes
    ----------
    form : {"factor", "tokens"}
        ``factor``: any kernel ``I + A A'``, given by ``A``. ``tokens``: what the released code makes of
        tokens, with its gamma and its columns normalised.
    keep : int
        Number of items that greedy takes, of twice as many; from 2 on, since it takes the best single item.
    starts : int
        Random starts of the search.
    seed : int

    Examples
    --------
    >>> found = GreedyWorstCase()(WorstCaseSearch("factor", keep=2, starts=1, seed=0))
    >>> found.violations, bool(found.margins[0] > 0)  # greedy stays above 1 - 1/e of the best
    (0, True)
    """

    form: str
    keep: int
    starts: int
    seed: int

    @property
    def label(self) -> str:
        """Form and size."""
        return f"{self.form}, {self.keep} of {2 * self.keep} kept"


def greedy_comparisons(m: int, keep: int) -> list[IntArray]:
    """Return what greedy compares: at step ``t`` the prefix of ``t`` items with each of the items left."""
    return [np.array([[*range(step), item] for item in range(step, m)]) for step in range(keep)]


@dataclass(frozen=True)
class GreedyWorstCase:
    """Greedy keeps its guarantee on the worst instances that a search finds; see :class:`WorstCaseSearch`.

    Parameters
    ----------
    comparisons : callable
        What the greedy under test compares: what the search works against.
    greedy : callable
        The greedy under test, run on what was found.
    """

    comparisons: Comparisons = greedy_comparisons
    greedy: Greedy = released_greedy

    def __call__(self, instance: WorstCaseSearch) -> Tally:
        """Return one margin a start; the worst case is the worst matrix [m, d], a factor or tokens."""
        generator = np.random.default_rng([instance.seed, instance.keep])
        found, ratios = [], []
        for _ in range(instance.starts):
            factor = worst_factor(2 * instance.keep, instance.keep, generator, comparisons=self.comparisons)
            matrix = factor if instance.form == "factor" else self._as_tokens(factor, generator)
            found.append(matrix)
            ratios.append(float(greedy_ratios(kernel_of(instance.form, matrix), self.greedy).min()))
        worst_case = (instance, found[int(np.argmin(ratios))])
        return Tally.of(np.array(ratios) - GUARANTEE, RATIO_TOLERANCE, worst_case=worst_case)

    def _as_tokens(self, factor: FloatArray, generator: np.random.Generator) -> FloatArray:
        """Search on from a factor to one of the size that a whole number of columns gives."""
        m, keep = factor.shape
        columns = columns_for(factor)
        norm = columns * np.sqrt(RELEASED_GAMMA)
        sized = worst_factor(
            m, keep, generator, comparisons=self.comparisons, nuclear_norm=norm, start=factor
        )
        return tokens_of(sized)


def worst_factor(
    m: int,
    keep: int,
    generator: np.random.Generator,
    *,
    comparisons: Comparisons = greedy_comparisons,
    nuclear_norm: float | None = None,
    start: FloatArray | None = None,
) -> FloatArray:
    r"""Return a factor :math:`A` whose kernel :math:`I + A A^\top` is a local worst case of greedy.

    Sequential least squares (SLSQP) with exact gradients, :math:`\partial \log\det (I + B B^\top) /
    \partial B = 2 (I + B B^\top)^{-1} B`.

    Parameters
    ----------
    m, keep : int
        Number of items, and of those that greedy takes.
    generator : numpy.random.Generator
        Draws the start.
    comparisons : callable
        What the greedy under test compares.
    nuclear_norm : float, optional
        What the singular values of the factor must add up to.
    start : ndarray [m, keep], optional
        Where to start in place of a random point.

    Returns
    -------
    ndarray [m, keep]
    """
    shape = (m, keep)
    if start is None:
        start = generator.standard_normal(shape) * 10.0 ** generator.uniform(-0.3, 0.8)
    steps = comparisons(m, keep)
    picked, rival = np.arange(keep)[None, :], np.arange(m - keep, m)[None, :]

    def objective(point: FloatArray) -> tuple[float, FloatArray]:
        (low,), (low_slope,) = _logdets(point.reshape(shape), picked)
        (high,), (high_slope,) = _logdets(point.reshape(shape), rival)
        return float(low / high), (low_slope * high - high_slope * low) / high**2

    def leads(point: FloatArray) -> FloatArray:
        values = [_logdets(point.reshape(shape), sets)[0] for sets in steps]
        return np.concatenate([one[0] - one[1:] for one in values]) - TIE_SLACK

    def lead_slopes(point: FloatArray) -> FloatArray:
        slopes = [_logdets(point.reshape(shape), sets)[1] for sets in steps]
        return np.concatenate([one[0] - one[1:] for one in slopes])

    constraints: list[Any] = [{"type": "ineq", "fun": leads, "jac": lead_slopes}]
    if nuclear_norm is not None:
        constraints.append({"type": "eq", "fun": lambda point: _nuclear(point, shape) - nuclear_norm})
    # A line search may run into overflow; it turns back there, and what is not finite is not kept.
    with np.errstate(all="ignore"):
        found = minimize(
            objective,
            start.ravel(),
            jac=True,
            constraints=constraints,
            bounds=[(-_LARGEST_ENTRY, _LARGEST_ENTRY)] * start.size,
            method="SLSQP",
            options={"maxiter": _ITERATIONS, "ftol": _PRECISION},
        )
    point = np.asarray(found.x).reshape(shape)
    return point if np.all(np.isfinite(point)) else start


def _logdets(factor: FloatArray, sets: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the log-determinants [n] of the index sets [n, size] and their gradients [n, m * d]."""
    rows = factor[sets]
    kernels = np.eye(sets.shape[1]) + rows @ rows.swapaxes(1, 2)
    slopes = np.zeros((len(sets), *factor.shape))
    slopes[np.arange(len(sets))[:, None], sets] = 2.0 * np.linalg.solve(kernels, rows)
    return np.linalg.slogdet(kernels)[1], slopes.reshape(len(sets), -1)


def _nuclear(point: FloatArray, shape: tuple[int, int]) -> float:
    return float(np.linalg.svd(point.reshape(shape), compute_uv=False).sum())


def kernel_of(form: str, matrix: FloatArray) -> FloatArray:
    """Return the kernel [m, m] of what a search found.

    Parameters
    ----------
    form : {"factor", "tokens"}
        As in :class:`WorstCaseSearch`.
    matrix : ndarray [m, d]
        The factor, or the tokens.
    """
    if form == "tokens":
        return np.asarray(otprune_kernel(matrix, gamma=RELEASED_GAMMA, normalise="columns"))
    return np.asarray(np.eye(len(matrix)) + matrix @ matrix.T)


def columns_for(factor: FloatArray) -> int:
    """Return how many columns tokens need whose released kernel is close to ``I + A A'``."""
    total = float(np.linalg.svd(factor, compute_uv=False).sum())
    wanted = round(total / math.sqrt(RELEASED_GAMMA))
    return min(max(wanted, int(factor.shape[1])), _MOST_COLUMNS)


def tokens_of(factor: FloatArray) -> FloatArray:
    r"""Return tokens with unit columns whose released kernel is :math:`I + A A^\top`.

    The Gram matrix of the tokens must be :math:`G = (A A^\top / \gamma)^{1/2}`; its trace is the number of
    columns, since each has norm one. Any :math:`V` with :math:`V V^\top = G` may be turned by rotations of
    pairs of columns until all have norm one (Schur and Horn), which does not change the Gram matrix. So
    column normalisation and a fixed gamma rule out no kernel, up to the size of the trace.

    Parameters
    ----------
    factor : ndarray [m, r]
        Scaled to the nearest admissible size first: singular values that add up to :math:`\sqrt\gamma` times
        a whole number.

    Returns
    -------
    ndarray [m, d]
    """
    columns = columns_for(factor)
    left, singular, _ = np.linalg.svd(factor, full_matrices=False)
    tokens = np.zeros((len(factor), columns))
    tokens[:, : len(singular)] = left * np.sqrt(singular * (columns / singular.sum()))
    for _ in range(columns - 1):
        squares = np.sum(tokens**2, axis=0)
        short, long = int(np.argmin(squares)), int(np.argmax(squares))
        a, b = tokens[:, short].copy(), tokens[:, long].copy()
        # Rotated by the angle t, column a has the squared norm |a|^2 cos^2 + |b|^2 sin^2 + 2 a.b sin cos:
        # one where (|b|^2 - 1) tan^2 + 2 a.b tan + |a|^2 - 1 = 0. The signs of the ends give a real root.
        rise, cross, fall = squares[long] - 1.0, float(a @ b), squares[short] - 1.0
        if rise <= 0.0:
            break
        tangent = (-cross + np.sqrt(max(cross**2 - rise * fall, 0.0))) / rise
        cosine = 1.0 / np.sqrt(1.0 + tangent**2)
        tokens[:, short] = cosine * (a + tangent * b)
        tokens[:, long] = cosine * (b - tangent * a)
    return tokens


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


def save_worst_case(path: Path, form: str, matrix: FloatArray) -> Replay:
    """Write an instance with what greedy does on it; numbers are written so that they are read back exactly.

    Parameters
    ----------
    path : Path
        The JSON file; its folder is made if it is missing.
    form : {"factor", "tokens"}
        As in :class:`WorstCaseSearch`.
    matrix : ndarray [m, d]

    Raises
    ------
    InputError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = save_worst_case(Path(folder, "worst.json"), "factor", np.eye(4))
    ...     replay_worst_case(Path(folder, "worst.json")).ratio
    1.0
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


def replay_worst_case(path: Path) -> Replay:
    """Read a saved instance and run greedy and brute force on it again; see :func:`save_worst_case`.

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
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
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
    best = int(best_by_size(logdet_table(kernel))[1][keep])
    ratio = float(ratios[keep - 1])
    return Replay(
        keep=keep,
        greedy=order.tolist(),
        optimum=list(members_of(best)),
        ratio=ratio,
        saved_ratio=ratio if saved_ratio is None else saved_ratio,
    )
