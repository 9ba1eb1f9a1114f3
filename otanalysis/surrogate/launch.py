"""The greedy searches as kernels in Triton: all images and all steps in one launch.

Loaded where tensors lie on a GPU, and nowhere else: :mod:`otanalysis.surrogate.one_launch` asks first whether
Triton is there. Tokens of an image are shared among its programs in blocks of neighbours. In every step each
program finds the best of its block, all of an image meet, and each reads what the others found. What is
computed and why stands with :func:`~otanalysis.surrogate.logdet.greedy_logdet`; additions have another order.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _meet(ARRIVED, so_far):
    """Wait until all programs of an image arrived: what they wrote before is seen behind."""
    tl.debug_barrier()
    tl.atomic_add(ARRIVED, 1, sem="release", scope="gpu")
    while tl.atomic_add(ARRIVED, 0, sem="acquire", scope="gpu") < so_far:
        pass
    tl.debug_barrier()


@triton.jit
def _first_best(score):
    """Return the best score and where it is, the first of equals; NaN, of tokens to be refused, counts least.

    With NaN each thread would find another best, and go another way where all must go one: for ever.
    """
    number = tl.where(score == score, score, -float("inf"))
    return tl.max(number, axis=0, return_indices=True, return_indices_tie_break_left=True)


@triton.jit
def _tell(
    score,
    VALUES,
    PLACES,
    step,
    part,
    PROGRAMS: tl.constexpr,
    BLOCK: tl.constexpr,
    ALONE: tl.constexpr,
):
    """Return the best score of the block and where it is, the first of equals; write both for the others."""
    value, place = _first_best(score)
    place += part * BLOCK
    if not ALONE:
        tl.store(VALUES + step * PROGRAMS + part, value)
        tl.store(PLACES + step * PROGRAMS + part, place)
    return value, place


@triton.jit
def _hear(VALUES, PLACES, step, m, PROGRAMS: tl.constexpr, LISTENERS: tl.constexpr):
    """Return the best score that any program of the image found, and the lowest place that has it."""
    part = tl.arange(0, LISTENERS)
    theirs = part < PROGRAMS
    # Past the first cache, which does not see what other processors write.
    values = tl.load(VALUES + step * PROGRAMS + part, mask=theirs, other=-float("inf"), cache_modifier=".cg")
    places = tl.load(PLACES + step * PROGRAMS + part, mask=theirs, other=0, cache_modifier=".cg")
    best = tl.max(values, axis=0)
    return best, tl.min(tl.where(theirs & (values == best), places, m - 1), axis=0)


@triton.jit
def _ascending(ORDER, INDICES, keep, TILE: tl.constexpr):
    """Write the picks of an image once more, each to its rank."""
    for start in range(0, keep, TILE):
        mine = start + tl.arange(0, TILE)
        pick = tl.load(ORDER + mine, mask=mine < keep, other=0)
        rank = tl.zeros([TILE], dtype=tl.int32)
        for other in range(0, keep, TILE):
            theirs = other + tl.arange(0, TILE)
            place = tl.load(ORDER + theirs, mask=theirs < keep, other=2**62)
            rank += tl.sum((place[None, :] < pick[:, None]).to(tl.int32), axis=1)
        tl.store(INDICES + rank, pick, mask=mine < keep)


@triton.jit
def logdet(
    KERNELS,
    NUMBERS,
    COUNTS,
    PICKS,
    GAINS,
    images,
    m,
    keep,
    first,
    last,
    floor: tl.float64,
    least_gain: tl.float64,
    tiny: tl.float64,
    PROGRAMS: tl.constexpr,
    LISTENERS: tl.constexpr,
    BLOCK: tl.constexpr,
    ROWS: tl.constexpr,
    STARTS: tl.constexpr,
    AT_ONCE: tl.constexpr,
    ALONE: tl.constexpr,
):
    """Take the steps ``first`` to ``last`` of the greedy search."""
    image = (tl.program_id(0) // PROGRAMS).to(tl.int64)
    part = tl.program_id(0) % PROGRAMS
    KERNELS += image * m * m
    ORDER = PICKS + image * keep
    INDICES = ORDER + images * keep
    GAINS += image * keep
    # What stands in the two buffers of an image, behind one another.
    VALUES = NUMBERS + image * ((keep + 1) * (PROGRAMS + m))
    RESIDUAL = VALUES + (keep + 1) * PROGRAMS
    FACTOR = RESIDUAL + m
    ARRIVED = COUNTS + image * ((keep + 1) * (PROGRAMS + 1) + 1 + m)
    PLACES = ARRIVED + 1
    IN_USE = PLACES + (keep + 1) * PROGRAMS
    TAKEN = IN_USE + keep + 1
    j = part * BLOCK + tl.arange(0, BLOCK)
    inside = j < m
    diagonal = tl.load(KERNELS + j * m + j, mask=inside, other=-float("inf"))
    if STARTS:
        residual = diagonal
        in_use = first
        best, pick = _tell(residual, VALUES, PLACES, 0, part, PROGRAMS, BLOCK, ALONE)
        if AT_ONCE and not ALONE:
            _meet(ARRIVED, PROGRAMS)
            best, pick = _hear(VALUES, PLACES, 0, m, PROGRAMS, LISTENERS)
        top = best
    else:
        residual = tl.load(RESIDUAL + j, mask=inside, other=-float("inf"))
        in_use = tl.load(IN_USE + first)
        top, _ = _hear(VALUES, PLACES, 0, m, PROGRAMS, LISTENERS)
        best, pick = _hear(VALUES, PLACES, first, m, PROGRAMS, LISTENERS)
    # By the largest entry of the diagonal is measured what cannot be told from zero.
    smallest = tiny * top
    for step in range(first, last):
        pick = tl.minimum(pick, m - 1)
        pivot = best
        spanned = best <= smallest
        if spanned:
            # The best of the diagonal among all that are left, whoever's they are.
            pivot = tl.full((), -float("inf"), dtype=tl.float64)
            for start in range(0, m, BLOCK):
                i = start + tl.arange(0, BLOCK)
                # A program that is ahead may have noted this step's pick already: that one still counts.
                since = tl.load(TAKEN + i, mask=i < m, other=1, cache_modifier=".cg")
                free = (i < m) & ((since == 0) | (since > step))
                left = tl.load(KERNELS + i * m + i, mask=free, other=-float("inf"))
                value, place = _first_best(left)
                pick = tl.where(value > pivot, start + place, pick)
                pivot = tl.maximum(value, pivot)
        in_use = tl.where(spanned, 0, in_use)
        again = tl.where(residual > -float("inf"), diagonal, residual)
        residual = tl.where(spanned, again, residual)
        usable = pivot > smallest
        done = tl.zeros([ROWS, BLOCK], dtype=tl.float64)
        row = tl.load(KERNELS + pick * m + j, mask=inside, other=0.0)
        # Only the rows of this run count, the last ones of the factor. Their number must stand elsewhere than
        # in the bounds too: what does not is the same in all steps to Triton 3.6.
        for start in range(0, in_use, ROWS):
            mine = start + tl.arange(0, ROWS)
            s = step - in_use + mine
            weight = tl.load(FACTOR + s * m + pick, mask=mine < in_use, other=0.0, cache_modifier=".cg")
            rows = FACTOR + s[:, None] * m + j[None, :]
            seen = (mine < in_use)[:, None] & inside[None, :]
            done += weight[:, None] * tl.load(rows, mask=seen, other=0.0)
        row = (row - tl.sum(done, axis=0)) / tl.sqrt(tl.where(usable, pivot, 1.0))
        row = tl.where(usable, row, 0.0)
        tl.store(FACTOR + step * m + j, row, mask=inside)
        tl.store(TAKEN + j, step + 1, mask=j == pick)
        if part == 0:
            tl.store(ORDER + step, pick.to(tl.int64))
            # The logarithm is taken at the end, of all at once.
            tl.store(GAINS + step, tl.where(best > smallest, best, -1.0))
        in_use += 1
        lower = tl.maximum(residual - row * row, floor)
        free = (residual > -float("inf")) & (j != pick)
        residual = tl.where(free, lower, -float("inf"))
        best, pick = _tell(residual, VALUES, PLACES, step + 1, part, PROGRAMS, BLOCK, ALONE)
        if AT_ONCE and not ALONE:
            _meet(ARRIVED, PROGRAMS * (step + 2))
            best, pick = _hear(VALUES, PLACES, step + 1, m, PROGRAMS, LISTENERS)
        else:
            tl.debug_barrier()  # other threads read this step's row in the next one
    if not AT_ONCE:
        tl.store(RESIDUAL + j, residual, mask=inside)
        tl.store(IN_USE + last, in_use)
    if part == 0 and last == keep:
        tl.debug_barrier()
        for start in range(0, keep, 64):
            s = start + tl.arange(0, 64)
            pivots = tl.load(GAINS + s, mask=s < keep, other=1.0)
            gains = tl.where(pivots > 0.0, tl.log(tl.where(pivots > 0.0, pivots, 1.0)), least_gain)
            tl.store(GAINS + s, gains, mask=s < keep)
        _ascending(ORDER, INDICES, keep, 64)


@triton.jit
def farthest(
    DISTANCES,
    NUMBERS,
    COUNTS,
    PICKS,
    GAINS,
    images,
    m,
    keep,
    first,
    last,
    PROGRAMS: tl.constexpr,
    LISTENERS: tl.constexpr,
    BLOCK: tl.constexpr,
    ROWS: tl.constexpr,
    STARTS: tl.constexpr,
    AT_ONCE: tl.constexpr,
    ALONE: tl.constexpr,
):
    """Take the steps ``first`` to ``last`` of the max-min search."""
    image = (tl.program_id(0) // PROGRAMS).to(tl.int64)
    part = tl.program_id(0) % PROGRAMS
    DISTANCES += image * m * m
    ORDER = PICKS + image * keep
    INDICES = ORDER + images * keep
    GAINS += image * keep
    VALUES = NUMBERS + image * ((keep + 1) * (PROGRAMS + m))
    NEAREST = VALUES + (keep + 1) * PROGRAMS
    ARRIVED = COUNTS + image * ((keep + 1) * (PROGRAMS + 1) + 1 + m)
    PLACES = ARRIVED + 1
    j = part * BLOCK + tl.arange(0, BLOCK)
    inside = j < m
    if STARTS:
        others = tl.full([ROWS, BLOCK], float("inf"), dtype=tl.float64)
        for start in range(0, m, ROWS):
            i = start + tl.arange(0, ROWS)
            seen = (i < m)[:, None] & inside[None, :] & (i[:, None] != j[None, :])
            rows = DISTANCES + i[:, None] * m + j[None, :]
            others = tl.minimum(others, tl.load(rows, mask=seen, other=float("inf")))
        nearest = tl.where(inside, tl.min(others, axis=0), -float("inf"))
        # One token alone has no other.
        nearest = tl.where(inside & (m == 1), 0.0, nearest)
        best, pick = _tell(nearest, VALUES, PLACES, 0, part, PROGRAMS, BLOCK, ALONE)
        if AT_ONCE and not ALONE:
            _meet(ARRIVED, PROGRAMS)
            best, pick = _hear(VALUES, PLACES, 0, m, PROGRAMS, LISTENERS)
    else:
        nearest = tl.load(NEAREST + j, mask=inside, other=-float("inf"))
        best, pick = _hear(VALUES, PLACES, first, m, PROGRAMS, LISTENERS)
    for step in range(first, last):
        pick = tl.minimum(pick, m - 1)
        row = tl.load(DISTANCES + pick * m + j, mask=inside, other=0.0)
        if part == 0:
            tl.store(ORDER + step, pick.to(tl.int64))
            tl.store(GAINS + step, best)
        free = (nearest > -float("inf")) & (j != pick)
        # The first pick was the farthest from all others; from now on only picks count.
        lower = tl.where(step == 0, row, tl.minimum(nearest, row))
        nearest = tl.where(free, lower, -float("inf"))
        best, pick = _tell(nearest, VALUES, PLACES, step + 1, part, PROGRAMS, BLOCK, ALONE)
        if AT_ONCE and not ALONE:
            _meet(ARRIVED, PROGRAMS * (step + 2))
            best, pick = _hear(VALUES, PLACES, step + 1, m, PROGRAMS, LISTENERS)
    if not AT_ONCE:
        tl.store(NEAREST + j, nearest, mask=inside)
    if part == 0 and last == keep:
        tl.debug_barrier()
        _ascending(ORDER, INDICES, keep, 64)


@triton.jit
def unit(
    TOKENS,
    UNIT,
    NONZERO,
    BAD,
    lines,
    length,
    across,
    along,
    SCALED: tl.constexpr,
    WIDE: tl.constexpr,
    LINES: tl.constexpr,
    STEP: tl.constexpr,
):
    """Write the tokens in float64, each line (column or row) scaled to norm one; tell what is not finite."""
    image = tl.program_id(1).to(tl.int64)
    TOKENS += image * lines * length
    UNIT += image * lines * length
    line = tl.program_id(0) * LINES + tl.arange(0, LINES)
    inside = line < lines
    at = line[:, None] * across
    by = tl.full([LINES], 1.0, dtype=tl.float64)
    if WIDE:
        # Dividing by the largest entry first keeps the squares from overflowing or vanishing; only its power
        # of two is divided by, which rounds nothing. No square of a shorter type needs it.
        largest = tl.zeros([LINES, STEP], dtype=tl.float64)
        for start in range(0, length, STEP):
            place = start + tl.arange(0, STEP)
            seen = inside[:, None] & (place < length)[None, :]
            size = tl.abs(tl.load(TOKENS + at + place[None, :] * along, mask=seen, other=0.0))
            largest = tl.maximum(largest, tl.where(size < float("inf"), size, 0.0))
        power = tl.max(largest, axis=1).to(tl.int64, bitcast=True) & 0x7FF0000000000000
        power = tl.where(power > 0, power, 0x0010000000000000)
        by = 1.0 / power.to(tl.float64, bitcast=True)
    squares = tl.zeros([LINES, STEP], dtype=tl.float64)
    odd = tl.zeros([LINES, STEP], dtype=tl.int32)
    for start in range(0, length, STEP):
        place = start + tl.arange(0, STEP)
        seen = inside[:, None] & (place < length)[None, :]
        value = tl.load(TOKENS + at + place[None, :] * along, mask=seen, other=0.0).to(tl.float64)
        # NaN is not below infinity either.
        odd = tl.where(tl.abs(value) < float("inf"), odd, 1)
        value *= by[:, None]
        squares += value * value
    norm = tl.sqrt(tl.sum(squares, axis=1))
    any_odd = tl.max(tl.max(odd, axis=1), axis=0)
    tl.store(BAD + image * tl.num_programs(0) + tl.program_id(0), any_odd)
    tl.store(NONZERO + image * lines + line, (norm > 0.0).to(tl.float64), mask=inside)
    scale = tl.full([LINES], 1.0, dtype=tl.float64)
    if SCALED:
        scale = 1.0 / tl.where(norm > 0.0, norm, 1.0)
    else:
        by = tl.full([LINES], 1.0, dtype=tl.float64)
    for start in range(0, length, STEP):
        place = start + tl.arange(0, STEP)
        seen = inside[:, None] & (place < length)[None, :]
        value = tl.load(TOKENS + at + place[None, :] * along, mask=seen, other=0.0).to(tl.float64)
        tl.store(UNIT + at + place[None, :] * along, value * by[:, None] * scale[:, None], mask=seen)
