"""Callers that arrive meanwhile are served together, each with its own result."""

import time
from collections.abc import Sequence
from threading import Event, Thread

import pytest

from monitoring.traffic.together import Together


class Gate:
    """Work that stops at the gate until it is opened; notes its rounds."""

    def __init__(self) -> None:
        self.rounds: list[list[int]] = []
        self.is_entered, self.opened = Event(), Event()

    def run(self, items: Sequence[int]) -> list[int | BaseException]:
        self.rounds.append(list(items))
        self.is_entered.set()
        self.opened.wait(5)
        return [ValueError("three") if item == 3 else item * 10 for item in items]


def call_in_threads(together: Together[int, int], items: Sequence[int]) -> tuple[list[Thread], dict[int, object]]:
    results: dict[int, object] = {}

    def call(item: int) -> None:
        try:
            results[item] = together(item)
        except ValueError as error:
            results[item] = str(error)

    threads = [Thread(target=call, args=(item,)) for item in items]
    for thread in threads:
        thread.start()
    return threads, results


def test_a_lone_caller_is_served_at_once() -> None:
    together: Together[int, int] = Together(lambda items: [item + 1 for item in items], at_most=4)

    assert [together(1), together(5)] == [2, 6]


def test_those_who_wait_share_the_next_round_and_each_gets_its_own_answer() -> None:
    gate = Gate()
    together = Together(gate.run, at_most=8)
    first, answers = call_in_threads(together, [1])
    gate.is_entered.wait(5)
    others, more = call_in_threads(together, [2, 3, 4])
    while len(together._waiting) < 3:
        pass

    gate.opened.set()
    for thread in first + others:
        thread.join(5)

    assert answers | more == {1: 10, 2: 20, 3: "three", 4: 40}
    assert [sorted(items) for items in gate.rounds] == [[1], [2, 3, 4]]


def test_a_round_has_a_size_and_nobody_is_left_behind() -> None:
    gate = Gate()
    together = Together(gate.run, at_most=2)
    first, answers = call_in_threads(together, [1])
    gate.is_entered.wait(5)
    others, more = call_in_threads(together, [5, 6, 7, 8, 9])
    while len(together._waiting) < 5:
        pass

    gate.opened.set()
    for thread in first + others:
        thread.join(5)

    assert answers | more == {item: item * 10 for item in (1, 5, 6, 7, 8, 9)}
    assert max(map(len, gate.rounds)) == 2


def test_work_that_fails_fails_for_its_round_only() -> None:
    rounds = iter([OSError("the disk"), None])

    def run(items: Sequence[int]) -> Sequence[int | BaseException]:
        if error := next(rounds):
            raise error
        return items

    together: Together[int, int] = Together(run, at_most=2)

    with pytest.raises(OSError, match="the disk"):
        together(1)
    assert together(2) == 2


def test_there_is_one_round_at_a_time() -> None:
    running: list[int] = []
    overlaps: list[int] = []

    def run(items: Sequence[int]) -> Sequence[int]:
        running.append(1)
        overlaps.append(len(running))
        time.sleep(0.0005)
        running.pop()
        return items

    together: Together[int, int] = Together(run, at_most=3)

    def call_often() -> None:
        for item in range(30):
            assert together(item) == item

    threads = [Thread(target=call_often) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert max(overlaps) == 1
    assert not any(thread.is_alive() for thread in threads)
