"""Receivers and notifiers that stop with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from monitor.notifications.notifier import Notifier
from monitor.notifications.senders import Sending
from tests.support.outbox_rows import Clock
from tests.support.receivers import Receiver

SEND = Sending().send


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def begin(clock: Clock) -> Iterator[Callable[..., Notifier]]:
    """Starts notifiers, and stops them after the test."""
    begun: list[Notifier] = []

    def start(send: Any = SEND, **options: Any) -> Notifier:
        options = {"clock": clock, "poll_seconds": 0.02, "review_seconds": 15, **options}
        begun.append(Notifier(send, **options))
        begun[-1].start()
        return begun[-1]

    yield start
    for each in begun:
        each.stop()
