"""A question that hangs delays neither a reading nor another question, and its answer comes when it comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from monitor.telemetry.host.background_lookups import BackgroundLookups


class Directory:
    """Answers with the key's length; "slow" keys only once released."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.released = threading.Event()

    def ask(self, key: str) -> int:
        self.asked.append(key)
        if key.startswith("slow"):
            self.released.wait(30)
        return len(key)


@pytest.fixture
def directory() -> Iterator[Directory]:
    directory = Directory()
    yield directory
    directory.released.set()


def lookups(directory: Directory, *, patience: float = 10.0, threads: int = 4) -> BackgroundLookups[str, int]:
    return BackgroundLookups(
        directory.ask, seconds_valid=lambda _: 30.0, most_threads=threads, patience_seconds=patience
    )


def until(is_it: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 20
    while not is_it():
        assert time.monotonic() < give_up_at
        time.sleep(0.005)


def test_quick_answer_comes_in_the_same_reading_and_is_kept(directory: Directory) -> None:
    asking = lookups(directory)
    asking.begin(100.0)
    assert (asking.get("ab"), asking.get("ab")) == (2, 2)
    asking.begin(129.0)
    assert asking.get("ab") == 2
    assert directory.asked == ["ab"]
    asking.begin(130.0)
    asking.get("ab")
    assert directory.asked == ["ab", "ab"]


def test_question_that_hangs_is_not_waited_for_again_and_answers_late(directory: Directory) -> None:
    asking = lookups(directory, patience=0.01)
    asking.begin(100.0)
    assert asking.get("slow") is None
    assert asking.get("slow") is None
    asking.begin(200.0)
    assert asking.get("slow") is None
    assert directory.asked == ["slow"]
    directory.released.set()
    until(lambda: asking.get("slow") == 4)


def test_old_answer_stays_while_a_new_one_is_late(directory: Directory) -> None:
    directory.released.set()
    asking = lookups(directory, patience=0.01)
    asking.begin(100.0)
    until(lambda: asking.get("slow") == 4)
    directory.released.clear()
    asking.begin(140.0)
    assert asking.get("slow") == 4
    assert directory.asked == ["slow", "slow"]


def test_others_are_answered_beside_those_that_hang(directory: Directory) -> None:
    impatient = lookups(directory, patience=0.0, threads=3)
    impatient.begin(100.0)
    assert [impatient.get("slow1"), impatient.get("slow2")] == [None, None]
    until(lambda: impatient.get("quick") == 5)


def test_keys_no_longer_wanted_are_forgotten(directory: Directory) -> None:
    asking = lookups(directory)
    asking.begin(100.0)
    asking.get("a")
    asking.get("bb")
    asking.keep_only({"bb"})
    asking.get("a")
    asking.get("bb")
    assert directory.asked == ["a", "bb", "a"]


def test_error_of_a_question_is_raised_and_the_question_asked_again() -> None:
    answers: list[Callable[[], int]] = [lambda: 1 // 0, lambda: 7]
    asking: BackgroundLookups[str, int] = BackgroundLookups(
        lambda _: answers.pop(0)(), seconds_valid=lambda _: 1.0, most_threads=1, patience_seconds=10
    )
    asking.begin(0.0)
    with pytest.raises(ZeroDivisionError):
        asking.get("a")
    assert asking.get("a") == 7
