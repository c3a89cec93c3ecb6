"""SIGTERM and Ctrl-C end a process whose main thread waits for an event."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from monitor.server.end_signals import set_at_the_end

NUMBERS = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Restores them after the test."""
    before = [signal.getsignal(number) for number in NUMBERS]
    yield
    for number, handler in zip(NUMBERS, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", NUMBERS)
def test_signal_sets_the_event_whatever_the_main_thread_is_doing_with_it(number: signal.Signals) -> None:
    """Regression: an agent that got SIGTERM while it began to wait never ended. So another thread must set the event."""
    setters: list[int] = []

    class Told(threading.Event):
        def set(self) -> None:
            setters.append(threading.get_ident())
            super().set()

    told = Told()
    set_at_the_end(told)
    signal.raise_signal(number)
    assert told.wait(40)
    assert setters != [threading.get_ident()]
