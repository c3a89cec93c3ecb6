"""A connection whose every answer has a time limit, also when the server hangs without closing it.

`statement_timeout` is kept by the server itself, and TCP's own checks are answered by its kernel: a stopped PostgreSQL would
hold a thread for ever.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg

from monitor.postgresql.breaker import Breaker
from monitor.postgresql.errors import brief

Result = TypeVar("Result")


class TimedConnection(psycopg.Connection[Any]):
    """Closes itself if an answer takes longer than `answer_seconds`."""

    answer_seconds: float | None = None
    """None: without a limit."""
    breaker: Breaker | None = None

    def wait(self, gen: Generator[Any, Any, Result], *args: Any, **options: Any) -> Result:
        """Raises psycopg.OperationalError, in one line that names no host, if the connection is lost."""
        limited = gen if self.answer_seconds is None else _within(gen, self.answer_seconds)
        try:
            return super().wait(limited, *args, **options)
        except _NoAnswer as error:
            if self.breaker is not None:
                self.breaker.hangs()
            self.close()
            raise psycopg.OperationalError(f"PostgreSQL did not answer within {error.seconds:g} s") from None
        except psycopg.OperationalError as error:
            if not self.closed:
                raise
            raise psycopg.OperationalError(brief(error)) from error


class _NoAnswer(Exception):
    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


def _within(gen: Generator[Any, Any, Result], seconds: float) -> Generator[Any, Any, Result]:
    """The same generator of libpq's states, ended by _NoAnswer. psycopg resumes it, with 0, at least each 0.1 s."""
    deadline = time.monotonic() + seconds
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() >= deadline:
                raise _NoAnswer(seconds)
            wanted = gen.send(ready)
    except StopIteration as end:
        result: Result = end.value
        return result
