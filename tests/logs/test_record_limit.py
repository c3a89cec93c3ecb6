"""The log is not filled by records of one kind: some are written, then one per minute counts the rest."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable

import pytest

from monitor.logs.lines import TextLines
from monitor.logs.output import LineHandler
from monitor.logs.record_limit import MOST_KINDS, PERIOD_SECONDS, RecordLimit


class Scene:
    """A limit of 3 records, with a clock and timers set by the test."""

    def __init__(self) -> None:
        self.now = 100.0
        self.written: list[str] = []
        self._due: list[tuple[float, Callable[[], None]]] = []
        self._limit = RecordLimit(
            lambda record: self.written.append(record.getMessage()),
            most=3,
            monotonic=lambda: self.now,
            later=lambda seconds, call: self._due.append((self.now + seconds, call)),
        )

    def log(self, text: str, *, level: int = logging.WARNING, line: int = 1, status: int = 404, count: int = 1) -> None:
        for _ in range(count):
            record = logging.LogRecord("django.request", level, "log.py", line, "%s: %s", ("Refused", text), None)
            record.status_code = status
            if self._limit.filter(record):
                self.written.append(record.getMessage())

    def wait(self, seconds: float) -> None:
        self.now += seconds
        due, self._due = self._due, [each for each in self._due if each[0] > self.now]
        for at, call in due:
            if at <= self.now:
                call()


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_records_beyond_the_limit_are_counted_in_one_record_a_minute(scene: Scene) -> None:
    for number in range(10):
        scene.log(f"/{number}")
        scene.wait(1)
    assert scene.written == ["Refused: /0", "Refused: /1", "Refused: /2"]
    scene.wait(PERIOD_SECONDS)
    assert scene.written[3:] == ["left out 7 more records of django.request within a minute, such as: Refused: /3"]
    scene.log("/again")
    assert scene.written[4:] == ["Refused: /again"]


def test_few_records_are_all_written_without_a_count(scene: Scene) -> None:
    for number in range(9):
        scene.log(f"/{number}")
        scene.wait(25)
    assert len(scene.written) == 9


def test_each_kind_has_its_own_limit(scene: Scene) -> None:
    scene.log("/", count=10)
    for other in ({"line": 2}, {"status": 403}, {"level": logging.ERROR}):
        scene.log("/", count=10, **other)
    assert len(scene.written) == 4 * 3


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.CRITICAL])
def test_chosen_and_critical_records_are_not_limited(scene: Scene, level: int) -> None:
    scene.log("/", level=level, count=50)
    assert len(scene.written) == 50


def test_no_alert_is_left_out() -> None:
    limit = RecordLimit(lambda _record: None, most=3)
    record = logging.LogRecord("monitor.alerts.engine", logging.WARNING, "x.py", 1, "alert", (), None)
    assert all(limit.filter(record) for _ in range(50))


def test_example_is_short(scene: Scene) -> None:
    scene.log("/" + "a" * 16_000, count=4)
    scene.wait(PERIOD_SECONDS)
    assert len(scene.written[-1]) < 200


def test_number_of_counted_kinds_is_limited(scene: Scene) -> None:
    scene.log("/", count=4)
    for line in range(2, MOST_KINDS + 2):
        scene.log("/", line=line)
    assert scene.written.count("Refused: /") == 3 + MOST_KINDS
    scene.log("/")
    assert scene.written.count("Refused: /") == 4 + MOST_KINDS, "the oldest kind begins again"


def test_handler_limits_its_records() -> None:
    written = io.StringIO()
    handler = LineHandler(written)
    handler.setFormatter(TextLines())
    for number in range(1000):
        handler.handle(logging.LogRecord("monitor", logging.WARNING, "x.py", 1, "refused %d", (number,), None))
    assert 1 < len(written.getvalue().splitlines()) < 50
