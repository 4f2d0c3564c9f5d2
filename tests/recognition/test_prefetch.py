"""Prefetching: same items, no more than asked for, errors in their place, nothing left running."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from gptasr_subs.recognition.prefetch import prefetch


def test_items_come_in_order_fetched_by_another_thread() -> None:
    threads = set()

    def items() -> Iterator[int]:
        for item in range(100):
            threads.add(threading.get_ident())
            yield item

    assert list(prefetch(items(), 3)) == list(range(100))
    assert threads and threading.get_ident() not in threads
    assert list(prefetch([], 3)) == []


def test_no_more_is_fetched_than_may_wait() -> None:
    fetched: list[int] = []
    full = threading.Event()

    def items() -> Iterator[int]:
        for item in range(100):
            fetched.append(item)
            if len(fetched) == 6:  # one given, four waiting, one in the hand of the thread
                full.set()
            yield item

    source = prefetch(items(), 4)
    assert next(source) == 0
    assert full.wait(60)
    source.close()  # type: ignore[attr-defined]
    assert len(fetched) <= 7


def test_an_error_comes_after_what_went_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("damaged")

    source = prefetch(items(), 5)
    assert [next(source), next(source)] == [1, 2]
    with pytest.raises(ValueError, match="damaged"):
        next(source)


@pytest.mark.parametrize("taken", [1, 5])
def test_closing_ends_the_thread_and_closes_the_items(taken: int) -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            closed.set()

    before = threading.active_count()
    source = prefetch(items(), 2)
    for _ in range(taken):
        next(source)
    source.close()  # type: ignore[attr-defined]
    assert closed.is_set() and threading.active_count() == before
