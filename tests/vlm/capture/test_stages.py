"""Overlapping work: results and errors in order, no more at once than asked for, and threads that end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial

import pytest

from otanalysis.vlm.capture.stages import Behind, ahead

LONG = 20.0


def test_results_come_in_order_and_are_made_by_another_thread() -> None:
    threads: set[int] = set()

    def square(number: int) -> int:
        threads.add(threading.get_ident())
        return number**2

    assert list(ahead(range(50), square, depth=3)) == [number**2 for number in range(50)]
    assert len(threads) == 1
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_no_more_tasks_are_taken_than_may_wait(depth: int) -> None:
    taken: list[int] = []

    def tasks() -> Iterator[int]:
        for number in range(12):
            taken.append(number)
            yield number

    with closing(ahead(tasks(), abs, depth=depth)) as made:
        for used, result in enumerate(made):
            assert result == used
            assert len(taken) <= used + depth + 1


def test_the_next_is_made_while_one_is_used() -> None:
    begun = [threading.Event() for _ in range(3)]

    def begin(number: int) -> int:
        begun[number].set()
        return number

    with closing(ahead(range(3), begin, depth=1)) as made:
        assert next(made) == 0
        assert begun[1].wait(LONG)


def divided_by_nothing() -> Iterator[int]:
    """Fail as a source of tasks that breaks off."""
    yield from (4, 2)
    raise ZeroDivisionError


@pytest.mark.parametrize("tasks", [[4, 2, 0, 1], divided_by_nothing()])
def test_an_error_comes_in_its_turn_and_ends_the_thread(tasks: Iterable[int]) -> None:
    before = threading.active_count()
    made = ahead(tasks, lambda number: 8 // number, depth=3)
    assert [next(made), next(made)] == [2, 4]
    with pytest.raises(ZeroDivisionError):
        next(made)
    assert list(made) == []
    assert threading.active_count() == before


def test_who_stops_early_stops_the_thread() -> None:
    before, made = threading.active_count(), ahead(range(1000), abs, depth=2)
    next(made)
    made.close()
    assert threading.active_count() == before


def test_work_is_done_in_order_and_all_of_it_by_the_end() -> None:
    done: list[tuple[int, int]] = []

    def work(number: int) -> None:
        done.append((number, threading.get_ident()))

    before = threading.active_count()
    with Behind(depth=2) as behind:
        for number in range(20):
            behind.hand(partial(work, number))
        behind.finish()
        assert len(done) == 20
    assert [number for number, _ in done] == list(range(20))
    assert {thread for _, thread in done}.isdisjoint({threading.get_ident()})
    assert threading.active_count() == before


def test_who_hands_on_waits_for_room() -> None:
    go_on, handed = threading.Event(), threading.Semaphore(0)

    def hand_all() -> None:
        with Behind(depth=2) as behind:
            for _ in range(5):
                behind.hand(lambda: go_on.wait(LONG))
                handed.release()

    hands = threading.Thread(target=hand_all)
    hands.start()
    try:
        assert all(handed.acquire(timeout=LONG) for _ in range(3))
        assert not handed.acquire(timeout=0.1)
        go_on.set()
        assert all(handed.acquire(timeout=LONG) for _ in range(2))
    finally:
        go_on.set()
        hands.join(LONG)


def hand_on(*works: Callable[[], object], then: BaseException | None = None) -> None:
    """Hand on all works, and then stop."""
    with Behind(depth=1) as behind:
        for work in works:
            behind.hand(work)
        if then is not None:
            raise then


def fail() -> None:
    raise OSError("full")


def test_nothing_is_done_after_what_failed() -> None:
    done: list[int] = []
    with pytest.raises(OSError, match="full"):
        hand_on(lambda: done.append(0), fail, *[lambda: done.append(2)] * 4)
    assert done == [0]


@pytest.mark.parametrize("stop", [RuntimeError(), KeyboardInterrupt()])
def test_a_block_that_stops_leaves_what_was_handed_on_done(stop: BaseException) -> None:
    done: list[int] = []
    with pytest.raises(type(stop)):
        hand_on(lambda: done.append(0), lambda: done.append(1), then=stop)
    assert done == [0, 1]


def test_the_earlier_error_is_the_one_that_is_told() -> None:
    with pytest.raises(OSError, match="full"):
        hand_on(fail, then=RuntimeError("later"))
