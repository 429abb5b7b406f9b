"""The bounded queue: its order, what it drops when it is full, and how waiting ends."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from live.process.bounded_queue import BoundedQueue, WhenFull


def _large(item: int) -> bool:
    return item >= 10


def _last_digit(item: int) -> int | None:
    return item % 10 or None


def filled(when_full: WhenFull, *items: int) -> BoundedQueue[int]:
    """A queue of three, into which the items were put. Large ones are expendable; the newest of a last digit counts."""
    queue: BoundedQueue[int] = BoundedQueue(3, when_full, _large, _last_digit)
    for item in items:
        queue.put(item)
    return queue


def test_the_oldest_is_taken_first() -> None:
    queue = filled(WhenFull.REFUSE, 1, 2, 3)
    assert len(queue) == 3
    assert [queue.take(), queue.take(), queue.take(), queue.take()] == [1, 2, 3, None]
    assert queue.dropped == 0


@pytest.mark.parametrize(
    ("when_full", "kept", "dropped"),
    [(WhenFull.REFUSE, [1, 2, 3], 2), (WhenFull.DROP_OLDEST, [3, 4, 5], 2), (WhenFull.DROP_ALL, [4, 5], 3)],
)
def test_full_it_drops_by_its_policy_and_counts(when_full: WhenFull, kept: list[int], dropped: int) -> None:
    queue = filled(when_full, 1, 2, 3, 4, 5)
    assert queue.take_all() == kept
    assert queue.dropped == dropped
    assert queue.take_all() == []


def test_what_is_refused_is_told_to_who_puts_it() -> None:
    queue = filled(WhenFull.REFUSE, 1, 2, 3)
    assert not queue.put(4)
    queue.take()
    assert queue.put(5)


@pytest.mark.parametrize(
    ("items", "left"),
    [
        ((1, 20, 3, 4), [1, 3, 4]),
        ((1, 2, 3, 4), [1, 2, 3, 4]),
        ((1, 2, 3, 2), [1, 3, 2]),
        ((2, 2, 3, 4), [2, 3, 4]),
        ((0, 0, 0, 0), [0, 0, 0, 0]),
    ],
    ids=["expendable", "none to spare", "replaced by the one that comes", "replaced", "replaces nothing"],
)
def test_what_can_be_spared_makes_room(items: tuple[int, ...], left: list[int]) -> None:
    assert filled(WhenFull.DROP_EXPENDABLE, *items).take_all() == left


def test_closed_it_takes_no_more_and_gives_what_it_has() -> None:
    queue = filled(WhenFull.DROP_OLDEST, 1)
    queue.close()
    assert queue.closed
    assert not queue.put(2)
    assert queue.take(None) == 1
    assert queue.take(None) is None, "waits for nothing"
    assert queue.dropped == 0


def test_wake_ends_one_take_and_loses_nothing() -> None:
    queue = filled(WhenFull.REFUSE)
    queue.wake()
    assert queue.take(None) is None
    queue.wake()
    queue.put(1)
    assert queue.take(None) == 1


def test_waiting_ends_with_an_item_with_room_and_with_the_end() -> None:
    queue = filled(WhenFull.REFUSE)
    with ThreadPoolExecutor(1) as other:
        taken = other.submit(queue.take, None)
        queue.put(1)
        assert taken.result(5) == 1
        for item in (1, 2, 3):
            queue.put(item)
        put = other.submit(queue.put, 4, 60.0)
        assert queue.take() == 1
        assert put.result(5), "there was room in the end"
        waiting = other.submit(queue.put, 5, 60.0)
        queue.close()
        assert not waiting.result(5)
        assert queue.take_all() == [2, 3, 4]
        assert other.submit(queue.take, None).result(5) is None


def test_no_item_is_lost_or_taken_twice_between_threads() -> None:
    queue: BoundedQueue[int] = BoundedQueue(8, WhenFull.REFUSE)
    taken: list[int] = []

    def take_until_closed() -> None:
        while (item := queue.take(None)) is not None:
            taken.append(item)

    thread = threading.Thread(target=take_until_closed)
    thread.start()
    assert all(queue.put(item, 60.0) for item in range(2000))
    queue.close()
    thread.join(10)
    assert taken == list(range(2000))
    assert queue.dropped == 0
