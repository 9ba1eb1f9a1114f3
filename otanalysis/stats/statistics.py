r"""Statistics of small tables: rank correlation, its exact test, bootstrap and delta-method intervals.

Everything here takes numbers and returns numbers; nothing knows of methods, benchmarks or figures.

Two facts decide what the figures may say. With :math:`n` methods there are only :math:`n!` ways to pair two
rankings, so a two-sided permutation test can never report less than :math:`2/n!` (0.0167 for five methods).
And a p-value above that floor is exact only because the permutations are enumerated, up to
:data:`LARGEST_EXACT` methods; beyond, it is a Monte-Carlo estimate that carries its standard error.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata, t as student_t

from otanalysis.arrays import FloatArray, real_numbers
from otanalysis.errors import InputError
from otanalysis.scalars import check_integer, check_number, shown

LARGEST_EXACT = 9
"""Most methods whose permutations are enumerated: 9! = 362,880 take 0.1 s, 10! would take 1 s and 300 MB."""

MONTE_CARLO_PERMUTATIONS = 100_000
"""Permutations drawn beyond :data:`LARGEST_EXACT`: a p-value near 0.05 is then known to 0.0007."""

TIE_TOLERANCE = 1e-12
"""Two correlations of at most 20 ranks that differ by less than this differ by rounding only."""


@dataclass(frozen=True)
class SpearmanTest:
    """Spearman's rho of two short lists, with what a permutation test can say about it.

    Attributes
    ----------
    rho : float
        Rank correlation, ties by mid-ranks; NaN if one of the lists is constant.
    p_value : float
        Two-sided permutation p-value: share of the pairings with ``|rho|`` at least the observed one.
    smallest_p : float
        The smallest p-value that these ranks could give; no data of this size can prove more.
    n : int
        Length of the lists.
    permutations : int
        Number of pairings looked at.
    exact : bool
        Whether all ``n!`` pairings were enumerated.
    standard_error : float
        Monte-Carlo standard error of ``p_value``; 0 if exact.
    """

    rho: float
    p_value: float
    smallest_p: float
    n: int
    permutations: int
    exact: bool
    standard_error: float


def spearman_rho(x: ArrayLike, y: ArrayLike) -> FloatArray:
    r"""Spearman's rank correlation along the last axis, ties by mid-ranks.

    Parameters
    ----------
    x, y : array_like, shape (..., n)
        Paired values; the leading axes broadcast.

    Returns
    -------
    ndarray, shape (...)
        Pearson's correlation of the ranks; NaN where one side is constant.

    Examples
    --------
    >>> float(spearman_rho([1.0, 2.0, 3.0], [30.0, 20.0, 10.0]))
    -1.0
    """
    a, b = _centred_ranks(x), _centred_ranks(y)
    product = np.sum(a * b, axis=-1)
    scale = np.sqrt(np.sum(a * a, axis=-1) * np.sum(b * b, axis=-1))
    rho = np.full(np.shape(product), np.nan)
    np.divide(product, scale, out=rho, where=scale > 0)
    return np.clip(rho, -1.0, 1.0)


def spearman_test(
    x: ArrayLike, y: ArrayLike, *, generator: np.random.Generator | None = None
) -> SpearmanTest:
    """Test whether two short lists are ranked independently, by permuting one of them.

    Parameters
    ----------
    x, y : array_like [n]
        Paired finite values, ``n`` at least 2.
    generator : numpy.random.Generator, optional
        Draws the pairings beyond :data:`LARGEST_EXACT` values; not needed below.

    Returns
    -------
    SpearmanTest
        With p-value and smallest attainable p-value.

    Raises
    ------
    InputError
        If the lists hold anything but numbers, differ in length, are shorter than 2, hold NaN, or need a
        generator that is missing.

    Examples
    --------
    >>> test = spearman_test([1, 2, 3, 4, 5], [5, 4, 3, 2, 1])
    >>> test.rho, round(test.p_value, 4), test.permutations
    (-1.0, 0.0167, 120)
    """
    first, second = real_numbers(x, "x"), real_numbers(y, "y")
    _check_pair(first, second)
    return spearman_tests(first[None], second, generator=generator)[0]


def spearman_tests(
    x: ArrayLike, y: ArrayLike, *, generator: np.random.Generator | None = None
) -> list[SpearmanTest]:
    """Test several lists against one, as :func:`spearman_test` does, all with the same permutations.

    Parameters
    ----------
    x : array_like [q, n]
        Lists of finite values, ``n`` at least 2.
    y : array_like [n]
        The list that each of them is paired with.
    generator : numpy.random.Generator, optional
        As there.

    Returns
    -------
    list of SpearmanTest, length q

    Raises
    ------
    InputError
        As there.

    Examples
    --------
    >>> tests = spearman_tests([[1, 2, 3, 4, 5], [5, 4, 1, 2, 3]], [1, 2, 3, 4, 5])
    >>> [(round(test.rho, 3), round(test.p_value, 3)) for test in tests]
    [(1.0, 0.017), (-0.6, 0.35)]
    """
    lists, other = real_numbers(x, "x"), real_numbers(y, "y")
    for one in lists:
        _check_pair(one, other)
    n = other.size
    exact = n <= LARGEST_EXACT
    a, b = _centred_ranks(lists), _centred_ranks(other)
    scales = np.sqrt(np.sum(a * a, axis=1) * np.sum(b * b))
    if not scales.any():
        return [_tested(0.0, 0.0, scales, n, exact=exact) for _ in lists]
    order = _all_permutations(n) if exact else _drawn_permutations(n, generator)
    return [
        _tested(float(product), float(scale), null, n, exact=exact)
        for product, scale, null in zip(a @ b, scales, np.abs(b[order] @ a.T).T, strict=True)
    ]


def _tested(product: float, scale: float, products: FloatArray, n: int, *, exact: bool) -> SpearmanTest:
    """Return the test of centred ranks, from their product and those of all pairings, in absolute value."""
    if scale == 0.0:
        return SpearmanTest(np.nan, np.nan, np.nan, n, 0, exact, 0.0)
    rho, null = float(np.clip(product / scale, -1.0, 1.0)), products / scale
    hits = null >= abs(rho) - TIE_TOLERANCE
    if exact:
        extreme = null >= null.max() - TIE_TOLERANCE
        return SpearmanTest(rho, float(hits.mean()), float(extreme.mean()), n, len(null), True, 0.0)
    # The observed pairing counts as one of the draws: a p-value of zero is never reported.
    p = (1 + int(hits.sum())) / (1 + len(null))
    error = float(np.sqrt(p * (1 - p) / len(null)))
    return SpearmanTest(rho, p, 1 / (1 + len(null)), n, len(null), False, error)


def holm(p_values: ArrayLike) -> FloatArray:
    r"""Adjust the p-values of a family of tests by Holm's step-down method.

    .. math:: \tilde p_{(i)} = \max_{j \leq i} \min \{ (n - j + 1) \, p_{(j)}, 1 \}

    Who calls significant what is at most 0.05 after it is wrong anywhere in the family with a probability of
    at most 0.05, whatever holds and however the tests hang together (Holm, A simple sequentially rejective
    multiple test procedure, 1979).

    Parameters
    ----------
    p_values : array_like [n]
        NaN where there is no test: it stays, and does not count.

    Returns
    -------
    ndarray [n]

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03, np.nan])
    array([0.03, 0.06, 0.06,  nan])
    """
    adjusted = real_numbers(p_values, "p_values").copy()
    order = np.argsort(adjusted)[: np.count_nonzero(np.isfinite(adjusted))]
    steps = np.arange(len(order), 0, -1) * adjusted[order]
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def bootstrap_means(values: ArrayLike, resamples: int, *, generator: np.random.Generator) -> FloatArray:
    r"""Means of bootstrap resamples of the rows, the same rows for every column (paired).

    Parameters
    ----------
    values : array_like, shape (n, c)
        One row per sample, one column per quantity measured on it.
    resamples : int
        Number of resamples.
    generator : numpy.random.Generator
        Source of the resamples.

    Returns
    -------
    ndarray, shape (resamples, c)
        Column means of each resample. Drawing how often each row comes up (multinomial) and multiplying is
        the same as drawing rows with replacement, and needs no array of shape (resamples, n, c). NaN of a
        single row: it says nothing of how rows differ, so that what is made of it has no interval, rather
        than one of no width.

    Raises
    ------
    InputError
        If there is no row or ``resamples`` is not positive.

    Examples
    --------
    >>> bootstrap_means([[1.0], [1.0]], 2, generator=np.random.default_rng(0))
    array([[1.],
           [1.]])
    >>> bootstrap_means([[1.0]], 2, generator=np.random.default_rng(0))
    array([[nan],
           [nan]])
    """
    table = real_numbers(values, "values")
    number = check_integer(resamples, "resamples", wanted="an integer", low=-np.inf)
    if table.ndim != 2 or table.shape[0] == 0 or number < 1:
        raise InputError(
            "bootstrap_means wants a table of at least one row and at least one resample, "
            f"got shape {table.shape} and {shown(number)} resamples."
        )
    _check_generator(generator)
    return resampled_means(table, resample_counts(len(table), number, generator=generator))


def resample_counts(n: int, resamples: int, *, generator: np.random.Generator) -> FloatArray:
    """Return how often each of ``n`` rows comes up in bootstrap resamples [r, n]; NaN of a single row."""
    if n == 1:
        return np.full((resamples, 1), np.nan)
    return generator.multinomial(n, np.full(n, 1.0 / n), size=resamples).astype(np.float64)


def resampled_means(table: FloatArray, counts: FloatArray) -> FloatArray:
    """Return the means [r, c] of resamples of a table [n, c], of whose rows each comes up so often [r, n]."""
    return np.asarray(counts @ table / len(table))


def percentile_interval(replicates: ArrayLike, *, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """Percentile interval along the first axis.

    Parameters
    ----------
    replicates : array_like, shape (r, ...)
        Bootstrap replicates; NaN replicates (an undefined correlation) are left out.
    level : float
        Coverage wanted, in (0, 1).

    Returns
    -------
    low, high : ndarray, shape (...)
        NaN where every replicate is NaN.

    Examples
    --------
    >>> low, high = percentile_interval(np.arange(101.0), level=0.9)
    >>> round(float(low), 6), round(float(high), 6)
    (5.0, 95.0)
    """
    level = _checked_level(level)
    table = real_numbers(replicates, "replicates")
    if table.ndim == 0 or table.shape[0] == 0:
        raise InputError(f"An interval needs at least one replicate; got shape {table.shape}.")
    flat = table.reshape(table.shape[0], -1)
    limits = np.full((2, flat.shape[1]), np.nan)
    tails = [(1 - level) / 2, (1 + level) / 2]
    whole = np.isfinite(flat).all(axis=0)
    limits[:, whole] = np.quantile(flat[:, whole], tails, axis=0)
    for column in np.flatnonzero(~whole):
        finite = flat[np.isfinite(flat[:, column]), column]
        if finite.size:
            limits[:, column] = np.quantile(finite, tails)
    return limits[0].reshape(table.shape[1:]), limits[1].reshape(table.shape[1:])


def mean_interval(values: ArrayLike, *, level: float = 0.95) -> tuple[float, float]:
    r"""Student's interval of a mean: :math:`\bar x \pm t_{n-1} s / \sqrt n`.

    Parameters
    ----------
    values : array_like, shape (n,)
        Independent values, such as paired differences on several benchmarks. What they share drops out, so
        that errors that two scores of one benchmark have in common do not widen the interval.
    level : float
        Coverage wanted, in (0, 1).

    Returns
    -------
    low, high : float
        NaN if there are fewer than two values, or one is missing.

    Examples
    --------
    >>> low, high = mean_interval([0.0, 1.0, 2.0])
    >>> round(low, 3), round(high, 3)
    (-1.484, 3.484)
    """
    table = real_numbers(values, "values")
    level = _checked_level(level)
    if table.size < 2:
        return np.nan, np.nan
    reach = float(student_t.ppf((1 + level) / 2, table.size - 1) * table.std(ddof=1) / np.sqrt(table.size))
    return float(table.mean()) - reach, float(table.mean()) + reach


def ratio_standard_error(
    numerator: ArrayLike, numerator_error: ArrayLike, denominator: ArrayLike, denominator_error: ArrayLike
) -> FloatArray:
    r"""Propagate two independent standard errors to the ratio of two means (delta method).

    .. math:: \mathrm{se}^2\left(\frac{a}{b}\right) \approx \frac{s_a^2}{b^2} + \frac{a^2 s_b^2}{b^4}

    The full first-order formula also subtracts :math:`2 a\,\mathrm{cov}(a, b) / b^3`. A pruned and an
    unpruned model answer the same questions, so that covariance is positive and the interval given here
    is conservative (too wide).

    Parameters
    ----------
    numerator, denominator : array_like
        Means, broadcast; same unit.
    numerator_error, denominator_error : array_like
        Their standard errors; NaN passes through.

    Returns
    -------
    ndarray
        Standard error of ``numerator / denominator`` (no unit); NaN where the denominator is zero.

    Examples
    --------
    >>> round(float(ratio_standard_error(0.6, 0.03, 0.8, 0.04)), 6)
    0.053033
    """
    a, sa, b, sb = np.broadcast_arrays(
        *(
            real_numbers(v, name)
            for v, name in (
                (numerator, "numerator"),
                (numerator_error, "numerator_error"),
                (denominator, "denominator"),
                (denominator_error, "denominator_error"),
            )
        )
    )
    safe = np.where(b == 0, np.nan, b)
    return np.asarray(np.hypot(sa / safe, a * sb / safe**2), dtype=np.float64)


def _centred_ranks(values: ArrayLike) -> FloatArray:
    """Mid-ranks along the last axis, minus their mean (n + 1) / 2."""
    array = real_numbers(values, "values")
    ranks: FloatArray = np.asarray(rankdata(array, axis=-1), dtype=np.float64)
    centred: FloatArray = ranks - (array.shape[-1] + 1) / 2
    return centred


def _checked_level(level: float) -> float:
    number = check_number(level, "The level of an interval", wanted="a number")
    if not 0.0 < number < 1.0:
        raise InputError(f"The level of an interval must lie in (0, 1), got {number}.")
    return number


def _check_generator(generator: np.random.Generator | None) -> None:
    if not isinstance(generator, np.random.Generator):
        raise InputError(f"generator must be numpy.random.default_rng(seed); got {shown(generator)}.")


def _check_pair(x: FloatArray, y: FloatArray) -> None:
    if x.ndim != 1 or x.shape != y.shape or x.size < 2:
        raise InputError(
            f"A rank correlation wants two lists of one length >= 2, got shapes {x.shape} and {y.shape}."
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError("A rank correlation wants finite values; leave out the pairs that hold NaN first.")


@lru_cache(maxsize=LARGEST_EXACT)
def _all_permutations(n: int) -> NDArray[np.intp]:
    """All n! orders of ``range(n)``, shape (n!, n), by putting each new element at every place."""
    orders = np.zeros((1, 0), dtype=np.intp)
    for element in range(n):
        orders = np.concatenate([np.insert(orders, place, element, axis=1) for place in range(element + 1)])
    return orders


def _drawn_permutations(n: int, generator: np.random.Generator | None) -> NDArray[np.intp]:
    if generator is None:
        raise InputError(
            f"{n} values have too many permutations to enumerate (the limit is {LARGEST_EXACT}): "
            "pass a numpy.random.Generator as generator."
        )
    _check_generator(generator)
    rows = np.tile(np.arange(n, dtype=np.intp), (MONTE_CARLO_PERMUTATIONS, 1))
    return generator.permuted(rows, axis=1)
