"""A user is a number until the name is known, and a directory service that is away delays no reading."""

from __future__ import annotations

import os
import pwd
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from monitor.telemetry.host.processes import ProcessTable
from monitor.telemetry.host.user_names import KNOWN_SECONDS, UNKNOWN_SECONDS, UserNames
from monitor.telemetry.schema import Gpu, GpuProcess
from tests.support.linux_host import FakeHost

Lookup = Callable[[int], str]


@pytest.fixture
def answer_with(monkeypatch: pytest.MonkeyPatch) -> Callable[[Lookup], list[int]]:
    """Replaces the directory; returns the list of the numbers it is asked for."""

    def install(lookup: Lookup) -> list[int]:
        asked: list[int] = []

        def getpwuid(uid: int) -> SimpleNamespace:
            asked.append(uid)
            return SimpleNamespace(pw_name=lookup(uid))

        monkeypatch.setattr(pwd, "getpwuid", getpwuid)
        return asked

    return install


@pytest.fixture
def directory_is_back() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def unknown(uid: int) -> str:
    raise KeyError(uid)


def test_name_is_asked_for_once(answer_with: Callable[[Lookup], list[int]]) -> None:
    asked = answer_with(lambda uid: f"user{uid}")
    names = UserNames()
    for second in range(5):
        names.begin(float(second))
        assert names.name_of(7) == "user7"
    assert asked == [7]
    names.begin(KNOWN_SECONDS)
    names.name_of(7)
    assert asked == [7, 7]


def test_user_without_a_name_is_a_number_and_not_asked_for_at_each_reading(
    answer_with: Callable[[Lookup], list[int]],
) -> None:
    asked = answer_with(unknown)
    names = UserNames()
    for second in range(5):
        names.begin(float(second))
        assert names.name_of(4242) == "4242"
    assert asked == [4242]
    names.begin(UNKNOWN_SECONDS)
    names.name_of(4242)
    assert asked == [4242, 4242]


def test_reading_goes_on_with_the_number_while_the_directory_hangs(
    host: FakeHost, answer_with: Callable[[Lookup], list[int]], directory_is_back: threading.Event
) -> None:
    """A look-up of 25 s in each reading left no reading at all, and was reported as a driver that does not answer."""

    def hanging(_: int) -> str:
        directory_is_back.wait(60)
        return "mira"

    answer_with(hanging)
    host.process(41207)
    table = ProcessTable(str(host.root))
    gpus = (Gpu(index=0, uuid="GPU-0", name="H100", processes=(GpuProcess(pid=41207),)),)

    def user(now: float) -> str | None:
        (gpu,) = table.describe(gpus, now)
        assert gpu.processes is not None
        assert gpu.processes[0].command == "python3 train.py"
        return gpu.processes[0].user

    assert [user(1.0), user(2.0), user(100.0)] == [str(os.getuid())] * 3
    directory_is_back.set()
    give_up_at = time.monotonic() + 20
    while user(101.0) != "mira":
        assert time.monotonic() < give_up_at
