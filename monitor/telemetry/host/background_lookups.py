"""Questions to the host that can hang: asked in threads, so that a reading waits for none of them longer than a moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import msgspec

PATIENCE_SECONDS = 0.25
"""How long one reading waits for all new questions together. What is known already is never waited for."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Entry(msgspec.Struct, Generic[V]):
    asked_at: float
    answer: V | None = None
    """The last one; None before the first."""
    pending: Future[V] | None = None


class BackgroundLookups(Generic[K, V]):
    """Answers by key. A question that hangs keeps its thread, and the last answer stays; others are asked beside it.

    Used in one thread, except that `ask` is called in others.
    """

    def __init__(
        self,
        ask: Callable[[K], V],
        *,
        seconds_valid: Callable[[V], float],
        most_threads: int,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """`ask` must not raise. `seconds_valid`: after this time an answer is asked for again."""
        self._ask = ask
        self._seconds_valid = seconds_valid
        self._patience = patience_seconds
        self._entries: dict[K, _Entry[V]] = {}
        self._threads = ThreadPoolExecutor(most_threads, thread_name_prefix="lookup")
        self._now = 0.0
        self._patience_left = 0.0

    def begin(self, now: float) -> None:
        """A new reading, at `now` of a monotonic clock."""
        self._now = now
        self._patience_left = self._patience

    def get(self, key: K) -> V | None:
        """The answer; None while there is none yet. Asks if it is new or old, and waits for it within the reading's patience."""
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(self._now)
        elif entry.pending is not None:
            return self._collect(entry)  # asked in an earlier reading: not waited for again
        elif entry.answer is not None and self._now - entry.asked_at < self._seconds_valid(entry.answer):
            return entry.answer
        entry.asked_at = self._now
        entry.pending = self._threads.submit(self._ask, key)
        started = time.monotonic()
        answer = self._collect(entry, seconds=self._patience_left)
        self._patience_left = max(0.0, self._patience_left - (time.monotonic() - started))
        return answer

    def keep_only(self, keys: Collection[K]) -> None:
        """Forget the other keys."""
        if len(self._entries) > len(keys):
            self._entries = {key: entry for key, entry in self._entries.items() if key in keys}

    @staticmethod
    def _collect(entry: _Entry[V], seconds: float = 0.0) -> V | None:
        assert entry.pending is not None
        try:
            entry.answer = entry.pending.result(seconds)
        except TimeoutError:
            return entry.answer
        except BaseException:
            entry.pending = None
            raise
        entry.pending = None
        return entry.answer
