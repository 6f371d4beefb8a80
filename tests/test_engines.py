"""Engines: results in the order of the parts, the first error ends the work, progress from one thread at a time."""

import threading
import time

import pytest

from massivetext.engines import Threads


@pytest.mark.parametrize("count", [1, 2, 5])
def test_results_come_in_the_order_of_the_parts_whichever_is_done_first(count):
    def work(part, advance):
        time.sleep(0.002 * (10 - part))
        return part * part

    assert Threads(count).map_parts(work, range(10)) == [part * part for part in range(10)]


def test_no_parts_give_no_results():
    assert Threads(2).map_parts(lambda part, advance: part, []) == []


def test_progress_is_told_by_one_thread_at_a_time_and_adds_up():
    told, busy = [], threading.Lock()

    def advance(amount, documents):
        assert busy.acquire(blocking=False)
        told.append((amount, documents))
        time.sleep(0.001)
        busy.release()

    def work(part, advance):
        for _ in range(3):
            advance(part, 1)

    Threads(4).map_parts(work, range(8), advance)
    assert sum(amount for amount, _ in told) == 3 * sum(range(8))
    assert sum(documents for _, documents in told) == 24


def test_the_first_error_in_time_is_raised_and_parts_that_wait_are_not_begun():
    begun = []

    def work(part, advance):
        begun.append(part)
        if part == 1:
            raise ValueError("part 1 is bad")
        while True:  # the first part ends only because it is stopped
            time.sleep(0.001)
            advance(1, 0)

    with pytest.raises(ValueError, match="part 1 is bad"):
        Threads(2).map_parts(work, range(50))
    assert len(begun) <= 4


def test_an_error_of_whoever_counts_the_progress_ends_the_work():
    def advance(amount, documents):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Threads(2).map_parts(lambda part, advance: advance(1, 1), range(20), advance)
